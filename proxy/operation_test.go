package proxy

import (
	"bufio"
	"bytes"
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
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/logfmt"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// fetch gets a page over the network.
func fetch(t *testing.T, client *http.Client, url string) (status int, body string) {
	t.Helper()
	answer, err := client.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return answer.StatusCode, string(text)
}

// newClient returns a client whose connections end with the test.
func newClient(t *testing.T, transport *http.Transport) *http.Client {
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// begin sends the head of a POST and waits until its body is being read.
func begin(t *testing.T, conn net.Conn, body string) {
	t.Helper()
	_, err := fmt.Fprintf(conn, "POST /supplySupply HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", len(body))
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n")))
	require.NoError(t, err)
}

// During the shutdown running calls are finished, on several listeners; readiness
// is gone before the listeners are.
func TestDrainAndShutdown(t *testing.T) {
	m := newMaster(t, WithLimits(Limits{Drain: 3 * time.Second}))
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "s")
	unix, err := net.Listen("unix", path)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.server.Serve(ctx, tcp, unix) }()
	defer stop()

	const body = "url=u&computer_id=computer&state=available"
	var running []net.Conn
	for _, address := range []net.Addr{tcp.Addr(), unix.Addr()} {
		conn, err := net.Dial(address.Network(), address.String())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		begin(t, conn, body)
		running = append(running, conn)
	}
	client := newClient(t, &http.Transport{})
	status, _ := fetch(t, client, "http://"+tcp.Addr().String()+"/readyz")
	require.Equal(t, 200, status)
	stop()
	require.Eventually(t, func() bool {
		status, text := fetch(t, client, "http://"+tcp.Addr().String()+"/readyz")
		return status == 503 && text == "shutting down\n"
	}, patience, time.Millisecond)
	status, _ = fetch(t, client, "http://"+tcp.Addr().String()+"/healthz")
	require.Equal(t, 200, status)
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", tcp.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	}, patience, 10*time.Millisecond, "new connections are refused in the end")
	for _, conn := range running {
		_, err := io.WriteString(conn, body)
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, 200, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
	require.NoError(t, <-ended)
	require.NoFileExists(t, path)
}

// A call that never ends is cut off.
func TestShutdownDoesNotWaitForEver(t *testing.T) {
	m := newMaster(t, WithLimits(Limits{Shutdown: 50 * time.Millisecond}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.server.Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	begin(t, conn, "url=u")
	stop()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("it still waits")
	}
}

func TestServeEndsWithAnyListener(t *testing.T) {
	m := newMaster(t)
	good, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	bad, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, bad.Close())
	require.ErrorIs(t, m.server.Serve(t.Context(), good, bad), net.ErrClosed)
	require.ErrorContains(t, m.server.Serve(t.Context()), "no listener")
	require.NoError(t, m.server.Ready(t.Context()))
}

// Who is told to hurry waits for no balancer, and finishes running calls all the same.
func TestHurry(t *testing.T) {
	m := newMaster(t, WithLimits(Limits{Drain: time.Hour}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- m.server.Serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	const body = "url=u&computer_id=computer&state=available"
	begin(t, conn, body)
	stop()
	client := newClient(t, &http.Transport{})
	require.Eventually(t, func() bool {
		status, _ := fetch(t, client, "http://"+l.Addr().String()+"/readyz")
		return status == 503
	}, patience, time.Millisecond)
	m.server.Hurry()
	m.server.Hurry()
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	}, patience, time.Millisecond)
	_, err = io.WriteString(conn, body)
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	require.Equal(t, 200, answer.StatusCode)
	require.NoError(t, <-ended)
}

func TestLimitsThatAreNone(t *testing.T) {
	for _, limits := range []Limits{{Drain: -1}, {Connections: -1}} {
		_, err := Open(t.Context(), "", WithLimits(limits))
		require.ErrorContains(t, err, "negative")
	}
}

// large is a form of about n bytes that is accepted.
func large(n int) string {
	return url.Values{"computer_id": {"computer"}, "message": {strings.Repeat("x", n)}}.Encode()
}

// Large bodies at once are bounded: who finds no room waits, and is then refused;
// small calls are served all the time, and room comes back.
func TestLargeBodiesWaitForRoom(t *testing.T) {
	s := newServed(t, WithMaxBody(1<<20), WithLimits(Limits{Bodies: 2 << 20}))
	s.server.bodies.wait = 20 * time.Millisecond
	head := "POST /computerBang HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	body := large(1 << 19)
	// Two of unknown length, which may become a megabyte each, take all room.
	var holders []net.Conn
	for range 2 {
		conn := s.dial()
		_, err := fmt.Fprintf(conn, "%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s", head, len(body), body[:smallBody+1])
		require.NoError(t, err)
		holders = append(holders, conn)
	}
	require.Eventually(t, func() bool { return !hasRoom(s.server.bodies, 1) }, patience, time.Millisecond)

	client := newClient(t, &http.Transport{})
	post := func(path, text string) (int, string) {
		answer, err := client.Post("http://"+s.address+path, "application/x-www-form-urlencoded", strings.NewReader(text))
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode, answer.Header.Get("Retry-After")
	}
	status, after := post("/computerBang", body)
	require.Equal(t, 503, status)
	require.Equal(t, "5", after)
	for range 20 {
		status, _ := post("/computerBang", large(100))
		require.Equal(t, 200, status)
	}
	require.Positive(t, s.server.bodies.refused.Load())

	// Those who hold the room finish, and it is free again.
	for _, conn := range holders {
		_, err := io.WriteString(conn, body[smallBody+1:]+"\r\n0\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		require.Equal(t, 200, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
	s.server.bodies.wait = patience
	ended := make(chan int, 8)
	for range cap(ended) {
		go func() {
			answer, err := client.Post("http://"+s.address+"/computerBang", "application/x-www-form-urlencoded", strings.NewReader(body))
			if err != nil {
				ended <- 0
				return
			}
			ended <- answer.StatusCode
			answer.Body.Close()
		}()
	}
	for range cap(ended) {
		require.Equal(t, 200, <-ended)
	}
	require.Eventually(t, func() bool { return hasRoom(s.server.bodies, 2<<20) }, patience, time.Millisecond, "all room is given back")
}

// Who passes a body on, as the HTTP proxy does, may read it after the call has ended:
// room that was taken then would never be given back.
func TestBodyReadAfterTheCallTakesNoRoom(t *testing.T) {
	b := newBodyBudget(1 << 20)
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(large(1<<19)))
	body := b.bound(httptest.NewRecorder(), r, 1<<20)
	_, err := io.CopyN(io.Discard, r.Body, smallBody)
	require.NoError(t, err)
	body.release()
	_, err = io.Copy(io.Discard, r.Body)
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
	require.True(t, hasRoom(b, 1<<20))
}

// hasRoom tells whether n bytes are free.
func hasRoom(b *bodyBudget, n int64) bool {
	free := b.room.TryAcquire(n)
	if free {
		b.room.Release(n)
	}
	return free
}

// Every surface tells the caller to come again.
func TestNoRoomOnEverySurface(t *testing.T) {
	m := newMaster(t, WithMaxBody(1<<20), WithLimits(Limits{Bodies: 1 << 20}))
	require.True(t, m.server.bodies.room.TryAcquire(1<<20))
	m.server.bodies.wait = time.Millisecond
	for path, kind := range map[string]string{
		"/supplySupply":                  "application/x-www-form-urlencoded",
		"/computerBang":                  "multipart/form-data; boundary=b",
		"/slapos.post.v0.compute_node":   "application/json",
		"/slapos.get.v0.compute_node":    "application/json",
		"/softwareInstanceBang":          "text/plain",
		"/slapos.post.v0.software_thing": "application/json", // does not exist, and reads nothing
	} {
		text := `{"a": "` + strings.Repeat("x", 1<<18) + `"}`
		if strings.HasPrefix(kind, "multipart") {
			text = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + text
		}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(text))
		r.Host = "localhost"
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		if w.Code == http.StatusNotFound {
			continue
		}
		require.Equal(t, 503, w.Code, "%s: %s", path, w.Body)
		require.Equal(t, "5", w.Header().Get("Retry-After"), path)
	}
	m.server.bodies.room.Release(1 << 20)
}

// writeCertificate writes a new certificate and its key for 127.0.0.1.
func writeCertificate(t *testing.T, dir string, serial int64) (certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "master"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Duration(serial) * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certificateFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return certificateFile, keyFile
}

// trusting returns a client that trusts one file, which it reads now.
func trusting(t *testing.T, certificateFile string) *http.Client {
	t.Helper()
	text, err := os.ReadFile(certificateFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	return newClient(t, &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}})
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	certificateFile, keyFile := writeCertificate(t, dir, 1)
	s := newServed(t, WithTLS(certificateFile, keyFile))
	here := "https://" + s.address
	first := trusting(t, certificateFile)
	answer, err := first.Get(here + "/getRunId")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 200, answer.StatusCode)
	require.Equal(t, "HTTP/2.0", answer.Proto)
	answer, err = newClient(t, &http.Transport{}).Get("http://" + s.address + "/getRunId")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 400, answer.StatusCode, "plain HTTP is not answered")
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	_, err = newClient(t, &http.Transport{TLSClientConfig: old}).Get(here + "/getRunId")
	require.Error(t, err)

	// Half of a change: the last certificate stays, and the log says so.
	require.NoError(t, os.WriteFile(keyFile, []byte("half"), 0o600))
	require.Eventually(t, func() bool {
		first.CloseIdleConnections()
		status, _ := fetch(t, first, here+"/getRunId")
		return status == 200 && strings.Contains(s.log.String(), "the new certificate cannot be used")
	}, patience, 100*time.Millisecond)
	// A whole one is used without a restart.
	writeCertificate(t, dir, 2)
	second := trusting(t, certificateFile)
	require.Eventually(t, func() bool {
		answer, err := second.Get(here + "/getRunId")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.TLS.PeerCertificates[0].SerialNumber.Int64() == 2
	}, patience, 100*time.Millisecond)
	_, metrics := fetch(t, second, here+"/metrics")
	require.Contains(t, metrics, "slapos_master_certificate_expiry_timestamp_seconds ")
}

