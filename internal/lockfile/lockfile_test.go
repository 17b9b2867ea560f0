package lockfile

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// helperPath makes this test binary a process that takes the lock at the path
// and holds it until its standard input ends.
const helperPath = "LOCKFILE_TEST_HELPER"

func TestMain(m *testing.M) {
	path := os.Getenv(helperPath)
	if path == "" {
		os.Exit(m.Run())
	}
	lock, err := Acquire(path)
	if err != nil {
		if errors.Is(err, ErrRunning) {
			fmt.Println("running")
			os.Exit(10)
		}
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held", lock.Stale())
	var buf [1]byte
	_, _ = os.Stdin.Read(buf[:])
	if err := lock.Release(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func TestAcquireAndRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pid")
	lock, err := Acquire(path)
	require.NoError(t, err)
	require.False(t, lock.Stale())
	require.Equal(t, path, lock.Path())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(os.Getpid()), string(data))

	_, err = Acquire(path)
	require.ErrorIs(t, err, ErrRunning)
	var running *RunningError
	require.ErrorAs(t, err, &running)
	require.Equal(t, os.Getpid(), running.PID)
	require.ErrorContains(t, err, path)

	require.NoError(t, lock.Release())
	require.NoError(t, lock.Release())
	requireEmpty(t, filepath.Dir(path))
	again, err := Acquire(path)
	require.NoError(t, err)
	require.NoError(t, again.Release())
}

func TestStaleFiles(t *testing.T) {
	dead := exec.Command("true")
	require.NoError(t, dead.Run())
	foreign := exec.Command("sleep", "60")
	require.NoError(t, foreign.Start())
	t.Cleanup(func() { _ = foreign.Process.Kill(); _ = foreign.Wait() })
	for name, content := range map[string]string{
		"dead":                     strconv.Itoa(dead.Process.Pid),
		"living but not slapos":    strconv.Itoa(foreign.Process.Pid),
		"empty":                    "",
		"no number":                "hello\n",
		"zero":                     "0",
		"negative":                 "-1",
		"number of a higher range": "99999999999999999999",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.pid")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
			lock, err := Acquire(path)
			require.NoError(t, err)
			require.True(t, lock.Stale())
			require.NoError(t, lock.Release())
			requireEmpty(t, filepath.Dir(path))
		})
	}
}

func TestOwnNumberOfAnEarlierLife(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pid")
	require.NoError(t, os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o644))
	old := time.Now().Add(-1000 * time.Hour)
	require.NoError(t, os.Chtimes(path, old, old))
	if !olderThanProcess(old) {
		t.Skip("the start of a process is not known on this system, or it runs for long")
	}
	lock, err := Acquire(path)
	require.NoError(t, err)
	require.True(t, lock.Stale())
	require.NoError(t, lock.Release())
}

// A foreign process with slapos in its command line, such as the Python agent,
// is respected, with whatever follows the first line.
func TestForeignSlaposProcess(t *testing.T) {
	cmd := exec.Command("sh", "-c", "read line", "slapos", "node", "instance")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	path := filepath.Join(t.TempDir(), "a.pid")
	content := fmt.Sprintf("%d\nmore\n", cmd.Process.Pid)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	_, err = Acquire(path)
	var running *RunningError
	require.ErrorAs(t, err, &running)
	require.Equal(t, cmd.Process.Pid, running.PID)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, content, string(data), "the file of the other must stay untouched")
}

func TestReleaseLeavesForeignFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.pid")
	lock, err := Acquire(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte("1"), 0o644))
	require.NoError(t, lock.Release())
	require.FileExists(t, path)
}

func TestUnusablePaths(t *testing.T) {
	dir := t.TempDir()
	_, err := Acquire(filepath.Join(dir, "missing", "a.pid"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Acquire(dir)
	require.ErrorContains(t, err, "not a regular file")
	require.NotErrorIs(t, err, ErrRunning)
}

// Many processes find the same stale file; exactly one may win, each time.
func TestOneWinnerAmongProcesses(t *testing.T) {
	exe := slaposBinary(t)
	for round := range 5 {
		path := filepath.Join(t.TempDir(), "a.pid")
		if round%2 == 0 {
			require.NoError(t, os.WriteFile(path, []byte("0"), 0o644))
		}
		const contenders = 8
		lines := make([]string, contenders)
		var wg sync.WaitGroup
		var hold []func()
		var mu sync.Mutex
		for i := range contenders {
			wg.Go(func() {
				cmd := exec.Command(exe)
				cmd.Env = append(os.Environ(), helperPath+"="+path)
				stdin, err := cmd.StdinPipe()
				if err != nil {
					t.Error(err)
					return
				}
				stdout, err := cmd.StdoutPipe()
				if err != nil {
					t.Error(err)
					return
				}
				if err := cmd.Start(); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				hold = append(hold, func() { _ = stdin.Close(); _ = cmd.Wait() })
				mu.Unlock()
				lines[i], _ = bufio.NewReader(stdout).ReadString('\n')
			})
		}
		wg.Wait()
		held := 0
		for _, line := range lines {
			if strings.HasPrefix(line, "held") {
				held++
			} else {
				require.Equal(t, "running\n", line)
			}
		}
		for _, release := range hold {
			release()
		}
		require.Equal(t, 1, held, "%q", lines)
		requireEmpty(t, filepath.Dir(path))
	}
}

// slaposBinary is this test binary under a name that counts as slapos.
func slaposBinary(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "slapos")
	require.NoError(t, os.Symlink(exe, link))
	return link
}

func requireEmpty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries)
}
