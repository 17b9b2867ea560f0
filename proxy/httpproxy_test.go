package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

// here is where callers of these tests see the master.
const here = "https://localhost:5000/p"

// frontedBy trusts the callers of httptest, as masters of these tests do.
func frontedBy() Option { return WithTrustedProxies(netip.MustParsePrefix("192.0.2.0/24")) }

// front requests a front end for a URL, as a caller by https does, and returns what
// it publishes.
func (m *testMaster) front(title, target, state string) map[string]string {
	m.t.Helper()
	return m.frontAt(here, "", title, target, state)
}

func (m *testMaster) frontAt(here, by, title, target, state string) map[string]string {
	m.t.Helper()
	q := instanceRequest{
		Release: apacheFrontend, Type: defaultType, Reference: title, State: state, Shared: true, Here: here,
		Parameters: dictOf(map[string]any{"url": target}), Filter: dictOf(nil),
	}
	q.Computer, q.Partition, _ = strings.Cut(by, "/")
	o, err := m.request(m.t.Context(), Principal{}, q)
	require.NoError(m.t, err)
	connection, _ := o.Get("_connection_dict")
	published := map[string]string{}
	for k, v := range connection.(*marshal.Dict).All() {
		published[k.(string)] = v.(string)
	}
	return published
}

// shown is the answer of the HTTP proxy about a URL.
func (m *testMaster) shown(method, target string, headers ...string) *httptest.ResponseRecorder {
	m.t.Helper()
	r := httptest.NewRequest(method, relayPrefix+relayPath(target), nil)
	r.Host = "localhost:5000"
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Prefix", "/p")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, r)
	return w
}

func TestFrontEndBehindHTTPS(t *testing.T) {
	m := newMaster(t)
	for _, test := range []struct{ here, target, access, domain string }{
		{"http://localhost:5000", "https://[::1]:123/p?q=1#f", "https://[::1]:123/p?q=1#f", "[::1]:123"},
		{here, "https://[::1]:123/my/path?my=query&s=v#a", here + "/http_proxy/https/%5B::1%5D:123/my/path?my=query&s=v#a", "localhost:5000"},
		{here, "http://a.example", here + "/http_proxy/http/a.example", "localhost:5000"},
		{here, "HTTP://A.example?q", here + "/http_proxy/http/A.example?q", "localhost:5000"},
		{here, "ftp://a.example/", "ftp://a.example/", "a.example"},
		{here, "http://user:secret@a.example/", "http://user:secret@a.example/", "a.example"},
		{here, "no url", "no url", ""},
		{here, "http://[::1", "http://[::1", ""},
	} {
		got := m.frontAt(test.here, "", "f", test.target, "")
		require.Equal(t, map[string]string{"secure_access": test.access, "domain": test.domain}, got, test.target)
	}
	off := newMaster(t, WithoutHTTPProxy())
	require.Equal(t, "http://a.example/", off.front("f", "http://a.example/", "")["secure_access"])
	require.Equal(t, http.StatusNotFound, off.shown("GET", "http://a.example/").Code)
}

// Only who is trusted is believed about how callers see this master.
func TestTrustedProxies(t *testing.T) {
	said := []string{"X-Forwarded-Proto", "http, https", "X-Forwarded-Prefix", "/a/b/", "X-Forwarded-Host", "evil.example"}
	m := newMaster(t)
	fromElsewhere := func() *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/hateoas", nil)
		r.Host, r.RemoteAddr = "localhost:5000", "198.51.100.7:1234"
		for i := 0; i < len(said); i += 2 {
			r.Header.Set(said[i], said[i+1])
		}
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		return w
	}
	require.Contains(t, fromElsewhere().Body.String(), `"href":"http://localhost:5000/hateoas/?mode=search`)
	require.Contains(t, get(m.server, "/hateoas", said...).Body.String(), `"href":"https://localhost:5000/a/b/hateoas/?mode=search`)

	for _, remote := range []string{"", "@", "192.0.3.1:80", "[2001:db8::1]:1"} {
		require.False(t, m.server.trusts(remote), remote)
	}
	require.True(t, m.server.trusts("[::ffff:192.0.2.9]:1"))
}

