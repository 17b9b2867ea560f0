package supervise

import (
	"fmt"
	"net"
	"os"
	"os/exec"
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
	begin := time.Now()
	err := Run(t.Context(), Options{ConfigFile: s.conf})
	require.ErrorIs(t, err, ErrAlreadyRunning)
	require.Less(t, time.Since(begin), lockPatience/2, "it lurks to take the place of the first")
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

// killDaemon ends the daemon without giving it a chance, and waits for its end.
func (s *site) killDaemon(t *testing.T) {
	t.Helper()
	daemon, err := s.client.PID(t.Context())
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(daemon, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		info, err := readProc(daemon)
		return err != nil || info.dead()
	}, time.Minute, 5*time.Millisecond)
}

// TestAdoptRemembers: what had ended, been stopped or given up is so after an unclean end too.
func TestAdoptRemembers(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"bad": s.script(t, "bad.sh", "exit 3"), "idle": "/bin/sleep 1000", "stopped": "/bin/sleep 1000"})
	s.program(t, "once", "command="+s.script(t, "once.sh", "echo once >> "+s.dir+"/once.txt"), "startsecs=0", "autorestart=false")
	s.program(t, "halted", "command=/bin/sleep 1000", "startsecs=0", "autostart=true")
	s.launch(t, s)
	s.becomes(t, "once", client.Exited)
	_, err := s.client.StartProcessGroup(t.Context(), "part", true)
	require.NoError(t, err)
	require.NoError(t, s.client.StopProcess(t.Context(), "part:stopped", true))
	s.becomes(t, "halted", client.Running)
	require.NoError(t, s.client.StopProcess(t.Context(), "halted", true))
	before := s.becomes(t, "part:bad", client.Exited)

	for range 2 {
		s.killDaemon(t)
		s.launch(t, s)
		after := s.info(t, "part:bad")
		require.Equal(t, client.Exited, after.State)
		require.Equal(t, []any{3, before.Start, before.Stop, before.SpawnError}, []any{after.ExitStatus, after.Start, after.Stop, after.SpawnError})
		require.Equal(t, client.Stopped, s.info(t, "part:stopped").State)
		require.Equal(t, client.Exited, s.info(t, "once").State)
		require.Equal(t, client.Stopped, s.info(t, "halted").State)
	}
	time.Sleep(1200 * time.Millisecond) // longer than any pause before a start
	require.Equal(t, client.Stopped, s.info(t, "halted").State)
	require.Equal(t, "once\n", content(t, s.dir+"/once.txt"), "a finished program was started again")
}

// TestAdoptWithoutState finds processes by their environment when the state file is no use.
func TestAdoptWithoutState(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": s.script(t, "a.sh", "sleep 1000 & wait"), "b": "/bin/sleep 1000"})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	pid := s.info(t, "part:a").PID
	s.killDaemon(t)
	s.write(t, "supervisord.pid.state", "{")
	s.launch(t, s)
	require.Equal(t, pid, s.becomes(t, "part:a", client.Running).PID)
	require.Equal(t, client.Stopped, s.info(t, "part:b").State)
	require.NoError(t, s.client.StopProcess(t.Context(), "part:a", true))
}

// TestAdoptListener: the pipes of an event listener went with its daemon.
func TestAdoptListener(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	conf := content(t, s.conf)
	s.write(t, "supervisord.conf", strings.Replace(conf, "command =\n", "command = /bin/sleep 1000\n", 1))
	s.launch(t, s)
	before := s.becomes(t, "watchdog", client.Running)
	pid := before.PID
	require.FileExists(t, before.StderrLogFile)
	s.killDaemon(t)
	s.launch(t, s)
	require.NotEqual(t, pid, s.becomes(t, "watchdog", client.Running).PID)
	require.Eventually(t, func() bool {
		info, err := readProc(pid)
		return err != nil || info.dead()
	}, time.Minute, 20*time.Millisecond)
	require.NoFileExists(t, before.StderrLogFile)
	after := s.info(t, "watchdog").StderrLogFile
	require.FileExists(t, after)
	s.shutdown(t)
	require.NoFileExists(t, after)
}

// TestKillDaemonAnytime kills the daemon while it starts and stops programs: nothing ever runs twice.
func TestKillDaemonAnytime(t *testing.T) {
	rounds := 8
	if os.Getenv("SLAPOS_SOAK") != "" {
		rounds = 300
	}
	s := newSite(t, implementations()["embedded"])
	programs := map[string]string{}
	for i := range 10 {
		programs["p"+strconv.Itoa(i)] = "/bin/sleep 1000"
	}
	s.group(t, "part", programs)
	s.launch(t, s)
	for i := range rounds {
		daemon, err := s.client.PID(t.Context())
		require.NoError(t, err)
		done := make(chan struct{})
		go func() {
			defer close(done)
			// The answer is lost together with the daemon.
			if i%2 == 0 {
				_, _ = s.client.StartProcessGroup(t.Context(), "part", true)
			} else {
				_, _ = s.client.StopProcessGroup(t.Context(), "part", false)
			}
		}()
		time.Sleep(time.Duration(i*i%23) * 500 * time.Microsecond)
		require.NoError(t, syscall.Kill(daemon, syscall.SIGKILL))
		<-done
		s.launch(t, s)
		_, err = s.client.StartProcessGroup(t.Context(), "part", true)
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			_, err = s.client.StartProcessGroup(t.Context(), "part", true)
			require.NoError(t, err)
			for name := range programs {
				if s.info(t, "part:"+name).State != client.Running {
					return false
				}
			}
			return true
		}, time.Minute, 20*time.Millisecond)
		require.Len(t, sleepers(t, s), len(programs))
	}
	_, err := s.client.StopAll(t.Context(), true)
	require.NoError(t, err)
	require.Empty(t, sleepers(t, s))
}

