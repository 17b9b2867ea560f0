// Package promise checks the promises of a partition: executables and Python
// plugins. It keeps schedule, results and logs in the files that the
// reference's launcher keeps, so that both can share a partition.
package promise

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// Names in a partition.
const (
	pluginDir = "etc/plugin"
	legacyDir = "etc/promise"
	stateDir  = ".slapgrid/promise"
)

// Results of promises that told nothing.
const (
	noOutput  = "Error: No output returned by the promise"
	timedOut  = "Error: Promise timed out after %g seconds"
	killAfter = time.Second
)

// Launcher checks the promises of one partition. All fields are required
// unless they say otherwise.
type Launcher struct {
	// Files is the partition, Directory its path.
	Files     *confined.Dir
	Directory string
	// User runs the promises; it is resolved when one is due.
	User      child.User
	AllowRoot bool
	// Ledger notes which promises run. Optional.
	Ledger *child.Ledger
	// Environ is the agent's environment, cleaned before promises get it.
	Environ []string
	// Timeout limits each promise.
	Timeout time.Duration
	// Force checks promises that are not due. Anomaly is the mode.
	Force, Anomaly bool
	Now            func() time.Time
	Log            *slog.Logger
	// Plugin is what Python plugins need.
	Plugin Plugin

	// state is the directory of schedules, results and logs, opened once as each
	// promise needs several files of it; nil while there is none.
	state      *confined.Dir
	mayNotBang bool
	prepared   bool
	skipped    int
}

// Outcome is a promise with its result.
type Outcome struct {
	Name   string
	Result Result
}

// entry is a promise found in the partition.
type entry struct {
	name   string // file name
	path   string // absolute
	plugin bool
}

// title is the name without its last extension; dots that a name begins with make
// none.
func (e entry) title() string {
	dots := len(e.name) - len(strings.TrimLeft(e.name, "."))
	return e.name[:dots] + strings.TrimSuffix(e.name[dots:], filepath.Ext(e.name[dots:]))
}

// Run checks every promise that is due, plugins first, by name. It returns the
// first that fails, or nil. The error is about the launcher itself.
func (l *Launcher) Run(ctx context.Context) (*Outcome, error) {
	entries, err := l.entries(ctx)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	l.openState()
	defer l.closeState()
	var first *Outcome
	for _, e := range entries {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		result, err := l.check(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("promise %s: %w", e.name, err)
		}
		if result != nil && result.Failed && first == nil {
			first = &Outcome{e.name, *result}
		}
	}
	if l.skipped > 0 {
		l.Log.InfoContext(ctx, fmt.Sprintf("%d promises didn't need to be checked.", l.skipped))
	}
	return first, nil
}

// entries lists the promises; what cannot be one is told.
func (l *Launcher) entries(ctx context.Context) ([]entry, error) {
	plugins, err := l.Files.Names(pluginDir)
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, name := range plugins {
		if strings.HasSuffix(name, ".py") && !strings.HasPrefix(name, "__init__") {
			all = append(all, entry{name, filepath.Join(l.Directory, pluginDir, name), true})
		}
	}
	l.removeStale(ctx, plugins)
	names, err := l.Files.Names(legacyDir)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		path := filepath.Join(l.Directory, legacyDir, name)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			l.Log.WarnContext(ctx, fmt.Sprintf("Bad promise file at '%s'.", path))
			continue
		}
		all = append(all, entry{name, path, false})
	}
	return all, nil
}

// removeStale removes compiled plugins whose source is gone.
func (l *Launcher) removeStale(ctx context.Context, names []string) {
	for _, name := range names {
		source := strings.TrimSuffix(strings.TrimSuffix(name, "c"), "o")
		if source == name || !strings.HasSuffix(source, ".py") || l.Files.Exists(pluginDir+"/"+source) {
			continue
		}
		if err := l.Files.Delete(pluginDir + "/" + name); err != nil {
			l.Log.WarnContext(ctx, "cannot remove stale file", "name", name, "error", err)
			continue
		}
		l.Log.DebugContext(ctx, fmt.Sprintf("Removed stale '%s'", name))
	}
}

// openState opens the directory of the state. Before the first promise was ever
// checked there is none; what else may be wrong with it [Launcher.prepare] tells.
func (l *Launcher) openState() {
	if state, err := l.Files.Sub(stateDir, l.Files.Owner); err == nil {
		l.state = state
	}
}

func (l *Launcher) closeState() {
	if l.state != nil {
		_ = l.state.Close() // only a directory handle
		l.state = nil
	}
}

