package slap

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pools sends requests over connections that were made with the newest
// certificates.
type pools struct {
	keys    *keyring
	timeout time.Duration
	make    func(*keys) *pool

	mu  sync.Mutex
	now *pool
	// old are those that were replaced.
	old []*pool
}

// pool holds the connections that were made with the same certificates.
type pool struct {
	keys *keys
	// own shows the client certificate, foreign does not: it serves hosts that
	// the master redirects to.
	own, foreign *http.Transport
	// active counts the answers that are not read to their end, and used is when
	// one last was. Both belong to pools.mu.
	active int
	used   time.Time
}

// lingering is the time after which no connection of HTTP/2 takes the call for
// unfinished whose answer was read.
const lingering = time.Second

// RoundTrip sends a request over a connection of the newest pool. If the master
// got nothing of it, because the connection was about to end, it is sent once
// more, as the transport of net/http would do.
func (p *pools) RoundTrip(r *http.Request) (*http.Response, error) {
	response, unseen, err := p.send(r)
	policy := policyOf(r.Context())
	if unseen && policy != nil {
		policy.forgetSending()
		if again, ok := rewound(r); ok {
			response, unseen, err = p.send(again)
		}
	}
	if policy != nil {
		policy.unseen = unseen && r.Response == nil
	}
	return response, err
}

// rewound returns a request as it was before its body was read.
func rewound(r *http.Request) (*http.Request, bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, false
	}
	again := r.WithContext(r.Context())
	again.Body = body
	return again, true
}

// send sends a request. If that fails it tells whether the master got nothing of
// it.
func (p *pools) send(r *http.Request) (response *http.Response, unseen bool, err error) {
	in, err := p.enter()
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, false, err
	}
	transport := in.own
	if strays(r) {
		transport = in.foreign
	}
	s := newSending(r, p.timeout)
	response, err = transport.RoundTrip(s.request)
	s.end()
	if policy := policyOf(r.Context()); policy != nil {
		policy.identity = in.keys.identity
	}
	if err != nil {
		err = s.reason(err)
		unseen = s.unseen(err)
		s.cancel(nil)
		p.leave(in)
		return nil, unseen, err
	}
	response.Request = r
	response.Body = &closing{ReadCloser: response.Body, done: func() { s.cancel(nil); p.leave(in) }}
	return response, false, nil
}

// enter returns the newest pool, making it if the certificates changed. The
// connections of the old one are closed as soon as no answer comes over them.
func (p *pools) enter() (*pool, error) {
	k, err := p.keys.load()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	var replaced *pool
	if p.now == nil || p.now.keys != k {
		if replaced = p.now; replaced != nil {
			replaced.used = time.Now()
			p.old = append(p.old, replaced)
		}
		p.now = p.make(k)
	}
	now := p.now
	now.active++
	p.mu.Unlock()
	if replaced != nil {
		replaced.closeIdle()
	}
	return now, nil
}

// leave notes that an answer was read, and closes connections of old pools.
func (p *pools) leave(in *pool) {
	p.mu.Lock()
	in.active--
	var over []*pool
	if len(p.old) > 0 {
		now := time.Now()
		in.used = now
		p.old = slices.DeleteFunc(p.old, func(old *pool) bool {
			if old.active > 0 {
				return false
			}
			over = append(over, old)
			return now.Sub(old.used) > lingering
		})
	}
	p.mu.Unlock()
	for _, old := range over {
		old.closeIdle()
	}
}

// CloseIdleConnections closes the connections that no call uses.
func (p *pools) CloseIdleConnections() {
	p.mu.Lock()
	all := slices.Clone(p.old)
	if p.now != nil {
		all = append(all, p.now)
	}
	p.mu.Unlock()
	for _, each := range all {
		each.closeIdle()
	}
}

func (p *pool) closeIdle() {
	p.own.CloseIdleConnections()
	p.foreign.CloseIdleConnections()
}

// closing is the body of an answer whose end is told to someone, once.
type closing struct {
	io.ReadCloser
	once sync.Once
	done func()
}

func (b *closing) Close() error {
	err := b.ReadCloser.Close()
	b.once.Do(b.done)
	return err
}

// newPools returns the transport of a client that was not given another.
func (c *Client) newPools() *pools {
	return &pools{keys: c.keyring, timeout: c.timeout, make: func(k *keys) *pool {
		return &pool{keys: k, own: c.newTransport(k, true), foreign: c.newTransport(k, false)}
	}}
}

// maxHeader bounds the size of the head of an answer, in bytes.
const maxHeader = 1 << 20

// idleTime is how long a connection is kept that no call uses.
const idleTime = 90 * time.Second

// maxIdle is how many connections are kept for each host that no call uses.
const maxIdle = 16

// newTransport returns a pool of connections.
func (c *Client) newTransport(k *keys, own bool) *http.Transport {
	return &http.Transport{
		Proxy:                  c.proxy,
		DialContext:            c.dial,
		TLSHandshakeTimeout:    c.timeout,
		ResponseHeaderTimeout:  c.timeout,
		TLSClientConfig:        c.tlsConfig(k, own),
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: c.timeout, PingTimeout: c.timeout},
		IdleConnTimeout:        min(idleTime, c.timeout),
		MaxIdleConnsPerHost:    maxIdle,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// dial makes a connection on which a peer that stops reading or answering is
// noticed.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: c.timeout, KeepAlive: 30 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &impatient{Conn: conn, timeout: c.timeout}, nil
}

// impatient is a connection on which each write must progress within a time:
// the time-outs of the HTTP client begin only when all was written. Nor does it
// bound what a proxy says before the connection is made. So whoever reads gives
// up after twice the time, when those time-outs have passed and a connection
// that is not in use was closed.
type impatient struct {
	net.Conn
	timeout time.Duration
	written atomic.Int64
}

func (i *impatient) Read(data []byte) (int, error) {
	if err := i.SetReadDeadline(time.Now().Add(2 * i.timeout)); err != nil {
		return 0, err
	}
	return i.Conn.Read(data)
}

func (i *impatient) Write(data []byte) (int, error) {
	now := time.Now()
	if err := errors.Join(i.SetWriteDeadline(now.Add(i.timeout)), i.SetReadDeadline(now.Add(2*i.timeout))); err != nil {
		return 0, err
	}
	n, err := i.Conn.Write(data)
	i.written.Add(int64(n))
	return n, err
}
