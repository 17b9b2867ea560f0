package child

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// agentCommand makes the test binary an agent that runs one script.
const agentCommand = "CHILD_TEST_AGENT"

func newLedger(dir string) *Ledger {
	return &Ledger{Dir: filepath.Join(dir, "var", "run", "notes"), Log: slog.New(slog.DiscardHandler)}
}

// runAgent runs a script with a ledger in the directory and waits for its end.
func runAgent(dir string) int {
	c := sh(os.Getenv(agentCommand))
	c.Dir, c.Ledger, c.Umask = dir, newLedger(dir), 0o027
	owner, err := OwnerOf(dir)
	if err != nil {
		return 1
	}
	c.User = owner
	if res, err := Run(context.Background(), c); err != nil || res.ExitCode != 0 {
		return 1
	}
	return 0
}

// startAgent starts an agent that can be killed, and a directory for it that
// belongs to nobody where that is possible.
func startAgent(t *testing.T, script string) (*exec.Cmd, string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "child")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "var/run"), 0o755))
	if os.Getuid() == 0 {
		require.NoError(t, os.Chown(dir, 65534, 65534))
	}
	agent := exec.Command(self, dir)
	agent.Env = append(os.Environ(), agentCommand+"="+script)
	require.NoError(t, agent.Start())
	return agent, dir
}

// pids lists the numbers that scripts wrote into a file.
func pids(dir string) (list []int) {
	data, _ := os.ReadFile(filepath.Join(dir, "pids"))
	for _, word := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(word); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

func requireGone(t *testing.T, list []int) {
	t.Helper()
	for _, pid := range list {
		require.True(t, gone(pid), "process %d is left", pid)
	}
}

// TestSurvivors kills agents whose programs start others in all the ways that
// builds do, and looks that nothing of them is left, and nothing else ended.
func TestSurvivors(t *testing.T) {
	tests := map[string]string{
		"child":                  `sleep 300 & echo $! >> pids; wait`,
		"family":                 `sh -c 'sh -c "sleep 300 & echo \$\$ \$! >> pids; wait" & echo $! >> pids; wait' & wait`,
		"redirected":             `exec > /dev/null 2>&1 < /dev/null; sleep 300 & echo $! >> pids; wait`,
		"daemon":                 `setsid sh -c 'sh -c "echo \$\$ >> pids; exec sleep 300" & sleep 1' & sleep 300 & echo $! >> pids; wait`,
		"wiped environment":      `env -i sleep 300 & echo $! >> pids; wait`,
		"wiped, below a daemon":  `setsid sh -c 'env -i sleep 300 & echo $$ $! >> pids; wait' & wait`,
		"deaf":                   `sh -c 'trap "" TERM INT HUP; echo $$ >> pids; while :; do sleep 1; done' & wait`,
		"stopped":                `sh -c 'echo $$ >> pids; kill -STOP $$' & wait`,
		"goes on forking":        `sh -c 'while :; do sh -c "echo \$\$ >> pids; exec sleep 3" & sleep 0.01; done' & wait`,
		"ended, and left others": `(sleep 300 & echo $! >> pids); sleep 300 & echo $! >> pids; wait`,
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stranger := exec.Command("/bin/sh", "-c", "sleep 300")
			stranger.Env = []string{markName + "=somebody"}
			stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			require.NoError(t, stranger.Start())
			defer func() { killGroup(stranger.Process.Pid); _ = stranger.Wait() }()
			agent, dir := startAgent(t, script)
			require.Eventually(t, func() bool {
				return len(pids(dir)) > 1 || len(pids(dir)) == 1 && !strings.Contains(script, "pids; exec")
			}, time.Minute, time.Millisecond)
			time.Sleep(rand.N(50 * time.Millisecond))

			// While the agent lives nothing of it is touched.
			l := newLedger(dir)
			left, err := l.EndSurvivors(t.Context())
			require.NoError(t, err)
			require.Empty(t, left)
			require.False(t, gone(pids(dir)[0]))

			require.NoError(t, agent.Process.Kill())
			require.Error(t, agent.Wait())
			left, err = l.EndSurvivors(t.Context())
			require.NoError(t, err)
			require.Empty(t, left)
			requireGone(t, pids(dir))
			entries, err := os.ReadDir(l.Dir)
			require.NoError(t, err)
			require.Empty(t, entries)
			require.False(t, gone(stranger.Process.Pid))
		})
	}
}

