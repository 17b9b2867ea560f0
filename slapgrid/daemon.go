package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/slapos/slapos-go/internal/supervise"
	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/slapgrid/internal/child"
)

// shutdownTries is how often a daemon in its shutdown is waited for: 4, 6, 8,
// 10 and 12 seconds.
const shutdownTries = 5

// answerPatience is how long an answer to a question that the daemon need not
// think about is waited for. One that reads thousands of files is busy meanwhile.
const answerPatience = time.Minute

// daemon is the [Supervisor] behind the socket of the instance root: the
// embedded one or the real supervisord, which are driven alike.
type daemon struct {
	node   *Node
	cfg    *Config
	log    *slog.Logger
	conf   string
	socket func() string
	// patience is answerPatience, less in tests.
	patience time.Duration
	// updating makes updates follow one another: each reads all the files.
	updating sync.Mutex
}

var _ Supervisor = (*daemon)(nil)

func newDaemon(n *Node) *daemon {
	return &daemon{node: n, cfg: &n.cfg, log: n.log, conf: n.supervisorConf(), socket: n.socketPath, patience: answerPatience}
}

// call runs f with a client of the daemon.
func (d *daemon) call(f func(c *client.Client) error) error {
	c, err := client.New(d.socket(), client.WithLogger(d.log))
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// Ensure uses whatever daemon answers on the socket, so that there are never
// two on one instance root, and launches the configured one otherwise.
func (d *daemon) Ensure(ctx context.Context) error {
	running, err := d.answers(ctx)
	if err != nil {
		return err
	}
	if running {
		d.log.DebugContext(ctx, "Supervisord already running.")
		return d.refreshWatchdog(ctx)
	}
	d.log.InfoContext(ctx, "Launching supervisord with clean environment.")
	command, err := d.launchCommand()
	if err != nil {
		return err
	}
	err = d.node.withoutDamage(ctx, func() error {
		return supervise.Launch(ctx, supervise.LaunchOptions{
			Command: command, ConfigFile: d.conf, Env: []string{}, Logger: d.log,
		})
	})
	if errors.Is(err, supervise.ErrAlreadyRunning) {
		return nil // somebody else was faster
	}
	if err != nil {
		return compatf("Failed to launch supervisord:\n%w", err)
	}
	return nil
}

// answers tells whether a daemon serves the socket, waiting for one that is
// shutting down to be gone.
func (d *daemon) answers(ctx context.Context) (bool, error) {
	if _, err := os.Lstat(d.socket()); err != nil {
		return false, nil
	}
	for try := range shutdownTries {
		var state client.DaemonState
		err := d.call(func(c *client.Client) (err error) {
			ctx, cancel := context.WithTimeoutCause(ctx, d.patience, errDeaf)
			defer cancel()
			if state, err = c.State(ctx); err != nil && errors.Is(context.Cause(ctx), errDeaf) {
				err = errDeaf
			}
			return err
		})
		switch {
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		case client.IsFault(err, client.FaultShutdownState) || err == nil && state == client.DaemonShutdown:
			d.log.InfoContext(ctx, "Supervisor in shutdown procedure, will check again later.")
			if err := sleep(ctx, time.Duration(4+2*try)*time.Second); err != nil {
				return false, err
			}
		case isRefusal(err):
			return false, nil
		case err != nil:
			return false, fmt.Errorf("supervisor on %s: %w", d.socket(), err)
		default:
			if state != client.DaemonRunning {
				d.log.WarnContext(ctx, "Unknown supervisord state. Will try to start.", "state", int(state))
			}
			return state == client.DaemonRunning, nil
		}
	}
	return false, nil
}

// errDeaf tells that a daemon accepts calls without answering them.
var errDeaf = errors.New("it does not answer (end it and run the pass again)")

// isRefusal tells that nobody listens on the socket.
func isRefusal(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// launchCommand is the command line of the daemon to launch. auto launches the
// embedded one.
func (d *daemon) launchCommand() ([]string, error) {
	if d.cfg.Supervisor == SupervisorReal {
		program := d.cfg.SupervisordCommand[0]
		path, err := lookPath(d.cfg.Environ, program)
		if err != nil {
			return nil, fmt.Errorf("supervisor = supervisord: %w (install it, name it with the key supervisord, or use supervisor = embedded)", err)
		}
		args := append([]string{path}, d.cfg.SupervisordCommand[1:]...)
		return append(args, "-c", d.conf), nil
	}
	if len(d.cfg.SupervisorCommand) == 0 {
		return nil, errors.New("no supervisor answers and no command to launch one is configured")
	}
	return append(append([]string{}, d.cfg.SupervisorCommand...), d.conf), nil
}

// refreshWatchdog loads the event listener again if it is not up.
func (d *daemon) refreshWatchdog(ctx context.Context) error {
	const watchdog = "watchdog"
	if d.cfg.WatchdogProgram == "" {
		return nil
	}
	if _, err := os.Stat(d.cfg.WatchdogProgram); err != nil {
		return nil // it could not start anyway
	}
	return d.call(func(c *client.Client) error {
		info, err := c.ProcessInfo(ctx, watchdog)
		if err != nil && !client.IsFault(err, client.FaultBadName) {
			return err
		}
		if err == nil && isUp(info.State) || err == nil && info.State == client.Backoff {
			return nil
		}
		d.updating.Lock()
		defer d.updating.Unlock()
		if err := c.RemoveProcessGroup(ctx, watchdog); err != nil && !client.IsFault(err, client.FaultBadName) {
			return err
		}
		if _, err := c.ReloadConfig(ctx); err != nil {
			return err
		}
		return c.AddProcessGroup(ctx, watchdog)
	})
}

// Update implements [Supervisor].
func (d *daemon) Update(ctx context.Context) error {
	d.updating.Lock()
	defer d.updating.Unlock()
	err := d.node.withoutDamage(ctx, func() error {
		return d.call(func(c *client.Client) error {
			_, err := c.Update(ctx)
			return err
		})
	})
	if client.IsFault(err, client.FaultCantReread) {
		return fmt.Errorf("%w (mend or remove that file and run the pass again)", err)
	}
	return err
}

// Start implements [Supervisor].
func (d *daemon) Start(ctx context.Context, group string) (bool, error) {
	known := true
	err := d.call(func(c *client.Client) error {
		_, err := c.StartProcessGroup(ctx, group, false)
		if client.IsFault(err, client.FaultBadName) {
			known, err = false, nil
		}
		return err
	})
	return known, err
}

// StartAll implements [Supervisor].
func (d *daemon) StartAll(ctx context.Context) error {
	return d.call(func(c *client.Client) error {
		_, err := c.StartAll(ctx, false)
		return err
	})
}

// Running implements [Supervisor].
func (d *daemon) Running(ctx context.Context, process string) (bool, error) {
	var running bool
	err := d.call(func(c *client.Client) error {
		info, err := c.ProcessInfo(ctx, process)
		if client.IsFault(err, client.FaultBadName) {
			return nil
		}
		running = isUp(info.State)
		return err
	})
	return running, err
}

func isUp(s client.State) bool { return s == client.Running || s == client.Starting }

// lookPath finds a program in the PATH of an environment.
func lookPath(environ []string, program string) (string, error) {
	if strings.Contains(program, "/") {
		return program, nil
	}
	for _, dir := range filepath.SplitList(child.Lookup(environ, "PATH")) {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("program %s not found in PATH", program)
}

// sleep waits, or returns early with the reason why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
