package slapgrid

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/slapos/slapos-go/internal/descriptors"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid/internal/child"
)

// Node runs the passes of one machine. Two passes may not run at the same
// time on one pair of roots: commands take the pid file first, see
// [AcquireLock]. Within a pass jobs run in parallel.
type Node struct {
	cfg        Config
	log        *slog.Logger
	client     *slap.Client
	now        func() time.Time
	builders   []Builder
	supervisor Supervisor
	promises   PromiseRunner
	terminal   *child.Terminal
	http       *http.Client
	ledger     *child.Ledger
	// survivors are what is left of earlier passes and cannot be ended.
	survivors []child.Survivor
}

// Option changes what [New] makes.
type Option func(*Node) error

// WithLogger sends what the agent tells to a logger; without it nothing is
// logged. Lines that the reference's agent logs too have the same text.
func WithLogger(log *slog.Logger) Option {
	return func(n *Node) error { n.log = log; return nil }
}

// WithClient talks to the master through a client of the caller's making,
// instead of one made from the configuration.
func WithClient(client *slap.Client) Option {
	return func(n *Node) error { n.client = client; return nil }
}

// WithClock replaces the clock.
func WithClock(now func() time.Time) Option {
	return func(n *Node) error { n.now = now; return nil }
}

// WithBuilder adds a builder that is asked before the others whether a release
// is of its kind.
func WithBuilder(b Builder) Option {
	return func(n *Node) error {
		if b == nil {
			return errors.New("the builder is nil")
		}
		n.builders = append(n.builders, b)
		return nil
	}
}

// WithSupervisor replaces the daemon that keeps processes.
func WithSupervisor(s Supervisor) Option {
	return func(n *Node) error { n.supervisor = s; return nil }
}

// WithPromiseRunner replaces what checks promises.
func WithPromiseRunner(r PromiseRunner) Option {
	return func(n *Node) error { n.promises = r; return nil }
}

// WithTerminal gives the streams that a buildout in debug mode talks to;
// without it debug mode is refused.
func WithTerminal(stdin, stdout, stderr *os.File) Option {
	return func(n *Node) error {
		n.terminal = &child.Terminal{Stdin: stdin, Stdout: stdout, Stderr: stderr}
		return nil
	}
}

// WithHTTPClient downloads archives of program releases through a client of
// the caller's making, with its proxies and authorities.
func WithHTTPClient(c *http.Client) Option {
	return func(n *Node) error { n.http = c; return nil }
}

// New makes a node from a configuration. It does no I/O; see
// [Config.Validate] for the checks that do.
func New(cfg Config, opts ...Option) (*Node, error) {
	if err := cfg.checkFields(); err != nil {
		return nil, err
	}
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg.clone()}
	for _, opt := range opts {
		if err := opt(n); err != nil {
			return nil, err
		}
	}
	n.complete()
	if n.client == nil {
		client, err := cfg.newClient(n.log)
		if err != nil {
			return nil, err
		}
		n.client = client
	}
	n.ledger = &child.Ledger{Dir: filepath.Join(n.cfg.InstanceRoot, "var", "run", "slapgrid"), Log: n.log}
	n.builders = append(n.builders, newBuildoutBuilder(n), newProgramBuilder(n))
	if n.supervisor == nil {
		n.supervisor = newDaemon(n)
	}
	if n.promises == nil {
		n.promises = &promiseLauncher{n}
	}
	return n, nil
}

// complete fills in what no option has given.
func (n *Node) complete() {
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if n.now == nil {
		n.now = time.Now
	}
	if n.http == nil {
		n.http = &http.Client{Transport: &http.Transport{
			TLSHandshakeTimeout: time.Minute, ResponseHeaderTimeout: time.Minute,
		}}
	}
}

// newClient makes the client that the configuration describes.
func (c *Config) newClient(log *slog.Logger) (*slap.Client, error) {
	opts := []slap.Option{slap.WithLogger(log)}
	if c.CertFile != "" {
		opts = append(opts, slap.WithKeyPair(c.CertFile, c.KeyFile))
	}
	if c.MasterCAFile != "" {
		opts = append(opts, slap.WithCAFile(c.MasterCAFile))
	}
	if c.SkipMasterVerification {
		opts = append(opts, slap.WithoutVerification())
	}
	return slap.New(c.MasterURL, opts...)
}

// Bang asks the master to have every partition of the node processed again.
func (n *Node) Bang(ctx context.Context, message string) error {
	return n.client.Computer(n.cfg.ComputerID).Bang(ctx, message)
}

// EnsureSupervisor writes the configuration of the supervisor and launches one
// if none answers on the socket, whatever ForbidSupervisordLaunch says.
func (n *Node) EnsureSupervisor(ctx context.Context) error {
	if err := n.WriteSupervisorConf(ctx); err != nil {
		return err
	}
	return n.supervisor.Ensure(ctx)
}

// WriteSupervisorConf writes the configuration of the supervisor, without an
// event listener, and launches nothing.
func (n *Node) WriteSupervisorConf(context.Context) error {
	if err := n.checkRoots(); err != nil {
		return err
	}
	return n.writeSupervisorConf("")
}

// SupervisorAnswers tells whether a supervisor serves the instance root.
func (n *Node) SupervisorAnswers(ctx context.Context) (bool, error) {
	return newDaemon(n).answers(ctx)
}

// begin is what every pass but Promises starts with: the roots are there and
// the supervisor's configuration is what it should be.
func (n *Node) begin(ctx context.Context) error {
	if err := n.checkRoots(); err != nil {
		return err
	}
	if err := descriptors.Seal(); err != nil {
		return err
	}
	if err := n.endSurvivors(ctx); err != nil {
		return err
	}
	for _, name := range n.cfg.Managers {
		n.log.WarnContext(ctx, "manager is configured but not available in this version", "manager", name)
	}
	if n.cfg.Firewall {
		n.log.WarnContext(ctx, "[firewall] is configured but not available in this version: no rule is set")
	}
	return n.writeSupervisorConf(n.watchdogCommand())
}

func (n *Node) checkRoots() error {
	for _, root := range []string{n.cfg.SoftwareRoot, n.cfg.InstanceRoot} {
		if _, err := os.Stat(root); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return compatf("%s does not exist.", root)
			}
			return err
		}
	}
	return nil
}

// releaseDirectory is where a release lives: the software root and the md5 of
// its URL.
func (n *Node) releaseDirectory(url string) string {
	return filepath.Join(n.cfg.SoftwareRoot, releaseKey(url))
}

// releaseKey is the md5 of the URL in hexadecimal digits.
func releaseKey(url string) string {
	sum := md5.Sum([]byte(url))
	return hex.EncodeToString(sum[:])
}
