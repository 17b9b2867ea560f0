package supervise

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// site is an instance root with a daemon.
type site struct {
	dir    string
	conf   string
	client *client.Client
	launch func(t *testing.T, s *site)
}

// implementations are the daemons that one suite holds for.
func implementations() map[string]func(t *testing.T, s *site) {
	return map[string]func(t *testing.T, s *site){
		"embedded": func(t *testing.T, s *site) {
			program, err := os.Executable()
			require.NoError(t, err)
			require.NoError(t, Launch(t.Context(), LaunchOptions{
				Command: []string{program}, ConfigFile: s.conf, Env: []string{daemonVariable + "=" + s.conf},
			}))
		},
		"real": func(t *testing.T, s *site) {
			peer := testpeer.Get(t, testpeer.Newest)
			require.NoError(t, Launch(t.Context(), LaunchOptions{
				Command: []string{peer.Supervisord(), "-c", s.conf}, ConfigFile: s.conf,
			}))
		},
	}
}

func newSite(t *testing.T, launch func(t *testing.T, s *site)) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "sv-") // a socket's path has to be short
	require.NoError(t, err)
	s := &site{dir: dir, conf: filepath.Join(dir, "supervisord.conf"), launch: launch}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	release, err := testpeer.Guard(dir)
	require.NoError(t, err)
	t.Cleanup(release)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o700))
	s.write(t, "supervisord.conf", fmt.Sprintf(`
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[include]
files = %[1]s/conf.d/*.conf
[supervisorctl]
serverurl = unix://%[1]s/sv.sock
[supervisord]
loglevel = info
logfile = %[1]s/supervisord.log
pidfile = %[1]s/supervisord.pid
nodaemon = false
[unix_http_server]
file=%[1]s/sv.sock
chmod=0700
[eventlistener:watchdog]
command =
events = PROCESS_STATE_EXITED, PROCESS_STATE_FATAL
`, dir))
	s.client, err = client.New(filepath.Join(dir, "sv.sock"))
	require.NoError(t, err)
	t.Cleanup(s.client.Close)
	t.Cleanup(func() { s.shutdown(t) })
	return s
}

func (s *site) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600))
}

// group writes the file of a group the way the agent does.
func (s *site) group(t *testing.T, group string, programs map[string]string) {
	t.Helper()
	var names []string
	var text strings.Builder
	for name, command := range programs {
		names = append(names, group+"_"+name)
		fmt.Fprintf(&text, `
[program:%[1]s_%[2]s]
directory=%[3]s
command=%[4]s
process_name=%[2]s
autostart=false
autorestart=false
startsecs=0
startretries=0
exitcodes=0
stopsignal=TERM
stopwaitsecs=60
stopasgroup=true
killasgroup=true
serverurl=AUTO
redirect_stderr=true
stdout_logfile=%[3]s/.%[1]s_%[2]s.log
stderr_logfile=%[3]s/.%[1]s_%[2]s.log
stdout_logfile_maxbytes=100KB
stderr_logfile_maxbytes=100KB
stdout_logfile_backups=1
stderr_logfile_backups=1
environment=USER="tester",HOME="/nowhere"
`, group, name, s.dir, command)
	}
	s.write(t, "conf.d/"+group+".conf", fmt.Sprintf("[group:%s]\nprograms=%s\n%s", group, strings.Join(names, ","), text.String()))
}

func (s *site) script(t *testing.T, name, body string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o700))
	return path
}

func (s *site) info(t *testing.T, name string) client.ProcessInfo {
	t.Helper()
	info, err := s.client.ProcessInfo(t.Context(), name)
	require.NoError(t, err)
	return info
}

// becomes waits for a state.
func (s *site) becomes(t *testing.T, name string, want client.State) client.ProcessInfo {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		info := s.info(t, name)
		if info.State == want {
			return info
		}
		require.True(t, time.Now().Before(deadline), "%s is %s, not %s", name, info.StateName, want)
		time.Sleep(20 * time.Millisecond)
	}
}