// The files are looked at once in a second at most, however many connections come.
func TestCertificateIsLookedAtNowAndThen(t *testing.T) {
	file, key := writeCertificate(t, t.TempDir(), 1)
	c := &certificate{chain: file, key: key}
	require.NoError(t, c.load())
	c.looked = time.Now().Add(-2 * certificatePeriod)
	require.NotNil(t, c.get())
	require.Less(t, time.Since(c.looked), certificatePeriod)
}

func TestCertificatesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	certificateFile, _ := writeCertificate(t, dir, 1)
	for _, files := range [][2]string{{"", ""}, {certificateFile, certificateFile}, {certificateFile, filepath.Join(dir, "nothing")}} {
		_, err := Open(t.Context(), "", WithTLS(files[0], files[1]))
		require.Error(t, err)
	}
}

func TestHealth(t *testing.T) {
	s, err := Open(t.Context(), "")
	require.NoError(t, err)
	for _, host := range []string{"localhost", "balancer.example"} {
		for _, path := range []string{"/healthz", "/readyz"} {
			w := get(s, path, "Host", host)
			require.Equal(t, 200, w.Code, path)
			require.Equal(t, "ok\n", w.Body.String())
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		}
	}
	require.Equal(t, 405, post(s, "/healthz").Code)
	require.NoError(t, s.Close())
	s.health.at = time.Time{} // what was heard last is too old
	w := get(s, "/readyz")
	require.Equal(t, 503, w.Code)
	require.Equal(t, "the database does not answer\n", w.Body.String(), "and no details for strangers")
	require.ErrorIs(t, s.Ready(t.Context()), store.ErrClosed)
	require.Equal(t, 200, get(s, "/healthz").Code)
}

