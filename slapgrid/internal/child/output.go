package child

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
)

// longestLine bounds what is held back while waiting for the end of a line, if
// the command does not say.
const longestLine = 64 << 10

// output receives what a child writes: whole lines go to a function as they
// come, and the text is kept for an error report, bounded.
type output struct {
	mu      sync.Mutex
	line    func(string)
	limit   int
	longest int // of a line
	pending []byte
	kept    []byte
	dropped int
}

// Write never fails: a full report must not stop the child.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(p)
	rest := p
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		line := rest[:end]
		if len(o.pending) > 0 {
			line, o.pending = append(o.pending, line...), nil
		}
		o.emit(line)
		rest = rest[end+1:]
	}
	o.pending = append(o.pending, rest...)
	if len(o.pending) > o.longest {
		o.emit(o.pending)
		o.pending = nil
	}
	return len(p), nil
}

// finish gives out a last line that has no end.
func (o *output) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.pending) > 0 {
		o.emit(o.pending)
		o.pending = nil
	}
}

func (o *output) emit(line []byte) {
	if o.line != nil {
		o.line(strings.ToValidUTF8(strings.TrimRight(string(line), "\r"), "\uFFFD"))
	}
}

// keep holds the newest bytes, dropping old ones in big steps.
func (o *output) keep(p []byte) {
	o.kept = append(o.kept, p...)
	if excess := len(o.kept) - o.limit; excess > o.limit/4 {
		o.dropped += excess
		o.kept = append(o.kept[:0], o.kept[excess:]...)
	}
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := strings.ToValidUTF8(string(o.kept), "\uFFFD")
	if o.dropped > 0 {
		return fmt.Sprintf("[%d bytes left out]\n%s", o.dropped, text)
	}
	return text
}
