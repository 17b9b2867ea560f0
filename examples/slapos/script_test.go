package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/slapos/slapos-go/slap"
)

// TestMain makes this test binary the programs that the scripts run: slapos
// itself, and what the program release of the scripts is made of.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"slapos":  func() { becomeOrdinary(); os.Exit(run()) },
		"publish": func() { exitOn(publish()) },
		"answer":  func() { exitOn(answer()) },

		"activate": func() { exitOn(activate()) },
		"slowly":   func() { exitOn(slowly()) },
	})
}

// becomeOrdinary gives up root, as the scripts describe what an ordinary user
// sees. With SLAPOS_TEST_ROOT set it stays; so do the supervisor and what it runs,
// which know nothing of the script: they are what their launcher made them.
func becomeOrdinary() {
	if os.Geteuid() != 0 || os.Getenv("SLAPOS_TEST_ROOT") != "" || os.Getenv("WORK") == "" {
		return
	}
	uid, gid, err := ordinaryUser()
	if err == nil {
		err = errors.Join(syscall.Setgroups(nil), syscall.Setgid(gid), syscall.Setuid(uid))
	}
	exitOn(err)
}

// ordinaryUser is the user that scripts run as when root runs the tests.
func ordinaryUser() (uid, gid int, err error) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return 0, 0, err
	}
	uid, err = strconv.Atoi(nobody.Uid)
	gid, gidErr := strconv.Atoi(nobody.Gid)
	return uid, gid, errors.Join(err, gidErr)
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// publish is what the release of the scripts uses to publish the words name=value
// of its command line, as a recipe does.
func publish() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, partition, err := slap.PartitionFromEnvironment(ctx, os.Environ())
	if err != nil {
		return err
	}
	parameters, err := keyValues(os.Args[1:])
	if err != nil {
		return err
	}
	for key, value := range parameters {
		if name, ok := strings.CutPrefix(value.(string), "parameter:"); ok {
			parameters[key], _ = partition.InstanceParameters().String(name)
		}
	}
	return partition.SetConnectionParameters(ctx, parameters)
}

// answer is the service of the release: it answers every request with its second
// argument, on the port that is its first.
func answer() error {
	server := &http.Server{
		Addr: net.JoinHostPort("127.0.0.1", os.Args[1]), ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Args[2]) }),
	}
	fmt.Println("answering on", server.Addr)
	return server.ListenAndServe()
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Setup:               setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":    exits,
			"waitok":   waitOK,
			"await":    await,
			"call":     call,
			"envsubst": envsubst,
			"holdpid":  holdPID,

			"certificate": certificate,
			"notified":    notified,
		},
		Condition: func(condition string) (bool, error) {
			if condition == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", condition)
		},
	})
}

// setup prepares the directory of a script: free ports, a home, and access for
// the ordinary user.
func setup(env *testscript.Env) error {
	for _, name := range []string{"PORT", "SERVICE_PORT"} {
		port, err := freePort()
		if err != nil {
			return err
		}
		env.Setenv(name, strconv.Itoa(port))
	}
	env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
	env.Setenv("NO_PROXY", "*")
	env.Setenv("GORACE", "atexit_sleep_ms=0") // each run of a command would end a second later
	if err := os.MkdirAll(filepath.Join(env.WorkDir, "home"), 0o755); err != nil {
		return err
	}
	env.Defer(func() { endSupervisor(filepath.Join(env.WorkDir, "inst", "var", "run", "supervisord.pid")) })
	if err := makeExecutable(env.WorkDir); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	programs, _, _ := strings.Cut(env.Getenv("PATH"), string(filepath.ListSeparator))
	return errors.Join(openUp(programs), openUp(env.WorkDir), giveAway(env.WorkDir))
}

// endSupervisor ends the supervisor that a failing script left behind, with all it
// supervises.
func endSupervisor(pidFile string) {
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 1 {
		return
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if syscall.Kill(pid, syscall.SIGTERM) != nil {
			return
		}
	}
}

// makeExecutable lets the scripts among the files of a script run.
func makeExecutable(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(text), "#!") {
			return err
		}
		return os.Chmod(path, 0o755)
	})
}

// openUp lets everybody pass the directories from dir up to the temporary one.
func openUp(dir string) error {
	temp := filepath.Clean(os.TempDir())
	for ; dir != temp && len(dir) > len(temp); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// giveAway makes everything in a directory the ordinary user's.
func giveAway(dir string) error {
	uid, gid, err := ordinaryUser()
	if err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, gid))
	})
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// exits STATUS PROGRAM ARGS... runs a program and checks its exit status.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits status program args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	default:
		return -1
	}
}

// patience is how long scripts wait for something to become true.
const patience = time.Minute

// waitOK PROGRAM ARGS... runs a program until it succeeds (with !, until it fails).
func waitOK(ts *testscript.TestScript, neg bool, args []string) {
	until(ts, func() error {
		err := ts.Exec(args[0], args[1:]...)
		if neg && err == nil {
			return errors.New("it still succeeds")
		}
		if neg {
			return nil
		}
		return err
	})
}

// await URL [CERTIFICATE] waits until something answers there (with !, until nothing
// does), trusting a certificate.
func await(ts *testscript.TestScript, neg bool, args []string) {
	transport, target := transportTo(ts, args[0], strings.Join(args[1:], ""))
	client := &http.Client{Timeout: 5 * time.Second, Transport: transport}
	until(ts, func() error {
		response, err := client.Get(target)
		if err == nil {
			response.Body.Close()
		}
		if neg && err == nil {
			return errors.New("it still answers")
		}
		if neg {
			return nil
		}
		return err
	})
}

func until(ts *testscript.TestScript, try func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("gave up after %v: %v", patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// envsubst FILE... replaces $NAME in files by the environment of the script.
func envsubst(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(path, []byte(text), 0o644))
	}
}

// holdPID NAME FILE makes FILE the pid file of the background program NAME.
func holdPID(ts *testscript.TestScript, _ bool, args []string) {
	for _, command := range ts.BackgroundCmds() {
		if strings.Contains(strings.Join(command.Args, " "), "proxy start") {
			text := strconv.Itoa(command.Process.Pid)
			ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
			return
		}
	}
	ts.Fatalf("no such program: %s", args[0])
}