// hanging is a store whose disk does not answer.
type hanging struct {
	store.Store
	asked, answer chan struct{}
}

func (h *hanging) View(ctx context.Context, f func(store.Reader) error) error {
	h.asked <- struct{}{}
	<-h.answer
	return h.Store.View(ctx, f)
}

// A disk that hangs holds neither callers nor more than one question.
func TestReadyWhenTheDiskHangs(t *testing.T) {
	m := newMaster(t)
	h := &hanging{Store: m.master.store, asked: make(chan struct{}, 10), answer: make(chan struct{})}
	m.master.store = h
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		require.ErrorIs(t, m.server.Ready(ctx), context.DeadlineExceeded)
		cancel()
	}
	require.Len(t, h.asked, 1)
	close(h.answer)
	require.Eventually(t, func() bool { return m.server.Ready(t.Context()) == nil }, patience, time.Millisecond)
	m.master.store = h.Store
}

func TestWhoMayReadTheMetrics(t *testing.T) {
	m := newMaster(t, WithMetricsFrom(netip.MustParsePrefix("192.0.2.0/24")))
	for _, test := range []struct {
		remote, header string
		status         int
	}{
		{"127.0.0.1:1", "", 200},
		{"[::1]:1", "", 200},
		{"[::ffff:127.0.0.1]:1", "", 200},
		{"192.0.2.7:1", "", 200},
		{"[::ffff:192.0.2.7]:1", "", 200},
		{"192.0.3.7:1", "", 403},
		{"[2001:db8::1]:1", "", 403},
		{"nonsense", "", 403},
		{"127.0.0.1:1", "X-Forwarded-For", 403},
		{"127.0.0.1:1", "Forwarded", 403},
		{"127.0.0.1:1", "X-Forwarded-Prefix", 403},
		{"192.0.2.7:1", "Via", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Host, r.RemoteAddr = "localhost", test.remote
		if test.header != "" {
			r.Header.Set(test.header, "127.0.0.1")
		}
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		require.Equal(t, test.status, w.Code, "%+v", test)
	}
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Host, r.RemoteAddr = "rebound.example", "127.0.0.1:1"
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, r)
	require.Equal(t, 403, w.Code, "a page in a browser of this machine")
}

