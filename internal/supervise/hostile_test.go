package supervise

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// stranger starts a process that no daemon knows, in a session of its own.
func stranger(t *testing.T, env []string, credential *syscall.Credential) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sleep", "1000")
	cmd.Env, cmd.Dir = env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: credential}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the test may have ended it
		_ = cmd.Wait()
	})
	return cmd
}

// TestImpostor: a user who dresses up a process as a program of somebody else
// does not get it adopted after an unclean end.
func TestImpostor(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("without root there is one user only")
	}
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	stranger(t, []string{
		"SUPERVISOR_SERVER_URL=unix://" + s.dir + "/sv.sock", "SUPERVISOR_GROUP_NAME=part", "SUPERVISOR_PROCESS_NAME=a",
	}, &syscall.Credential{Uid: 65534, Gid: 65534})
	s.killDaemon(t)
	s.write(t, "supervisord.pid.state", "{")
	s.launch(t, s)
	require.Equal(t, client.Stopped, s.info(t, "part:a").State)
}

// TestRecycledNumber: a process that got the number of one of ours is neither
// adopted nor ended.
func TestRecycledNumber(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000", "b": "/bin/sleep 1000"})
	s.launch(t, s)
	for _, name := range []string{"part:a", "part:b"} {
		require.NoError(t, s.client.StartProcess(t.Context(), name, true))
	}
	pid := s.info(t, "part:a").PID
	s.killDaemon(t)
	time.Sleep(20 * time.Millisecond) // start times are told in hundredths of a second
	other := stranger(t, nil, nil).Process.Pid
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))

	var state savedState
	path := filepath.Join(s.dir, "supervisord.pid.state")
	require.NoError(t, json.Unmarshal([]byte(content(t, path)), &state))
	for _, g := range state.Groups {
		if p, ok := g.Processes["a"]; ok {
			p.PID = other // its start time is that of the dead one
			g.Processes["a"] = p
		}
	}
	text, err := json.Marshal(state)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, text, 0o600))
	s.launch(t, s)
	require.Equal(t, client.Exited, s.info(t, "part:a").State)
	require.Equal(t, client.Running, s.info(t, "part:b").State)
	_, err = s.client.StopAll(t.Context(), true)
	require.NoError(t, err)
	info, err := readProc(other)
	require.NoError(t, err)
	require.False(t, info.dead(), "the stranger lives on")
}

// TestOddStates: whatever is in the state file, the daemon starts.
func TestOddStates(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "\x00", `{"version":1,"groups":null}`, `{"version":-1}`,
		`{"version":1,"boot":"` + bootID() + `","groups":[{"config":{"Name":""},"processes":{"x":{"pid":-1},"y":{"pid":1,"ticks":0}}}]}`,
		`{"version":1,"boot":"` + bootID() + `","groups":[{"config":{"Name":"part"},"processes":{"a":{"pid":99999999,"state":20}}}]}`,
	} {
		s := newSite(t, implementations()["embedded"])
		s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
		s.write(t, "supervisord.pid.state", text)
		s.launch(t, s)
		require.False(t, s.info(t, "part:a").State == client.Running)
		s.shutdown(t)
	}
}

