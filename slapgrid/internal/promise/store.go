package promise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// Types of results, as they are written.
const (
	testResult    = "Test Result"
	anomalyResult = "Anomaly Result"
	emptyResult   = "Empty Result"
)

const dateFormat = "2006-01-02T15:04:05-0700"

// Result is what a promise said.
type Result struct {
	Type    string
	Failed  bool
	Date    time.Time
	Message string
}

// saved is the file of the latest result of a promise.
type saved struct {
	Title, Name, Path string
	ExecutionTime     float64
	Result            Result
}

// resultJSON is a result as it is read, leniently.
type resultJSON struct {
	Title string `json:"title"`
	Name  string `json:"name"`
	Path  string `json:"path"`
	// ExecutionTime may be missing in old files.
	ExecutionTime float64 `json:"execution-time"`
	Result        struct {
		Type    string `json:"type"`
		Failed  bool   `json:"failed"`
		Date    string `json:"date"`
		Message string `json:"message"`
	} `json:"result"`
}

func (j resultJSON) saved() (saved, error) {
	s := saved{Title: j.Title, Name: j.Name, Path: j.Path, ExecutionTime: j.ExecutionTime}
	switch j.Result.Type {
	case testResult, anomalyResult, emptyResult:
	default:
		return s, fmt.Errorf("unknown type of result %q", j.Result.Type)
	}
	date, err := time.Parse(dateFormat, j.Result.Date)
	if err != nil {
		// Old launchers wrote no offset.
		date, err = time.Parse("2006-01-02T15:04:05", j.Result.Date)
	}
	s.Result = Result{j.Result.Type, j.Result.Failed, date, j.Result.Message}
	return s, err
}

// decodeResult reads the JSON of a result.
func decodeResult(data []byte) (saved, error) {
	var j resultJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return saved{}, err
	}
	return j.saved()
}

// encode writes keys in the order and with the blanks of Python's writer.
func (s saved) encode() []byte {
	return fmt.Appendf(nil, `{"title": %s, "name": %s, "path": %s, "execution-time": %s, `+
		`"result": {"type": %s, "failed": %t, "date": %s, "message": %s}}`,
		quote(s.Title), quote(s.Name), quote(s.Path), pyFloat(s.ExecutionTime),
		quote(s.Result.Type), s.Result.Failed, quote(s.Result.Date.UTC().Format(dateFormat)), quote(s.Result.Message))
}

func resultName(title string) string { return "result/" + title + ".status.json" }

func cacheName(title string) string { return "cache/" + title }

func (l *Launcher) loadResult(title string) *saved {
	if l.state == nil {
		return nil
	}
	name := resultName(title)
	data, err := l.state.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var s saved
	if err == nil {
		s, err = decodeResult(data)
	}
	if err != nil {
		l.Log.Warn(fmt.Sprintf("Bad promise JSON result at '%s': %v", stateDir+"/"+name, err))
		return nil
	}
	return &s
}

func (l *Launcher) saveResult(s saved) error {
	return l.state.Write(resultName(s.Title), s.encode(), 0o644, true)
}

// cache is the schedule of a promise.
type cache struct {
	Tested      bool    `json:"is_tested"`
	Anomalous   bool    `json:"is_anomaly_detected"`
	Periodicity float64 `json:"periodicity"` // minutes
	NextRun     float64 `json:"next_run_after"`
	Timestamp   float64 `json:"timestamp"`
	// ModuleFile must exist, or the cache is not believed.
	ModuleFile      string  `json:"module_file"`
	ModuleFileMtime float64 `json:"module_file_mtime"`
}

func (c cache) encode() []byte {
	return fmt.Appendf(nil, `{"is_tested": %t, "is_anomaly_detected": %t, "periodicity": %s, "next_run_after": %s, `+
		`"timestamp": %s, "module_file": %s, "module_file_mtime": %s}`,
		c.Tested, c.Anomalous, pyFloat(c.Periodicity), pyFloat(c.NextRun),
		pyFloat(c.Timestamp), quote(c.ModuleFile), pyFloat(c.ModuleFileMtime))
}

// loadCache returns the schedule of a promise, nil if there is none that can
// be believed.
func (l *Launcher) loadCache(e entry) *cache {
	if l.state == nil {
		return nil
	}
	data, err := l.state.Read(cacheName(e.title()))
	if err != nil {
		return nil
	}
	var c cache
	if err := json.Unmarshal(data, &c); err != nil {
		return nil
	}
	if !e.plugin && c.ModuleFile == e.path {
		return &c // it was there a moment ago, when it was listed
	}
	if _, err := os.Stat(c.ModuleFile); err != nil {
		return nil
	}
	return &c
}

// saveCache writes the schedule before the promise runs. A promise that does
// not run in the present mode does not delay the other one.
func (l *Launcher) saveCache(title string, c cache) error {
	c.Timestamp = l.seconds()
	c.NextRun = c.Timestamp
	if c.Tested && !l.Anomaly || c.Anomalous && l.Anomaly {
		c.NextRun += c.Periodicity * 60
	}
	return l.state.Write(cacheName(title), c.encode(), 0o644, true)
}

func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""` // cannot happen: text always has a JSON form
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func pyFloat(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