// metricLine is a line of the text format.
var metricLine = regexp.MustCompile(`^(# (HELP|TYPE) [a-z_]+ .*|[a-z_]+(\{[a-z]+="([^"\\]|\\[\\n"])*"(,[a-z]+="([^"\\]|\\[\\n"])*")*\})? [0-9.e+-]+)$`)

func TestMetrics(t *testing.T) {
	s := newServed(t)
	s.layout("com\"pu\\ter", 3)
	client := newClient(t, &http.Transport{})
	for range 2 {
		fetch(t, client, "http://"+s.address+"/getFullComputerInformation?computer_id=computer")
	}
	fetch(t, client, "http://"+s.address+"/getFullComputerInformation?computer_id="+url.QueryEscape("com\"pu\\ter"))
	fetch(t, client, "http://"+s.address+"/getFullComputerInformation?computer_id=nobody")
	// Names that callers make up become no labels.
	for i := range 50 {
		fetch(t, client, fmt.Sprintf("http://%s/made-up-%d", s.address, i))
		r, err := http.NewRequestWithContext(t.Context(), fmt.Sprintf("MADEUP%d", i), "http://"+s.address+"/slapos.made.up"+fmt.Sprint(i), nil)
		require.NoError(t, err)
		answer, err := client.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
	}
	status, text := fetch(t, client, "http://"+s.address+"/metrics")
	require.Equal(t, 200, status)
	for line := range strings.Lines(text) {
		require.Regexp(t, metricLine, strings.TrimSuffix(line, "\n"))
	}
	for _, want := range []string{
		`slapos_master_calls_total{surface="slaptool",method="getFullComputerInformation",status="2xx"} 3`,
		`slapos_master_calls_total{surface="slaptool",method="getFullComputerInformation",status="4xx"} 1`,
		`slapos_master_calls_total{surface="other",method="GET",status="4xx"} 50`,
		`slapos_master_calls_total{surface="jsonapi",method="other",status="4xx"} 50`,
		`slapos_master_call_duration_seconds_count{surface="slaptool"} 4`,
		`slapos_master_calls_in_flight 1`,
		`slapos_master_cache_requests_total{result="hit"} 1`,
		`slapos_master_database_up 1`,
		`slapos_master_computers 2`,
		`slapos_master_partitions{state="busy"} 1`,
		`slapos_master_partitions{state="free"} 6`,
		`slapos_master_instances{state="started",report="none"} 1`,
		`slapos_master_computer_contact_age_seconds{computer="computer"} 0`,
		`slapos_master_computer_contact_age_seconds{computer="com\"pu\\ter"} 0`,
		`slapos_master_build_info{version="`,
		`go_goroutines `,
		`go_memory_heap_objects_bytes `,
		`slapos_master_commits_failed_total 0`,
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "made")
	require.NotContains(t, strings.ToLower(text), "madeup")
	require.NotContains(t, text, `slapos_master_commit_updates_count 0`)
	families := regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(text, -1)
	seen := map[string]bool{}
	for _, family := range families {
		require.False(t, seen[family[1]], "%s comes twice", family[1])
		seen[family[1]] = true
	}
}