// TestRudeClients: half a request, nonsense and a body without end neither
// stop the daemon nor keep others from it.
func TestRudeClients(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	dial := func() net.Conn {
		conn, err := net.Dial("unix", filepath.Join(s.dir, "sv.sock"))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	for range 50 {
		for _, half := range []string{
			"", "POST /RPC2 HT", "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n<methodCall>",
			"\x16\x03\x01", "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		} {
			_, err := dial().Write([]byte(half))
			require.NoError(t, err)
		}
	}
	endless := dial()
	_, err := fmt.Fprintf(endless, "POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<30)
	require.NoError(t, err)
	piece := []byte(strings.Repeat("<", 1<<20))
	for sent := 0; sent < 1<<30; sent += len(piece) {
		require.NoError(t, endless.SetWriteDeadline(time.Now().Add(30*time.Second)))
		if _, err = endless.Write(piece); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, syscall.EPIPE, "the daemon stops reading")
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	s.becomes(t, "part:a", client.Running)
	s.shutdown(t)
}

// TestCrowd: many programs that fork and end at once, under reloads: all are
// noticed and none is left waiting to be collected.
func TestCrowd(t *testing.T) {
	count := 60
	if os.Getenv("SLAPOS_SOAK") != "" {
		count = 1000
	}
	s := newSite(t, implementations()["embedded"])
	programs := map[string]string{}
	fork := s.script(t, "fork.sh", "(sleep 0.1 &) ; exit 0")
	for i := range count {
		programs[fmt.Sprintf("p%d", i)] = fork
	}
	s.group(t, "crowd", programs)
	s.launch(t, s)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 5 {
				if _, err := s.client.ReloadConfig(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	_, err := s.client.StartProcessGroup(t.Context(), "crowd", false)
	wait.Wait()
	require.NoError(t, err)
	daemon, err := s.client.PID(t.Context())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		all, err := s.client.AllProcessInfo(t.Context())
		require.NoError(t, err)
		for _, p := range all {
			if p.Group == "crowd" && p.State != client.Exited {
				return false
			}
		}
		return true
	}, time.Minute, 50*time.Millisecond)
	require.Eventually(t, func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", daemon, daemon))
		return err != nil || len(children) == 0
	}, time.Minute, 20*time.Millisecond)
}

// TestLogOnAFullDisk: output that cannot be written is the program's affair;
// the daemon goes on.
func TestLogOnAFullDisk(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.program(t, "full", "command="+s.script(t, "talk.sh", "echo x; exec sleep 1000"), "autostart=true", "startsecs=0", "stdout_logfile=/dev/full", "stderr_logfile=/dev/full")
	s.program(t, "nowhere", "command=/bin/sleep 1000", "autostart=true", "startsecs=0", "startretries=0", "stdout_logfile="+s.dir+"/no/such/dir/log")
	s.launch(t, s)
	s.becomes(t, "full", client.Running)
	s.becomes(t, "nowhere", client.Fatal)
	s.shutdown(t)
}

// TestSocketPath: the longest path of a socket works, a longer one is told.
func TestSocketPath(t *testing.T) {
	for length, works := range map[int]bool{longestSocket: true, longestSocket + 1: false} {
		s := newSite(t, implementations()["embedded"])
		long := filepath.Join(s.dir, strings.Repeat("d", length-len(s.dir)-len("//sv.sock")))
		require.NoError(t, os.Mkdir(long, 0o700))
		s.write(t, "supervisord.conf", strings.ReplaceAll(content(t, s.conf), s.dir+"/sv.sock", long+"/sv.sock"))
		err := Launch(t.Context(), LaunchOptions{
			Command: []string{self(t)}, ConfigFile: s.conf, Env: []string{daemonVariable + "=" + s.conf},
		})
		if !works {
			require.ErrorContains(t, err, "use a shorter instance root")
			continue
		}
		require.NoError(t, err)
		s.client, err = client.New(long + "/sv.sock")
		require.NoError(t, err)
		t.Cleanup(s.client.Close)
		s.shutdown(t)
	}
}

func self(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	return program
}

// TestSharedLog: a log that is another name of somebody's file is not written.
func TestSharedLog(t *testing.T) {
	dir := t.TempDir()
	victim, log := filepath.Join(dir, "victim"), filepath.Join(dir, "log")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	require.NoError(t, os.Link(victim, log))
	_, err := openLog(log, true)
	require.ErrorIs(t, err, errNotRegular)
	_, err = rotateLog(logConfig{File: log, MaxBytes: 1, Backups: 1})
	require.ErrorIs(t, err, errNotRegular)
	require.ErrorIs(t, clearLog(log), errNotRegular)
	require.Equal(t, "precious", content(t, victim))
}

// TestPipeAsLog: a program that logs into a pipe is started once somebody reads
// it, and keeps nobody else waiting until then.
func TestPipeAsLog(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	fifo := filepath.Join(s.dir, "fifo")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	s.program(t, "pipe", "command="+s.script(t, "talk.sh", "echo hello; exec sleep 1000"),
		"autostart=true", "startsecs=0", "startretries=0", "stdout_logfile="+fifo, "stderr_logfile=NONE")
	s.launch(t, s)
	s.becomes(t, "pipe", client.Fatal)
	reader, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer reader.Close()
	require.NoError(t, s.client.StartProcess(t.Context(), "pipe", true))
	text := make([]byte, len("hello"))
	_, err = io.ReadFull(reader, text)
	require.NoError(t, err)
	require.Equal(t, "hello", string(text))
	s.shutdown(t)
	require.NoError(t, reader.Close())
	_, err = openMainLog(logConfig{File: fifo}, 0)
	require.ErrorIs(t, err, unix.ENXIO)
}

// apartVariable names the test for which this process was started.
const apartVariable = "SUPERVISE_TEST_APART"

// apart runs a test in a process of its own, in which it is true: limits hold for all
// of a process, also for the log that a test program keeps for the go command.
func apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apartVariable) == t.Name() {
		return true
	}
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), apartVariable+"="+t.Name())
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", said)
	require.Contains(t, string(said), "--- PASS: "+t.Name())
	return false
}

