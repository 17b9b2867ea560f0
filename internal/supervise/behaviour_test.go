package supervise

import (
	"bufio"
	"context"
	"fmt"
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

// The behaviour of both daemons beyond what the agent needs every day.
func TestDaemonBehaviour(t *testing.T) {
	tests := map[string]func(t *testing.T, s *site){
		"listener":      testListener,
		"vacant":        testVacant,
		"failing":       testFailing,
		"restart":       testAutoRestart,
		"follow":        testFollow,
		"introspection": testIntrospection,
		"stdin":         testStdin,
		"no such place": testNotSpawned,
		"bad files":     testBadFiles,
		"order":         testOrder,
		"begin again":   testBeginAgain,
		"user":          testUser,
	}
	for name, launch := range implementations() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, test := range tests {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					test(t, newSite(t, launch))
				})
			}
		})
	}
}

// program adds a [program:] with these lines.
func (s *site) program(t *testing.T, name string, lines ...string) {
	t.Helper()
	s.write(t, "conf.d/"+name+".conf", "[program:"+name+"]\n"+strings.Join(lines, "\n")+"\n")
}

// reads waits until a file holds a text and returns what it holds.
func reads(t *testing.T, path, want string) string {
	t.Helper()
	var text []byte
	require.Eventually(t, func() bool {
		text, _ = os.ReadFile(path)
		return strings.Contains(string(text), want)
	}, time.Minute, 20*time.Millisecond, "%s does not show %q", path, want)
	return string(text)
}

// testListener runs the watchdog's protocol: one event of a killed service.
func testListener(t *testing.T, s *site) {
	got := filepath.Join(s.dir, "got")
	listener := s.script(t, "listener.sh", `
while :; do
  printf 'READY\n'
  IFS= read -r header || exit 0
  len=${header##*len:}
  payload=$(dd bs=1 count="$len" 2>/dev/null)
  echo "$header|$payload" >> `+got+`
  printf 'RESULT 2\nOK'
done`)
	conf, err := os.ReadFile(s.conf)
	require.NoError(t, err)
	s.write(t, "supervisord.conf", strings.Replace(string(conf), "command =\n", "command = "+listener+"\n", 1))
	s.group(t, "part", map[string]string{"web-on-watch": "/bin/sleep 1000", "run": "/bin/true"})
	s.launch(t, s)
	s.becomes(t, "watchdog", client.Running)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:web-on-watch", true))
	pid := s.info(t, "part:web-on-watch").PID
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	text := reads(t, got, "web-on-watch")
	require.Regexp(t, `^ver:3.0 server:supervisor serial:\d+ pool:watchdog poolserial:0 eventname:PROCESS_STATE_EXITED len:\d+\|`+
		fmt.Sprintf(`processname:web-on-watch groupname:part from_state:RUNNING expected:0 pid:%d\n$`, pid), text)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:run", false))
	reads(t, got, "processname:run groupname:part from_state:RUNNING expected:1")

	// Its end is no reason to lose events.
	require.NoError(t, syscall.Kill(s.info(t, "watchdog").PID, syscall.SIGKILL))
	require.NoError(t, s.client.StartProcess(t.Context(), "part:run", false))
	require.Eventually(t, func() bool {
		return strings.Count(reads(t, got, "processname:run"), "processname:run") == 2
	}, time.Minute, 50*time.Millisecond)
}

// testVacant: where there is no watchdog its section has no command, and still
// the agents find the group, replace it and then use it.
func testVacant(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	state := s.info(t, "watchdog").State
	require.Contains(t, []client.State{client.Stopped, client.Starting, client.Backoff, client.Fatal}, state)
	did, err := s.client.Update(t.Context())
	require.NoError(t, err)
	require.True(t, did.Empty(), "%+v", did)
	err = s.client.StartProcess(t.Context(), "watchdog", true)
	require.True(t, client.IsFault(err, client.FaultNotExecutable), "%v", err)

	conf := content(t, s.conf)
	s.write(t, "supervisord.conf", strings.Replace(conf, "command =\n", "command = /bin/cat\n", 1))
	_ = s.client.StopProcess(t.Context(), "watchdog", true) // the real one may be about to try again
	changes, err := s.client.ReloadConfig(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"watchdog"}, changes.Changed)
	require.NoError(t, s.client.RemoveProcessGroup(t.Context(), "watchdog"))
	require.NoError(t, s.client.AddProcessGroup(t.Context(), "watchdog"))
	s.becomes(t, "watchdog", client.Running)
}