// executing waits until a process runs its program: the real daemon's child
// swallows signals before.
func (s *site) executing(t *testing.T, name, program string) {
	t.Helper()
	pid := s.becomes(t, name, client.Running).PID
	require.Eventually(t, func() bool {
		line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		return err == nil && strings.HasPrefix(string(line), program)
	}, time.Minute, 10*time.Millisecond)
}

// settle waits until every process runs its program: until then the child of
// the real daemon swallows signals.
func (s *site) settle(t *testing.T) {
	t.Helper()
	infos, err := s.client.AllProcessInfo(context.Background())
	if err != nil {
		return // no daemon
	}
	for _, p := range infos {
		require.Eventually(t, func() bool {
			text, err := os.ReadFile("/proc/" + strconv.Itoa(p.PID) + "/cmdline")
			return p.PID == 0 || err != nil || !strings.Contains(string(text), "supervisord.conf")
		}, time.Minute, 10*time.Millisecond)
	}
}

// shutdown ends the daemon, if one runs, and waits for its end.
func (s *site) shutdown(t *testing.T) {
	t.Helper()
	s.settle(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if s.client.Shutdown(ctx) != nil {
		return // none runs
	}
	for {
		if _, err := s.client.State(ctx); err != nil && !client.IsFault(err, client.FaultShutdownState) {
			if _, err := os.Stat(filepath.Join(s.dir, "supervisord.pid")); err != nil {
				return
			}
		}
		require.NoError(t, ctx.Err(), "the daemon does not end")
		time.Sleep(20 * time.Millisecond)
	}
}

func TestDaemons(t *testing.T) {
	tests := map[string]func(t *testing.T, s *site){
		"states":       testStates,
		"environment":  testEnvironment,
		"groups":       testGroups,
		"kill":         testKill,
		"faults":       testFaults,
		"logs":         testLogs,
		"stubborn":     testStubborn,
		"group update": testUpdate,
	}
	for name, launch := range implementations() {
		t.Run(name, func(t *testing.T) {
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, newSite(t, launch))
				})
			}
		})
	}
}

func testStates(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"sleeper": "/bin/sleep 1000", "short": "/bin/true", "bad": "/bin/false"})
	s.launch(t, s)
	require.Equal(t, client.Stopped, s.info(t, "part:sleeper").State)
	require.Equal(t, "Not started", s.info(t, "part:sleeper").Description)
	results, err := s.client.StartProcessGroup(t.Context(), "part", false)
	require.NoError(t, err)
	require.Len(t, results, 3)
	up := s.becomes(t, "part:sleeper", client.Running)
	s.executing(t, "part:sleeper", "/bin/sleep")
	require.Positive(t, up.PID)
	require.Contains(t, up.Description, fmt.Sprintf("pid %d, uptime 0:0", up.PID))
	require.Equal(t, 0, s.becomes(t, "part:short", client.Exited).ExitStatus)
	require.Equal(t, 1, s.becomes(t, "part:bad", client.Exited).ExitStatus)

	s.settle(t)
	require.NoError(t, s.client.StopProcess(t.Context(), "part:sleeper", true))
	require.Equal(t, client.Stopped, s.info(t, "part:sleeper").State)
	require.Error(t, syscall.Kill(up.PID, 0))
	require.NoError(t, s.client.StartProcess(t.Context(), "part:sleeper", true))
	s.executing(t, "part:sleeper", "/bin/sleep")
	all, err := s.client.AllProcessInfo(t.Context())
	require.NoError(t, err)
	all = slices.DeleteFunc(all, func(p client.ProcessInfo) bool { return p.Group == "watchdog" }) // only the real one lists it
	require.Len(t, all, 3)
}