// limited calls f with a limit on all of this process.
func limited(t *testing.T, resource int, most uint64, f func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(resource, &limit))
	require.NoError(t, unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: limit.Max}))
	f()
	require.NoError(t, unix.Setrlimit(resource, &limit))
}

// TestRotateOnAFullDisk: a copy that does not fit costs nothing of what is there,
// however often it is tried.
func TestRotateOnAFullDisk(t *testing.T) {
	if !apart(t) {
		return
	}
	c := logConfig{File: filepath.Join(t.TempDir(), "log"), MaxBytes: 10, Backups: 3}
	for suffix, text := range map[string]string{"": "0123456789", ".1": "1", ".2": "2", ".3": "3"} {
		require.NoError(t, os.WriteFile(c.File+suffix, []byte(text), 0o600))
	}
	limited(t, unix.RLIMIT_FSIZE, 5, func() {
		for range 3 {
			rotated, err := rotateLog(c)
			require.ErrorIs(t, err, unix.EFBIG)
			require.False(t, rotated)
		}
	})
	require.Equal(t, "0123456789", content(t, c.File))
	require.Equal(t, "1", content(t, c.File+".1"))
	require.Equal(t, "2", content(t, c.File+".2"))

	rotated, err := rotateLog(c)
	require.NoError(t, err)
	require.True(t, rotated)
	require.Equal(t, "0123456789", content(t, c.File+".1"))
	require.Equal(t, "1", content(t, c.File+".2"))
	require.Equal(t, "2", content(t, c.File+".3"))
	left, err := filepath.Glob(c.File + "*")
	require.NoError(t, err)
	require.Len(t, left, 4)
}

// TestRecycledWatched: a process that got the number of an adopted one, in the
// moment before that is noticed, is neither watched nor signalled.
func TestRecycledWatched(t *testing.T) {
	other := stranger(t, nil, nil).Process.Pid
	info, err := readProc(other)
	require.NoError(t, err)
	w := newWatcher(other, info.ticks-1)
	defer w.close()
	ended := make(chan bool, 1)
	go func() { ended <- w.wait() }()
	select {
	case end := <-ended:
		require.True(t, end)
	case <-time.After(10 * time.Second):
		w.close()
		t.Fatal("a stranger is watched")
	}

	dead := exec.CommandContext(t.Context(), "/bin/sleep", "1000")
	require.NoError(t, dead.Start())
	info, err = readProc(dead.Process.Pid)
	require.NoError(t, err)
	p := &process{group: &group{}, watch: newWatcher(dead.Process.Pid, info.ticks)}
	defer p.watch.close()
	p.pid = other // as if the number of the dead one were given away
	require.NoError(t, dead.Process.Kill())
	require.Error(t, dead.Wait())
	require.NoError(t, p.signal(syscall.SIGKILL, false))
	info, err = readProc(other)
	require.NoError(t, err)
	require.False(t, info.dead())
}