// testFailing: a program that cannot start ends up FATAL.
func testFailing(t *testing.T, s *site) {
	s.program(t, "hasty", "command=/bin/false", "startretries=1", "startsecs=1", "autostart=true")
	s.program(t, "empty", "command=", "startretries=0")
	s.program(t, "lazy", "command="+s.script(t, "lazy.sh", "sleep 0.2"), "startsecs=60", "startretries=0", "autostart=false", "autorestart=false")
	s.launch(t, s)
	fatal := s.becomes(t, "hasty", client.Fatal)
	require.Equal(t, "Exited too quickly (process log may have details)", fatal.SpawnError)
	require.Equal(t, fatal.SpawnError, fatal.Description)
	require.Equal(t, "command is empty", s.becomes(t, "empty", client.Fatal).SpawnError)
	err := s.client.StartProcess(t.Context(), "empty", true)
	require.True(t, client.IsFault(err, client.FaultNotExecutable), "%v", err)
	err = s.client.StartProcess(t.Context(), "hasty", true)
	require.True(t, client.IsFault(err, client.FaultSpawnError), "%v", err)
	err = s.client.StartProcess(t.Context(), "lazy", true)
	require.True(t, client.IsFault(err, client.FaultSpawnError), "%v", err)
}

func testAutoRestart(t *testing.T, s *site) {
	s.program(t, "sleeper", "command=/bin/sleep 1000", "startsecs=0", "autorestart=true")
	s.launch(t, s)
	first := s.becomes(t, "sleeper", client.Running)
	require.NoError(t, s.client.SignalProcess(t.Context(), "sleeper", "KILL"))
	require.Eventually(t, func() bool {
		now := s.info(t, "sleeper")
		return now.State == client.Running && now.PID != first.PID
	}, time.Minute, 20*time.Millisecond)
	s.settle(t)
	require.NoError(t, s.client.StopProcess(t.Context(), "sleeper", true))
	time.Sleep(1200 * time.Millisecond) // longer than any pause before a restart
	require.Equal(t, client.Stopped, s.info(t, "sleeper").State)
}

func testFollow(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"talker": s.script(t, "talk.sh", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.1; done")})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:talker", true))
	reads(t, s.dir+"/.part_talker.log", "line 2\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, err := s.client.FollowProcessLog(ctx, "part:talker", client.Stdout)
	require.NoError(t, err)
	lines := bufio.NewScanner(body)
	for lines.Scan() && lines.Text() != "line 9" {
	}
	require.Equal(t, "line 9", lines.Text())
	cancel()
	_ = body.Close()
	_, err = s.client.FollowProcessLog(t.Context(), "part:nobody", client.Stdout)
	require.ErrorContains(t, err, "404")

	main, err := s.client.FollowMainLog(t.Context())
	require.NoError(t, err)
	lines = bufio.NewScanner(main)
	require.True(t, lines.Scan())
	require.NoError(t, main.Close())
	text, err := s.client.ReadMainLog(t.Context(), -100, 0)
	require.NoError(t, err)
	require.Contains(t, text, "INFO")
}

func testIntrospection(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	ctx := t.Context()
	names, err := s.client.Methods(ctx)
	require.NoError(t, err)
	for _, want := range []string{
		"supervisor.getAllConfigInfo", "supervisor.getAllProcessInfo", "supervisor.getState", "supervisor.readProcessStdoutLog",
		"supervisor.startProcessGroup", "supervisor.tailProcessStderrLog", "supervisor.sendProcessStdin", "system.multicall",
	} {
		require.Contains(t, names, want)
	}
	results, err := s.client.Multicall(ctx, []client.Call{
		{Method: "supervisor.getIdentification"},
		{Method: "supervisor.getProcessInfo", Args: []any{"nobody"}},
		{Method: "supervisor.startProcess", Args: []any{"part:a", true}},
		{Method: "supervisor.nothing"},
	})
	require.NoError(t, err)
	require.Equal(t, "supervisor", results[0])
	require.True(t, client.IsFault(results[1].(error), client.FaultBadName), "%v", results[1])
	require.Equal(t, true, results[2])
	require.True(t, client.IsFault(results[3].(error), client.FaultUnknownMethod), "%v", results[3])
	api, err := s.client.APIVersion(ctx)
	require.NoError(t, err)
	require.Equal(t, "3.0", api)
	configs, err := s.client.AllConfigInfo(ctx)
	require.NoError(t, err)
	require.Equal(t, client.GroupConfig{Name: "a", Group: "part", InUse: true, GroupPriority: 999, Priority: 999}, configs[0])
}

// testStdin: standard input neither ends nor is the terminal's.
func testStdin(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"cat": "/bin/cat"})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:cat", true))
	pid := s.info(t, "part:cat").PID
	time.Sleep(200 * time.Millisecond)
	require.Equal(t, pid, s.info(t, "part:cat").PID)
	require.NoError(t, s.client.SendStdin(t.Context(), "part:cat", "hello\n"))
	reads(t, s.dir+"/.part_cat.log", "hello\n")
	require.Equal(t, client.Running, s.info(t, "part:cat").State)
}