func testEnvironment(t *testing.T, s *site) {
	out := filepath.Join(s.dir, "env")
	s.group(t, "part", map[string]string{"env": s.script(t, "env.sh", "pwd > "+out+"; env >> "+out)})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:env", false))
	s.becomes(t, "part:env", client.Exited)
	text, err := os.ReadFile(out)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	require.Equal(t, s.dir, lines[0])
	for _, want := range []string{
		"USER=tester", "HOME=/nowhere", "SUPERVISOR_ENABLED=1", "SUPERVISOR_GROUP_NAME=part",
		"SUPERVISOR_PROCESS_NAME=env", "SUPERVISOR_SERVER_URL=unix://" + s.dir + "/sv.sock",
	} {
		require.Contains(t, lines, want)
	}
}

func testGroups(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000", "b": "/bin/sleep 1000"})
	s.group(t, "part1", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	_, err := s.client.StartAll(t.Context(), true)
	require.NoError(t, err)
	other := s.becomes(t, "part1:a", client.Running)
	for _, name := range []string{"part:a", "part:b", "part1:a"} {
		s.executing(t, name, "/bin/sleep")
	}
	s.settle(t)
	stopped, err := s.client.StopProcessGroup(t.Context(), "part", true)
	require.NoError(t, err)
	require.Len(t, stopped, 2)
	for _, r := range stopped {
		require.Equal(t, client.FaultSuccess, r.Status)
	}
	require.Equal(t, client.Stopped, s.info(t, "part:b").State)
	require.Equal(t, other.PID, s.info(t, "part1:a").PID)
}

func testKill(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	s.executing(t, "part:a", "/bin/sleep")
	require.NoError(t, syscall.Kill(s.info(t, "part:a").PID, syscall.SIGKILL))
	gone := s.becomes(t, "part:a", client.Exited)
	require.Zero(t, gone.PID)
	require.Equal(t, -1, gone.ExitStatus)
}

func testFaults(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"gone": s.dir + "/nothing", "a": "/bin/sleep 1000"})
	s.launch(t, s)
	ctx := t.Context()
	_, err := s.client.ProcessInfo(ctx, "part:nobody")
	require.True(t, client.IsFault(err, client.FaultBadName), "%v", err)
	_, err = s.client.StartProcessGroup(ctx, "nobody", false)
	require.True(t, client.IsFault(err, client.FaultBadName), "%v", err)
	err = s.client.StartProcess(ctx, "part:gone", true)
	require.True(t, client.IsFault(err, client.FaultNoFile), "%v", err)
	err = s.client.StopProcess(ctx, "part:a", true)
	require.True(t, client.IsFault(err, client.FaultNotRunning), "%v", err)
	require.NoError(t, s.client.StartProcess(ctx, "part:a", true))
	err = s.client.StartProcess(ctx, "part:a", true)
	require.True(t, client.IsFault(err, client.FaultAlreadyStarted), "%v", err)
	err = s.client.AddProcessGroup(ctx, "part")
	require.True(t, client.IsFault(err, client.FaultAlreadyAdded), "%v", err)
	err = s.client.RemoveProcessGroup(ctx, "part")
	require.True(t, client.IsFault(err, client.FaultStillRunning), "%v", err)
	err = s.client.SignalProcess(ctx, "part:a", "NOSUCH")
	require.True(t, client.IsFault(err, client.FaultBadSignal), "%v", err)
	s.executing(t, "part:a", "/bin/sleep")
}

func testLogs(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"talker": s.script(t, "talk.sh", "echo out; echo err >&2; sleep 1000")})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:talker", true))
	deadline := time.Now().Add(time.Minute)
	for {
		text, err := s.client.ReadProcessLog(t.Context(), "part:talker", client.Stdout, 0, 0)
		if err == nil && text == "out\nerr\n" {
			break
		}
		require.True(t, time.Now().Before(deadline), "log: %q, %v", text, err)
		time.Sleep(20 * time.Millisecond)
	}
	tail, err := s.client.TailProcessLog(t.Context(), "part:talker", client.Stdout, 0, 4)
	require.NoError(t, err)
	require.Equal(t, 8, tail.Size)
	require.NoError(t, s.client.ClearProcessLogs(t.Context(), "part:talker"))
	text, err := os.ReadFile(s.dir + "/.part_talker.log")
	require.NoError(t, err)
	require.Empty(t, text)
}

