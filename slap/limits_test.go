package slap

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func proxyAt(t *testing.T, address string) Option {
	u, err := url.Parse(address)
	require.NoError(t, err)
	return WithProxy(http.ProxyURL(u))
}

// TestCompressedAnswersAreBounded sends a gigabyte in a megabyte.
func TestCompressedAnswersAreBounded(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		piece := make([]byte, 1<<20)
		for range 1 << 10 {
			if _, err := z.Write(piece); err != nil {
				return
			}
		}
		_ = z.Close()
	}), WithMaxBody(1<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "larger than 1048576 bytes")
	require.ErrorIs(t, err, ErrServer)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
}

func TestLengthThatIsTooLargeIsNotRead(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000000000000")
	}), WithMaxBody(10))
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.ErrorContains(t, err, "larger than 10 bytes")
}

func TestHeadsAreBounded(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 2000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1000))
		}
	}), WithRetry(0))
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.ErrorIs(t, err, ErrConnection)
}

func TestMaxBodyIsExact(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", len(r.URL.Path)-1))
	}), WithMaxBody(4))
	body, err := c.get(context60(t), call{op: "x", path: "1234"})
	require.NoError(t, err)
	require.Len(t, body, 4)
	_, err = c.get(context60(t), call{op: "x", path: "12345"})
	require.ErrorIs(t, err, ErrServer)
}

// TestMasterThatStopsReading sends a large call to a master that does not take
// it.
func TestMasterThatStopsReading(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	done := make(chan struct{})
	defer close(done)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		<-done
		conn.Close()
	}()
	c := client(t, "http://"+listener.Addr().String(), WithTimeout(100*time.Millisecond))
	_, err = c.post(context60(t), call{op: "x", path: "y", fields: []field{{"a", strings.Repeat("x", 64<<20)}}})
	require.ErrorIs(t, err, ErrConnection)
	require.NotErrorIs(t, err, context.DeadlineExceeded, "the context of the test")
}

// TestAnswersThatAreNotLookedAtAreBounded has bodies stop of answers that are
// read only to use the connection again.
func TestAnswersThatAreNotLookedAtAreBounded(t *testing.T) {
	release := make(chan struct{})
	master := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			return
		}
		status, _ := strconv.Atoi(r.URL.Path[1:])
		w.Header().Set("Location", mount+"/end")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "the beginning")
		w.(http.Flusher).Flush()
		<-release
	})
	defer close(release)
	for _, status := range []string{"302", "307", "503"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			c := client(t, master, WithTimeout(100*time.Millisecond))
			_, err := c.do(context60(t), method, call{op: "x", path: status})
			require.ErrorIs(t, err, ErrConnection, "%s %s", method, status)
			require.ErrorContains(t, err, "stopped sending", "%s %s", method, status)
		}
	}
}

// TestSwitchingProtocols has a master answer with another protocol, in which it
// says nothing.
func TestSwitchingProtocols(t *testing.T) {
	release := make(chan struct{})
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
		<-release
	}))
	defer close(release)
	start := time.Now()
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.ErrorIs(t, err, ErrServer)
	require.ErrorContains(t, err, "101")
	require.Less(t, time.Since(start), 30*time.Second)
}

// TestProxyThatHangs goes through proxies that accept and say nothing.
func TestProxyThatHangs(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	for _, scheme := range []string{"http", "https", "socks5"} {
		c := client(t, "https://master.example", proxyAt(t, scheme+"://"+silent.Addr().String()), WithTimeout(100*time.Millisecond))
		start := time.Now()
		_, err := c.post(context60(t), call{op: "x", path: "y"})
		require.ErrorIs(t, err, ErrConnection, scheme)
		require.Less(t, time.Since(start), 20*time.Second, scheme)
	}
}

