package proxy

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// connectionsToldAgain is how long after a warning about the limit of connections
// the next one comes: callers cannot fill the log with it.
const connectionsToldAgain = time.Hour

// connectionBudget bounds the connections of a Server that are open at once, those
// of all listeners together.
type connectionBudget struct {
	slots  chan struct{}
	waited atomic.Int64 // connections that found no room at once
	log    *slog.Logger

	mu   sync.Mutex
	told time.Time
}

func newConnectionBudget(connections int, log *slog.Logger) *connectionBudget {
	return &connectionBudget{slots: make(chan struct{}, connections), log: log}
}

// open is how many connections there are.
func (b *connectionBudget) open() int { return len(b.slots) }

// take waits for room for one connection, which it has unless stop was closed.
func (b *connectionBudget) take(stop <-chan struct{}) bool {
	select {
	case b.slots <- struct{}{}:
		return true
	default:
	}
	b.waited.Add(1)
	b.tell()
	select {
	case b.slots <- struct{}{}:
		return true
	case <-stop:
		return false
	}
}

func (b *connectionBudget) give() { <-b.slots }

// tell warns that the limit is reached, unless it did so lately.
func (b *connectionBudget) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.told.IsZero() || now.Sub(b.told) >= connectionsToldAgain {
		b.told = now
		b.log.Warn("there are as many connections as may be: others wait until one is closed", "connections", cap(b.slots))
	}
}

// boundedListener accepts a connection once there is room for it. It takes one
// from the system before it waits, not a place in advance: listeners without
// callers would keep the places of the others.
type boundedListener struct {
	net.Listener
	budget *connectionBudget
	once   sync.Once
	closed chan struct{}
}

func (b *connectionBudget) bound(l net.Listener) *boundedListener {
	return &boundedListener{Listener: l, budget: b, closed: make(chan struct{})}
}

// Accept implements [net.Listener].
func (l *boundedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if !l.budget.take(l.closed) {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	return &boundedConn{Conn: conn, budget: l.budget}, nil
}

// Close implements [net.Listener].
func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn
	budget *connectionBudget
	gone   atomic.Bool
}

var _ io.ReaderFrom = (*boundedConn)(nil)

// Close implements [net.Conn].
func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	if !c.gone.Swap(true) {
		c.budget.give()
	}
	return err
}

// CloseWrite lets a refusal reach a caller that is still sending: a connection that
// is closed at once would be reset, and the answer lost.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// ReadFrom lets the system send files without copying them through this process.
func (c *boundedConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }
