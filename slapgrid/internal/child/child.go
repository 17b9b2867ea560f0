// Package child runs programs of software releases and partitions: as the
// right user, in a clean environment, with a time limit that ends the whole
// process tree, and with their output logged line by line and kept.
package child

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// KeptOutput is how many bytes of output a [Result] holds by default.
const KeptOutput = 1 << 20

// waitForPipes is how long output of left-over grandchildren is waited for
// once the child itself has ended.
const waitForPipes = 2 * time.Second

// DebugOutput stands in for the output of a child that had the terminal.
const DebugOutput = "(output not captured in debug mode)"

// Terminal is what a child in debug mode talks to.
type Terminal struct{ Stdin, Stdout, Stderr *os.File }

// Command is one program to run.
type Command struct {
	Args []string
	Dir  string
	Env  []string
	// User is who runs it. AllowRoot accepts root.
	User      User
	AllowRoot bool
	// Umask is set in the child only; zero keeps the agent's.
	Umask int
	// Timeout ends the whole process tree; zero means no limit.
	Timeout time.Duration
	// Grace is the time between SIGTERM and the end of the tree once the time
	// is over; zero kills at once.
	Grace time.Duration
	// Line gets each line of output as it comes. Optional.
	Line func(string)
	// LongestLine is the length in bytes from which on lines are cut into
	// pieces; zero means 64 KiB.
	LongestLine int
	// Stdin is given to the program; nil means an empty input.
	Stdin []byte
	// Stderr keeps the error output apart instead of merging it.
	Stderr bool
	// Terminal, if not nil, is given to the child instead of pipes.
	Terminal *Terminal
	// Ledger notes the run for later agents. Optional.
	Ledger *Ledger
}

// Result is how a program ended.
type Result struct {
	// Output is the end of what was written, up to [KeptOutput] bytes; Stderr
	// is the error output when it was asked for apart.
	Output, Stderr string
	// ExitCode is the exit status; -1 after a signal.
	ExitCode int
	// Elapsed is the running time.
	Elapsed time.Duration
}

// TimeoutError tells that a program did not end in time.
type TimeoutError struct {
	Args  []string
	Limit time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("Command '%s' timed out after %g seconds", strings.Join(e.Args, " "), e.Limit.Seconds())
}

// Run runs a program to its end. An exit status other than zero is no error:
// see Result.ExitCode. A [TimeoutError], a cancelled context or a program that
// cannot be started are; the result then holds what was written so far.
func Run(ctx context.Context, c Command) (Result, error) {
	if ctx.Err() != nil {
		return Result{ExitCode: -1}, context.Cause(ctx)
	}
	cmd, err := c.prepare()
	if err != nil {
		return Result{ExitCode: -1}, err
	}
	// The child dies with the thread that made it, hence with the agent. What it
	// started does not: see Ledger.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out := &output{line: c.Line, limit: KeptOutput, longest: cmp.Or(c.LongestLine, longestLine)}
	errs := &output{limit: KeptOutput}
	c.connect(cmd, out, errs)
	n := c.note(cmd)
	started := time.Now()
	if err := cmd.Start(); err != nil {
		c.forget(n)
		return Result{ExitCode: -1}, err
	}
	if n != nil {
		c.Ledger.started(n, cmd.Process.Pid, cmd.SysProcAttr.Setsid)
	}
	if err = c.wait(ctx, cmd); err != nil && n != nil {
		// Daemons of the program have left its process tree.
		c.Ledger.end(context.WithoutCancel(ctx), []*note{n})
	}
	c.forget(n)
	res := Result{ExitCode: cmd.ProcessState.ExitCode(), Elapsed: time.Since(started)}
	if err == nil {
		out.finish()
	}
	res.Output, res.Stderr = out.text(), errs.text()
	if c.Terminal != nil {
		res.Output = DebugOutput
	}
	return res, err
}

// prepare makes the process attributes. The mask is set by a shell in the
// child, as the mask of the agent belongs to all its threads.
func (c *Command) prepare() (*exec.Cmd, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("no program to run")
	}
	credential, err := c.User.credential(c.AllowRoot)
	if err != nil {
		return nil, err
	}
	args := c.Args
	if c.Umask != 0 {
		script := fmt.Sprintf(`umask %03o; exec "$@"`, c.Umask)
		args = append([]string{"/bin/sh", "-c", script, "sh"}, args...)
	}
	cmd := &exec.Cmd{Path: args[0], Args: args, Dir: c.Dir, Env: c.Env, WaitDelay: waitForPipes}
	if cmd.Env == nil {
		cmd.Env = []string{}
	}
	// A session of its own has no terminal: a child that shared the operator's
	// could type commands there (TIOCSTI).
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setsid: c.Terminal == nil, Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// note begins the note of the run and marks the program; nil without a ledger.
func (c *Command) note(cmd *exec.Cmd) *note {
	if c.Ledger == nil {
		return nil
	}
	n := c.Ledger.open(c)
	cmd.Env = append(slices.Clone(cmd.Env), markName+"="+n.name)
	return n
}

func (c *Command) forget(n *note) {
	if n != nil {
		c.Ledger.close(n)
	}
}

// uid is whose processes the program and what it starts are.
func (c *Command) uid() int {
	if c.User.mustSwitch() {
		return c.User.UID
	}
	return os.Getuid()
}

func (c *Command) connect(cmd *exec.Cmd, out, errs *output) {
	if c.Terminal != nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Terminal.Stdin, c.Terminal.Stdout, c.Terminal.Stderr
		return
	}
	if c.Stdin != nil {
		cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	cmd.Stdout, cmd.Stderr = out, out
	if c.Stderr {
		cmd.Stderr = errs
	}
}

// wait waits for the end of the program, of its time or of the context.
func (c *Command) wait(ctx context.Context, cmd *exec.Cmd) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	var limit <-chan time.Time
	if c.Timeout > 0 {
		timer := time.NewTimer(c.Timeout)
		defer timer.Stop()
		limit = timer.C
	}
	var reason error
	select {
	case err := <-done:
		return ignoreStatus(err)
	case <-limit:
		reason = &TimeoutError{c.Args, c.Timeout}
	case <-ctx.Done():
		reason = context.Cause(ctx)
	}
	if c.Grace > 0 {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile
		select {
		case <-done:
			killGroup(cmd.Process.Pid)
			return reason
		case <-time.After(c.Grace):
		}
	}
	KillTree(cmd.Process.Pid)
	<-done
	return reason
}

// ignoreStatus drops what the exit status already tells.
func ignoreStatus(err error) error {
	var status *exec.ExitError
	if errors.As(err, &status) || errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}