// TestAnswerThatIsForgedOnTheWay has a relay change a byte of the answer. The
// master has acted: that is not a refusal.
func TestAnswerThatIsForgedOnTheWay(t *testing.T) {
	a := newAuthority(t)
	var acted, forge atomic.Int32
	master := a.serveHandler(func(http.ResponseWriter, *http.Request) { acted.Add(1) }, tls.NoClientCert, false)
	there := strings.TrimSuffix(strings.TrimPrefix(master, "https://"), mount)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var group sync.WaitGroup
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			group.Go(func() { forged(conn, there, &acted, &forge) })
		}
	})
	t.Cleanup(func() { listener.Close(); group.Wait() })
	relay := "https://" + listener.Addr().String() + mount
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		acted.Store(0)
		forge.Store(1)
		c := client(t, relay, WithCAFile(a.file))
		_, err := c.do(context60(t), method, call{op: "x", path: "y", fields: []field{{"a", "b"}}})
		if method == http.MethodGet {
			require.NoError(t, err, "a read is repeated")
			require.EqualValues(t, 2, acted.Load())
		} else {
			require.ErrorIs(t, err, ErrConnection)
			require.NotErrorIs(t, err, ErrAuthentication)
			require.EqualValues(t, 1, acted.Load())
		}
		c.CloseIdleConnections()
	}
}

// forged relays a connection, and changes some answers after the master acted.
func forged(here net.Conn, address string, acted, forge *atomic.Int32) {
	defer here.Close()
	there, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	var group sync.WaitGroup
	group.Go(func() {
		_, _ = io.Copy(there, here)
		there.Close()
	})
	defer group.Wait()
	defer here.Close()
	piece := make([]byte, 1<<16)
	for {
		n, err := there.Read(piece)
		if err != nil {
			return
		}
		if acted.Load() > 0 && forge.CompareAndSwap(1, 0) {
			piece[n-1] ^= 1
		}
		if _, err := here.Write(piece[:n]); err != nil {
			return
		}
	}
}

// TestCancelIsPrompt gives up in each phase of a call, with time-outs that are
// far away.
func TestCancelIsPrompt(t *testing.T) {
	entered := make(chan struct{}, 1)
	release := make(chan struct{})
	defer close(release)
	slow := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/body":
			_, _ = io.WriteString(w, "the beginning")
			w.(http.Flusher).Flush()
		case "/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
		}
		entered <- struct{}{}
		<-release
	})
	// A peer that accepts and says nothing: a TLS server or a proxy that hangs.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	go func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			entered <- struct{}{}
			go func() {
				<-release
				conn.Close()
			}()
		}
	}()
	address := silent.Addr().String()
	for name, test := range map[string]struct {
		master, path string
		opts         []Option
	}{
		"TLS":            {"https://" + address, "y", nil},
		"proxy":          {"https://master.example", "y", []Option{proxyAt(t, "http://"+address)}},
		"SOCKS":          {"http://master.example", "y", []Option{proxyAt(t, "socks5://"+address)}},
		"head":           {slow, "head", nil},
		"body":           {slow, "body", nil},
		"body, unpacked": {slow, "gzip", nil},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			c := client(t, test.master, append(test.opts, WithTimeout(time.Hour))...)
			ctx, cancel := context.WithCancelCause(t.Context())
			enough := errors.New("enough")
			go func() {
				<-entered
				cancel(enough)
			}()
			start := time.Now()
			_, err := c.do(ctx, method, call{op: "x", path: test.path})
			require.ErrorIs(t, err, ErrConnection, name)
			require.ErrorIs(t, err, context.Canceled, name)
			require.ErrorIs(t, err, enough, name)
			require.ErrorContains(t, err, "given up", name)
			require.Less(t, time.Since(start), 30*time.Second, name)
			cancel(nil)
		}
	}
}

func TestProxies(t *testing.T) {
	a := newAuthority(t)
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Header.Get("Via")) })
	secure := a.serveHandler(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secure") }, 0, false)
	var connects atomic.Int32
	relay := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Proxy-Authorization") != "Basic dTpw" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if r.Method == http.MethodConnect {
			connects.Add(1)
			tunnel(w, r.Host)
			return
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, r.URL.String(), r.Body)
		if err != nil {
			return
		}
		out.Header.Set("Via", "the proxy")
		answer, err := http.DefaultTransport.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		_, _ = io.Copy(w, answer.Body)
	}))
	defer relay.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	through := proxyAt(t, strings.Replace(relay.URL, "http://", "http://u:p@", 1))
	body, err := client(t, plain, through).get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Equal(t, "the proxy", string(body))
	body, err = client(t, secure, through, WithCAFile(a.file)).get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Equal(t, "secure", string(body))
	require.EqualValues(t, 1, connects.Load())

	_, err = client(t, plain, proxyAt(t, relay.URL), WithRetry(0)).get(context60(t), call{op: "x", path: "y"})
	require.Error(t, err, "the proxy wants a password")
	refused := errors.New("no proxy for this")
	_, err = client(t, plain, WithRetry(0), WithProxy(func(*http.Request) (*url.URL, error) { return nil, refused })).get(context60(t), call{op: "x", path: "y"})
	require.ErrorIs(t, err, refused)
	body, err = client(t, plain, through, WithProxy(nil)).get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Empty(t, body, "the last option counts")
}

