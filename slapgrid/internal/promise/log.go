package promise

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"regexp"
	"strings"
)

const (
	// maxLog is the size from which a log is put aside.
	maxLog = 20 << 20
	// logTail is how much of a log is read to find the latest runs.
	logTail = 4 << 20
)

// recordStart is the first line of a record in the log of a promise.
var recordStart = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2}\s+\d{2}:\d{2}:\d{2})\s+-?\s*(\w+)\s+-?\s+(\d+-\d{3})\s+-?\s*(.*)`)

func logName(title string) string { return "log/" + title + ".log" }

// record adds one run to the log of a promise.
func (l *Launcher) record(title string, failed bool, message string) error {
	name := logName(title)
	if info, err := l.state.Lstat(name); err == nil && info.Size() >= maxLog {
		if err := l.state.Rename(name, name+".1"); err != nil {
			return err
		}
	}
	f, err := l.state.Append(name, 0o644, true)
	if err != nil {
		return err
	}
	level := "INFO"
	if failed {
		level = "ERROR"
	}
	now := l.Now()
	_, err = fmt.Fprintf(f, "%s - %s - %d-%d - %s\n", now.Format("2006-01-02 15:04:05"), level,
		now.Unix(), 100+rand.IntN(900), message)
	return errors.Join(err, f.Close())
}

// failuresInARow counts the newest runs that failed, up to most.
func (l *Launcher) failuresInARow(title string, most int) (int, error) {
	data, err := l.state.ReadTail(logName(title), logTail)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return countFailures(string(data), most), nil
}

// countFailures reads a log from its end. Records of one run follow one
// another; a run fails if one of its records is an error.
func countFailures(log string, most int) int {
	failures, transaction, failed := 0, "", false
	lines := strings.Split(log, "\n")
	for i := len(lines) - 1; i >= 0 && failures < most; i-- {
		m := recordStart.FindStringSubmatch(lines[i])
		if m == nil {
			continue
		}
		if m[3] != transaction {
			if transaction != "" && !failed {
				return failures
			}
			if transaction != "" {
				failures++
			}
			transaction, failed = m[3], false
		}
		failed = failed || m[2] == "ERROR" || m[2] == "CRITICAL"
	}
	if transaction != "" && failed && failures < most {
		failures++
	}
	return failures
}