// TestWatchWithoutDescriptors: a process that cannot be looked at for want of
// descriptors has not ended.
func TestWatchWithoutDescriptors(t *testing.T) {
	if !apart(t) {
		return
	}
	other := stranger(t, nil, nil).Process.Pid
	info, err := readProc(other)
	require.NoError(t, err)
	var w *watcher
	ended := make(chan bool, 1)
	limited(t, unix.RLIMIT_NOFILE, 0, func() {
		w = newWatcher(other, info.ticks)
		go func() { ended <- w.wait() }()
		time.Sleep(3 * pollInterval)
	})
	w.close()
	require.False(t, <-ended)
}

// TestStartDuringShutdown: a call to start something that was accepted before the
// end began starts nothing that nobody would stop.
func TestStartDuringShutdown(t *testing.T) {
	d := newDaemon(&config{socket: "/nowhere"}, nil, slog.New(slog.DiscardHandler), &mainLog{})
	g := d.addGroup(groupConfig{Name: "g", Programs: []programConfig{{Name: "a", Command: "/bin/sleep 1000"}}})
	d.mood = client.DaemonShutdown
	err := d.tryStart(g.processes[0], "g:a")
	require.True(t, client.IsFault(err, client.FaultShutdownState), "%v", err)
	require.Zero(t, g.processes[0].pid)
}

// TestRotationOfTheDead: the log of a program that ended is bounded too.
func TestRotationOfTheDead(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": s.script(t, "talk.sh", "head -c 150000 /dev/zero")})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	s.becomes(t, "part:a", client.Exited)
	require.Eventually(t, func() bool {
		info, err := os.Stat(filepath.Join(s.dir, ".part_a.log"))
		return err == nil && info.Size() < 100<<10
	}, 10*time.Second, 100*time.Millisecond)
}

// TestOddConfigFiles: hidden files are not included, and of a file that is too
// large not just the beginning is read.
func TestOddConfigFiles(t *testing.T) {
	const program = "[program:a]\ncommand = /bin/true\n"
	path := configFiles(t, "", map[string]string{"a.conf": program, ".b.conf": "no configuration at all"})
	cfg, err := loadConfig(path, nil)
	require.NoError(t, err)
	require.Len(t, cfg.groups, 1)

	path = configFiles(t, "", map[string]string{"a.conf": program + strings.Repeat("# comment\n", maxConfigFile/10) + "[program:b]\ncommand = /bin/true\n"})
	_, err = loadConfig(path, nil)
	require.ErrorIs(t, err, errSyntax)
}

// TestOrphans: a daemon that is the first process of a container waits for what its
// programs left behind, and leaves its own children to who watches them.
func TestOrphans(t *testing.T) {
	start := func() *os.Process {
		child, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			info, err := readProc(child.Pid)
			return err == nil && info.dead()
		}, time.Minute, 5*time.Millisecond)
		return child
	}
	own, orphan := start(), start()
	d := newDaemon(&config{socket: "/nowhere"}, nil, slog.New(slog.DiscardHandler), &mainLog{})
	d.addGroup(groupConfig{Name: "g", Programs: []programConfig{{Name: "a"}}}).processes[0].child = own
	d.reap()
	_, err := readProc(orphan.Pid)
	require.ErrorIs(t, err, fs.ErrNotExist)
	state, err := own.Wait()
	require.NoError(t, err)
	require.True(t, state.Success())
	_, err = orphan.Wait()
	require.Error(t, err)
}