// TestKilledAtAnyInstant kills agents from before their program starts on.
func TestKilledAtAnyInstant(t *testing.T) {
	rounds := 25
	if os.Getenv("SLAPOS_SOAK") == "1" {
		rounds = 500
	}
	for range rounds {
		agent, dir := startAgent(t, `for i in 1 2 3; do sh -c 'echo $$ >> pids; sleep 300' & done; echo $$ >> pids; wait`)
		time.Sleep(rand.N(100 * time.Millisecond))
		require.NoError(t, agent.Process.Kill())
		require.Error(t, agent.Wait())
		left, err := newLedger(dir).EndSurvivors(t.Context())
		require.NoError(t, err)
		require.Empty(t, left)
		before := pids(dir)
		requireGone(t, before)
		time.Sleep(5 * time.Millisecond)
		require.Equal(t, before, pids(dir), "something goes on")
	}
}

// A program that ends in time may leave daemons; one that does not, may not.
func TestDaemonsOfPrograms(t *testing.T) {
	const daemon = `setsid sh -c 'sh -c "echo \$\$ >> pids; exec sleep 300" > /dev/null 2>&1 & exit' & until [ -s pids ]; do sleep 0.01; done; `
	for name, late := range map[string]bool{"in time": false, "late": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := sh(daemon)
			if late {
				c = sh(daemon + "sleep 300")
			}
			c.Dir, c.Ledger, c.Timeout = dir, newLedger(dir), 2*time.Second
			if !late {
				c.Timeout = time.Minute
			}
			_, err := Run(t.Context(), c)
			_, timedOut := err.(*TimeoutError) //nolint:errorlint // not wrapped
			require.Equal(t, late, timedOut, "%v", err)
			list := pids(dir)
			require.Len(t, list, 1)
			if late {
				requireGone(t, list)
				return
			}
			left, err := c.Ledger.EndSurvivors(t.Context())
			require.NoError(t, err)
			require.Empty(t, left)
			require.False(t, gone(list[0]))
			require.NoError(t, syscall.Kill(list[0], syscall.SIGKILL))
		})
	}
}

// Notes that lie, or are none, end nobody.
func TestHostileNotes(t *testing.T) {
	stranger := exec.Command("sleep", "300")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	require.NoError(t, stranger.Start())
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	pid := stranger.Process.Pid
	them, ok := readProcess(pid)
	require.True(t, ok)
	dead := process{PID: os.Getpid(), Start: 1}
	text := func(n note) string {
		data, err := json.Marshal(n)
		require.NoError(t, err)
		return string(data) + "\n"
	}
	good := note{System: system(), Agent: dead, UID: os.Getuid(), Leader: them, Session: true}
	reused, elsewhere, foreign := good, good, good
	reused.Leader.Start--
	elsewhere.System = "another one"
	foreign.UID++
	l := newLedger(t.TempDir())
	require.NoError(t, os.MkdirAll(l.Dir, 0o700))
	old := time.Now().Add(-time.Hour)
	for name, content := range map[string]string{
		"garbage": "\x00\xff", "empty": "", "half": text(good)[:20], "json": "{}\n", "null": "null\n", "big": strings.Repeat("x", maxNote+1),
		"reused": text(reused), "elsewhere": text(elsewhere), "foreign": text(foreign),
	} {
		path := filepath.Join(l.Dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.NoError(t, os.Chtimes(path, old, old))
	}
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(l.Dir, "link")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(l.Dir, "pipe"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(l.Dir, "directory"), 0o700))
	left, err := l.EndSurvivors(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
	require.False(t, gone(pid))
	entries, err := os.ReadDir(l.Dir)
	require.NoError(t, err)
	require.Empty(t, entries)

	// The truth ends them.
	require.NoError(t, os.WriteFile(filepath.Join(l.Dir, "good"), []byte(text(good)), 0o600))
	_, err = l.EndSurvivors(t.Context())
	require.NoError(t, err)
	require.True(t, gone(pid))
}

// A ledger that cannot be written does not keep programs from running.
func TestLedgerThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "var"), nil, 0o600))
	c := sh("echo $" + markName)
	c.Ledger = newLedger(dir)
	res, err := Run(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, res.Output, 27)
}

func BenchmarkRunWithLedger(b *testing.B) {
	for _, noted := range []bool{false, true} {
		b.Run(fmt.Sprint(noted), func(b *testing.B) {
			c := sh("exit 0")
			if noted {
				c.Ledger = newLedger(b.TempDir())
			}
			for b.Loop() {
				if _, err := Run(b.Context(), c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
