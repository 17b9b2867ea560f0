package supervise

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// TestAdopt kills the daemon: the next one finds what still runs.
func TestAdopt(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	talk := s.script(t, "talk.sh", "while :; do echo tick; sleep 0.05; done")
	s.group(t, "part", map[string]string{"lives": talk, "dies": "/bin/sleep 1000", "idle": "/bin/sleep 1000"})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:lives", true))
	require.NoError(t, s.client.StartProcess(t.Context(), "part:dies", true))
	lives, dies := s.info(t, "part:lives").PID, s.info(t, "part:dies").PID
	daemon, err := s.client.PID(t.Context())
	require.NoError(t, err)

	require.NoError(t, syscall.Kill(daemon, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		info, err := readProc(daemon)
		return err != nil || info.dead()
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, syscall.Kill(dies, syscall.SIGKILL))
	logFile := filepath.Join(s.dir, ".part_lives.log")
	before, err := os.Stat(logFile)
	require.NoError(t, err)

	s.launch(t, s)
	require.Equal(t, lives, s.becomes(t, "part:lives", client.Running).PID, "started twice")
	require.Equal(t, -1, s.becomes(t, "part:dies", client.Exited).ExitStatus)
	require.Equal(t, client.Stopped, s.info(t, "part:idle").State)
	require.Eventually(t, func() bool {
		after, err := os.Stat(logFile)
		return err == nil && after.Size() > before.Size()
	}, time.Minute, 10*time.Millisecond, "its output is lost")

	// Nothing changed in the files, so nothing is restarted.
	did, err := s.client.Update(t.Context())
	require.NoError(t, err)
	require.True(t, did.Empty(), "%+v", did)

	require.NoError(t, s.client.StopProcess(t.Context(), "part:lives", true))
	require.Eventually(t, func() bool {
		info, err := readProc(lives)
		return err != nil || info.dead()
	}, time.Minute, 10*time.Millisecond)
}

// TestAdoptAfterChange changes the files while no daemon runs.
func TestAdoptAfterChange(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.group(t, "gone", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	_, err := s.client.StartAll(t.Context(), true)
	require.NoError(t, err)
	pid := s.info(t, "gone:a").PID
	daemon, err := s.client.PID(t.Context())
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(daemon, syscall.SIGKILL))
	s.group(t, "part", map[string]string{"a": "/bin/sleep 2000"})
	require.NoError(t, os.Remove(filepath.Join(s.dir, "conf.d/gone.conf")))

	require.Eventually(t, func() bool {
		info, err := readProc(daemon)
		return err != nil || info.dead()
	}, time.Minute, 10*time.Millisecond)
	s.launch(t, s)
	require.Equal(t, pid, s.becomes(t, "gone:a", client.Running).PID)
	did, err := s.client.Update(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"part"}, did.Changed)
	require.Equal(t, []string{"gone"}, did.Removed)
}

// TestOneDaemon starts a second daemon beside the first.
func TestOneDaemon(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.launch(t, s)
	err := Run(t.Context(), Options{ConfigFile: s.conf})
	require.ErrorIs(t, err, ErrAlreadyRunning)
	state, err := s.client.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.DaemonRunning, state)
}

// TestLaunchFailure shows what a daemon printed that could not start.
func TestLaunchFailure(t *testing.T) {
	s := newSite(t, nil)
	err := Launch(t.Context(), LaunchOptions{
		Command: []string{s.script(t, "fail.sh", "echo no luck today; exit 3")}, ConfigFile: s.conf,
	})
	require.ErrorContains(t, err, "no luck today")
	require.ErrorContains(t, err, "exit status 3")
	err = Launch(t.Context(), LaunchOptions{Command: []string{"/bin/true"}, ConfigFile: s.dir + "/none.conf"})
	require.ErrorContains(t, err, "could not find config file")
}

// TestShutdownLeavesNothing looks for files and processes after a clean end.
func TestShutdownLeavesNothing(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	pid := s.info(t, "part:a").PID
	s.shutdown(t)
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	require.Error(t, err)
	left, err := filepath.Glob(s.dir + "/s*")
	require.NoError(t, err)
	for _, path := range left {
		base := filepath.Base(path)
		require.True(t, base == "supervisord.conf" || base == "supervisord.log" || strings.HasSuffix(base, ".lock"), "%s is left", path)
	}
}

// TestRotation bounds the log of a program that never stops talking.
func TestRotation(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": s.script(t, "talk.sh", "while :; do head -c 60000 /dev/zero; sleep 0.2; done")})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	require.Eventually(t, func() bool {
		info, err := os.Stat(filepath.Join(s.dir, ".part_a.log.1"))
		return err == nil && info.Size() > 0 && info.Size() <= 100<<10
	}, time.Minute, 100*time.Millisecond)
}
