package slap

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func TestHeaders(t *testing.T) {
	var got []http.Header
	master := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Clone()) })
	c := client(t, strings.Replace(master, "http://", "http://user:p%40ss@", 1), WithUserAgent("test/1"))
	require.NotContains(t, c.URL(), "ss@")
	ctx := context60(t)
	require.NoError(t, c.Computer("C").Bang(ctx, "m"))
	require.NoError(t, c.PartitionReference("C", "P").Started(ctx))
	_, _ = c.PartitionReference("C", "P").Certificate(ctx)
	_, _ = c.OpenOrder().Request(ctx, Request{SoftwareRelease: "http://sr/", Reference: "r"})
	require.Len(t, got, 4)
	for i, authorization := range []string{
		"Basic dXNlcjpwQHNz", "X-SlapPartition computer_id=C, computer_partition_id=P", "Basic dXNlcjpwQHNz", "Basic dXNlcjpwQHNz",
	} {
		require.Equal(t, authorization, got[i].Get("Authorization"))
		require.Equal(t, "*/*", got[i].Get("Accept"))
		require.Equal(t, "test/1", got[i].Get("User-Agent"))
		require.Equal(t, "gzip", got[i].Get("Accept-Encoding"))
	}
	require.Equal(t, "application/x-www-form-urlencoded", got[0].Get("Content-Type"))
	require.Empty(t, got[2].Get("Content-Type"))
}

func TestNetrcWinsOverTheURL(t *testing.T) {
	var authorization string
	master := serve(t, func(_ http.ResponseWriter, r *http.Request) { authorization = r.Header.Get("Authorization") })
	path := filepath.Join(t.TempDir(), "netrc")
	c := client(t, strings.Replace(master, "http://", "http://a:b@", 1), WithNetrc(path))
	require.NoError(t, c.Computer("C").Bang(context60(t), "m"))
	require.Equal(t, "Basic YTpi", authorization, "no such file is no error")

	require.NoError(t, os.WriteFile(path, []byte("machine 127.0.0.1\n login user\n password p@ss\n"), 0o600))
	c = client(t, strings.Replace(master, "http://", "http://a:b@", 1), WithNetrc(path))
	require.NoError(t, c.Computer("C").Bang(context60(t), "m"))
	require.Equal(t, "Basic dXNlcjpwQHNz", authorization)
}

func TestFindNetrc(t *testing.T) {
	const text = `# a comment
machine one login me password secret
macdef init
machine evil login no password no

machine two
	password p2 account x login l2
default login any password thing
`
	for host, want := range map[string]string{"one": "me:secret", "two": "l2:p2", "three": "any:thing", "evil": "any:thing"} {
		require.Equal(t, want, findNetrc(text, host).String(), host)
	}
	require.Nil(t, findNetrc("machine one login", "two"))
	require.Nil(t, findNetrc("", "two"))
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine one login me password secret\nmacdef init\nx\n\ndefault login a", "one")
	f.Add("machine machine login default password machine", "machine")
	f.Fuzz(func(t *testing.T, text, host string) {
		found := findNetrc(text, host)
		if found == nil {
			return
		}
		password, _ := found.Password()
		require.Contains(t, text, found.Username())
		require.Contains(t, text, password)
	})
}

func TestGzipAndCharset(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter){
		"/gzip": func(w http.ResponseWriter) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "é")
			_ = z.Close()
		},
		"/latin": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain; charset=ISO-8859-1")
			_, _ = w.Write([]byte{0xE9})
		},
		"/utf8": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/xml")
			_, _ = io.WriteString(w, "é")
		},
	}
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) { answers[r.URL.Path](w) }))
	for path := range answers {
		body, err := c.get(context60(t), call{op: "x", path: strings.Trim(path, "/")})
		require.NoError(t, err)
		require.Equal(t, "é", string(body), path)
	}
}

func TestRedirects(t *testing.T) {
	var seen []string
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen = append(seen, r.Method+" "+r.URL.Path+" "+string(body))
		switch r.URL.Path {
		case "/see-other":
			http.Redirect(w, r, mount+"/end", http.StatusFound)
		case "/permanent":
			http.Redirect(w, r, mount+"/end", http.StatusPermanentRedirect)
		case "/loop":
			http.Redirect(w, r, mount+"/loop", http.StatusFound)
		}
	}))
	post := func(path string) error {
		seen = nil
		_, err := c.post(context60(t), call{op: "x", path: path, fields: []field{{"a", "b"}}})
		return err
	}
	require.NoError(t, post("see-other"))
	require.Equal(t, []string{"POST /see-other a=b", "GET /end "}, seen)
	require.NoError(t, post("permanent"))
	require.Equal(t, []string{"POST /permanent a=b", "POST /end a=b"}, seen)
	err := post("loop")
	require.ErrorContains(t, err, "redirects more than 30 times")
	require.ErrorIs(t, err, ErrServer)
	require.Len(t, seen, 31)
}

// flaky is a transport that fails a number of times before it does its work.
type flaky struct {
	failures int32
	err      error
	status   int
	calls    atomic.Int32
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	n := f.calls.Add(1)
	answer := func(status int) *http.Response {
		return &http.Response{
			StatusCode: status, Status: fmt.Sprint(status), Request: r,
			Body: io.NopCloser(strings.NewReader(`<marshal><none/></marshal>`)),
		}
	}
	switch {
	case n > f.failures:
		return answer(200), nil
	case f.err != nil:
		return nil, f.err
	}
	return answer(f.status), nil
}

func TestRetries(t *testing.T) {
	dial := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	reset := &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	for _, test := range []struct {
		name        string
		err         error
		status      int
		read, write int32 // attempts
	}{
		{"no connection", dial, 0, 3, 3},
		{"connection broke", reset, 0, 3, 1},
		{"closed without an answer", io.EOF, 0, 3, 1},
		{"time-out", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, 0, 1, 1},
		{"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{IsNotFound: true}}, 0, 1, 3},
		{"TLS", &tls.CertificateVerificationError{Err: errors.New("no")}, 0, 1, 1},
		{"502", nil, 502, 3, 1},
		{"503", nil, 503, 3, 1},
		{"504", nil, 504, 3, 1},
		{"500", nil, 500, 1, 1},
		{"408 is an answer", nil, 408, 1, 1},
		{"429", nil, 429, 1, 1},
		{"404", nil, 404, 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for method, want := range map[string]int32{http.MethodGet: test.read, http.MethodPost: test.write} {
				f := &flaky{failures: 2, err: test.err, status: test.status}
				c := client(t, "http://master/", WithTransport(f))
				_, err := c.do(context60(t), method, call{op: "x", path: "y"})
				require.Equal(t, want, f.calls.Load(), method)
				if want == 3 {
					require.NoError(t, err)
				} else {
					require.Error(t, err)
				}
				f = &flaky{failures: 9, err: test.err, status: test.status}
				c = client(t, "http://master/", WithTransport(f), WithRetry(0))
				_, err = c.do(context60(t), method, call{op: "x", path: "y"})
				require.Error(t, err)
				require.EqualValues(t, 1, f.calls.Load(), method)
			}
		})
	}
}

func TestLastAnswerIsKept(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "the cache is being filled", http.StatusServiceUnavailable)
	}), WithRetry(1))
	_, err := c.Computer("c").Partitions(context60(t))
	require.ErrorContains(t, err, "the cache is being filled")
	require.ErrorIs(t, err, ErrServer)
}

