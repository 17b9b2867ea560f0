package slap

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

var errStuck = errors.New("the master stopped taking the request")

// sending is a request on its way out. The transport of net/http repeats some
// requests by itself, among them changes that a server of HTTP/2 reset after it
// had all of them. A sending has it repeat reads only, and finds out when a
// change may be repeated because the master never got it.
type sending struct {
	request *http.Request
	cancel  context.CancelCauseFunc
	// connection is the one in use, and before is how much had been written
	// there; connections counts them.
	connection  *impatient
	before      int64
	connections int
	stuck       *countdown
}

// newSending prepares a request. It ends with cancel.
func newSending(r *http.Request, timeout time.Duration) *sending {
	ctx, cancel := context.WithCancelCause(r.Context())
	s := &sending{cancel: cancel, stuck: newCountdown(timeout, func() { cancel(errStuck) })}
	s.request = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      s.gotConn,
		WroteHeaders: s.wroteHeaders,
		WroteRequest: func(httptrace.WroteRequestInfo) { s.stuck.pause() },
	}))
	if r.Body != nil && r.Body != http.NoBody {
		// Without it a body is sent once.
		s.request.GetBody = nil
		s.request.Body = &counted{r.Body, s.stuck}
	}
	return s
}

func (s *sending) gotConn(info httptrace.GotConnInfo) {
	s.connections++
	conn := info.Conn
	for {
		layer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = layer.NetConn()
	}
	if s.connection, _ = conn.(*impatient); s.connection != nil {
		s.before = s.connection.written.Load()
	}
}

func (s *sending) wroteHeaders() {
	if s.request.Body != nil {
		s.stuck.reset()
	}
}

// end is called when the transport returned.
func (s *sending) end() { s.stuck.end() }

// unseen tells whether the master, or whoever is on the way to it, never got
// anything of the request, or said that it did not look at it.
func (s *sending) unseen(err error) bool {
	if context.Cause(s.request.Context()) != nil {
		return false
	}
	if refused, ok := errors.AsType[*resetError](err); ok {
		return refused.unprocessed
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return false
	}
	return isStillborn(err) || s.connections == 1 && s.connection != nil && s.connection.written.Load() == s.before
}

// resetError is why a server of HTTP/2 did not answer a change. If it is
// unprocessed, the server has said that nothing came of it (RFC 9113, 8.7).
type resetError struct {
	text        string
	unprocessed bool
}

func (e *resetError) Error() string { return e.text }

// reason returns why the transport failed.
func (s *sending) reason(err error) error {
	// Which of its errors a transport reports for a context that ended is a
	// matter of chance.
	if errors.Is(context.Cause(s.request.Context()), errStuck) {
		return errStuck
	}
	return readReset(err)
}

// readReset finds out why net/http would have sent a change again. It tells that
// in a text only; what is not recognised is not repeated.
func readReset(err error) error {
	_, text, ok := strings.Cut(err.Error(), "http2: Transport: cannot retry err [")
	if !ok {
		return err
	}
	text, _, _ = strings.Cut(text, "] after Request.Body was written")
	return &resetError{text, strings.Contains(text, "; REFUSED_STREAM;") || strings.Contains(text, "graceful shutdown GOAWAY")}
}

// counted is the body of a request on which each piece has to be taken within a
// time.
type counted struct {
	io.ReadCloser
	stuck *countdown
}

func (c *counted) Read(p []byte) (int, error) {
	c.stuck.reset()
	return c.ReadCloser.Read(p)
}

// countdown calls a function when it is not reset, nor paused, for some time.
type countdown struct {
	timeout time.Duration
	mu      sync.Mutex
	timer   *time.Timer
	over    bool
}

func newCountdown(timeout time.Duration, f func()) *countdown {
	timer := time.AfterFunc(timeout, f)
	timer.Stop()
	return &countdown{timeout: timeout, timer: timer}
}

func (c *countdown) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.timer.Reset(c.timeout)
	}
}

func (c *countdown) pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
}

// end stops it for good.
func (c *countdown) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.timer.Stop()
}