// The metrics say what they can when the database does not answer.
func TestMetricsWithoutDatabase(t *testing.T) {
	s, err := Open(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	text := string(s.writeMetrics(t.Context()))
	require.Contains(t, text, "slapos_master_database_up 0\n")
	require.Contains(t, text, "go_goroutines ")
	require.NotContains(t, text, "slapos_master_partitions")
}

// However many computers there are, few have a metric of their own: the silent.
func TestContactsAreBounded(t *testing.T) {
	m := newMaster(t)
	require.NoError(t, m.master.store.Update(t.Context(), func(x store.Tx) error {
		for i := range maxContacts + 100 {
			c, err := x.EnsureComputer(fmt.Sprintf("c%d", i))
			if err == nil {
				err = x.FormatComputer(c)
			}
			c.Status = store.Status{Text: "#access", CreatedAt: float64(1000 + i)}
			if err = errors.Join(err, x.SaveComputerStatus(c)); err != nil {
				return err
			}
		}
		return nil
	}))
	text := string(m.server.writeMetrics(t.Context()))
	require.Equal(t, maxContacts, strings.Count(text, "\nslapos_master_computer_contact_age_seconds{"))
	require.Contains(t, text, `{computer="c0"}`)
	require.NotContains(t, text, `{computer="c1099"}`)
	require.Contains(t, text, "slapos_master_computers 1101\n")
	require.Contains(t, text, "slapos_master_computers_silent 1\n")
}

// What callers write cannot look like a line of the log, and secrets are not in it.
func TestAccessLogCannotBeForged(t *testing.T) {
	var console, file bytes.Buffer
	for _, test := range []struct{ target, want string }{
		{"/getRunId", `"GET /getRunId HTTP/1.1" 200`},
		{"/getFullComputerInformation?computer_id=computer", `"GET /getFullComputerInformation?computer_id=computer HTTP/1.1" 200`},
		{"/x%0a2026-01-01 INFO%1b[31m", `"GET /x%0A2026-01-01%20INFO%1B%5B31m HTTP/1.1" 404`},
		{"/x?computer_id=a\nb\x1b[0m\"\xff", `"GET /x?computer_id=a\nb\x1b[0m\"\xff HTTP/1.1" 404`},
		{"/x?partition_parameter_xml=secret&state=started", `"GET /x?partition_parameter_xml=***&state=started HTTP/1.1" 404`},
		{"/x?token=secret&secret&x", `"GET /x?token=***&***&*** HTTP/1.1" 404`},
		{"/x?%73tate=started&password%3dsecret=secret2", `"GET /x?%73tate=started&password%3dsecret=*** HTTP/1.1" 404`},
		{"/x?url=https%3A%2F%2Fme%3Asecret%40host%2Fsoftware.cfg", `"GET /x?url=https%3A%2F%2Fxxxxx%40host%2Fsoftware.cfg HTTP/1.1" 404`},
		{"/x?url=https://me:secret%25@host/&url=me:secret@host", `"GET /x?url=***&url=*** HTTP/1.1" 404`},
		{"/x?reference=a@b", `"GET /x?reference=a@b HTTP/1.1" 404`},
		{"/x?state=" + strings.Repeat("a", 1<<16), "..."},
	} {
		for buffer, handler := range map[*bytes.Buffer]slog.Handler{
			&console: logfmt.NewConsole(&console, logfmt.Options{Logger: "werkzeug"}), &file: logfmt.NewFile(&file, slog.LevelInfo),
		} {
			buffer.Reset()
			m := newMaster(t, WithLogger(slog.New(handler)))
			buffer.Reset()
			path, query, _ := strings.Cut(test.target, "?")
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			var err error
			r.URL, err = url.Parse(path)
			require.NoError(t, err)
			r.URL.RawQuery, r.Host, r.RemoteAddr = query, "localhost", "127.0.0.1:7"
			m.server.ServeHTTP(httptest.NewRecorder(), r)
			text := buffer.String()
			require.Contains(t, text, test.want)
			require.Equal(t, 1, strings.Count(text, "\n"), text)
			require.NotContains(t, text, "\x1b")
			require.NotContains(t, strings.ReplaceAll(text, "password%3dsecret=", ""), "secret")
			require.Less(t, len(text), 4<<10)
		}
	}
}

// failing is an authenticator with a bug.
type failing struct{}

func (failing) Authenticate(*http.Request) (Principal, error) { panic("a bug\nforged\x1b[0m") }

// Whatever a query is, the log shows it on one line, shortened, and no value of an
// unknown field.
func FuzzLoggedQuery(f *testing.F) {
	for _, seed := range []string{"", "a=b", "computer_id=c&x", "url=https%3A%2F%2Fu:p@h/&state=%zz", "&&=&=a", "partition_parameter_xml=<a>\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		text := loggedURI(&url.URL{Path: "/x", RawQuery: query})
		require.LessOrEqual(t, len(text), maxLogged+3)
		require.NotContains(t, fmt.Sprintf("%q", text), "\n")
		hidden := loggedURI(&url.URL{Path: "/x", RawQuery: "unknown=" + strings.ReplaceAll(query, "&", "")})
		if strings.ReplaceAll(query, "&", "") != "" {
			require.Equal(t, "/x?unknown=***", hidden)
		}
	})
}

