package logfmt

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var when = time.Date(2026, 11, 24, 23, 9, 50, 42_000_000, time.Local)

func record(level slog.Level, message string, args ...any) slog.Record {
	r := slog.NewRecord(when, level, message, 0)
	r.Add(args...)
	return r
}

func TestConsole(t *testing.T) {
	options := Options{Level: slog.LevelDebug, Logger: "slapos", PID: 7875}
	for _, tc := range []struct {
		name    string
		options func(*Options)
		record  slog.Record
		want    string
	}{
		{name: "info", record: record(slog.LevelInfo, "Done."), want: "2026-11-24 23:09:50 slapos[7875] INFO Done.\n"},
		{name: "debug", record: record(slog.LevelDebug, "x"), want: "2026-11-24 23:09:50 slapos[7875] DEBUG x\n"},
		{name: "warning", record: record(slog.LevelWarn, "x"), want: "2026-11-24 23:09:50 slapos[7875] WARNING x\n"},
		{name: "error", record: record(slog.LevelError, "x"), want: "2026-11-24 23:09:50 slapos[7875] ERROR x\n"},
		{name: "critical", record: record(LevelCritical, "x"), want: "2026-11-24 23:09:50 slapos[7875] CRITICAL x\n"},
		{
			name: "no time", options: func(o *Options) { o.HideTime = true },
			record: record(slog.LevelInfo, "Done."), want: "slapos[7875] INFO Done.\n",
		},
		{
			name:   "continuation lines have no prefix",
			record: record(slog.LevelInfo, "Instance requested.\nState is : started."),
			want:   "2026-11-24 23:09:50 slapos[7875] INFO Instance requested.\nState is : started.\n",
		},
		{
			name:   "values",
			record: record(slog.LevelInfo, "posted", "url", "http://x/", "n", 3, "empty", "", "err", errors.New(`a "b"`), slog.Group("g", "k", "v w")),
			want:   "2026-11-24 23:09:50 slapos[7875] INFO posted url=http://x/ n=3 empty=\"\" err=\"a \\\"b\\\"\" g.k=\"v w\"\n",
		},
		{
			name: "logger name", record: record(slog.LevelInfo, "x", LoggerKey, "werkzeug"),
			want: "2026-11-24 23:09:50 werkzeug[7875] INFO x\n",
		},
		{
			name: "colours", options: func(o *Options) { o.Color = true },
			record: record(slog.LevelError, "x"),
			want:   "\x1b[0;32m2026-11-24 23:09:50\x1b[0m \x1b[0;34mslapos[7875]\x1b[0m \x1b[1;30mERROR\x1b[0m \x1b[0;31mx\x1b[0m\n",
		},
		{
			name: "plain message", options: func(o *Options) { o.Color = true; o.HideTime = true },
			record: record(slog.LevelInfo, "x"),
			want:   "\x1b[0;34mslapos[7875]\x1b[0m \x1b[1;30mINFO\x1b[0m x\n",
		},
		{
			name: "bold message", options: func(o *Options) { o.Color = true; o.HideTime = true },
			record: record(LevelCritical, "x"),
			want:   "\x1b[0;34mslapos[7875]\x1b[0m \x1b[1;30mCRITICAL\x1b[0m \x1b[1;31mx\x1b[0m\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var b bytes.Buffer
			o := options
			if tc.options != nil {
				tc.options(&o)
			}
			require.NoError(t, NewConsole(&b, o).Handle(context.Background(), tc.record))
			require.Equal(t, tc.want, b.String())
		})
	}
}

func TestLevels(t *testing.T) {
	h := NewConsole(&bytes.Buffer{}, Options{})
	require.False(t, h.Enabled(context.Background(), slog.LevelDebug))
	require.True(t, h.Enabled(context.Background(), slog.LevelInfo))
	h = NewFile(&bytes.Buffer{}, nil)
	require.True(t, h.Enabled(context.Background(), slog.LevelDebug))
}

func TestFile(t *testing.T) {
	var b bytes.Buffer
	h := NewFile(&b, nil)
	require.NoError(t, h.Handle(context.Background(), record(slog.LevelWarn, "hidden name", LoggerKey, "werkzeug")))
	require.NoError(t, h.Handle(context.Background(), record(LevelCritical, "x")))
	require.Equal(t, "[2026-11-24 23:09:50,042] WARNING  hidden name\n[2026-11-24 23:09:50,042] CRITICAL x\n", b.String())
}

func TestWithAttrsAndGroups(t *testing.T) {
	var b bytes.Buffer
	h := NewConsole(&b, Options{Logger: "slapos", HideTime: true})
	log := slog.New(h).With(LoggerKey, "slapos.format", "a", 1).WithGroup("g").With("b", 2)
	log.Info("m", "c", 3)
	slog.New(h).Info("unchanged")
	require.Equal(t, "slapos.format[0] INFO m a=1 g.b=2 g.c=3\nslapos[0] INFO unchanged\n", b.String())
}

func TestOneWritePerRecord(t *testing.T) {
	var w countingWriter
	log := slog.New(NewConsole(&w, Options{Logger: "slapos"}))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				log.Info("two\nlines")
			}
		})
	}
	group.Wait()
	require.Equal(t, 160, w.writes)
	require.Equal(t, 320, strings.Count(w.text.String(), "\n"))
}

// countingWriter is not safe for concurrent use: the handler must serialise.
type countingWriter struct {
	writes int
	text   bytes.Buffer
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	return w.text.Write(p)
}

func BenchmarkConsole(b *testing.B) {
	log := slog.New(NewConsole(&bytes.Buffer{}, Options{Logger: "slapos", PID: 1}))
	b.ReportAllocs()
	for b.Loop() {
		log.Info("Processing computer partitions...", "n", 3)
	}
}
