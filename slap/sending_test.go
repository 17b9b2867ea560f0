package slap

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// Frames of HTTP/2, their flags, and codes of errors (RFC 9113).
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7
	flagEnd, flagAck, flagWhole                                                = 1, 1, 4
	codeNone, codeProtocol, codeInternal, codeRefused                          = 0, 1, 2, 7
)

// frames is a connection of HTTP/2, of which a test writes each frame.
type frames struct {
	net.Conn
	stream uint32 // of the latest request
}

func (f *frames) read() (kind, flags byte, payload []byte, err error) {
	var head [9]byte
	if _, err = io.ReadFull(f, head[:]); err != nil {
		return 0, 0, nil, err
	}
	if kind = head[3]; kind == frameHeaders {
		f.stream = binary.BigEndian.Uint32(head[5:])
	}
	payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	_, err = io.ReadFull(f, payload)
	return kind, head[4], payload, err
}

func (f *frames) write(kind, flags byte, stream uint32, payload []byte) {
	frame := binary.BigEndian.AppendUint32([]byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}, stream)
	_, _ = f.Write(append(frame, payload...))
}

func (f *frames) good() {
	f.write(frameHeaders, flagEnd|flagWhole, f.stream, []byte{0x88}) // status 200
}

func (f *frames) reset(code uint32) {
	f.write(frameReset, 0, f.stream, binary.BigEndian.AppendUint32(nil, code))
}

func (f *frames) goAway(last, code uint32) {
	f.write(frameGoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code))
}

// serveFrames starts a server of HTTP/2 that does something with the n-th
// request when that is complete, and counts the heads of requests.
func (a *authority) serveFrames(answer func(f *frames, n int)) (master string, heads *atomic.Int32) {
	certFile, keyFile := a.issue("master")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(a.t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}})
	require.NoError(a.t, err)
	heads = &atomic.Int32{}
	var group sync.WaitGroup
	group.Go(func() {
		var all []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			all = append(all, conn)
			group.Go(func() { serveConnection(&frames{Conn: conn}, heads, answer) })
		}
		for _, conn := range all {
			conn.Close()
		}
	})
	a.t.Cleanup(func() { listener.Close(); group.Wait() })
	return "https://" + listener.Addr().String(), heads
}

func serveConnection(f *frames, heads *atomic.Int32, answer func(f *frames, n int)) {
	defer f.Close()
	if _, err := io.ReadFull(f, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	f.write(frameSettings, 0, 0, nil)
	for {
		kind, flags, payload, err := f.read()
		if err != nil {
			return
		}
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			f.write(frameSettings, flagAck, 0, nil)
		case kind == framePing && flags&flagAck == 0:
			f.write(framePing, flagAck, 0, payload)
		}
		if kind == frameHeaders {
			heads.Add(1)
		}
		if (kind == frameHeaders || kind == frameData) && flags&flagEnd != 0 {
			answer(f, int(heads.Load()))
		}
	}
}