func TestNoMasterThere(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	c := client(t, "http://user:secret@"+address, WithRetry(0))
	err = c.Computer("c").Bang(context60(t), "m")
	require.ErrorIs(t, err, ErrConnection)
	require.NotErrorIs(t, err, ErrAuthentication)
	require.ErrorContains(t, err, address)
	require.ErrorContains(t, err, "could not connect to the master")
	require.NotContains(t, err.Error(), "secret")
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "the beginning")
			w.(http.Flusher).Flush()
		}
		<-release
	}), WithTimeout(100*time.Millisecond))
	defer close(release)
	_, err := c.get(context60(t), call{op: "x", path: "head"})
	require.ErrorIs(t, err, ErrConnection)
	_, err = c.get(context60(t), call{op: "x", path: "body"})
	require.ErrorIs(t, err, ErrConnection)
	require.ErrorContains(t, err, "stopped sending")

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err = c.get(ctx, call{op: "x", path: "head"})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "given up")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = c.get(canceled, call{op: "x", path: "head"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestSlowButSteadyAnswerIsRead(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 8 {
			_, _ = io.WriteString(w, "x")
			w.(http.Flusher).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	}), WithTimeout(700*time.Millisecond))
	body, err := c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Equal(t, "xxxxxxxx", string(body))
}

func TestAnswersAreBounded(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		piece := bytes.Repeat([]byte("x"), 1<<20)
		for range DefaultMaxBody>>20 + 2 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
	}))
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.ErrorContains(t, err, "larger than")
	require.ErrorIs(t, err, ErrServer)
	require.NotErrorIs(t, err, ErrConnection)
}

func TestShortBody(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "short")
	}))
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.ErrorIs(t, err, ErrConnection)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorContains(t, err, "broke in the middle")
}

// authority makes certificates for a test.
type authority struct {
	t           testing.TB
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t}
	var der []byte
	der, a.key = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	})
	var err error
	a.certificate, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	a.file = a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) sign(template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	parent, by := a.certificate, a.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	require.NoError(a.t, err)
	return der, key
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.t.TempDir(), name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}

// issue returns the files of a certificate and its key.
func (a *authority) issue(name string) (certFile, keyFile string) {
	der, key := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	private, err := x509.MarshalECPrivateKey(key)
	require.NoError(a.t, err)
	return a.write("cert.pem", "CERTIFICATE", der), a.write("key.pem", "EC PRIVATE KEY", private)
}

// pool returns the authority as one to trust.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// serveTLS starts a master that asks for a client certificate and answers with
// its name.
func (a *authority) serveTLS(mode tls.ClientAuthType) string {
	return a.serveHandler(func(w http.ResponseWriter, r *http.Request) {
		for _, certificate := range r.TLS.PeerCertificates {
			fmt.Fprint(w, certificate.Subject.CommonName)
		}
	}, mode, false)
}

// serveHandler starts an https master, of HTTP/2 or not, and returns its URL.
func (a *authority) serveHandler(handler http.HandlerFunc, mode tls.ClientAuthType, http2 bool) string {
	return a.start(httptest.NewUnstartedServer(http.StripPrefix(mount, handler)), mode, http2).URL + mount
}

// start starts a server with a certificate.
func (a *authority) start(server *httptest.Server, mode tls.ClientAuthType, http2 bool) *httptest.Server {
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	certFile, keyFile := a.issue("master")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(a.t, err)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: mode, ClientCAs: a.pool()}
	server.EnableHTTP2 = http2
	server.StartTLS()
	a.t.Cleanup(server.Close)
	return server
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	certFile, keyFile := a.issue("me")
	open, strict := a.serveTLS(tls.RequestClientCert), a.serveTLS(tls.RequireAndVerifyClientCert)
	call := call{op: "x", path: "y"}

	body, err := client(t, strict, WithCAFile(a.file), WithKeyPair(certFile, keyFile)).get(context60(t), call)
	require.NoError(t, err)
	require.Equal(t, "me", string(body))
	body, err = client(t, open, WithoutVerification()).get(context60(t), call)
	require.NoError(t, err)
	require.Empty(t, body)

	for name, c := range map[string]*Client{
		"unknown authority":     client(t, open),
		"other authority":       client(t, open, WithCAFile(newAuthority(t).file)),
		"no client certificate": client(t, strict, WithCAFile(a.file)),
	} {
		_, err = c.get(context60(t), call)
		require.ErrorIs(t, err, ErrAuthentication, name)
		require.ErrorIs(t, err, ErrConnection, name)
		require.ErrorContains(t, err, "master_ca_file", name)
		require.ErrorContains(t, err, "master_verify = false", name)
	}
}

