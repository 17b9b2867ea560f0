// Package logfmt renders log records as the slapos command prints them: one form
// for the console (spec cli.md 1.3), one for log files.
//
// Both are [slog.Handler]. Values of a record follow its message as key=value; an
// attribute called [LoggerKey] is not printed but names the logger of the line.
package logfmt

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// LevelCritical is the level above error, printed as CRITICAL.
const LevelCritical = slog.LevelError + 4

// LoggerKey is the attribute that names the logger in a console line in place of
// the default name.
const LoggerKey = "logger"

// Options describe a console handler.
type Options struct {
	// Level is the least level printed; nil is INFO.
	Level slog.Leveler
	// Logger is the name printed for records without a LoggerKey attribute.
	Logger string
	// PID is the process id printed after the name.
	PID int
	// HideTime drops the time.
	HideTime bool
	// Color adds the escape sequences of a terminal.
	Color bool
}

// NewConsole returns a handler that writes
//
//	YYYY-MM-DD HH:MM:SS <logger>[<pid>] <LEVEL> <message>
//
// in local time, one Write per record. It is safe for concurrent use.
func NewConsole(w io.Writer, o Options) slog.Handler {
	line := func(b *bytes.Buffer, r slog.Record, name, message string) {
		if !o.HideTime {
			paint(b, o.Color, green, false, r.Time.Format(time.DateTime))
			b.WriteByte(' ')
		}
		if name == "" {
			name = o.Logger
		}
		paint(b, o.Color, blue, false, name+"["+strconv.Itoa(o.PID)+"]")
		b.WriteByte(' ')
		paint(b, o.Color, black, true, levelName(r.Level))
		b.WriteByte(' ')
		color, bold := messageColor(r.Level)
		paint(b, o.Color && color >= 0, color, bold, message)
	}
	return newHandler(w, o.Level, line)
}

// NewFile returns a handler that writes
//
//	[YYYY-MM-DD HH:MM:SS,mmm] LEVEL    <message>
//
// for every record of at least level (nil is DEBUG), one Write per record.
func NewFile(w io.Writer, level slog.Leveler) slog.Handler {
	if level == nil {
		level = slog.LevelDebug
	}
	return newHandler(w, level, func(b *bytes.Buffer, r slog.Record, _, message string) {
		b.WriteString(r.Time.Format("[2006-01-02 15:04:05,000] "))
		name := levelName(r.Level)
		b.WriteString(name)
		b.WriteString(strings.Repeat(" ", max(0, 8-len(name))))
		b.WriteByte(' ')
		b.WriteString(message)
	})
}

// lineFunc renders one record; name is empty unless the record names its logger.
type lineFunc func(b *bytes.Buffer, r slog.Record, name, message string)

// handler is the part the two forms share: levels, attributes, one write a line.
type handler struct {
	mu     *sync.Mutex
	w      io.Writer
	level  slog.Leveler
	line   lineFunc
	name   string
	prefix string // open groups, with their dots
	attrs  string // rendered " key=value" of WithAttrs
}

func newHandler(w io.Writer, level slog.Leveler, line lineFunc) *handler {
	if level == nil {
		level = slog.LevelInfo
	}
	return &handler{mu: new(sync.Mutex), w: w, level: level, line: line}
}

// Enabled implements [slog.Handler].
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// WithGroup implements [slog.Handler].
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// WithAttrs implements [slog.Handler].
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	var b bytes.Buffer
	for _, a := range attrs {
		c.attr(&b, c.prefix, a)
	}
	c.attrs += b.String()
	return &c
}

// Handle implements [slog.Handler].
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	c := *h
	var values, out bytes.Buffer
	r.Attrs(func(a slog.Attr) bool {
		c.attr(&values, c.prefix, a)
		return true
	})
	c.line(&out, r, c.name, r.Message+c.attrs+values.String())
	out.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(out.Bytes())
	return err
}

// attr renders one attribute, or takes the name of the logger from it.
func (h *handler) attr(b *bytes.Buffer, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if a.Key == LoggerKey && prefix == "" {
		h.name = v.String()
		return
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			h.attr(b, prefix, member)
		}
		return
	}
	b.WriteByte(' ')
	b.WriteString(prefix)
	b.WriteString(a.Key)
	b.WriteByte('=')
	b.WriteString(quote(v.String()))
}

// quote renders a value so that its end can be seen.
func quote(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '=' || r == 0x7f
	}) {
		return strconv.Quote(s)
	}
	return s
}

// levelName is Python's name of a level.
func levelName(l slog.Level) string {
	names := []struct {
		from slog.Level
		name string
	}{
		{LevelCritical, "CRITICAL"},
		{slog.LevelError, "ERROR"},
		{slog.LevelWarn, "WARNING"},
		{slog.LevelInfo, "INFO"},
	}
	if i := slices.IndexFunc(names, func(n struct {
		from slog.Level
		name string
	}) bool {
		return l >= n.from
	}); i >= 0 {
		return names[i].name
	}
	return "DEBUG"
}