// TestRepetitionOverHTTP2 has a server of HTTP/2 break requests off, of which the
// transport of net/http repeats some by itself, changes too.
func TestRepetitionOverHTTP2(t *testing.T) {
	a := newAuthority(t)
	once := func(fail func(f *frames)) func(*frames, int) {
		return func(f *frames, n int) {
			if n > 1 {
				f.good()
			} else {
				fail(f)
			}
		}
	}
	for name, test := range map[string]struct {
		answer         func(f *frames, n int)
		reads, changes int32 // how often they are sent
		read, changed  bool  // that they succeed
	}{
		"protocol error":       {func(f *frames, _ int) { f.reset(codeProtocol) }, maxSendings, 1, false, false},
		"protocol error, once": {once(func(f *frames) { f.reset(codeProtocol) }), 2, 1, true, false},
		"reset, once":          {once(func(f *frames) { f.reset(codeInternal) }), 2, 1, true, false},
		"closed, once":         {once(func(f *frames) { f.Close() }), 2, 1, true, false},
		"refused, three times": {func(f *frames, n int) {
			if n > 3 {
				f.good()
			} else {
				f.reset(codeRefused)
			}
		}, 4, 4, true, true},
		"refused, once":         {once(func(f *frames) { f.reset(codeRefused) }), 2, 2, true, true},
		"goes away before it":   {once(func(f *frames) { f.goAway(0, codeNone) }), 2, 2, true, true},
		"always goes away":      {func(f *frames, _ int) { f.goAway(0, codeNone) }, maxSendings, 6, false, false},
		"goes away after it":    {once(func(f *frames) { f.goAway(f.stream, codeNone); f.Close() }), 2, 1, true, false},
		"goes away for a fault": {once(func(f *frames) { f.goAway(0, codeInternal) }), 2, 1, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			for method, want := range map[string]int32{http.MethodGet: test.reads, http.MethodPost: test.changes} {
				master, heads := a.serveFrames(test.answer)
				c := client(t, master, WithCAFile(a.file))
				_, err := c.do(context60(t), method, call{op: "x", path: "y", fields: []field{{"a", "b"}}})
				require.Equal(t, want, heads.Load(), method)
				if method == http.MethodGet && test.read || method == http.MethodPost && test.changed {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, ErrConnection)
				require.NotContains(t, err.Error(), "GetBody")
			}
		})
	}
}

// TestUnseenIsSentOnceMore has calls that are not to be repeated, on a connection
// that goes away.
func TestUnseenIsSentOnceMore(t *testing.T) {
	a := newAuthority(t)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		master, heads := a.serveFrames(func(f *frames, n int) {
			if n%2 == 0 {
				f.good()
			} else {
				f.goAway(f.stream-1, codeNone)
			}
		})
		c := client(t, master, WithCAFile(a.file), WithRetry(0))
		for range 3 {
			_, err := c.do(context60(t), method, call{op: "x", path: "y", fields: []field{{"a", "b"}}})
			require.NoError(t, err, method)
		}
		require.EqualValues(t, 6, heads.Load(), method)
	}
}

// TestOtherTransportOverHTTP2 is the same with a transport of the caller.
func TestOtherTransportOverHTTP2(t *testing.T) {
	a := newAuthority(t)
	for method, times := range map[string]int32{http.MethodGet: maxSendings, http.MethodPost: 1} {
		master, heads := a.serveFrames(func(f *frames, _ int) { f.reset(codeProtocol) })
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool()}, ForceAttemptHTTP2: true}
		c := client(t, master, WithTransport(transport))
		_, err := c.do(context60(t), method, call{op: "x", path: "y", fields: []field{{"a", "b"}}})
		require.ErrorIs(t, err, ErrConnection, method)
		require.Equal(t, times, heads.Load(), method)
	}
}

// TestChangeThatAnObserverCallsRepeatable has a header by which net/http repeats a
// change on a connection that was in use before.
func TestChangeThatAnObserverCallsRepeatable(t *testing.T) {
	var changes atomic.Int32
	master := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body)
			changes.Add(1)
			panic(http.ErrAbortHandler)
		}
	})
	o := &tracer{name: "o", set: http.Header{"Idempotency-Key": {"1"}}}
	for name, opts := range map[string][]Option{"own": nil, "of the caller": {WithTransport(&http.Transport{})}} {
		for _, fields := range [][]field{{{"a", "b"}}, nil} {
			changes.Store(0)
			c := client(t, master, append(opts, WithObserver(o))...)
			_, err := c.get(context60(t), call{op: "x", path: "y"})
			require.NoError(t, err, "this leaves a connection")
			_, err = c.post(context60(t), call{op: "x", path: "y", fields: fields})
			require.ErrorIs(t, err, ErrConnection, name)
			require.EqualValues(t, 1, changes.Load(), "%s, %v", name, fields)
		}
	}
}