// TestRefusalOfTLSOverHTTP2 is told by a server of HTTP/2 when the connection
// seems to be made: before there is a request on it, or while it is written, so
// that its reason is lost. A read is repeated then.
func TestRefusalOfTLSOverHTTP2(t *testing.T) {
	a := newAuthority(t)
	master := a.serveHandler(func(http.ResponseWriter, *http.Request) {}, tls.RequireAndVerifyClientCert, true)
	for range 10 {
		c := client(t, master, WithCAFile(a.file), WithRetry(6))
		_, err := c.get(context60(t), call{op: "x", path: "y"})
		require.ErrorIs(t, err, ErrAuthentication)
		_, err = c.post(context60(t), call{op: "x", path: "y", fields: []field{{"a", "b"}}})
		require.ErrorIs(t, err, ErrConnection)
	}
}

func TestCertificateFilesThatCannotBeUsed(t *testing.T) {
	a := newAuthority(t)
	certFile, keyFile := a.issue("me")
	_, otherKey := a.issue("other")
	absent := filepath.Join(t.TempDir(), "absent.pem")
	master := a.serveTLS(tls.RequestClientCert)
	for name, opts := range map[string][]Option{
		"absent certificate":    {WithKeyPair(absent, keyFile)},
		"absent key":            {WithKeyPair(certFile, absent)},
		"absent authority":      {WithCAFile(absent)},
		"key of another":        {WithKeyPair(certFile, otherKey)},
		"authority is no file":  {WithCAFile(keyFile)},
		"certificate is no PEM": {WithKeyPair(keyFile, keyFile)},
	} {
		_, err := client(t, master, opts...).get(context60(t), call{op: "x", path: "y"})
		require.ErrorIs(t, err, ErrAuthentication, name)
		require.ErrorContains(t, err, ".pem", name)
	}
	// With http the files are of no use, and not read.
	plain := client(t, serve(t, func(http.ResponseWriter, *http.Request) {}), WithKeyPair(absent, absent), WithCAFile(absent))
	_, err := plain.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
}

