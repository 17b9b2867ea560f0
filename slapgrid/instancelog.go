package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	instanceLog = agentDirectory + "/log/instance.log"
	// maxInstanceLog is the size from which the log is put aside.
	maxInstanceLog = 20 << 20
)

// partitionLog is the log of a partition while it is processed.
type partitionLog struct {
	p        *partition
	previous *slog.Logger
	file     *os.File
}

// openLog makes .slapgrid with its log and appends to it whatever is logged
// about the partition from now on.
func (p *partition) openLog() (*partitionLog, error) {
	if err := p.files.MakeDir(agentDirectory, 0o755); err != nil {
		return nil, err
	}
	if err := p.files.MakeDir(agentDirectory+"/log", 0o700); err != nil {
		return nil, err
	}
	if err := p.files.RepairOwner(agentDirectory); err != nil {
		return nil, err
	}
	if err := p.rotateLog(); err != nil {
		return nil, err
	}
	file, err := p.files.Append(instanceLog, 0o644, false)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &partitionLog{p: p, previous: p.log, file: file}
	lines := &boundedFile{file: file, left: 2*maxInstanceLog - info.Size()}
	p.log = slog.New(teeHandler{p.log.Handler(), &lineHandler{file: lines, now: p.node.now}})
	return l, nil
}

// boundedFile is a log that stops at a size: what a release prints in one run
// must not fill the disk, for which the quota of its user does not count.
type boundedFile struct {
	mu   sync.Mutex
	file *os.File
	left int64
}

func (f *boundedFile) write(line string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left <= 0 {
		return nil
	}
	if f.left -= int64(len(line)); f.left <= 0 {
		line = "[the log is full, the rest of this run is left out]\n"
	}
	_, err := f.file.WriteString(line)
	return err
}

// rotateLog puts a log that became too long aside, dropping an older one.
func (p *partition) rotateLog() error {
	info, err := p.files.Lstat(instanceLog)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size() < maxInstanceLog {
		return err
	}
	return p.files.Rename(instanceLog, instanceLog+".1")
}

func (l *partitionLog) close() {
	l.p.log = l.previous
	if err := l.file.Close(); err != nil {
		l.previous.Warn("cannot close the log of the partition", "error", err)
	}
}

// teeHandler gives each record to two handlers.
type teeHandler struct{ first, second slog.Handler }

func (t teeHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return t.first.Enabled(ctx, level) || t.second.Enabled(ctx, level)
}

func (t teeHandler) Handle(ctx context.Context, r slog.Record) error {
	var err error
	if t.first.Enabled(ctx, r.Level) {
		err = t.first.Handle(ctx, r.Clone())
	}
	if t.second.Enabled(ctx, r.Level) {
		err = errors.Join(err, t.second.Handle(ctx, r))
	}
	return err
}

func (t teeHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return teeHandler{t.first.WithAttrs(attrs), t.second.WithAttrs(attrs)}
}

func (t teeHandler) WithGroup(name string) slog.Handler {
	return teeHandler{t.first.WithGroup(name), t.second.WithGroup(name)}
}

// lineHandler writes lines as the reference's agent does.
type lineHandler struct {
	file  *boundedFile
	now   func() time.Time
	attrs []slog.Attr
}

func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	level := r.Level.String()
	if level == "WARN" {
		level = "WARNING"
	}
	at := h.now()
	var b strings.Builder
	fmt.Fprintf(&b, "[%s,%03d] %-8s slapgrid %s", at.Format("2006-01-02 15:04:05"), at.Nanosecond()/1e6, level, r.Message)
	write := func(a slog.Attr) bool { fmt.Fprintf(&b, " %s=%v", a.Key, a.Value); return true }
	for _, a := range h.attrs {
		write(a)
	}
	r.Attrs(write)
	b.WriteByte('\n')
	return h.file.write(b.String())
}

func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lineHandler{file: h.file, now: h.now, attrs: append(append([]slog.Attr{}, h.attrs...), attrs...)}
}

func (h *lineHandler) WithGroup(string) slog.Handler { return h }
