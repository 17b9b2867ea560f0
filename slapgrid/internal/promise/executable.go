package promise

import (
	"context"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
)

const (
	// executablePeriodicity is how often an executable is checked, in minutes.
	executablePeriodicity = 2
	// lenience is how many failures in a row an anomaly takes.
	lenience = 3
	// longestMessage bounds the message of a result, in characters.
	longestMessage = 5000
)

// runExecutable checks an executable: it is kept if the exit status is zero.
func (l *Launcher) runExecutable(ctx context.Context, e entry) (ran, error) {
	schedule := cache{Tested: true, Anomalous: true, Periodicity: executablePeriodicity, ModuleFile: e.path}
	if info, err := os.Stat(e.path); err == nil {
		schedule.ModuleFileMtime = float64(info.ModTime().UnixMicro()) / 1e6
	}
	if err := l.saveCache(e.title(), schedule); err != nil {
		return ran{}, err
	}
	res, err := child.Run(ctx, l.command(e.path))
	if isTimeout(err) {
		return l.synthesise(e, fmt.Sprintf(timedOut, l.Timeout.Seconds()), max(res.Elapsed, l.Timeout)), nil
	}
	if err != nil {
		return ran{}, err
	}
	message := strings.TrimSpace(res.Output)
	result := &Result{Type: testResult, Failed: res.ExitCode != 0, Date: l.Now().UTC(), Message: shorten(message)}
	if err := l.record(e.title(), result.Failed, message); err != nil {
		return ran{}, err
	}
	if !result.Failed && message != "" {
		l.Log.InfoContext(ctx, message)
	}
	if result.Failed && l.Anomaly {
		failures, err := l.failuresInARow(e.title(), lenience)
		if err != nil {
			return ran{}, err
		}
		result.Failed = failures >= lenience
	}
	return ran{result: result, elapsed: res.Elapsed}, nil
}

// shorten keeps the end of a message that is too long.
func shorten(message string) string {
	if utf8.RuneCountInString(message) <= longestMessage {
		return message
	}
	runes := []rune(message)
	return "..." + string(runes[len(runes)-longestMessage:])
}
