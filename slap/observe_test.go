package slap

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

// seen is what an observer was told.
type seen struct {
	Call   Call
	Result Result
}

type spanKey struct{}

// tracer is an observer that makes spans and counts, as programs would.
type tracer struct {
	name string
	mu   sync.Mutex
	told []seen
	open int
	set  http.Header
}

func (o *tracer) Before(ctx context.Context, _ Call, header http.Header) context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open++
	for name, values := range o.set {
		header[name] = values
	}
	parent, _ := ctx.Value(spanKey{}).(string)
	return context.WithValue(ctx, spanKey{}, parent+"/"+o.name)
}

func (o *tracer) After(ctx context.Context, call Call, result Result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
	if span, _ := ctx.Value(spanKey{}).(string); !strings.HasSuffix(span, "/"+o.name) {
		panic("After got another context than Before returned: " + span)
	}
	o.told = append(o.told, seen{call, result})
}

// spy is the transport below the observers.
type spy struct {
	http.RoundTripper
	spans   []any
	headers []http.Header
}

func (s *spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s.spans = append(s.spans, r.Context().Value(spanKey{}))
	s.headers = append(s.headers, r.Header.Clone())
	return s.RoundTripper.RoundTrip(r)
}

func TestObserverSeesEachAttempt(t *testing.T) {
	outer := &tracer{name: "outer", set: http.Header{"traceparent": {"00-1-2-01"}, "authorization": {"Bearer mine"}, "User-Agent": {"x"}, "Accept-Encoding": {"br"}}}
	inner := &tracer{name: "inner"}
	broken := errors.New("broken")
	down := &spy{RoundTripper: &flaky{failures: 2, status: 503}}
	c := client(t, "http://u:p@master/base/", WithTransport(down), WithObserver(outer), WithObserver(nil), WithObserver(inner))
	_, err := c.getValue(context60(t), call{op: "op", path: "y", fields: []field{{"a", "hidden"}}})
	require.NoError(t, err)
	attempt := func(n, status, received int) seen {
		return seen{Call{Op: "op", Method: "GET", URL: "http://master/base/y", Attempt: n}, Result{Status: status, BytesReceived: int64(received)}}
	}
	want := []seen{attempt(1, 503, 26), attempt(2, 503, 26), attempt(3, 200, 26)}
	for _, o := range []*tracer{outer, inner} {
		require.Empty(t, cmp.Diff(want, o.told, cmpopts.IgnoreFields(Result{}, "Duration")))
		require.Zero(t, o.open)
	}
	require.Equal(t, []any{"/outer/inner", "/outer/inner", "/outer/inner"}, down.spans)
	for _, h := range down.headers {
		require.Equal(t, "00-1-2-01", h.Get("Traceparent"))
		require.Equal(t, "slapos-go", h.Get("User-Agent"), "what the client sets stays")
		require.Equal(t, "Basic dTpw", h.Get("Authorization"))
		require.Empty(t, h.Get("Accept-Encoding"))
	}

	// A change, whose answer never comes.
	outer.told = nil
	c = client(t, "http://master/", WithTransport(&flaky{failures: 9, err: broken}), WithObserver(outer))
	_, err = c.post(context60(t), call{op: "op", path: "y", fields: []field{{"a", "b"}}})
	require.ErrorIs(t, err, broken)
	require.Empty(t, cmp.Diff([]seen{{
		Call{Op: "op", Method: "POST", URL: "http://master/y", Attempt: 1}, Result{Err: broken, BytesSent: 3},
	}}, outer.told, cmpopts.IgnoreFields(Result{}, "Duration"), cmpopts.EquateErrors()))
}

func TestObserverSeesRedirectsAndHowAnswersEnd(t *testing.T) {
	o := &tracer{name: "o"}
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/start":
			http.Redirect(w, r, mount+"/end", http.StatusFound)
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
		case "/end":
			_, _ = io.WriteString(w, "end")
		}
	}), WithObserver(o))
	_, err := c.get(context60(t), call{op: "x", path: "start"})
	require.NoError(t, err)
	_, err = c.get(context60(t), call{op: "x", path: "short"})
	require.Error(t, err)
	require.Len(t, o.told, 3)
	require.Equal(t, []int{302, 200, 200}, []int{o.told[0].Result.Status, o.told[1].Result.Status, o.told[2].Result.Status})
	require.True(t, strings.HasSuffix(o.told[1].Call.URL, "/end"))
	require.EqualValues(t, 3, o.told[1].Result.BytesReceived)
	require.ErrorIs(t, o.told[2].Result.Err, io.ErrUnexpectedEOF)
	require.EqualValues(t, 5, o.told[2].Result.BytesReceived)
	require.Zero(t, o.open)
}

