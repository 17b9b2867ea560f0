package promise

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	t     *testing.T
	dir   string
	log   strings.Builder
	clock time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return &fixture{t: t, dir: t.TempDir(), clock: time.Now().Truncate(time.Second)}
}

func (f *fixture) write(name, content string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	require.NoError(f.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(f.t, os.WriteFile(path, []byte(content), 0o755))
}

func (f *fixture) promise(name, script string) { f.write("etc/promise/"+name, "#!/bin/sh\n"+script) }

func (f *fixture) read(name string) string {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, name))
	require.NoError(f.t, err)
	return string(data)
}

// run checks everything; change adapts the launcher.
func (f *fixture) run(change func(*Launcher)) *Outcome {
	f.t.Helper()
	owner, err := child.OwnerOf(f.dir)
	require.NoError(f.t, err)
	files, err := confined.Open(f.dir, confined.Owner{UID: owner.UID, GID: owner.GID})
	require.NoError(f.t, err)
	defer files.Close()
	l := &Launcher{
		Files: files, Directory: f.dir, User: owner, AllowRoot: true, Environ: os.Environ(),
		Timeout: 20 * time.Second, Now: func() time.Time { return f.clock },
		Log: slog.New(slog.NewTextHandler(&f.log, nil)),
	}
	if change != nil {
		change(l)
	}
	failed, err := l.Run(context.Background())
	require.NoError(f.t, err)
	return failed
}

func force(l *Launcher)   { l.Force = true }
func anomaly(l *Launcher) { l.Anomaly, l.Force = true, true }

