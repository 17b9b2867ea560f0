package supervisorctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	os.Exit(m.Run())
}

// newSite writes the configuration of a daemon with a few programs.
func newSite(t *testing.T) (dir, conf string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "svctl-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
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
	{"stop part:talker", 7, `part:talker: ERROR \(not running\)\n`},
	{"start part:talker", 0, `part:talker: started\n`},
	{"pid part:sleeper", 0, `\d+\n`},
	{"pid part:gone", 7, `0\n`},
	{"pid part:nobody", 1, `No such process part:nobody\n`},
	{"tail part:nobody", 1, `part:nobody: ERROR \(no such process name\)\n`},
	{"reread", 0, `No config updates to processes\n`},
	{"frobnicate", 1, `\*\*\* Unknown syntax: frobnicate\n`},
	{"restart part:sleeper", 0, `part:sleeper: stopped\npart:sleeper: started\n`},
	{"stop part:*", 0, `part:(sleeper|talker): stopped\npart:(sleeper|talker): stopped\n`},
}

func TestSteps(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	ours := func(t *testing.T, conf string, args []string) (string, int) {
		var out bytes.Buffer
		code := Run(t.Context(), Options{ConfigFile: conf, Stdout: &out, Stderr: &out}, args)
		return out.String(), code
	}
	theirs := func(t *testing.T, conf string, args []string) (string, int) {
		cmd := exec.CommandContext(t.Context(), testpeer.Get(t, testpeer.Newest).Supervisorctl(), append([]string{"-c", conf}, args...)...)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	embedded := func(_ *testing.T, conf string) ([]string, []string) {
		return []string{program}, []string{daemonVariable + "=" + conf}
	}
	realDaemon := func(t *testing.T, conf string) ([]string, []string) {
		return []string{testpeer.Get(t, testpeer.Newest).Supervisord(), "-c", conf}, nil
	}
	for _, mix := range []struct {
		name   string
		daemon func(t *testing.T, conf string) (command, env []string)
		run    func(t *testing.T, conf string, args []string) (string, int)
	}{
		{"ours/embedded", embedded, ours},
		{"ours/real", realDaemon, ours},
		{"theirs/embedded", embedded, theirs},
	} {
		t.Run(mix.name, func(t *testing.T) {
			t.Parallel()
			dir, conf := newSite(t)
			command, env := mix.daemon(t, conf)
			launch(t, dir, conf, command, env)
			for _, step := range steps {
				if strings.HasPrefix(step.args, "restart") || strings.HasPrefix(step.args, "stop part:*") {
					time.Sleep(500 * time.Millisecond) // the real daemon's child swallows signals before it runs its program
				}
				out, code := mix.run(t, conf, strings.Fields(step.args))
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
	require.Eventually(t, func() bool { return run(t.Context(), "tail", "part:talker") == "something said\n" }, time.Minute, 50*time.Millisecond)
	require.Equal(t, "said\n", run(t.Context(), "tail", "-5", "part:talker"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.Equal(t, "==> Press Ctrl-C to exit <==\nsomething said\n", strings.TrimSuffix(run(ctx, "tail", "-f", "part:talker"), "error: context deadline exceeded\n"))
	require.Equal(t, "part:talker: cleared\n", run(t.Context(), "clear", "part:talker"))
	require.Empty(t, run(t.Context(), "tail", "part:talker"))
	require.Contains(t, run(t.Context(), "maintail"), "supervisor started")
}

// TestInteractive types commands.
func TestInteractive(t *testing.T) {
	program, err := os.Executable()
	require.NoError(t, err)
	dir, conf := newSite(t)
	launch(t, dir, conf, []string{program}, []string{daemonVariable + "=" + conf})
	var out bytes.Buffer
	code := Run(t.Context(), Options{ConfigFile: conf, Stdin: strings.NewReader("start part:sleeper\n\nhelp stop\nquit\n"), Stdout: &out, Stderr: &out}, nil)
	require.Equal(t, 0, code)
	require.Contains(t, out.String(), "supervisor> part:sleeper: started\n")
	require.Contains(t, out.String(), "stop name...\tstop processes\n")
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
	var out bytes.Buffer
	require.Equal(t, exitUsage, Run(t.Context(), Options{ConfigFile: dir + "/none", Stdout: &out, Stderr: &out}, []string{"status"}))
	require.Equal(t, "Error: could not find config file "+dir+"/none\n", out.String())
}
