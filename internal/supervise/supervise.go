package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slapos/slapos-go/internal/atomicfile"
	"github.com/slapos/slapos-go/internal/descriptors"
	"github.com/slapos/slapos-go/internal/supervise/client"
)

// ErrAlreadyRunning is wrapped by the error of Run and Launch when another
// daemon serves the same instance root.
var ErrAlreadyRunning = errors.New("another supervisor daemon is already running")

// Options configure Run.
type Options struct {
	// ConfigFile is the path of supervisord.conf. Required.
	ConfigFile string
	// Env is what programs inherit and %(ENV_x)s may name; nil means nothing.
	Env []string
	// Logger receives what the daemon has to say, in addition to the log file that the
	// configuration names. Nil: only that file.
	Logger *slog.Logger
}

// Run serves until the shutdown method is called or ctx ends; both stop all
// processes first, like SIGTERM does to supervisord. The command that calls it
// turns SIGTERM and SIGINT into the end of ctx. A process that calls Run does
// nothing else: the umask of the configuration is set for all of it, and SIGQUIT
// ends it, SIGHUP begins it again and SIGUSR2 opens its log file again, as with
// supervisord.
func Run(ctx context.Context, o Options) error {
	if err := descriptors.Seal(); err != nil {
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR2)
	defer signal.Stop(signals)
	// Somebody who no longer reads what is printed is no reason to leave all
	// processes alone. To ignore the signal would be inherited by them.
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, unix.SIGPIPE)
	defer signal.Stop(unread)
	for {
		again, err := runOnce(ctx, o, signals)
		if err != nil || !again || ctx.Err() != nil {
			return err
		}
	}
}

// runOnce is one life of the daemon, from reading its configuration on. It
// returns true if it was told to begin again.
func runOnce(ctx context.Context, o Options, signals <-chan os.Signal) (again bool, err error) {
	cfg, err := loadConfig(o.ConfigFile, o.Env)
	if err != nil {
		return false, err
	}
	lock, err := acquire(ctx, cfg)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	defer unix.Umask(unix.Umask(cfg.umask))

	main, err := openMainLog(logConfig{File: cfg.logFile, MaxBytes: cfg.logMaxBytes, Backups: cfg.logBackups}, cfg.logLevel)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, main.close()) }()
	log := slog.New(handler{log: main})
	if o.Logger != nil {
		log = slog.New(slog.NewMultiHandler(handler{log: main}, o.Logger.Handler()))
	}

	left, err := readState(cfg.stateFile())
	if err != nil {
		return false, err
	}
	if left != nil && left.Version == 0 {
		log.Error("the state file cannot be read: looking for processes by their environment", "file", cfg.stateFile())
	}
	listener, err := listen(ctx, cfg)
	if err != nil {
		return false, err
	}
	d := newDaemon(cfg, o.Env, log, main)
	server := newServer(d, listener)
	pid := os.Getpid()
	if err := atomicfile.Write(cfg.pidFile, []byte(strconv.Itoa(pid)+"\n"), 0o644); err != nil {
		log.Error("cannot write the pid file", "file", cfg.pidFile, "error", err) // a full disk must not end all services
	}
	d.locked(func() { err = d.begin(left) })
	if err != nil {
		close(d.quit)
		d.abandon()
		return false, errors.Join(err, server.stop(), remove(cfg.socket), remove(cfg.pidFile))
	}
	log.Info("supervisor started", "pid", pid)
	d.wait.Go(d.rotateLoop)
	if adoptsOrphans() {
		d.wait.Go(d.reapLoop)
	}
	d.wait.Go(server.serve)
	again = d.loop(ctx, signals)
	close(d.quit)
	err = server.stop()
	d.abandon()
	// The pid file goes last: who waits for the end looks at it.
	return again, errors.Join(err, remove(cfg.socket), remove(cfg.stateFile()), remove(cfg.pidFile))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// lockPatience is how long the lock of a daemon that is just ending is waited for.
const lockPatience = 2 * time.Second

// acquire takes the lock that keeps a second daemon away. It ends with the process,
// however that ends, and is not inherited.
func acquire(ctx context.Context, cfg *config) (io.Closer, error) {
	path := cfg.pidFile + ".lock"
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock of the supervisor: %w", err)
	}
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(20 * time.Millisecond) {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // descriptors are small
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) || ctx.Err() != nil || runs(ctx, cfg) {
			break
		}
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("%w (it holds %s)", ErrAlreadyRunning, path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// runs tells whether a daemon serves the socket and is not about to end. To wait for
// its lock would be to take its place later, when it was told to end and nobody
// expects another.
func runs(ctx context.Context, cfg *config) bool {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	c, err := cfg.client()
	if err != nil {
		return false
	}
	defer c.Close()
	state, err := c.State(ctx)
	return err == nil && state == client.DaemonRunning
}

// client returns a client of the daemon of this configuration.
func (c *config) client() (*client.Client, error) {
	var options []client.Option
	if c.username != "" {
		options = append(options, client.WithUser(c.username, c.password))
	}
	return client.New(c.socket, options...)
}

// absolute makes the paths of a configuration absolute, from the directory of
// its file on.
func (c *config) absolute() {
	here := filepath.Dir(c.file)
	for _, path := range []*string{&c.logFile, &c.pidFile, &c.socket, &c.directory} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(here, *path)
		}
	}
}