// tunnel connects the client of a proxy with a host.
func tunnel(w http.ResponseWriter, host string) {
	there, err := net.Dial("tcp", host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connected\r\n\r\n")
	var group errgroup.Group
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		group.Go(func() error {
			defer way[0].Close()
			_, err := io.Copy(way[0], bufio.NewReader(way[1]))
			return err
		})
	}
	_ = group.Wait()
}

func TestConnectionsAreReused(t *testing.T) {
	connections := &counter{open: map[net.Conn]bool{}}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/404":
			http.NotFound(w, r)
		case "/408":
			w.WriteHeader(http.StatusRequestTimeout)
		case "/redirect":
			http.Redirect(w, r, "/ok", http.StatusFound)
			return // the page of a redirect is read only if it is short
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	server.Config.ConnState = connections.state
	server.Start()
	defer server.Close()
	c := client(t, server.URL, WithObserver(&tracer{name: "o"}))
	for range 5 {
		for _, path := range []string{"ok", "404", "408", "redirect"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				_, _ = c.do(context60(t), method, call{op: "x", path: path})
			}
		}
	}
	_, all := connections.counts()
	require.Equal(t, 1, all)

	// As many as there are goroutines at work, and no more.
	const workers = 12
	var group errgroup.Group
	for range workers {
		group.Go(func() error {
			for range 20 {
				if _, err := c.get(t.Context(), call{op: "x", path: "ok"}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	_, all = connections.counts()
	require.LessOrEqual(t, all, 2*workers)
	c.CloseIdleConnections()
	require.Eventually(t, func() bool { open, _ := connections.counts(); return open == 0 }, 20*time.Second, 5*time.Millisecond)
}

// TestEverythingAtOnce shares one client, with all that it can do, while its
// certificate changes, calls are given up and the master fails now and then.
func TestEverythingAtOnce(t *testing.T) {
	a := newAuthority(t)
	certFile, keyFile := a.issue("me")
	var n atomic.Int64
	master := a.serveHandler(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0, stale-if-error=60")
		w.Header().Set("Etag", r.TLS.PeerCertificates[0].Subject.CommonName)
		switch i := n.Add(1); {
		case i%11 == 0:
			panic(http.ErrAbortHandler)
		case i%7 == 0:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.Header.Get("If-None-Match") == r.TLS.PeerCertificates[0].Subject.CommonName:
			w.WriteHeader(http.StatusNotModified)
		default:
			_, _ = io.WriteString(w, r.URL.Path)
		}
	}, 1, true)
	c := client(t, master, WithCAFile(a.file), WithKeyPair(certFile, keyFile), WithRetry(0), WithObserver(&tracer{name: "o"}),
		WithCache(NewMemoryCache(2000)), debugLog(io.Discard))
	var group errgroup.Group
	for worker := range 8 {
		group.Go(func() error {
			for i := range 30 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%5 == 0 {
					time.AfterFunc(time.Duration(i)*100*time.Microsecond, cancel)
				}
				path := fmt.Sprintf("path%d", (worker+i)%6)
				body, err := c.get(ctx, call{op: "x", path: path})
				if err == nil && string(body) != "/"+path {
					cancel()
					return fmt.Errorf("%s: got %q", path, body)
				}
				if i%9 == 0 {
					_, _ = c.post(ctx, call{op: "x", path: path})
				}
				cancel()
			}
			return nil
		})
	}
	for i := range 5 {
		a.renew(fmt.Sprint("me", i), certFile, keyFile)
	}
	require.NoError(t, group.Wait())
}
