package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// mainLog is the daemon's own log file, with supervisord's line format and rotation.
type mainLog struct {
	config logConfig
	level  slog.Level

	mu   sync.Mutex
	file *os.File
	size int64
}

// openMainLog opens the log file; without one (empty path) everything is dropped.
func openMainLog(c logConfig, level slog.Level) (*mainLog, error) {
	l := &mainLog{config: c, level: level}
	if c.File == "" {
		return l, nil
	}
	return l, l.open()
}

func (l *mainLog) open() error {
	f, err := openLog(l.config.File, false)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	l.file, l.size = f, info.Size()
	return nil
}

// reopen goes on in a new file after somebody gave the old one another name. If
// there can be no new file, the old one serves on.
func (l *mainLog) reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.file
	if old == nil {
		return nil
	}
	if err := l.open(); err != nil {
		return err
	}
	return old.Close()
}

// write appends one line and rotates when the file is full.
func (l *mainLog) write(line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	n, err := l.file.WriteString(line)
	l.size += int64(n)
	if err != nil || l.config.MaxBytes <= 0 || l.size < l.config.MaxBytes {
		return err
	}
	_, err = rotateLog(l.config) // copies and truncates; the descriptor goes on
	l.size = 0
	return err
}

// clear empties the file.
func (l *mainLog) clear() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = 0
	return clearLog(l.config.File)
}

func (l *mainLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// handler is a slog.Handler that writes "date time,ms LEVEL message key=value".
type handler struct {
	log   *mainLog
	attrs string
}

func (h handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.log.level }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Time.Format("2006-01-02 15:04:05,000"))
	b.WriteString(" " + r.Level.String() + " " + r.Message + h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, a)
		return true
	})
	b.WriteByte('\n')
	return h.log.write(b.String())
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	b.WriteString(h.attrs)
	for _, a := range attrs {
		appendAttr(&b, a)
	}
	return handler{h.log, b.String()}
}

func (h handler) WithGroup(string) slog.Handler { return h } // names are unique without

func appendAttr(b *strings.Builder, a slog.Attr) {
	text := a.Value.Resolve().String()
	if d, ok := a.Value.Any().(time.Duration); ok {
		text = d.String()
	}
	if text == "" || strings.ContainsAny(text, " \t\n\"=") {
		text = fmt.Sprintf("%q", text)
	}
	b.WriteString(" " + a.Key + "=" + text)
}

// parseLevel maps supervisord's loglevel.
func parseLevel(name string) (slog.Level, bool) {
	switch strings.ToLower(name) {
	case "critical", "error":
		return slog.LevelError, true
	case "warn":
		return slog.LevelWarn, true
	case "info":
		return slog.LevelInfo, true
	case "debug", "trace", "blather":
		return slog.LevelDebug, true
	}
	return 0, false
}
