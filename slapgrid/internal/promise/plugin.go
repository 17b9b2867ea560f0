package promise

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
)

// helper evaluates one plugin in a Python process; see its first lines for the
// contract.
//
//go:embed helper.py
var helper string

// version is what plugins are told about the node: one that knows both modes.
const version = "1.26.1"

// longestAnswer bounds one line of a helper, in bytes: the message of a result
// has no limit of its own before it is shortened.
const longestAnswer = 16 << 20

var pluginName = regexp.MustCompile(`^[A-Za-z_]`)

// Plugin is what Python plugins need.
type Plugin struct {
	MasterURL, ComputerID, PartitionID string
	// KeyFile and CertFile are the identity of the partition; may be empty.
	KeyFile, CertFile string
	// Python finds the interpreter.
	Python func() (string, error)
}

// schedule is the first line a helper writes.
type schedule struct {
	Tested          bool    `json:"is_tested"`
	Anomalous       bool    `json:"is_anomaly_detected"`
	Periodicity     float64 `json:"periodicity"`
	ModuleFile      string  `json:"module_file"`
	ModuleFileMtime float64 `json:"module_file_mtime"`
}

// runPlugin checks a plugin in a process of its own.
func (l *Launcher) runPlugin(ctx context.Context, e entry) (ran, error) {
	if !pluginName.MatchString(e.name) {
		return ran{}, compatf("Promise plugin name '%s' is not valid", e.name)
	}
	python, err := l.Plugin.Python()
	if err != nil {
		return ran{}, err
	}
	if !l.Files.Exists(pluginDir + "/__init__.py") {
		if err := l.Files.Write(pluginDir+"/__init__.py", nil, 0o644, true); err != nil {
			return ran{}, err
		}
	}
	request, err := json.Marshal(l.pluginRequest(e))
	if err != nil {
		return ran{}, err
	}
	answer := &pluginAnswer{launcher: l, title: e.title()}
	c := l.command(python, "-c", helper)
	c.Stdin, c.Line, c.Stderr = request, answer.line, true
	c.LongestLine = longestAnswer
	res, err := child.Run(ctx, c)
	l.logPlugin(ctx, res)
	switch {
	case isTimeout(err):
		return l.synthesise(e, fmt.Sprintf(timedOut, l.Timeout.Seconds()), max(res.Elapsed, l.Timeout)), nil
	case err != nil:
		return ran{}, err
	case answer.err != nil:
		return ran{}, answer.err
	case answer.result == nil:
		return l.synthesise(e, noOutput, res.Elapsed), nil
	case answer.result.Type == emptyResult:
		return ran{}, nil
	}
	answer.result.Message = shorten(answer.result.Message)
	return ran{result: answer.result, elapsed: res.Elapsed}, nil
}

// pluginRequest is what the helper reads. Empty values are null.
func (l *Launcher) pluginRequest(e entry) map[string]any {
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return map[string]any{
		"name": e.name, "path": e.path, "partition-folder": l.Directory, "debug": false,
		"log-folder":      filepath.Join(l.Directory, stateDir, "log"),
		"promise-timeout": l.Timeout.Seconds(), "slapgrid-version": version,
		"master-url": null(l.Plugin.MasterURL), "computer-id": null(l.Plugin.ComputerID),
		"partition-id":   null(l.Plugin.PartitionID),
		"partition-cert": null(l.Plugin.CertFile), "partition-key": null(l.Plugin.KeyFile),
		"check-anomaly": l.Anomaly, "can-bang": !l.mayNotBang,
	}
}

// logPlugin logs what a plugin told: its records, or why it ended.
func (l *Launcher) logPlugin(ctx context.Context, res child.Result) {
	text := strings.TrimSpace(res.Stderr)
	switch {
	case text == "":
	case res.ExitCode != 0:
		l.Log.ErrorContext(ctx, text)
	default:
		for line := range strings.Lines(text) {
			l.Log.InfoContext(ctx, strings.TrimRight(line, "\n"))
		}
	}
}

// pluginAnswer collects what a helper writes: its schedule, then a result.
type pluginAnswer struct {
	launcher *Launcher
	title    string
	lines    int
	result   *Result
	err      error
}

// line takes one line. The schedule is kept at once, so that a promise that
// does not end in time has one too.
func (a *pluginAnswer) line(text string) {
	a.lines++
	if a.err != nil {
		return
	}
	if a.lines == 1 {
		s := schedule{}
		if a.err = json.Unmarshal([]byte(text), &s); a.err == nil {
			a.err = a.launcher.saveCache(a.title, cache{
				Tested: s.Tested, Anomalous: s.Anomalous, Periodicity: s.Periodicity,
				ModuleFile: s.ModuleFile, ModuleFileMtime: s.ModuleFileMtime,
			})
		}
		return
	}
	decoded, err := decodeResult(bytes.TrimSpace([]byte(text)))
	a.result, a.err = &decoded.Result, err
}

// compatf makes an error with a text of the reference.
func compatf(format string, args ...any) error { return fmt.Errorf(format, args...) }