// sleepers returns the living processes that daemons of the site started.
func sleepers(t *testing.T, s *site) (pids []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || procEnviron(pid)["SUPERVISOR_SERVER_URL"] != "unix://"+s.dir+"/sv.sock" {
			continue
		}
		if info, err := readProc(pid); err == nil && !info.dead() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// TestStaleSocket: a socket that nobody serves is replaced, anything else is not.
func TestStaleSocket(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	socket := filepath.Join(s.dir, "sv.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket})
	require.NoError(t, err)
	err = Run(t.Context(), Options{ConfigFile: s.conf})
	require.ErrorIs(t, err, ErrAlreadyRunning)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	require.FileExists(t, socket)
	s.launch(t, s)
	info, err := os.Stat(socket)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	s.shutdown(t)

	require.NoError(t, os.WriteFile(socket, []byte("precious"), 0o600))
	require.Error(t, Run(t.Context(), Options{ConfigFile: s.conf}))
	require.Equal(t, "precious", content(t, socket))
	require.NoError(t, os.Remove(socket))
}

// becomesAbsent waits until a daemon that was told to end has put its files away.
func (s *site) becomesAbsent(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, errPID := os.Stat(s.dir + "/supervisord.pid")
		_, errSocket := os.Stat(s.dir + "/sv.sock")
		return errPID != nil && errSocket != nil
	}, time.Minute, 20*time.Millisecond)
}

// TestTerminate: SIGTERM is a shutdown, for both daemons.
func TestTerminate(t *testing.T) {
	for name, launch := range implementations() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, launch)
			s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
			s.launch(t, s)
			require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
			s.settle(t)
			pid := s.info(t, "part:a").PID
			daemon, err := s.client.PID(t.Context())
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(daemon, syscall.SIGTERM))
			s.becomesAbsent(t)
			_, err = os.Stat("/proc/" + strconv.Itoa(pid))
			require.Error(t, err)
		})
	}
}

// TestLaunchedTalker: what a daemon prints once it runs does not fill the memory.
func TestLaunchedTalker(t *testing.T) {
	s := newSite(t, nil)
	require.NoError(t, Launch(t.Context(), LaunchOptions{
		Command:    []string{s.script(t, "talk.sh", "for i in $(seq 50); do head -c 60000 /dev/zero; sleep 0.02; done & exec "+self(t))},
		ConfigFile: s.conf, Env: []string{daemonVariable + "=" + s.conf, "PATH=/bin:/usr/bin"},
	}))
	daemon, err := s.client.PID(t.Context())
	require.NoError(t, err)
	output := fmt.Sprintf("/proc/%d/fd/1", daemon)
	before, err := os.Stat(output)
	require.NoError(t, err)
	time.Sleep(300 * time.Millisecond)
	after, err := os.Stat(output)
	require.NoError(t, err)
	require.Equal(t, before.Size(), after.Size())
}

// TestSignals: SIGHUP begins again, SIGUSR2 opens the log again and SIGQUIT ends,
// for both daemons.
func TestSignals(t *testing.T) {
	for name, launch := range implementations() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, launch)
			s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
			s.launch(t, s)
			daemon, err := s.client.PID(t.Context())
			require.NoError(t, err)
			require.NoError(t, os.Rename(s.dir+"/supervisord.log", s.dir+"/old.log"))
			require.NoError(t, syscall.Kill(daemon, syscall.SIGUSR2))
			require.Eventually(t, func() bool {
				_, err := os.Stat(s.dir + "/supervisord.log")
				return err == nil
			}, time.Minute, 20*time.Millisecond)

			require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
			s.settle(t)
			s.group(t, "new", map[string]string{"a": "/bin/sleep 1000"})
			require.NoError(t, syscall.Kill(daemon, syscall.SIGHUP))
			require.Eventually(t, func() bool {
				info, err := s.client.ProcessInfo(t.Context(), "new:a")
				return err == nil && info.State == client.Stopped
			}, time.Minute, 20*time.Millisecond)
			require.Equal(t, client.Stopped, s.info(t, "part:a").State)

			require.NoError(t, syscall.Kill(daemon, syscall.SIGQUIT))
			s.becomesAbsent(t)
		})
	}
}

// TestUnreadOutput: a daemon in the foreground outlives who read its output, and
// its programs end by SIGPIPE as ever.
func TestUnreadOutput(t *testing.T) {
	s := newSite(t, nil)
	s.group(t, "part", map[string]string{"a": s.script(t, "pipe.sh", "grep SigIgn /proc/self/status; exec sleep 1000")})
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self(t))
	cmd.Env = []string{daemonVariable + "=" + s.conf, talkVariable + "=1"}
	cmd.Stderr = write
	require.NoError(t, cmd.Start())
	require.NoError(t, write.Close())
	require.NoError(t, read.Close())
	require.Eventually(t, func() bool { _, err := s.client.State(t.Context()); return err == nil }, time.Minute, 20*time.Millisecond)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	text := reads(t, filepath.Join(s.dir, ".part_a.log"), "SigIgn")
	mask, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(text, "SigIgn:")), 16, 64)
	require.NoError(t, err)
	require.Zero(t, mask&(1<<(syscall.SIGPIPE-1)))
	s.shutdown(t)
	require.NoError(t, cmd.Wait())
}

// TestLaunchLeavesNoZombie: a program that goes on does not keep a daemon that ended.
func TestLaunchLeavesNoZombie(t *testing.T) {
	for name, launch := range implementations() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, launch)
			s.launch(t, s)
			s.shutdown(t)
			require.Eventually(t, func() bool { return len(zombiesOf(os.Getpid())) == 0 }, 10*time.Second, 10*time.Millisecond)
		})
	}
}