// TestInheritedDescriptors: neither the daemon nor its programs keep what the shell
// has open that launches it, nor the programs what a daemon in the foreground has.
func TestInheritedDescriptors(t *testing.T) {
	for _, launched := range []bool{true, false} {
		s := newSite(t, implementations()["embedded"])
		s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
		inherited, err := os.Create(filepath.Join(s.dir, "lock"))
		require.NoError(t, err)
		defer inherited.Close()
		if launched {
			_, err = unix.FcntlInt(inherited.Fd(), unix.F_SETFD, 0)
			require.NoError(t, err)
			s.launch(t, s)
		} else {
			cmd := exec.CommandContext(t.Context(), self(t))
			cmd.Env, cmd.ExtraFiles = []string{daemonVariable + "=" + s.conf}, []*os.File{inherited}
			require.NoError(t, cmd.Start())
			defer func() { require.NoError(t, cmd.Wait()) }()
			defer s.shutdown(t)
			require.Eventually(t, func() bool { _, err := s.client.State(t.Context()); return err == nil }, 10*time.Second, 20*time.Millisecond)
		}
		require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
		pids := []int{s.info(t, "part:a").PID}
		if launched {
			daemon, err := s.client.PID(t.Context())
			require.NoError(t, err)
			pids = append(pids, daemon)
		}
		for _, pid := range pids {
			open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
			require.NoError(t, err)
			require.NotEmpty(t, open)
			for _, fd := range open {
				target, _ := os.Readlink(fd) // it may be closed by now
				require.NotEqual(t, inherited.Name(), target)
			}
		}
	}
}

// TestStateOnAFullDisk: a daemon whose state never found room is known to have run.
func TestStateOnAFullDisk(t *testing.T) {
	if !apart(t) {
		return
	}
	cfg := &config{socket: "/nowhere", pidFile: filepath.Join(t.TempDir(), "pid")}
	d := newDaemon(cfg, nil, slog.New(slog.DiscardHandler), &mainLog{})
	d.dirty = true
	limited(t, unix.RLIMIT_FSIZE, 0, d.flush)
	require.True(t, d.dirty)
	left, err := readState(cfg.stateFile())
	require.NoError(t, err)
	require.NotNil(t, left)
	require.Zero(t, left.Version)
	d.flush()
	left, err = readState(cfg.stateFile())
	require.NoError(t, err)
	require.Equal(t, stateVersion, left.Version)
}

// TestLeftBehind: what a program left behind in a session of its own is not taken for
// the program after an unclean end.
func TestLeftBehind(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{"a": s.script(t, "leave.sh", "setsid sleep 1000 & echo $! > "+s.dir+"/helper; sleep 0.1")})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	s.becomes(t, "part:a", client.Exited)
	helper, err := strconv.Atoi(strings.TrimSpace(content(t, s.dir+"/helper")))
	require.NoError(t, err)
	defer func() { require.NoError(t, syscall.Kill(helper, syscall.SIGKILL)) }()
	s.killDaemon(t)
	s.launch(t, s)
	require.Equal(t, client.Exited, s.info(t, "part:a").State)
}

// TestLinkedLog: the log of a partition that its user made a link to somebody else's
// file is not read for anybody.
func TestLinkedLog(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("without root there is one user only")
	}
	s := newSite(t, implementations()["embedded"])
	secret := filepath.Join(s.dir, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	require.NoError(t, os.Symlink(secret, s.dir+"/link.log"))
	s.program(t, "a", "command=/bin/true", "autostart=false", "user=65534", "redirect_stderr=true", "stdout_logfile="+s.dir+"/link.log")
	s.launch(t, s)
	_, err := s.client.ReadProcessLog(t.Context(), "a", client.Stdout, 0, 0)
	require.True(t, client.IsFault(err, client.FaultFailed), "%v", err)
	tail, err := s.client.TailProcessLog(t.Context(), "a", client.Stdout, 0, 100)
	require.NoError(t, err)
	require.Empty(t, tail.Text)
	_, err = s.client.FollowProcessLog(t.Context(), "a", client.Stdout)
	require.Error(t, err)
}