func TestCertificateFileThatAppearsLater(t *testing.T) {
	a := newAuthority(t)
	path := filepath.Join(t.TempDir(), "ca.pem")
	c := client(t, a.serveTLS(tls.NoClientCert), WithCAFile(path))
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.ErrorIs(t, err, os.ErrNotExist)
	data, err := os.ReadFile(a.file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	_, err = c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
}

func TestOptionsThatCannotBe(t *testing.T) {
	for name, option := range map[string]Option{
		"certificate without key": WithKeyPair("cert", ""),
		"no time":                 WithTimeout(0),
		"fewer than no retries":   WithRetry(-1),
		"no client":               WithHTTPClient(nil),
	} {
		_, err := New("http://master/", option)
		require.Error(t, err, name)
	}
}

func TestClientIsSilentAndLogsNoSecrets(t *testing.T) {
	var log bytes.Buffer
	f := &flaky{failures: 1, status: 503}
	c := client(t, "http://user:secret@master/", WithTransport(f), WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	_, err := c.getValue(context60(t), call{op: "x", path: "y", fields: []field{{"a", "hidden"}}})
	require.NoError(t, err)
	require.Contains(t, log.String(), "repeating call")
	require.NotContains(t, log.String(), "secret")
	require.NotContains(t, log.String(), "hidden")
}

func TestHTTPClientOption(t *testing.T) {
	f := &flaky{}
	own := &http.Client{Transport: f}
	c := client(t, "http://master/", WithHTTPClient(own))
	_, err := c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.EqualValues(t, 1, f.calls.Load())
	require.Nil(t, own.CheckRedirect, "the client of the caller is not changed")
}

func TestClientIsSharedByGoroutines(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/registerComputerPartition":
			fmt.Fprint(w, fixture(t, "partition.xml"))
		case "/getFullComputerInformation":
			fmt.Fprint(w, fixture(t, "computer.xml"))
		default:
			fmt.Fprint(w, instance(map[string]any{"slap_computer_id": "C", "slap_computer_partition_id": "P"}))
		}
	}))
	ctx := context60(t)
	computer := c.Computer("COMP-7")
	part, err := c.ComputerPartition(ctx, "COMP-7", "slappart0")
	require.NoError(t, err)
	var group errgroup.Group
	for i := range 16 {
		group.Go(func() error {
			part.SetUsage(fmt.Sprint(i))
			_, refused := part.Request(ctx, Request{SoftwareRelease: "sr", Reference: fmt.Sprint(i)})
			_, failed := computer.Partitions(ctx)
			return errors.Join(refused, failed, computer.Refresh(ctx), part.Refresh(ctx), part.Started(ctx))
		})
	}
	require.NoError(t, group.Wait())
	checkAllocated(t, part)
}

// canned is a transport that always gives the same answer.
type canned string

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Request: r, ContentLength: int64(len(c)), Body: io.NopCloser(strings.NewReader(string(c))),
	}, nil
}

// BenchmarkComputer500 reads what a computer of 500 partitions has to run, but
// for the network.
func BenchmarkComputer500(b *testing.B) {
	one := fixture(b, "computer.xml")
	start := strings.Index(one, `<object module="slapos.slap.slap" class="ComputerPartition">`)
	end := strings.LastIndex(one, "</list>")
	answer := canned(one[:start] + strings.Repeat(one[start:end], 250) + one[end:])
	c := client(b, "http://master/", WithTransport(answer))
	computer := c.Computer("COMP-7")
	b.SetBytes(int64(len(answer)))
	b.ReportAllocs()
	for b.Loop() {
		if err := computer.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	partitions, err := computer.Partitions(b.Context())
	require.NoError(b, err)
	require.Len(b, partitions, 500)
}

// BenchmarkRequest asks for an instance, but for the network.
func BenchmarkRequest(b *testing.B) {
	answer := canned(instance(map[string]any{"slap_computer_id": "C", "slap_computer_partition_id": "P"}))
	c := client(b, "http://master/", WithTransport(answer))
	r := Request{SoftwareRelease: "sr", Reference: "ref", Parameters: Parameters{"a": "b", "c": "d"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.OpenOrder().Request(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// What an operator reads depends on whether there was a connection, and whether
// the master may have acted.
func TestBrokenConnectionIsNotCalledRefused(t *testing.T) {
	c := client(t, serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), WithRetry(0))
	err := c.Computer("c").Bang(context60(t), "m")
	require.ErrorIs(t, err, ErrConnection)
	require.ErrorContains(t, err, "the connection broke before an answer came")
	require.ErrorContains(t, err, "not known whether the master acted")

	_, err = c.Computer("c").Partitions(context60(t))
	require.ErrorContains(t, err, "the connection broke before an answer came")
	require.NotContains(t, err.Error(), "acted")

	release := make(chan struct{})
	defer close(release)
	c = client(t, serve(t, func(http.ResponseWriter, *http.Request) { <-release }), WithTimeout(50*time.Millisecond))
	err = c.Computer("c").Bang(context60(t), "m")
	require.ErrorContains(t, err, "no answer in time")
	require.ErrorContains(t, err, "not known whether the master acted")
}