// prepare makes what the first promise that is due needs.
func (l *Launcher) prepare() error {
	if l.prepared {
		return nil
	}
	if err := l.User.Resolve(); err != nil {
		return err
	}
	for _, d := range []struct {
		name string
		mode fs.FileMode
	}{
		{".slapgrid", 0o755}, {stateDir, 0o755},
		{stateDir + "/result", 0o700}, {stateDir + "/cache", 0o700}, {stateDir + "/log", 0o700},
	} {
		if err := l.Files.MakeDir(d.name, d.mode); err != nil {
			return err
		}
	}
	if l.state == nil {
		var err error
		if l.state, err = l.Files.Sub(stateDir, l.Files.Owner); err != nil {
			return err
		}
	}
	l.prepared = true
	return nil
}

// check decides whether a promise is due and checks it. A nil result means
// that it has nothing to say this time.
func (l *Launcher) check(ctx context.Context, e entry) (*Result, error) {
	// A time further away than the period comes from a clock that was wrong.
	cached := l.loadCache(e)
	if cached != nil {
		if !cached.Tested && !l.Anomaly || !cached.Anomalous && l.Anomaly {
			return nil, nil
		}
		if now := l.seconds(); !l.Force && now < cached.NextRun && cached.NextRun <= now+cached.Periodicity*60 {
			l.skipped++
			return l.remembered(ctx, e)
		}
	}
	if err := l.prepare(); err != nil {
		return nil, err
	}
	l.Log.InfoContext(ctx, fmt.Sprintf("Checking promise %s...", e.name))
	var run ran
	var err error
	if e.plugin {
		run, err = l.runPlugin(ctx, e)
	} else {
		run, err = l.runExecutable(ctx, e)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		l.Log.ErrorContext(ctx, err.Error())
		l.Log.WarnContext(ctx, fmt.Sprintf("Promise %s skipped.", e.name))
		run.result = &Result{Type: testResult, Failed: true, Date: l.Now().UTC(), Message: err.Error()}
	}
	if run.result == nil {
		return nil, nil
	}
	return run.result, l.save(ctx, e, run)
}

// ran is how checking a promise ended.
type ran struct {
	result  *Result // nil: nothing to say
	elapsed time.Duration
	// synthetic results were made here because the promise gave none.
	synthetic bool
}

// synthesise makes the result of a promise that gave none. Looking for
// anomalies, a first one is tolerated.
func (l *Launcher) synthesise(e entry, message string, elapsed time.Duration) ran {
	r := &Result{Type: testResult, Failed: true, Date: l.Now().UTC(), Message: message}
	if l.Anomaly {
		previous := l.loadResult(e.title())
		r.Type = anomalyResult
		r.Failed = previous != nil &&
			(previous.Result.Failed || strings.Contains(strings.ToLower(previous.Result.Message), "error:"))
	}
	return ran{result: r, elapsed: elapsed, synthetic: true}
}

// remembered is the result of a promise that is not due: a failure stays one.
func (l *Launcher) remembered(ctx context.Context, e entry) (*Result, error) {
	saved := l.loadResult(e.title())
	if saved == nil || !saved.Result.Failed {
		return nil, nil
	}
	l.Log.ErrorContext(ctx, saved.Result.Message)
	return &saved.Result, nil
}

func (l *Launcher) save(ctx context.Context, e entry, run ran) error {
	if run.result.Failed {
		l.Log.ErrorContext(ctx, run.result.Message)
		if l.Anomaly && run.result.Type == anomalyResult && !run.synthetic {
			l.mayNotBang = true
		}
	}
	// Steps of a twentieth of a second, as the reference measures.
	steps := math.Ceil(run.elapsed.Seconds() / 0.05)
	return l.saveResult(saved{
		Title: e.title(), Name: e.name, Path: e.path,
		ExecutionTime: math.Round(steps*5) / 100, Result: *run.result,
	})
}

// command is the child of a promise.
func (l *Launcher) command(args ...string) child.Command {
	return child.Command{
		Args: args, Dir: l.Directory, User: l.User, AllowRoot: l.AllowRoot, Ledger: l.Ledger,
		Env: child.CleanEnviron(l.Environ, l.User.Home), Timeout: l.Timeout, Grace: killAfter,
	}
}

func (l *Launcher) seconds() float64 { return float64(l.Now().UnixMicro()) / 1e6 }

// isTimeout tells whether a promise took too long.
func isTimeout(err error) bool {
	_, ok := errors.AsType[*child.TimeoutError](err)
	return ok
}
