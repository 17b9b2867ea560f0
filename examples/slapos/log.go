package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/slapos/slapos-go/internal/logfmt"
)

// openLogFile opens a log file for appending; an empty path opens none. A leading
// ~ is expanded.
func (a *app) openLogFile(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.OpenFile(a.expandHome(path), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	return file, nil
}

// openLog makes the logger of the run: the console, and the file if there is one.
// The result closes the file.
func (a *app) openLog(file *os.File) (closeLog func()) {
	level := slog.LevelInfo
	switch {
	case a.global.quiet:
		level = slog.LevelWarn
	case a.global.verbose > 0:
		level = slog.LevelDebug
	}
	handler := logfmt.NewConsole(a.stderr, logfmt.Options{
		Level: level, Logger: programName, PID: os.Getpid(),
		HideTime: !a.global.logTime,
		Color:    a.global.logColor && isTerminal(a.stderr),
	})
	if file == nil {
		a.log = slog.New(handler)
		return func() {}
	}
	a.log = slog.New(slog.NewMultiHandler(handler, logfmt.NewFile(file, nil)))
	return func() { file.Close() }
}

// alsoLogTo adds the log file of a configuration file, which is used only when
// the command line names none. The result closes it.
func (a *app) alsoLogTo(path string) (closeLog func(), err error) {
	if a.global.logFile != "" || path == "" {
		return func() {}, nil
	}
	file, err := a.openLogFile(path)
	if err != nil {
		return nil, err
	}
	return a.openLog(file), nil
}

// isTerminal tells whether w is a terminal.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