func TestObserverSeesTheCache(t *testing.T) {
	o := &tracer{name: "o"}
	status := 200
	c := client(t, "http://master/", WithRetry(0), WithObserver(o), WithCache(NewMemoryCache(1<<20)),
		WithTransport(handled(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "max-age=0, stale-if-error=60")
			if r.URL.Path == "/fresh" {
				w.Header().Set("Cache-Control", "max-age=60")
			}
			w.Header().Set("Etag", "e")
			w.WriteHeader(status)
			if status == 200 {
				_, _ = io.WriteString(w, "1234")
			}
		})))
	for _, each := range []struct {
		path   string
		status int
	}{{"fresh", 200}, {"fresh", 200}, {"stale", 200}, {"stale", 304}, {"stale", 503}} {
		status = each.status
		body, err := c.get(context60(t), call{op: "x", path: each.path})
		require.NoError(t, err)
		require.Equal(t, "1234", string(body))
	}
	result := func(path string, attempt, status, received int, cached bool) seen {
		return seen{Call{"x", "GET", "http://master/" + path, attempt}, Result{Status: status, BytesReceived: int64(received), Cached: cached}}
	}
	require.Empty(t, cmp.Diff([]seen{
		result("fresh", 1, 200, 4, false), result("fresh", 0, 200, 4, true),
		result("stale", 1, 200, 4, false), result("stale", 1, 304, 0, true),
		result("stale", 1, 503, 0, false), result("stale", 0, 200, 4, true),
	}, o.told, cmpopts.IgnoreFields(Result{}, "Duration")))
	require.Zero(t, o.open)
}

func TestAnswerChosenByTheHeaderOfAnObserverIsNotKept(t *testing.T) {
	calls := 0
	o := &tracer{name: "o", set: http.Header{"X-Language": {"fr"}}}
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Vary", "X-Language")
	}), WithObserver(o), WithCache(NewMemoryCache(1<<20)))
	for range 2 {
		_, err := c.get(context60(t), call{op: "x", path: "y"})
		require.NoError(t, err)
	}
	require.Equal(t, 2, calls)
}