// testStubborn stops a program that ignores SIGTERM and has a child.
func testStubborn(t *testing.T, s *site) {
	ready := filepath.Join(s.dir, "ready")
	s.group(t, "part", map[string]string{"deaf": s.script(t, "deaf.sh", "trap '' TERM; sleep 1000 & echo $! > "+ready+"; wait; wait; sleep 1000")})
	conf := filepath.Join(s.dir, "conf.d/part.conf")
	text, err := os.ReadFile(conf)
	require.NoError(t, err)
	s.write(t, "conf.d/part.conf", strings.ReplaceAll(string(text), "stopwaitsecs=60", "stopwaitsecs=1"))
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:deaf", true))
	var child int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(ready)
		child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && child > 0
	}, time.Minute, 20*time.Millisecond)
	s.settle(t)
	require.NoError(t, s.client.StopProcess(t.Context(), "part:deaf", true))
	require.Eventually(t, func() bool {
		info, err := readProc(child)
		return err != nil || info.dead()
	}, time.Minute, 20*time.Millisecond, "the child of the program lives")
}

func testUpdate(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.group(t, "other", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	_, err := s.client.StartAll(t.Context(), true)
	require.NoError(t, err)
	kept := s.becomes(t, "other:a", client.Running).PID
	s.executing(t, "part:a", "/bin/sleep")
	s.executing(t, "other:a", "/bin/sleep")

	s.settle(t)
	none, err := s.client.Update(t.Context())
	require.NoError(t, err)
	require.True(t, none.Empty(), "%+v", none)

	s.group(t, "part", map[string]string{"a": "/bin/sleep 2000"})
	s.group(t, "fresh", map[string]string{"a": "/bin/sleep 1000"})
	did, err := s.client.Update(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"part"}, did.Changed)
	require.Equal(t, []string{"fresh"}, did.Added)
	require.Equal(t, client.Stopped, s.info(t, "part:a").State)

	require.NoError(t, os.Remove(s.dir+"/conf.d/part.conf"))
	did, err = s.client.Update(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"part"}, did.Removed)
	_, err = s.client.ProcessInfo(t.Context(), "part:a")
	require.True(t, client.IsFault(err, client.FaultBadName), "%v", err)
	require.Equal(t, kept, s.info(t, "other:a").PID)
}

// TestRealSupervisorctl drives the embedded daemon with the real command. Package
// supervisorctl compares every verb.
func TestRealSupervisorctl(t *testing.T) {
	t.Parallel()
	peer := testpeer.Get(t, testpeer.Newest)
	s := newSite(t, implementations()["embedded"])
	s.group(t, "part", map[string]string{
		"sleeper": "/bin/sleep 1000", "talker": s.script(t, "talk.sh", "echo something said; sleep 1000"),
	})
	s.launch(t, s)
	ctl := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), peer.Supervisorctl(), append([]string{"-c", s.conf}, args...)...)
		out, err := cmd.CombinedOutput()
		t.Logf("%s: %v\n%s", args, err, out)
		return string(out)
	}
	require.Equal(t, "part:sleeper: started\npart:talker: started\n", ctl("start", "part:"))
	require.Regexp(t, `part:sleeper +RUNNING +pid \d+, uptime 0:00:\d\d\npart:talker `, ctl("status"))
	reads(t, s.dir+"/.part_talker.log", "something said")
	require.Contains(t, ctl("tail", "part:talker"), "something said")
	s.group(t, "more", map[string]string{"a": "/bin/sleep 1000"})
	require.Contains(t, ctl("update"), "more: added process group")
	require.Equal(t, "part:sleeper: stopped\n", ctl("stop", "part:sleeper"))
	require.Contains(t, ctl("shutdown"), "Shut down")
}