// testNotSpawned: what only the child finds out is an exit with 127 and a line in its log.
func testNotSpawned(t *testing.T, s *site) {
	log := func(name string) []string {
		return []string{"autostart=true", "autorestart=false", "startsecs=0", "redirect_stderr=true", "stdout_logfile=" + s.dir + "/" + name + ".log"}
	}
	bad := filepath.Join(s.dir, "bad.sh")
	require.NoError(t, os.WriteFile(bad, []byte("#!/no/such/interpreter\n"), 0o700))
	s.program(t, "place", append(log("place"), "command=/bin/true", "directory="+s.dir+"/nowhere")...)
	s.program(t, "interpreter", append(log("interpreter"), "command="+bad)...)
	s.launch(t, s)
	require.Equal(t, 127, s.becomes(t, "place", client.Exited).ExitStatus)
	reads(t, s.dir+"/place.log", "supervisor: couldn't chdir to "+s.dir+"/nowhere: ")
	require.Equal(t, 127, s.becomes(t, "interpreter", client.Exited).ExitStatus)
	reads(t, s.dir+"/interpreter.log", "supervisor: couldn't exec "+bad+": ")
}

// testBadFiles: an unreadable configuration changes nothing.
func testBadFiles(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	pid := s.info(t, "part:a").PID
	s.program(t, "broken", "command=/bin/true", "startsecs=soon")
	_, err := s.client.Update(t.Context())
	require.True(t, client.IsFault(err, client.FaultCantReread), "%v", err)
	require.Equal(t, pid, s.info(t, "part:a").PID)
	require.NoError(t, os.Remove(s.dir+"/conf.d/broken.conf"))
	did, err := s.client.Update(t.Context())
	require.NoError(t, err)
	require.True(t, did.Empty(), "%+v", did)
}

// testOrder: low priorities start first and stop last.
func testOrder(t *testing.T, s *site) {
	order := filepath.Join(s.dir, "order")
	script := s.script(t, "order.sh", "echo start $1 >> "+order+"\ntrap 'echo stop $1 >> "+order+"; exit 0' TERM\nwhile :; do sleep 0.05; done")
	for i, name := range []string{"c", "b", "a"} {
		s.program(t, name, "command="+script+" "+name, "priority="+strconv.Itoa(i+1), "startsecs=0", "autostart=true")
	}
	s.launch(t, s)
	for _, name := range []string{"a", "b", "c"} {
		s.becomes(t, name, client.Running)
		reads(t, order, "start "+name)
	}
	s.shutdown(t)
	text := reads(t, order, "stop c\n")
	require.True(t, strings.HasSuffix(text, "stop a\nstop b\nstop c\n"), text)
}

// testBeginAgain: restart reads everything anew.
func testBeginAgain(t *testing.T, s *site) {
	s.group(t, "part", map[string]string{"a": "/bin/sleep 1000"})
	s.launch(t, s)
	require.NoError(t, s.client.StartProcess(t.Context(), "part:a", true))
	pid := s.info(t, "part:a").PID
	s.group(t, "more", map[string]string{"a": "/bin/sleep 1000"})
	s.settle(t)
	require.NoError(t, s.client.Restart(t.Context()))
	require.Eventually(t, func() bool {
		info, err := s.client.ProcessInfo(t.Context(), "more:a")
		return err == nil && info.State == client.Stopped
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, client.Stopped, s.info(t, "part:a").State)
	_, err := os.Stat("/proc/" + strconv.Itoa(pid))
	require.Error(t, err)
}

// testUser: root's daemon runs a program as its user, with that user's groups.
func testUser(t *testing.T, s *site) {
	if os.Geteuid() != 0 {
		t.Skip("only root can switch to another user")
	}
	account, err := lookupUser("nobody")
	if err != nil {
		t.Skip("no user nobody: ", err)
	}
	require.NoError(t, os.Chmod(s.dir, 0o755))
	s.program(t, "who", "command="+s.script(t, "id.sh", "id -u; id -g; id -G; umask"), "user="+account.Uid, "group="+account.Gid, "autostart=true",
		"startsecs=0", "autorestart=false", "redirect_stderr=true", "stdout_logfile="+s.dir+"/who.log")
	require.NoError(t, os.Chmod(s.dir+"/id.sh", 0o755))
	s.launch(t, s)
	require.Equal(t, 0, s.becomes(t, "who", client.Exited).ExitStatus)
	text := reads(t, s.dir+"/who.log", "0022")
	require.True(t, strings.HasPrefix(text, account.Uid+"\n"+account.Gid+"\n"), text)
}

// TestVacantListener: a node without a watchdog is healthy.
func TestVacantListener(t *testing.T) {
	s := newSite(t, implementations()["embedded"])
	s.launch(t, s)
	require.Equal(t, client.Stopped, s.info(t, "watchdog").State)
	all, err := s.client.AllProcessInfo(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
	results, err := s.client.StartAll(t.Context(), true)
	require.NoError(t, err)
	require.Empty(t, results)
}
