package slapgrid

import (
	"context"
	"errors"
	"log/slog"
)

// Node runs the passes of one machine. Its passes may not run at the same
// time on one pair of roots: commands take the pid file first, see
// [AcquireLock].
type Node struct {
	cfg Config
	log *slog.Logger
}

// Option changes what [New] makes.
type Option func(*Node) error

// WithLogger sends what the agent tells to a logger; without it nothing is
// logged.
func WithLogger(log *slog.Logger) Option {
	return func(n *Node) error { n.log = log; return nil }
}

// New makes a node from a configuration. It does no I/O.
func New(cfg Config, opts ...Option) (*Node, error) {
	n := &Node{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		if err := opt(n); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// SoftwareOptions tune [Node.Software].
type SoftwareOptions struct {
	// Force builds again what is already built.
	Force bool
	// Only limits the pass to these releases, given by URL or by the md5 of
	// the URL; empty means all. As documented, naming a release forces it.
	Only []string
	// BuildoutDebug runs buildout with its debugger on the agent's terminal.
	BuildoutDebug bool
}

// InstanceOptions tune [Node.Instances].
type InstanceOptions struct {
	// Force processes partitions that are up to date.
	Force bool
	// Only limits the pass to these partitions and forces them; unknown ids
	// are an error and nothing is processed. Empty means all.
	Only []string
	// ForceStop stops started partitions and leaves them unreported.
	ForceStop bool
	// BuildoutDebug runs buildout with its debugger on the agent's terminal.
	BuildoutDebug bool
}

// PromiseOptions tune [Node.Promises].
type PromiseOptions struct {
	// Only limits the pass to these partitions; empty means all.
	Only []string
}

// UsageOptions tune [Node.Usage].
type UsageOptions struct{}

var errNotYet = errors.New("slapgrid: not available yet")

// Software builds the releases the master wants and removes the others.
func (n *Node) Software(ctx context.Context, o SoftwareOptions) (*Report, error) { return nil, errNotYet }

// Instances makes the partitions match what the master asks for.
func (n *Node) Instances(ctx context.Context, o InstanceOptions) (*Report, error) {
	return nil, errNotYet
}

// Promises checks the started partitions; nothing is posted.
func (n *Node) Promises(ctx context.Context, o PromiseOptions) (*Report, error) { return nil, errNotYet }

// Usage sends usage reports and destroys the partitions that have to go.
func (n *Node) Usage(ctx context.Context, o UsageOptions) (*Report, error) { return nil, errNotYet }

// Bang asks the master to have every partition of the node processed again.
func (n *Node) Bang(ctx context.Context, message string) error { return errNotYet }

// EnsureSupervisor writes the configuration of the supervisor and launches one
// if none answers on the socket.
func (n *Node) EnsureSupervisor(ctx context.Context) error { return errNotYet }
