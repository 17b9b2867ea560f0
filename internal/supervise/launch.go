package supervise

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slapos/slapos-go/internal/descriptors"
	"github.com/slapos/slapos-go/internal/supervise/client"
)

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

// launchPause is the time between two looks at a daemon that starts.
const launchPause = 50 * time.Millisecond

// maxLaunchOutput bounds what the error about a failed start quotes, in bytes.
const maxLaunchOutput = 64 << 10

// Launch starts a daemon in a session of its own, detached from the caller,
// and waits until it answers that it is RUNNING. What a daemon that fails to
// start has printed is in the error.
func Launch(ctx context.Context, o LaunchOptions) error {
	cfg, err := loadConfig(o.ConfigFile, o.Env)
	if err != nil {
		return err
	}
	if len(o.Command) == 0 {
		return errors.New("launch the supervisor: the command is empty")
	}
	timeout := o.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := cfg.client()
	if err != nil {
		return err
	}
	defer c.Close()
	l, err := start(o)
	if err != nil {
		return err
	}
	defer l.output.Close()
	err = l.wait(ctx, c)
	if !l.ended {
		go l.reap()
	}
	if err = errors.Join(err, l.deafen()); err != nil {
		return fmt.Errorf("launch %s: %w", strings.Join(o.Command, " "), err)
	}
	if o.Logger != nil {
		o.Logger.Debug("supervisor launched", "pid", l.pid)
	}
	return nil
}

// launched is a daemon that was started.
type launched struct {
	pid    int
	ended  bool
	output *os.File // in memory
}

// start starts the daemon.
func start(o LaunchOptions) (*launched, error) {
	if err := descriptors.Seal(); err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("supervisor-start", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memory for the daemon's output: %w", err)
	}
	output := os.NewFile(uintptr(fd), "output of the daemon") //nolint:gosec // descriptors are small
	cmd := exec.Command(o.Command[0], o.Command[1:]...)       //nolint:gosec // the caller's own program
	cmd.Env = append([]string{}, o.Env...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, output.Close())
	}
	l := &launched{pid: cmd.Process.Pid, output: output}
	// Waited for below.
	if err := cmd.Process.Release(); err != nil {
		return nil, errors.Join(err, output.Close())
	}
	return l, nil
}

// wait returns when the daemon answers, or with what it printed when it ended.
func (l *launched) wait(ctx context.Context, c *client.Client) error {
	ticker := time.NewTicker(launchPause)
	defer ticker.Stop()
	for {
		state, err := c.State(ctx)
		if err == nil && state == client.DaemonRunning {
			return nil
		}
		if err := l.look(); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("it does not answer: %w", context.Cause(ctx)), err, l.said())
		}
	}
}

// look tells whether the daemon failed. One that detached by itself has ended
// well.
func (l *launched) look() error {
	if l.ended {
		return nil
	}
	var status unix.WaitStatus
	pid, err := unix.Wait4(l.pid, &status, unix.WNOHANG, nil)
	switch {
	case errors.Is(err, unix.EINTR) || err == nil && pid == 0:
		return nil
	case err != nil:
		return fmt.Errorf("wait for the daemon: %w", err)
	}
	l.ended = true
	switch {
	case status.Exited() && status.ExitStatus() == 0:
		return nil
	case status.Exited() && status.ExitStatus() == ExitAlreadyRunning:
		return errors.Join(ErrAlreadyRunning, l.said())
	case status.Exited():
		return errors.Join(fmt.Errorf("exit status %d", status.ExitStatus()), l.said())
	}
	return errors.Join(fmt.Errorf("ended by signal %s", status.Signal()), l.said())
}

// deafen makes the memory refuse what the daemon prints from now on. The daemon
// holds it for all its life, and nobody would ever read or free it.
func (l *launched) deafen() error {
	_, err := unix.FcntlInt(l.output.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	if err != nil {
		return fmt.Errorf("memory for the daemon's output: %w", err)
	}
	return nil
}

// reap waits for the end of the daemon, or of the process that it left when it
// detached: in a program that lives longer it would stay as a zombie.
func (l *launched) reap() {
	for {
		if _, err := unix.Wait4(l.pid, nil, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// ExitAlreadyRunning is the exit status with which a program that calls Run
// tells Launch that it met ErrAlreadyRunning.
const ExitAlreadyRunning = 17

// said is what the daemon printed, as an error; nil if that is nothing.
func (l *launched) said() error {
	text, err := io.ReadAll(io.NewSectionReader(l.output, 0, maxLaunchOutput))
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return nil
	}
	return errors.New(strings.TrimSpace(string(text)))
}