func TestHTTPProxyWhole(t *testing.T) {
	var asked *http.Request
	var body string
	site := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		body = string(text)
		h := w.Header()
		for _, name := range relayedAnswer {
			h.Set(name, "it's "+name)
		}
		h.Set("Location", "/new/place?a=b")
		h.Set("Content-Disposition", "inline")
		h.Set("Set-Cookie", "a=b")
		h.Set("X-Unknown", "x")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "content")
	}))
	m := newMaster(t)
	m.front("f", site, "")
	host := strings.TrimSuffix(strings.TrimPrefix(site, "http://"), "/")
	r := httptest.NewRequest("GET", relayPrefix+"http/"+host+"/a%2Fb/c?q=%20x&q=2", strings.NewReader("the body"))
	r.Host = "localhost:5000"
	for _, name := range append([]string{"Cookie", "Referer", "X-Unknown", "X-Forwarded-For", "Accept-Encoding"}, relayedRequest...) {
		r.Header.Set(name, "my "+name)
	}
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Prefix", "/p")
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, r)
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	require.Equal(t, "content", w.Body.String())
	require.Equal(t, "the body", body)
	require.Equal(t, "/a%2Fb/c?q=%20x&q=2", asked.RequestURI)
	for _, name := range relayedRequest {
		require.Equal(t, "my "+name, asked.Header.Get(name))
	}
	for _, name := range []string{"Cookie", "Referer", "X-Unknown", "X-Forwarded-For", "X-Forwarded-Proto"} {
		require.Empty(t, asked.Header.Values(name), name)
	}
	want := http.Header{
		"Content-Disposition": {"attachment"}, "Content-Security-Policy": {"sandbox"}, "X-Content-Type-Options": {"nosniff"},
		"Location":       {here + "/http_proxy/http/" + host + "/new/place?a=b"},
		"Content-Length": {"7"},
	}
	for _, name := range relayedAnswer {
		want.Set(name, "it's "+name)
	}
	require.Empty(t, cmp.Diff(want, w.Header()))
}

func TestHTTPProxyPaths(t *testing.T) {
	asked := ""
	site := serveMaster(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = r.Method + " " + r.RequestURI }))
	m := newMaster(t)
	m.front("f", site, "")
	at := relayPrefix + "http/" + strings.TrimSuffix(strings.TrimPrefix(site, "http://"), "/")
	for path, want := range map[string]string{
		"": "/", "/": "/", "/a": "/a", "/a/b": "/a/b", "/a//b/": "/a//b/", "?q": "/?q", "/a%3Fb": "/a%3Fb", "/http://evil.example/": "/http://evil.example/",
	} {
		w := get(m.server, at+path)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Equal(t, "GET "+want, asked, path)
		require.Equal(t, "application/octet-stream", w.Header().Get("Content-Type"))
	}
	require.Equal(t, http.StatusOK, m.shown("OPTIONS", site).Code)
	require.Equal(t, "OPTIONS /", asked)
	require.Equal(t, http.StatusOK, m.shown("HEAD", site).Code)
	for _, method := range []string{"POST", "PUT", "DELETE", "CONNECT"} {
		w := m.shown(method, site)
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, "GET, HEAD, OPTIONS", w.Header().Get("Allow"))
	}
}

// Only what requested front ends are for is shown.
func TestHTTPProxyShowsWhatIsRequestedOnly(t *testing.T) {
	asked := 0
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ })
	site, other := serveMaster(t, handler), serveMaster(t, handler)
	m := newMaster(t)
	m.layout("computer", 2)
	status := func(target string) int { m.t.Helper(); return m.shown("GET", target).Code }
	require.Equal(t, http.StatusForbidden, status(site), "nothing is requested")
	m.front("f", site, "")
	require.Equal(t, http.StatusOK, status(site))
	require.Equal(t, http.StatusOK, status(site+"other/path"))
	require.Equal(t, http.StatusForbidden, status(other), "another port")
	require.Equal(t, http.StatusForbidden, status(strings.Replace(site, "127.0.0.1", "localhost", 1)), "another name")
	require.Equal(t, http.StatusForbidden, status(strings.Replace(site, "http", "https", 1)), "another scheme")

	m.front("f", other, "")
	require.Equal(t, http.StatusForbidden, status(site), "it is for something else now")
	require.Equal(t, http.StatusOK, status(other))
	m.front("f", other, stateStopped)
	require.Equal(t, http.StatusForbidden, status(other))
	m.front("f", other, stateStarted)
	require.Equal(t, http.StatusOK, status(other))
	m.front("f", other, stateDestroyed)
	require.Equal(t, http.StatusForbidden, status(other))

	// That of an instance goes with the instance, and titles of others are others.
	place := m.place(asking{title: "asker"})
	m.frontAt(here, place, "f", site, "")
	m.front("f", site, "")
	m.front("f", site, stateDestroyed)
	require.Equal(t, http.StatusOK, status(site))
	_, err := m.destroyed(t.Context(), Principal{}, "computer", "p0")
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status(site))
	require.Equal(t, 5, asked)
}