// TestConnectionsThatAllEnded has all connections that are kept end at the next
// request, as when something on the way forgot them. A read tries them all.
func TestConnectionsThatAllEnded(t *testing.T) {
	var old atomic.Bool
	together := make(chan struct{})
	var waiting atomic.Int32
	seen := sync.Map{}
	master := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, known := seen.LoadOrStore(r.RemoteAddr, true)
		if old.Load() && known {
			panic(http.ErrAbortHandler)
		}
		if !old.Load() {
			if waiting.Add(1) == maxIdle {
				close(together)
			}
			<-together
		}
	})
	c := client(t, master, WithRetry(0))
	var group errgroup.Group
	for range maxIdle {
		group.Go(func() error {
			_, err := c.get(t.Context(), call{op: "x", path: "y"})
			return err
		})
	}
	require.NoError(t, group.Wait())
	old.Store(true)
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
}

// TestMasterThatStopsReadingOverHTTP2 takes what its window lets through, and
// answers pings.
func TestMasterThatStopsReadingOverHTTP2(t *testing.T) {
	a := newAuthority(t)
	master, _ := a.serveFrames(func(*frames, int) {})
	c := client(t, master, WithCAFile(a.file), WithTimeout(200*time.Millisecond))
	start := time.Now()
	_, err := c.post(context60(t), call{op: "x", path: "y", fields: []field{{"a", strings.Repeat("x", 200_000)}}})
	require.ErrorIs(t, err, ErrConnection)
	require.ErrorContains(t, err, "stopped taking the request")
	require.Less(t, time.Since(start), 30*time.Second)
}

// TestConnectionThatIsClosedBeforeAChange closes connections as they are made.
func TestConnectionThatIsClosedBeforeAChange(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	var got atomic.Int32
	go func() {
		for n := 1; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if n > 2 {
				if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil && r.Method == http.MethodPost {
					got.Add(1)
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
			conn.Close()
		}
	}()
	// The client may have begun to write before it notices: then it must not
	// repeat. Whatever it does, it says what the master knows.
	c := client(t, "http://"+listener.Addr().String())
	_, err = c.post(context60(t), call{op: "x", path: "y", fields: []field{{"a", "b"}}})
	require.Equal(t, err == nil, got.Load() == 1, "%v", err)
}

// TestConnectionsThatEndDuringChanges has a server close connections when they
// were idle for a moment, or at the first byte of a change. No change may come
// twice, nor be lost without an error.
func TestConnectionsThatEndDuringChanges(t *testing.T) {
	a := newAuthority(t)
	for _, kind := range []string{"http", "https", "http2"} {
		t.Run(kind, func(t *testing.T) {
			var mu sync.Mutex
			came := map[string]int{}
			var n atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				i := n.Add(1)
				if i%13 == 0 {
					panic(http.ErrAbortHandler) // before anything was read
				}
				id := r.PostFormValue("id")
				mu.Lock()
				came[id]++
				mu.Unlock()
				if i%7 == 0 {
					panic(http.ErrAbortHandler)
				}
				if i%5 == 0 {
					w.Header().Set("Connection", "close") // GOAWAY in HTTP/2
				}
			}))
			server.Config.IdleTimeout = time.Millisecond
			if kind == "http" {
				server.Start()
				t.Cleanup(server.Close)
			} else {
				a.start(server, tls.NoClientCert, kind == "http2")
			}
			c := client(t, server.URL, WithCAFile(a.file))
			failed := 0
			var group errgroup.Group
			for worker := range 4 {
				group.Go(func() error {
					for i := range 100 {
						id := fmt.Sprint(worker, "/", i)
						_, err := c.post(t.Context(), call{op: "x", path: "y", fields: []field{{"id", id}}})
						mu.Lock()
						times := came[id]
						if err != nil {
							failed++
						}
						mu.Unlock()
						if times > 1 || err == nil && times != 1 {
							return fmt.Errorf("%s came %d times, and was told as %w", id, times, err)
						}
						time.Sleep(time.Duration(i%3) * 700 * time.Microsecond)
					}
					return nil
				})
			}
			require.NoError(t, group.Wait())
			require.Positive(t, failed)
		})
	}
}