// Failures name the path that the caller wrote, on one line too.
func TestFailuresInTheLogCannotBeForged(t *testing.T) {
	var log bytes.Buffer
	for _, handler := range []slog.Handler{
		logfmt.NewFile(&log, slog.LevelInfo), logfmt.NewConsole(&log, logfmt.Options{Logger: "werkzeug"}),
	} {
		m := newMaster(t, WithLogger(slog.New(handler)), WithAuthenticator(failing{}))
		log.Reset()
		require.Equal(t, 500, get(m.server, "/hateoas/%0aforged%1b[0m").Code)
		require.Contains(t, log.String(), "call failed")
		require.Equal(t, 2, strings.Count(log.String(), "\n"), log.String())
		require.NotContains(t, log.String(), "\x1b")
	}
}

// BenchmarkCounting is what the metrics add to each call.
func BenchmarkCounting(b *testing.B) {
	m := newMetrics()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.called(calledAs{"slaptool", "getFullComputerInformation"}, 200, time.Millisecond)
		}
	})
}

// Probes do not fill the log.
func TestProbesAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	m := newMaster(t, WithLogger(slog.New(logfmt.NewFile(&log, slog.LevelInfo))))
	log.Reset()
	get(m.server, "/healthz")
	get(m.server, "/readyz")
	require.Empty(t, log.String())
}