func TestHTTPProxyFailures(t *testing.T) {
	m := newMaster(t)
	m.server.relays.ResponseHeaderTimeout = 200 * time.Millisecond
	hang := make(chan struct{})
	site := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "its page")
		case "/503":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/slow":
			<-hang
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/break":
			w.Header().Set("Content-Length", "10")
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "/close":
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(func() { close(hang) })
	m.front("f", site, "")
	unreachable, plain := "http://127.0.0.1:9/", strings.Replace(site, "http:", "https:", 1)
	m.front("g", unreachable, "")
	m.front("h", plain, "")
	m.front("i", "http://no-such-name.invalid/", "")
	for target, status := range map[string]int{
		site + "500": 520, site + "503": 503, site + "slow": 524, site + "round": 520, site + "break": 524, site + "close": 523,
		unreachable: 523, plain: 526, "http://no-such-name.invalid/": 523,
	} {
		w := m.shown("GET", target)
		require.Equal(t, status, w.Code, "%s: %s", target, w.Body)
		if status > 500 && target != site+"500" && target != site+"503" {
			require.Contains(t, w.Body.String(), target)
		}
	}
	require.Equal(t, "its page", m.shown("GET", site+"500").Body.String())
}

func TestHTTPProxyRedirects(t *testing.T) {
	asked := map[string]int{}
	var second, unshown string
	answer := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			asked[name]++
			switch r.URL.Path {
			case "/away":
				http.SetCookie(w, &http.Cookie{Name: "c", Value: "1"})
				http.Redirect(w, r, second+"there", http.StatusFound)
			case "/out":
				http.Redirect(w, r, unshown, http.StatusFound)
			case "/metadata":
				http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
			case "/file":
				http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
			}
			_, _ = io.WriteString(w, name+" "+r.Header.Get("Authorization")+r.Header.Get("Referer")+r.Header.Get("Cookie"))
		}
	}
	first := serveMaster(t, answer("first"))
	second, unshown = serveMaster(t, answer("second")), serveMaster(t, answer("unshown"))
	m := newMaster(t)
	m.front("f", first, "")
	m.front("g", second, "")
	w := m.shown("GET", first+"away")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "second")
	require.NotContains(t, w.Body.String(), first, "no Referer")
	for _, path := range []string{"out", "metadata", "file"} {
		require.GreaterOrEqual(t, m.shown("GET", first+path).Code, 400, path)
	}
	require.Zero(t, asked["unshown"])
}

// A front end for the master itself would let its visitors read the master.
func TestHTTPProxyDoesNotShowTheMaster(t *testing.T) {
	m := newMaster(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.server.Serve(ctx, listener) }()
	self := "http://" + listener.Addr().String() + "/"
	m.front("f", self, "")
	w := m.shown("GET", self+"getFullComputerInformation?computer_id=computer")
	require.Equal(t, http.StatusForbidden, w.Code)
	require.NotContains(t, w.Body.String(), "marshal")
	stop()
	require.NoError(t, <-done)
}

func TestHTTPProxyHostilePaths(t *testing.T) {
	m := newMaster(t)
	for path, status := range map[string]int{
		"": 404, "http": 404, "http/": 404, "file/etc/passwd": 400, "ftp/a.example/": 400, "gopher/127.0.0.1:70/": 400, "/x": 400,
		"http//etc": 400, "http/user@a.example/": 400, "http/a.example%2Fb/": 400, "http/a.example%3Fb/": 400, "http/a.example%23b/": 400,
		"http/a.example:0/": 400, "http/a.example:99999/": 400, "http/a.example:x/": 400, "http/%5B::1/": 400, "http/a%0d%0ab/": 400,
		"http/a.example%5Cb/": 400, "http/:80/": 400, "http/169.254.169.254/": 403, "https/[fe80::1%25eth0]/": 400, "http/localhost:22/": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = "localhost"
		u, err := url.Parse("http://localhost" + relayPrefix + path)
		if err != nil {
			continue // no server lets such a request in
		}
		r.URL = u
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		if path == "https/[fe80::1%25eth0]/" {
			require.GreaterOrEqual(t, w.Code, 400)
			continue
		}
		require.Equal(t, status, w.Code, "%q: %s", path, w.Body)
	}
}

