//go:build linux

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/testpeer"
)

// commandTimeout bounds one command; tests share two cores.
const commandTimeout = 3 * time.Minute

// runner is the user that everything of a test runs as: the agents refuse to make
// instances of root, so under root it is the unprivileged account "nobody".
type runner struct {
	name       string
	credential *syscall.Credential // nil: the user of the test
}

func newRunner(t testing.TB) runner {
	t.Helper()
	if os.Getuid() != 0 {
		u, err := user.Current()
		require.NoError(t, err)
		return runner{name: u.Username}
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("as root these tests run as the user nobody: %v", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	require.NoError(t, err)
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	require.NoError(t, err)
	return runner{name: u.Username, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// Sandbox is the directory of one test, at a short path that the runner can reach,
// and everything that runs in it. The end of the test takes both away.
type Sandbox struct {
	dir    string
	runner runner
}

// New makes a sandbox. As root the test is skipped if there is no account nobody.
func New(t testing.TB) *Sandbox {
	t.Helper()
	r := newRunner(t)
	// Not t.TempDir: unreachable for other users, and too long for a socket.
	dir, err := os.MkdirTemp("", "slit-")
	require.NoError(t, err)
	dir, err = filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	s := &Sandbox{dir: dir, runner: r}
	t.Cleanup(func() {
		s.killAll(t)
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the sandbox: %v", err)
		}
	})
	release, err := testpeer.Guard(dir)
	require.NoError(t, err)
	t.Cleanup(release)
	require.NoError(t, os.Chmod(dir, 0o755))
	s.Own(t, dir)
	s.Mkdir(t, "home")
	return s
}

// User is the name of the account that everything in the sandbox runs as.
func (s *Sandbox) User() string { return s.runner.name }

// Path joins elements below the sandbox; without any it is the sandbox itself.
func (s *Sandbox) Path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

// Own gives a path to the account that everything runs as.
func (s *Sandbox) Own(t testing.TB, path string) {
	t.Helper()
	if c := s.runner.credential; c != nil {
		require.NoError(t, os.Lchown(path, int(c.Uid), int(c.Gid)))
	}
}

// Mkdir makes a directory of that account, and its path, with mode 0755.
func (s *Sandbox) Mkdir(t testing.TB, elements ...string) string {
	t.Helper()
	path := s.Path(elements...)
	require.NoError(t, os.MkdirAll(path, 0o755))
	s.Own(t, path)
	return path
}

// Write makes a file of that account with mode 0644 and returns its path.
func (s *Sandbox) Write(t testing.TB, text string, elements ...string) string {
	t.Helper()
	path := s.Path(elements...)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	s.Own(t, path)
	return path
}

// CopyTree copies a directory of testdata into the sandbox; in files ending in
// ".in" marks such as @RELEASE@ are replaced, and software.cfg.in loses its ending.
func (s *Sandbox) CopyTree(t testing.TB, from, to string, marks map[string]string) string {
	t.Helper()
	root := s.Path(to)
	require.NoError(t, filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			s.Mkdir(t, to, rel)
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(data)
		for mark, value := range marks {
			text = strings.ReplaceAll(text, mark, value)
		}
		if entry.Name() == "software.cfg.in" {
			rel = strings.TrimSuffix(rel, ".in")
		}
		s.Write(t, text, to, rel)
		return nil
	}))
	return root
}

// As makes a command run as that account, in the sandbox, with a home of its own.
func (s *Sandbox) As(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = s.dir
	cmd.Env = append(cmd.Env, "HOME="+s.Path("home"), "USER="+s.runner.name, "LOGNAME="+s.runner.name, "COLUMNS=200")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.runner.credential}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Result is how a command ended.
type Result struct {
	// Command is the command line.
	Command string
	// Code is the exit status; -1 after a signal.
	Code int
	// Output is standard output and error, as they came.
	Output string
	// CPU is the processor time that the command and its children took.
	CPU time.Duration
}

// String is the whole story, for messages of tests.
func (r Result) String() string {
	return fmt.Sprintf("%s\nexit %d\n%s", r.Command, r.Code, r.Output)
}

// Run runs a command as that account to its end. Output goes through a file, so that
// daemons which it leaves behind keep nobody waiting.
func (s *Sandbox) Run(t testing.TB, cmd *exec.Cmd) Result {
	t.Helper()
	out, err := os.CreateTemp(s.dir, "output-")
	require.NoError(t, err)
	defer func() {
		require.NoError(t, errors.Join(out.Close(), os.Remove(out.Name())))
	}()
	s.As(cmd)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	text, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	return Result{
		Command: strings.Join(cmd.Args, " "), Code: cmd.ProcessState.ExitCode(), Output: string(text),
		CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
	}
}

// killAll ends every process that belongs to the sandbox, by its id.
func (s *Sandbox) killAll(t testing.TB) {
	t.Helper()
	for range 200 {
		pids := s.processes()
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			// An error means that it has just ended.
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("processes of %s do not end: %v", s.dir, s.Describe())
}

// processes lists the processes that run in the sandbox or were started with a
// Path of it, other than this one and those that have ended.
func (s *Sandbox) processes() []int {
	var pids []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		proc := filepath.Join("/proc", entry.Name())
		cmdline, err := os.ReadFile(filepath.Join(proc, "cmdline"))
		if err != nil || len(cmdline) == 0 {
			continue // ended, or of the kernel
		}
		cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
		inside := err == nil && (cwd == s.dir || strings.HasPrefix(cwd, s.dir+"/"))
		if inside || bytes.Contains(cmdline, []byte(s.dir+"/")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Describe lists the command lines of the sandbox's processes.
func (s *Sandbox) Describe() []string {
	var lines []string
	for _, pid := range s.processes() {
		cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil {
			lines = append(lines, fmt.Sprintf("%d %s", pid, bytes.ReplaceAll(cmdline, []byte{0}, []byte{' '})))
		}
	}
	return lines
}

// Eventually polls a condition until it holds, with a deadline for slow machines.
func Eventually(t testing.TB, what string, condition func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		ok, state := condition()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within the time limit; last: %s", what, state)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Timeout is a context that bounds one command of a test.
func Timeout(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	t.Cleanup(cancel)
	return ctx
}