func TestExecutables(t *testing.T) {
	f := newFixture(t)
	f.promise("good.sh", "echo fine; echo to stderr >&2; pwd > where")
	f.promise("bad", "echo went wrong; exit 3")
	f.promise("worse", "exit 1")
	f.write("etc/promise/plain", "x")
	require.NoError(t, os.Chmod(filepath.Join(f.dir, "etc/promise/plain"), 0o644))
	failed := f.run(nil)
	require.Equal(t, "bad", failed.Name)
	require.Equal(t, "went wrong", failed.Result.Message)
	require.Equal(t, f.dir+"\n", f.read("where"))
	require.Contains(t, f.log.String(), "Bad promise file at '"+f.dir+"/etc/promise/plain'.")

	var result map[string]any
	require.NoError(t, json.Unmarshal([]byte(f.read(".slapgrid/promise/result/good.status.json")), &result))
	require.Equal(t, map[string]any{
		"type": "Test Result", "failed": false, "message": "fine\nto stderr",
		"date": f.clock.UTC().Format("2006-01-02T15:04:05+0000"),
	}, result["result"])
	require.Equal(t, "good.sh", result["name"])
	require.Positive(t, result["execution-time"])
	var schedule map[string]any
	require.NoError(t, json.Unmarshal([]byte(f.read(".slapgrid/promise/cache/good")), &schedule))
	require.Equal(t, float64(f.clock.Unix()+120), schedule["next_run_after"])
	require.Equal(t, filepath.Join(f.dir, "etc/promise/good.sh"), schedule["module_file"])
	require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - INFO - \d+-\d{3} - fine\nto stderr\n$`, f.read(".slapgrid/promise/log/good.log"))
}

func TestSchedule(t *testing.T) {
	f := newFixture(t)
	f.promise("p", "echo x >> runs; exit $(cat status)")
	f.write("status", "1")
	runs := func() int { return strings.Count(f.read("runs"), "x") }
	require.NotNil(t, f.run(nil))
	require.Equal(t, 1, runs())
	f.write("status", "0")
	require.NotNil(t, f.run(nil), "a failure stays one until the promise is due")
	require.Equal(t, 1, runs())
	require.Contains(t, f.log.String(), "1 promises didn't need to be checked.")
	f.clock = f.clock.Add(121 * time.Second)
	require.Nil(t, f.run(nil))
	require.Equal(t, 2, runs())
	require.Nil(t, f.run(nil))
	require.Equal(t, 2, runs())
	require.Nil(t, f.run(force))
	require.Equal(t, 3, runs())
	// A schedule that cannot be believed is none.
	f.write(".slapgrid/promise/cache/p", "{")
	require.Nil(t, f.run(nil))
	require.Equal(t, 4, runs())
}

func TestAnomalyTakesThreeFailures(t *testing.T) {
	f := newFixture(t)
	f.promise("p", "echo no; exit 1")
	require.Nil(t, f.run(anomaly))
	require.Nil(t, f.run(anomaly))
	require.NotNil(t, f.run(anomaly))
	f.promise("p", "echo yes")
	require.Nil(t, f.run(anomaly))
	f.promise("p", "exit 1")
	require.Nil(t, f.run(anomaly), "counting begins anew")
}

func TestTimeout(t *testing.T) {
	f := newFixture(t)
	f.promise("slow", "sleep 60")
	quick := func(l *Launcher) { l.Force, l.Timeout = true, 200*time.Millisecond }
	failed := f.run(quick)
	require.Equal(t, "Error: Promise timed out after 0.2 seconds", failed.Result.Message)

	f = newFixture(t)
	f.promise("slow", "sleep 60")
	both := func(l *Launcher) { quick(l); l.Anomaly = true }
	require.Nil(t, f.run(both), "a first one is tolerated")
	failed = f.run(both)
	require.NotNil(t, failed)
	require.Equal(t, anomalyResult, failed.Result.Type)
}

func TestNothing(t *testing.T) {
	f := newFixture(t)
	require.Nil(t, f.run(nil))
	require.NoDirExists(t, filepath.Join(f.dir, ".slapgrid"))
}

func TestLongMessage(t *testing.T) {
	f := newFixture(t)
	f.promise("p", "head -c 20000 /dev/zero | tr '\\0' x; exit 1")
	require.Equal(t, "..."+strings.Repeat("x", 5000), f.run(nil).Result.Message)
}

func TestPlugins(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to run plugins with")
	}
	stubs, err := filepath.Abs("testdata/python")
	require.NoError(t, err)
	plugin := func(extra, sense string) string {
		return fmt.Sprintf("import sys\nsys.path[0:0] = [%q]\n%s\nfrom slapos.grid.promise.generic import GenericPromise\n"+
			"class RunPromise(GenericPromise):\n  def sense(self):\n    print('noise')\n    %s\n", stubs, extra, sense)
	}
	tests := []struct {
		name, content   string
		fails           bool
		message, logged string
	}{
		{"good", plugin("extra_config_dict = {'periodicity': 7}", "return True"), false, "bang True", "noise"},
		{"bad", plugin("", "return False"), true, "bang True", ""},
		{"import", "raise ValueError('cannot import')", true, "Error: No output returned by the promise", "cannot import"},
		{"empty", plugin("", "return True") + "del RunPromise\n", true, "Error: No output returned by the promise", "Class RunPromise not found"},
		{"undeclared", plugin("", "return True") + "RunPromise.implements_promise = False\n", true, "Error: No output returned by the promise", "must implement 'IPromise'"},
		{"long", plugin("", "self.message = 'x' * 300000 + 'end'; return False"), true, "..." + strings.Repeat("x", 4997) + "end", ""},
		{"reserved", plugin("extra_config_dict = {'name': 1}", "return True"), true, "Error: No output returned by the promise", "Extra parameter name 'name' cannot be used."},
		{"slow", plugin("", "import time; time.sleep(60)"), true, "Error: Promise timed out after 3 seconds", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			f.write("etc/plugin/"+tt.name+".py", tt.content)
			f.write("etc/plugin/gone.pyc", "")
			failed := f.run(func(l *Launcher) {
				l.Timeout = 20 * time.Second
				if tt.name == "slow" {
					l.Timeout = 3 * time.Second
				}
				l.Plugin.Python = func() (string, error) { return python, nil }
			})
			require.Equal(t, tt.fails, failed != nil, f.log.String())
			require.Contains(t, f.read(".slapgrid/promise/result/"+tt.name+".status.json"), `"message": "`+tt.message+`"`)
			require.Contains(t, f.log.String(), tt.logged)
			require.FileExists(t, filepath.Join(f.dir, "etc/plugin/__init__.py"))
			require.NoFileExists(t, filepath.Join(f.dir, "etc/plugin/gone.pyc"))
			if tt.name == "good" {
				require.Contains(t, f.read(".slapgrid/promise/cache/good"), `"periodicity": 7.0`)
			}
		})
	}
	t.Run("no interpreter", func(t *testing.T) {
		f := newFixture(t)
		f.write("etc/plugin/p.py", plugin("", "return True"))
		failed := f.run(func(l *Launcher) {
			l.Plugin.Python = func() (string, error) { return "", os.ErrNotExist }
		})
		require.Equal(t, "file does not exist", failed.Result.Message)
		require.Contains(t, f.log.String(), "Promise p.py skipped.")
	})
}

func TestResultsOfTheReferenceAreRead(t *testing.T) {
	const text = `{"title": "ko", "name": "ko.py", "path": "/p/etc/plugin/ko.py", "execution-time": 0.1, ` +
		`"result": {"type": "Test Result", "failed": true, "date": "2026-11-24T23:20:49+0000", "message": "went wrong\nurl is http://x"}}`
	s, err := decodeResult([]byte(text))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(text, string(s.encode())))
}

func TestCountFailures(t *testing.T) {
	line := func(level, transaction, message string) string {
		return "2026-11-24 23:20:49 - " + level + " - " + transaction + " - " + message + "\n"
	}
	tests := map[string]int{
		"":                             0,
		"garbage\n":                    0,
		line("INFO", "1-100", "ok"):    0,
		line("ERROR", "1-100", "a\nb"): 1,
		line("ERROR", "1-100", "a") + line("ERROR", "2-100", "b"):                  2,
		line("ERROR", "1-100", "a") + line("INFO", "1-100", "b"):                   1,
		line("ERROR", "1-100", "a") + line("INFO", "2-100", "b"):                   0,
		line("INFO", "1-100", "a") + line("CRITICAL", "2-100", ""):                 1,
		strings.Repeat(line("ERROR", "1-100", "a")+line("ERROR", "2-100", "a"), 5): 3,
	}
	for log, want := range tests {
		require.Equal(t, want, countFailures(log, 3), log)
	}
}

func FuzzDecodeResult(f *testing.F) {
	f.Add([]byte(`{"result": {"type": "Test Result", "date": "2026-11-24T23:20:49+0000"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decodeResult(data)
		if err != nil {
			return
		}
		again, err := decodeResult(s.encode())
		require.NoError(t, err)
		require.Equal(t, s.Result.Message, again.Result.Message)
	})
}

func FuzzCountFailures(f *testing.F) {
	f.Add("2026-11-24 23:20:49 - ERROR - 1-100 - x\n")
	f.Fuzz(func(t *testing.T, log string) {
		require.LessOrEqual(t, countFailures(log, 3), 3)
	})
}

// A clock that jumped ahead and came back does not keep promises from being
// checked.
func TestWrongClock(t *testing.T) {
	f := newFixture(t)
	f.promise("p", "echo x >> ran")
	now := f.clock
	for i, ahead := range []time.Duration{1000 * time.Hour, 0, -time.Minute, -time.Hour} {
		f.clock = now.Add(ahead)
		f.run(nil)
		f.run(nil)
		require.Equal(t, i+1, strings.Count(f.read("ran"), "x"), "%v ahead", ahead)
	}
}
