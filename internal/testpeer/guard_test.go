//go:build linux

package testpeer_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/testpeer"
)

// guardedDir tells a copy of this program to leave a mess in a directory.
const guardedDir = "SLAPOS_TEST_GUARDED"

func TestMain(m *testing.M) {
	if dir := os.Getenv(guardedDir); dir != "" {
		release, err := testpeer.Guard(dir)
		if err == nil {
			err = makeMess(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		time.Sleep(time.Hour) // until it is killed
		release()
	}
	os.Exit(m.Run())
}

// makeMess starts daemons that belong to a directory and prints their ids.
func makeMess(dir string) error {
	inside := exec.Command("/bin/sleep", "1000")
	inside.Dir = filepath.Join(dir, "sub")
	named := exec.Command("tail", "-F", filepath.Join(dir, "daemon.cfg"))
	told := exec.Command("/bin/sleep", "1000")
	told.Env = []string{"SERVER_URL=unix://" + filepath.Join(dir, "sv.sock")}
	for _, cmd := range []*exec.Cmd{inside, named, told} {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		fmt.Println(cmd.Process.Pid)
	}
	return nil
}

// TestGuard kills a test process: what it started and its directory go too.
func TestGuard(t *testing.T) {
	parent := t.TempDir()
	dir, neighbour := filepath.Join(parent, "dir"), filepath.Join(parent, "dir2")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	require.NoError(t, os.Mkdir(neighbour, 0o755))
	other := exec.Command("/bin/sleep", "1000")
	other.Dir = neighbour
	require.NoError(t, other.Start())
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	})

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), guardedDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	var pids []int
	for range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed

	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, time.Minute, 20*time.Millisecond)
	for _, pid := range pids {
		require.Eventually(t, func() bool { return !running(pid) }, time.Minute, 20*time.Millisecond)
	}
	require.DirExists(t, neighbour)
	require.True(t, running(other.Process.Pid))
}

// running tells whether a process has not ended.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

// TestGuardReleased checks that a guard that was released leaves things alone.
func TestGuardReleased(t *testing.T) {
	dir := t.TempDir()
	release, err := testpeer.Guard(dir)
	require.NoError(t, err)
	release()
	require.DirExists(t, dir)
}