func TestHTTPProxyAddresses(t *testing.T) {
	for _, test := range []struct {
		host, address string
		may           bool
	}{
		{"a.example", "10.0.0.1", true},
		{"a.example", "2001:db8::1", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"::1", "::1", true},
		{"localhost", "127.0.0.1", true},
		{"a.example", "127.0.0.1", false}, // somebody's name that leads here
		{"a.example", "::1", false},
		{"0.0.0.0", "0.0.0.0", false},
		{"169.254.169.254", "169.254.169.254", false},
		{"a.example", "169.254.169.254", false},
		{"fe80::1", "fe80::1", false},
		{"224.0.0.1", "224.0.0.1", false},
		// Addresses of IPv6 that lead to one of IPv4.
		{"a.example", "64:ff9b::a00:1", true},
		{"a.example", "64:ff9b::a9fe:a9fe", false},
		{"64:ff9b::a9fe:a9fe", "64:ff9b::a9fe:a9fe", false},
		{"a.example", "64:ff9b::7f00:1", false},
		{"::169.254.169.254", "::169.254.169.254", false},
		{"a.example", "2002:a9fe:a9fe::1", false},
		{"a.example", "2002:c000:201::1", true},
		{"a.example", "fd00:ec2::254", false},
		{"a.example", "fd00:ec2::1", true},
	} {
		require.Equal(t, test.may, mayShow(test.host, netip.MustParseAddr(test.address)), test)
	}
	m := newMaster(t)
	m.front("f", "http://169.254.169.254/", "")
	require.Equal(t, http.StatusForbidden, m.shown("GET", "http://169.254.169.254/latest/").Code)
}

// A body that was not read is not taken for the calls that follow on a connection: what
// is in front of the master would give their answers to others.
func TestHTTPProxyLeavesNoBodyBehind(t *testing.T) {
	s := newServed(t)
	const dead = "http://127.0.0.1:1/"
	s.front("f", dead, "")
	hidden := "POST /computerBang?hidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n"
	for _, header := range []string{"", "X-Forwarded-Proto: http\r\n"} {
		conn := s.dial()
		body := hidden + strings.Repeat("x", 600_000)
		_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n%s", relayPrefix+relayPath(dead), header, len(body), body)
		if err == nil {
			text, err := io.ReadAll(conn) // the connection ends with the first answer
			if err == nil {
				require.True(t, strings.HasPrefix(string(text), "HTTP/1.1 523"), "%.100s", text)
				require.Equal(t, 1, strings.Count(string(text), "HTTP/1.1 "), "%s", text)
			}
		}
		require.NotContains(t, s.log.String(), "hidden")
	}
}

// A body of which only a part comes breaks the connection.
// The caller is told the whole address of a site that fails, the log no value of its
// query: there may be a token.
func TestHTTPProxyFailuresInTheLog(t *testing.T) {
	var log bytes.Buffer
	m := newMaster(t, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	const site = "http://127.0.0.1:1/path?token=secret"
	m.front("f", site, "")
	w := m.shown("GET", site)
	require.Equal(t, 523, w.Code)
	require.Contains(t, w.Body.String(), site)
	require.Contains(t, log.String(), "http://127.0.0.1:1/path?token=***: dial")
	require.NotContains(t, log.String(), "secret")
}

func TestHTTPProxyTruncated(t *testing.T) {
	site := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 100<<10))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}))
	m := newMaster(t)
	m.front("f", site, "")
	server := httptest.NewServer(m.server)
	defer server.Close()
	response, err := http.Get(server.URL + relayPrefix + relayPath(site))
	require.NoError(t, err)
	defer response.Body.Close()
	_, err = io.ReadAll(response.Body)
	require.Error(t, err)
	http.DefaultClient.CloseIdleConnections()
}

func FuzzRelayTarget(f *testing.F) {
	for _, path := range []string{"http/a.example/b", "https/%5B::1%5D:123/", "http/a%2Fb/c", "x/y", "http//", "http/a@b/"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.Parse("http://localhost" + relayPrefix + path)
		if err != nil {
			t.Skip()
		}
		target, err := relayTarget(u)
		if err != nil {
			return
		}
		if target.User != nil || target.Host == "" || target.Scheme != "http" && target.Scheme != "https" {
			t.Fatalf("%q leads to %q", path, target)
		}
		again, err := url.Parse(target.String())
		if err != nil || originOf(again) != originOf(target) {
			t.Fatalf("%q leads to %q, or to %q", path, target, again)
		}
	})
}
