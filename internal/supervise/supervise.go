package supervise

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// ErrAlreadyRunning is wrapped by the error of Run and Launch when another
// daemon serves the same instance root.
var ErrAlreadyRunning = errors.New("another supervisor daemon is already running")

// Options configure Run.
type Options struct {
	// ConfigFile is the path of supervisord.conf. Required.
	ConfigFile string
	// Logger receives what the daemon has to say, in addition to the log file that the
	// configuration names. Nil: only that file.
	Logger *slog.Logger
}

// Run serves until the shutdown method is called or ctx ends; both stop all
// processes first, like SIGTERM does to supervisord. The command that calls it
// turns SIGTERM and SIGINT into the end of ctx.
func Run(ctx context.Context, o Options) error {
	return errors.ErrUnsupported
}

// LaunchOptions configure Launch.
type LaunchOptions struct {
	// Command is the argument vector of a program that calls Run, or of the
	// real supervisord, which detaches by itself ({python, supervisord, -c, conf}).
	Command []string
	// ConfigFile is the path of supervisord.conf: it names the socket to wait for.
	ConfigFile string
	// Env is the environment of the daemon; nil means empty (slapgrid.md 4.3).
	Env []string
	// Timeout bounds the wait for the socket to answer. Zero: one minute.
	Timeout time.Duration
	// Logger is told about progress. Nil: silence.
	Logger *slog.Logger
}

// Launch starts a daemon in a session of its own, detached from the caller,
// and waits until it answers that it is RUNNING. What a daemon that fails to
// start has printed is in the error.
func Launch(ctx context.Context, o LaunchOptions) error {
	return errors.ErrUnsupported
}