// TestNoSecretIsSaid uses every kind of secret, lets all kinds of things go
// wrong, and looks for the secrets in the log, in the errors and in what
// observers are told.
func TestNoSecretIsSaid(t *testing.T) {
	a := newAuthority(t)
	certFile, keyFile := a.issue("me")
	keyPEM, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	block, _ := pem.Decode(keyPEM)
	secrets := []string{
		"s3cret-password", "s3cret-netrc", "s3cret-proxy", "s3cret-parameter", "s3cret-token", "s3cret-connection", "s3cret-answer",
		base64.StdEncoding.EncodeToString([]byte("user:s3cret-password")), base64.StdEncoding.EncodeToString([]byte("user:s3cret-netrc")),
		base64.StdEncoding.EncodeToString(block.Bytes)[:40], "PRIVATE KEY", "computer_partition_id=P",
	}
	netrc := filepath.Join(t.TempDir(), "netrc")
	require.NoError(t, os.WriteFile(netrc, []byte("machine 127.0.0.1 login user password s3cret-netrc"), 0o600))

	var said lockedBuffer
	o := &tracer{name: "o"}
	answer := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=0, stale-if-error=60")
		w.Header().Set("Set-Cookie", "session=s3cret-answer")
		switch r.URL.Path {
		case "/status":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/cut":
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "s3cret-answer")
		case "/none":
			panic(http.ErrAbortHandler)
		case "/loop":
			http.Redirect(w, r, "loop?"+r.URL.RawQuery, http.StatusFound)
		case "/nowhere":
			http.Redirect(w, r, "http://127.0.0.1:1/?"+r.URL.RawQuery, http.StatusFound)
		case "/strange":
			w.Header().Set("Location", "ftp://x/?s3cret-token")
			w.WriteHeader(http.StatusFound)
		case "/unreadable":
			w.Header().Set("Location", "http://[x/?s3cret-token")
			w.WriteHeader(http.StatusTemporaryRedirect)
		case "/large":
			_, _ = w.Write(bytes.Repeat([]byte("s3cret-answer"), 1000))
		default:
			_, _ = io.WriteString(w, "s3cret-answer")
		}
	}
	plain := serve(t, answer)
	secure := a.serveHandler(answer, tls.RequestClientCert, false)
	badProxy, err := url.Parse("http://user:s3cret-proxy@127.0.0.1:1/")
	require.NoError(t, err)
	common := func(more ...Option) []Option {
		return append(more, WithRetry(0), WithMaxBody(5000), WithObserver(o), debugLog(&said), WithTimeout(20*time.Second),
			WithCache(newDirectoryCache(t, t.TempDir())))
	}
	clients := []*Client{
		client(t, strings.Replace(plain, "http://", "http://user:s3cret-password@", 1), common()...),
		client(t, strings.Replace(plain, "http://", "http://user:s3cret-password@", 1), common(WithNetrc(netrc))...),
		client(t, strings.Replace(secure, "https://", "https://user:s3cret-password@", 1), common(WithCAFile(a.file), WithKeyPair(certFile, keyFile))...),
		client(t, strings.Replace(secure, "https://", "https://user:s3cret-password@", 1), common()...), // not verified
		client(t, secure, common(WithCAFile(a.file), WithKeyPair(keyFile, keyFile))...),
		client(t, plain, common(WithProxy(http.ProxyURL(badProxy)))...),
		client(t, "http://user:s3cret-password@127.0.0.1:1/", common()...),
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range clients {
		for _, path := range []string{"good", "status", "cut", "none", "loop", "nowhere", "strange", "unreadable", "large", "http://[bad", "%zz"} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				for range 2 { // the second time the cache knows it
					_, err := c.do(context60(t), method, call{op: "x", path: path, auth: "X-SlapPartition computer_id=C, computer_partition_id=P",
						fields: []field{{"parameters", "s3cret-parameter"}, {"token", "s3cret-token"}}})
					fmt.Fprintln(&said, err)
				}
			}
		}
		fmt.Fprintln(&said, c.Computer("C").Bang(ctx, "s3cret-parameter"))
		_, err := c.OpenOrder().Request(context60(t), Request{SoftwareRelease: "sr", Reference: "r", Parameters: Parameters{"p": "s3cret-parameter"}})
		fmt.Fprintln(&said, err)
		fmt.Fprintln(&said, c.PartitionReference("C", "P").SetConnectionParameters(context60(t), Parameters{"p": "s3cret-connection"}))
		fmt.Fprintf(&said, "%v\n", c.URL())
	}
	for _, bad := range []string{
		"http://user:s3cret-password@[/", "ftp://user:s3cret-password@h/", "http://user:s3cret-password@/", "user:s3cret-password@h/",
		"http://user:s3cret-password/x@h/", "http://user:s3cret-password#x@h/", "http://user:%s3cret-password@h", "//user:s3cret-password@h",
		"ftp://s3cret-token@h/", "ftp://h/?s3cret-token",
	} {
		_, err := New(bad)
		fmt.Fprintln(&said, err)
	}
	_, err = New(secure, WithKeyPairPEM(keyPEM, keyPEM))
	fmt.Fprintln(&said, err)
	fmt.Fprintf(&said, "%+v\n", o.told)
	require.Contains(t, said.String(), "call to master")
	require.Contains(t, said.String(), "the TLS connection was refused")
	require.Greater(t, len(o.told), 100)
	for _, secret := range secrets {
		if i := strings.Index(said.String(), secret); i >= 0 {
			text := said.String()
			t.Errorf("%q is said: …%s…", secret, text[max(0, i-300):min(len(text), i+100)])
		}
	}
}

// TestProxyOfTheEnvironmentIsNotSaid runs in a process of its own: net/http reads
// the environment once.
func TestProxyOfTheEnvironmentIsNotSaid(t *testing.T) {
	const proxy = "HTTP_PROXY=http://user:s3cret@h"
	if !slices.Contains(os.Environ(), proxy) {
		again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		again.Env = append(os.Environ(), proxy, "REQUEST_METHOD=GET")
		output, err := again.CombinedOutput()
		require.NoError(t, err, "%s", output)
		require.Contains(t, string(output), "--- PASS: "+t.Name())
		return
	}
	c := client(t, "http://master.example/", WithProxyFromEnvironment(), WithRetry(0))
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.ErrorContains(t, err, "the proxy that the environment names cannot be used")
	require.NotContains(t, err.Error(), "s3cret")
}

// nobody is an observer that does nothing.
type nobody struct{}

func (nobody) Before(ctx context.Context, _ Call, _ http.Header) context.Context { return ctx }
func (nobody) After(context.Context, Call, Result)                               {}
