package supervisorctl

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/internal/supervise"
	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// daemonVariable makes the test binary a daemon of the configuration it names.
const daemonVariable = "SUPERVISORCTL_TEST_DAEMON"

func TestMain(m *testing.M) {
	if file := os.Getenv(daemonVariable); file != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := supervise.Run(ctx, supervise.Options{ConfigFile: file}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(testpeer.Settled{M: m})
}

// newSite writes the configuration of a daemon with a few programs.
func newSite(t *testing.T) (dir, conf string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "svctl-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	release, err := testpeer.Guard(dir)
	require.NoError(t, err)
	t.Cleanup(release)
	conf = filepath.Join(dir, "supervisord.conf")
	talk := filepath.Join(dir, "talk.sh")
	require.NoError(t, os.WriteFile(talk, []byte("#!/bin/sh\necho something said\nexec sleep 1000\n"), 0o700))
	program := func(name, command string) string {
		return fmt.Sprintf("[program:part_%[1]s]\nprocess_name=%[1]s\ncommand=%[2]s\nautostart=false\nautorestart=false\nstartsecs=0\n"+
			"startretries=0\nredirect_stderr=true\nstdout_logfile=%[3]s/%[1]s.log\n", name, command, dir)
	}
	require.NoError(t, os.WriteFile(conf, []byte(fmt.Sprintf(`
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://%[1]s/sv.sock
[supervisord]
logfile = %[1]s/supervisord.log
pidfile = %[1]s/supervisord.pid
[unix_http_server]
file = %[1]s/sv.sock
[group:part]
programs = part_sleeper,part_talker,part_gone
`, dir)+program("sleeper", "/bin/sleep 1000")+program("talker", talk)+program("gone", dir+"/nothing")), 0o600))
	return dir, conf
}

func launch(t *testing.T, dir, conf string, command, env []string) {
	t.Helper()
	require.NoError(t, supervise.Launch(t.Context(), supervise.LaunchOptions{Command: command, ConfigFile: conf, Env: env}))
	c, err := client.New(filepath.Join(dir, "sv.sock"))
	require.NoError(t, err)
	t.Cleanup(func() {
		defer c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_ = c.Shutdown(ctx) // the test may have done so
		for ctx.Err() == nil {
			if _, err := os.Stat(filepath.Join(dir, "supervisord.pid")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		t.Error("the daemon does not end")
	})
}

// steps are command lines with the exit status and, as a regular expression,
// the output of the real command; where both are given it is compared with ours.
var steps = []struct {
	args string
	code int
	out  string
}{
	{"status", 3, `part:gone +STOPPED +Not started\npart:sleeper +STOPPED +Not started\npart:talker +STOPPED +Not started\n`},
	{"status part:nobody", 4, `part:nobody: ERROR \(no such process\)\n`},
	{"status nobody:", 4, `nobody: ERROR \(no such group\)\n`},
	{"start part:sleeper", 0, `part:sleeper: started\n`},
	{"start part:sleeper", 0, `part:sleeper: ERROR \(already started\)\n`},
	{"start part:nobody", 1, `part:nobody: ERROR \(no such process\)\n`},
	{"start nobody:", 2, `nobody: ERROR \(no such group\)\n`},
	{"start part:gone", 1, `part:gone: ERROR \(no such file\)\n`},
	{"start", 2, `Error: start requires a process name\n(?s:.*)`},
	{"status part:sleeper", 0, `part:sleeper {21}RUNNING {3}pid \d+, uptime 0:\d\d:\d\d\n`},
	{"stop part:talker", 0, `part:talker: ERROR \(not running\)\n`},
	{"start part:talker", 0, `part:talker: started\n`},
	{"pid part:sleeper", 0, `\d+\n`},
	{"pid part:gone", 7, `0\n`},
	{"pid part:nobody", 1, `No such process part:nobody\n`},
	{"tail part:nobody", 1, `part:nobody: ERROR \(no such process name\)\n`},
	{"reread", 0, `No config updates to processes\n`},
	{"frobnicate", 1, `\*\*\* Unknown syntax: frobnicate\n`},
	{"restart part:sleeper", 0, `part:sleeper: stopped\npart:sleeper: started\n`},
	{"stop", 1, `Error: stop requires a process name\n(?s:.*)`},
	{"restart", 1, `Error: restart requires a process name\n(?s:.*)`},
	{"clear", 1, `Error: clear requires a process name\n(?s:.*)`},
	{"stop part:nobody nobody:", 1, `part:nobody: ERROR \(no such process\)\nnobody: ERROR \(no such group\)\n`},
	{"restart part:nobody", 1, `part:nobody: ERROR \(no such process\)\npart:nobody: ERROR \(no such process\)\n`},
	{"signal HUP", 1, `Error: signal requires a signal name and a process name\n(?s:.*)`},
	{"signal NOPE part:sleeper", 1, `part:sleeper: ERROR \(bad signal name\)\n`},
	{"signal HUP part:gone", 7, `part:gone: ERROR \(not running\)\n`},
	{"signal HUP nobody:", 1, `nobody: ERROR \(no such group\)\n`},
	{"signal CONT part:sleeper", 0, `part:sleeper: signalled\n`},
	{"signal CONT part:", 0, `part:sleeper: signalled\npart:talker: signalled\n`},
	{"status part:gone part:sleeper", 3, `part:gone {24}STOPPED {3}Not started\npart:sleeper {21}RUNNING {3}pid \d+, uptime 0:\d\d:\d\d\n`},
	{"status part:nobody part:sleeper", 4, `part:nobody: ERROR \(no such process\)\npart:sleeper .*\n`},
	{"status part:nobody part:gone", 3, `part:nobody: ERROR \(no such process\)\npart:gone .*\n`},
	{"tail", 1, `Error: too few arguments\n(?s:.*)`},
	{"tail a stdout b c", 1, `Error: too many arguments\n(?s:.*)`},
	{"tail part:talker foo", 1, `Error: bad channel 'foo'\n`},
	{"tail -x part:talker", 1, `Error: bad argument -x\n`},
	{"tail part:talker", 0, `something said\n\n`},
	{"tail -5 part:talker stdout", 0, `said\n\n`},
	{"tail part:talker stderr", 1, `part:talker: ERROR \(no log file\)\n`},
	{"clear part:nobody", 1, `part:nobody: ERROR \(no such process\)\n`},
	{"clear part:talker", 0, `part:talker: cleared\n`},
	{"clear all", 0, `(part:(gone|sleeper|talker): cleared\n){3}`},
	{"maintail -x", 1, `Error: bad argument -x\n`},
	{"maintail x", 1, `Error: bad argument x\n`},
	{"maintail -30", 0, `(?s:.{30}\n)`},
	{"pid", 0, `\d+\n`},
	{"pid all", 0, `0\n\d+\n\d+\n`},
	{"avail", 0, `part:gone {24}in use {4}manual {4}999:999\npart:sleeper {21}in use {4}manual {4}999:999\npart:talker .*\n`},
	{"add nobody", 1, `ERROR: no such process/group: nobody\n`},
	{"add part", 0, `ERROR: process group already active\n`},
	{"remove part", 1, `ERROR: process/group still running: part\n`},
	{"remove nobody", 1, `ERROR: no such process/group: nobody\n`},
	{"reread x", 1, `Error: reread accepts no arguments\n(?s:.*)`},
	{"version x", 1, `Error: version accepts no arguments\n(?s:.*)`},
	{"version", 0, `4\..*\n`},
	{"update nobody", 1, `ERROR: no such group: nobody\n`},
	{"update", 0, ``},
	{"fg", 1, `ERROR: no process name supplied\n(?s:.*)`},
	{"fg a b", 1, `ERROR: too many process names supplied\n`},
	{"fg part:nobody", 1, `ERROR: bad process name supplied\n`},
	{"fg part:gone", 1, `ERROR: process not running\n`},
	{"open nonsense", 1, `ERROR: url must be http:// or unix://\n`},
	{"help frobnicate", 0, `\*\*\* No help on frobnicate\n`},
	{"@change", 0, ``},
	{"reread", 0, `more: available\npart: changed\n`},
	{"update more", 0, `more: added process group\n`},
	{"update", 0, `part: stopped\npart: updated process group\n`},
	{"start all", 1, `(part:(sleeper|talker): started\n|more: started\n|part:gone: ERROR \(no such file\)\n){4}`},
	{"@settle", 0, ``},
	{"stop all", 0, `((part:(sleeper|talker)|more): stopped\n){3}`},
	{"@remove", 0, ``},
	{"update all", 0, `more: stopped\nmore: removed process group\n`},
	{"shutdown x", 1, `Error: shutdown accepts no arguments\n(?s:.*)`},
	{"shutdown", 0, `Shut down\n`},
}

// driver keeps the real command at hand: one Python for all command lines.
const driver = `
import contextlib, io, json, sys
from supervisor import supervisorctl
for line in sys.stdin:
    out, code = io.StringIO(), 0
    with contextlib.redirect_stdout(out):
        try:
            supervisorctl.main(json.loads(line))
        except SystemExit as e:
            code = e.code or 0
    print(json.dumps({"Out": out.getvalue(), "Code": code}), flush=True)
`

// runner executes one command line.
type runner func(t *testing.T, conf string, args []string) (out string, code int)

func ours(t *testing.T, conf string, args []string) (string, int) {
	var out bytes.Buffer
	code := Run(t.Context(), Options{ConfigFile: conf, Stdout: &out, Stderr: &out}, args)
	return out.String(), code
}

// theirs starts the real command.
func theirs(t *testing.T) runner {
	t.Helper()
	peer := testpeer.Get(t, testpeer.Newest)
	cmd := exec.CommandContext(t.Context(), peer.Python(), "-c", driver)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // ended by the context
	})
	answers := json.NewDecoder(out)
	return func(t *testing.T, conf string, args []string) (string, int) {
		require.NoError(t, json.NewEncoder(in).Encode(append([]string{"-c", conf}, args...)))
		var answer struct {
			Out  string
			Code int
		}
		require.NoError(t, answers.Decode(&answer))
		return answer.Out, answer.Code
	}
}

// prepare does what a step beginning with @ stands for.
func prepare(t *testing.T, dir, conf, step string) {
	t.Helper()
	more := filepath.Join(dir, "more.conf")
	switch step {
	case "@change":
		text, err := os.ReadFile(conf)
		require.NoError(t, err)
		changed := strings.Replace(string(text), "/bin/sleep 1000", "/bin/sleep 2000", 1) + "\n[include]\nfiles = more.conf\n"
		require.NoError(t, os.WriteFile(conf, []byte(changed), 0o600))
		require.NoError(t, os.WriteFile(more, []byte("[program:more]\ncommand=/bin/sleep 1000\nautostart=false\nstartsecs=0\n"), 0o600))
	case "@remove":
		require.NoError(t, os.Remove(more))
	case "@settle":
		settle()
	}
}

// settle waits: the real daemon's child swallows signals before it runs its program.
func settle() { time.Sleep(500 * time.Millisecond) }

// TestSteps runs the same command lines with each mixture of commands and daemons.
func TestSteps(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	embedded := func(_ *testing.T, conf string) ([]string, []string) {
		return []string{program}, []string{daemonVariable + "=" + conf}
	}
	realDaemon := func(t *testing.T, conf string) ([]string, []string) {
		return []string{testpeer.Get(t, testpeer.Newest).Supervisord(), "-c", conf}, nil
	}
	oursRunner := func(*testing.T) runner { return ours }
	for _, mix := range []struct {
		name   string
		daemon func(t *testing.T, conf string) (command, env []string)
		runner func(t *testing.T) runner
	}{
		{"ours on embedded", embedded, oursRunner},
		{"ours on real", realDaemon, oursRunner},
		{"theirs on embedded", embedded, theirs},
		{"theirs on real", realDaemon, theirs},
	} {
		t.Run(mix.name, func(t *testing.T) {
			t.Parallel()
			dir, conf := newSite(t)
			run := mix.runner(t)
			command, env := mix.daemon(t, conf)
			launch(t, dir, conf, command, env)
			for _, step := range steps {
				if strings.HasPrefix(step.args, "@") {
					prepare(t, dir, conf, step.args)
					continue
				}
				if step.args == "restart part:sleeper" {
					settle()
				}
				out, code := run(t, conf, strings.Fields(step.args))
				require.Regexp(t, regexp.MustCompile(`\A`+step.out+`\z`), out, step.args)
				require.Equal(t, step.code, code, "%s\n%s", step.args, out)
			}
		})
	}
}

// TestTail reads the output of a program, at once and as it comes.
func TestTail(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	dir, conf := newSite(t)
	launch(t, dir, conf, []string{program}, []string{daemonVariable + "=" + conf})
	run := func(ctx context.Context, args ...string) string {
		var out bytes.Buffer
		Run(ctx, Options{ConfigFile: conf, Stdout: &out, Stderr: &out}, args)
		return out.String()
	}
	require.Equal(t, "part:talker: started\n", run(t.Context(), "start", "part:talker"))
	require.Eventually(t, func() bool { return run(t.Context(), "tail", "part:talker") == "something said\n\n" }, time.Minute, 50*time.Millisecond)
	require.Equal(t, "said\n\n", run(t.Context(), "tail", "-5", "part:talker"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.Equal(t, "==> Press Ctrl-C to exit <==\nsomething said\n\n", run(ctx, "tail", "-f", "part:talker"))
	require.Equal(t, "part:talker: cleared\n", run(t.Context(), "clear", "part:talker"))
	require.Equal(t, "\n", run(t.Context(), "tail", "part:talker"))
	require.Contains(t, run(t.Context(), "maintail"), "supervisor started")
}

// TestInteractive types commands: an earlier failure has no influence, and what is serious is asked.
func TestInteractive(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	dir, conf := newSite(t)
	launch(t, dir, conf, []string{program}, []string{daemonVariable + "=" + conf})
	typed := func(lines ...string) string {
		var out bytes.Buffer
		in := strings.NewReader(strings.Join(lines, "\n"))
		require.Equal(t, 0, Run(t.Context(), Options{ConfigFile: conf, Stdin: in, Stdout: &out, Stderr: &out}, nil))
		return out.String()
	}
	require.Regexp(t, `^part:gone +STOPPED(?s:.*)supervisor> part:sleeper: started
supervisor> supervisor> stop name...	stop processes
supervisor> $`, typed("start part:sleeper", "", "help stop", "quit", "stop all"))
	require.Contains(t, typed("start part:nobody", "reread"), "supervisor> No config updates to processes\nsupervisor> \n")
	require.Contains(t, typed("shutdown", "no"), "supervisor> Really shut the remote supervisord process down y/N? supervisor> ")
	require.Contains(t, typed("open unix://"+dir+"/sv.sock", "pid part:sleeper"), "part:sleeper ")
	require.Contains(t, typed("help"), "restart name...\t")
	require.Contains(t, typed("shutdown", "Yes"), "y/N? Shut down\n")
	var out bytes.Buffer
	require.Equal(t, 0, Run(t.Context(), Options{ConfigFile: conf, Stdout: &out, Stderr: &out}, nil))
}

// TestFollowEnds: following a log ends with the daemon.
func TestFollowEnds(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	dir, conf := newSite(t)
	launch(t, dir, conf, []string{program}, []string{daemonVariable + "=" + conf})
	out, _ := ours(t, conf, []string{"tail", "-f", "part:nobody"})
	require.Equal(t, "part:nobody: ERROR (no such process name)\n", out)
	done := make(chan string)
	go func() {
		out, _ := ours(t, conf, []string{"maintail", "-f"})
		done <- out
	}()
	time.Sleep(300 * time.Millisecond)
	begin := time.Now()
	ours(t, conf, []string{"shutdown"})
	require.Contains(t, <-done, "supervisor started")
	require.Less(t, time.Since(begin), 4*time.Second, "the daemon waited for who only watches")
}

// TestPassword asks for the one of the configuration.
func TestPassword(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	dir, conf := newSite(t)
	text, err := os.ReadFile(conf)
	require.NoError(t, err)
	locked := strings.Replace(string(text), "[unix_http_server]", "[unix_http_server]\nusername=me\npassword=secret", 1)
	require.NoError(t, os.WriteFile(conf, []byte(locked), 0o600))
	require.NoError(t, supervise.Launch(t.Context(), supervise.LaunchOptions{
		Command: []string{program}, ConfigFile: conf, Env: []string{daemonVariable + "=" + conf},
	}))
	out, code := ours(t, conf, []string{"pid"})
	require.Equal(t, "Server requires authentication\n", out)
	require.Equal(t, 1, code)
	require.NoError(t, os.WriteFile(conf, []byte(strings.Replace(locked, "[supervisorctl]", "[supervisorctl]\nusername=me\npassword=secret", 1)), 0o600))
	out, code = ours(t, conf, []string{"shutdown"})
	require.Equal(t, "Shut down\n", out)
	require.Equal(t, 0, code)
	require.Eventually(t, func() bool {
		_, err := os.Stat(filepath.Join(dir, "supervisord.pid"))
		return err != nil
	}, time.Minute, 20*time.Millisecond)
}

// TestNoDaemon talks to nobody.
func TestNoDaemon(t *testing.T) {
	dir, conf := newSite(t)
	for _, test := range []struct {
		verb string
		code int
	}{{"status", 4}, {"start part:sleeper", 7}} {
		var out bytes.Buffer
		code := Run(t.Context(), Options{ConfigFile: conf, Stdout: &out, Stderr: &out}, strings.Fields(test.verb))
		require.Equal(t, "unix://"+dir+"/sv.sock no such file\n", out.String())
		require.Equal(t, test.code, code)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dir + "/sv.sock"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	for verb, code := range map[string]int{"status": 4, "start part:sleeper": 4, "reread": 4} {
		out, got := ours(t, conf, strings.Fields(verb))
		require.Equal(t, "unix://"+dir+"/sv.sock refused connection\n", out)
		require.Equal(t, code, got)
	}
	var out bytes.Buffer
	require.Equal(t, exitUsage, Run(t.Context(), Options{ConfigFile: dir + "/none", Stdout: &out, Stderr: &out}, []string{"status"}))
	require.Equal(t, "Error: could not find config file "+dir+"/none\n", out.String())
}

// TestInterruptedPrompt: an interrupt ends the prompt, as that of the real command,
// although the terminal says nothing.
func TestInterruptedPrompt(t *testing.T) {
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer read.Close()
	defer write.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	status := make(chan int, 1)
	var out bytes.Buffer
	go func() {
		status <- Run(ctx, Options{ServerURL: "unix://" + t.TempDir() + "/none", Stdin: read, Stdout: &out, Stderr: &out}, nil)
	}()
	time.Sleep(100 * time.Millisecond)
	interrupt()
	select {
	case code := <-status:
		require.Zero(t, code)
		require.True(t, strings.HasSuffix(out.String(), "supervisor> \n"), out.String())
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a line")
	}
}

// TestFullOutput: an answer that cannot be written is no success.
func TestFullOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	var errs bytes.Buffer
	code := Run(t.Context(), Options{ServerURL: "unix:///none", Stdout: full, Stderr: &errs}, []string{"help"})
	require.Equal(t, 1, code)
	require.Contains(t, errs.String(), "no space left on device")
}
