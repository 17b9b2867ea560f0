//go:build linux

package proxy

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// patience bounds what must happen on a loaded machine.
const patience = 60 * time.Second

// served is a master on a real listener, with its log.
type served struct {
	*testMaster
	address string
	log     *lockedBuffer
}

func newServed(t *testing.T, opts ...Option) *served {
	t.Helper()
	log := &lockedBuffer{}
	logged := WithLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	m := newMaster(t, append(opts, logged)...)
	m.layout("computer", 4)
	m.place(asking{title: "A", parameters: map[string]any{"k": "v"}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	return &served{testMaster: m, address: l.Addr().String(), log: log}
}

// dial connects; the test closes the connection at its end at the latest.
func (s *served) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	require.NoError(s.t, err)
	require.NoError(s.t, conn.SetDeadline(time.Now().Add(patience)))
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// raw sends bytes and returns the statuses of so many answers and their text. With
// a count of -1 it says that no more will come and reads to the end.
func (s *served) raw(request string, count int) (statuses []int, text string) {
	s.t.Helper()
	conn := s.dial()
	go func() {
		_, _ = io.WriteString(conn, request) // a refusal may come before the end
		if count < 0 {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	var data bytes.Buffer
	r := bufio.NewReader(io.TeeReader(conn, &data))
	for len(statuses) != count {
		answer, err := http.ReadResponse(r, nil)
		if err != nil { // the end, or cut off by a reset
			break
		}
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(s.t, err)
		statuses = append(statuses, answer.StatusCode)
	}
	return statuses, data.String()
}

// state is everything that the master shows of its state.
func (s *served) state() string {
	s.t.Helper()
	w := get(s.server, "/getFullComputerInformation?computer_id=computer")
	require.Equal(s.t, 200, w.Code)
	list := get(s.server, "/hateoas/?mode=search&query=portal_type%3A%22Compute%20Node%22%20AND%20validation_state%3Avalidated")
	require.Equal(s.t, 200, list.Code)
	return w.Body.String() + list.Body.String()
}

// calm verifies that nothing crashed and that what is stored is sound.
func (s *served) calm(answers string) {
	s.t.Helper()
	for _, bad := range []string{"panic", "goroutine ", ".go:", "stack="} {
		require.NotContains(s.t, s.log.String(), bad)
		require.NotContains(s.t, answers, bad)
	}
	require.NoError(s.t, s.store.(*store.SQLite).Check(s.t.Context()))
}

const formHeaders = "Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"

// supplyHead is the head of a supply, with more headers.
func supplyHead(headers string) string {
	return "POST /supplySupply HTTP/1.1\r\n" + formHeaders + headers + "\r\n"
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, text)
	_ = w.Close()
	return b.String()
}

// What is not a whole and plain call changes nothing and is answered, if at all,
// by a refusal.
func TestRawRequestsThatAreRefused(t *testing.T) {
	const supply = "url=evil&computer_id=computer&state=available"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(supply))
	for name, test := range map[string]struct {
		request string
		status  int // 0: any refusal, or none
	}{
		"nothing":                   {"", 0},
		"garbage":                   {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"no version":                {"GET /getRunId\r\n\r\n", 400},
		"unknown version":           {"GET /getRunId HTTP/9.9\r\nHost: localhost\r\n\r\n", 505},
		"HTTP/2 preface":            {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
		"no Host":                   {"GET /getRunId HTTP/1.1\r\n\r\n", 400},
		"two Hosts":                 {"GET /getRunId HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400},
		"Host with newline":         {"GET /getRunId HTTP/1.1\r\nHost: localhost\n evil\r\n\r\n", 0},
		"Host with user":            {"GET /getRunId HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n", 400},
		"Host with blanks":          {"GET /getRunId HTTP/1.1\r\nHost: localhost evil\r\n\r\n", 400},
		"forwarded host":            {"GET /getRunId HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n\r\n", 403},
		"absolute form, foreign":    {"GET http://evil.example/getRunId HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
		"CONNECT":                   {"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 403},
		"CONNECT to us":             {"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n", 404},
		"TRACE":                     {"TRACE /getRunId HTTP/1.1\r\nHost: localhost\r\nCookie: x\r\n\r\n", 405},
		"method with markup":        {"<b> /getRunId HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
		"method in lower case":      {"post /supplySupply HTTP/1.1\r\n" + formHeaders + length + "\r\n" + supply, 405},
		"dot segments":              {"POST /x/../supplySupply HTTP/1.1\r\n" + formHeaders + length + "\r\n" + supply, 404},
		"encoded slash":             {"POST /%2fsupplySupply HTTP/1.1\r\n" + formHeaders + length + "\r\n" + supply, 404},
		"bad escape":                {"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
		"control in the path":       {"GET /a\x01b HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
		"long path":                 {"GET /" + strings.Repeat("a", 50<<10) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 404},
		"longer path":               {"GET /" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431},
		"large header":              {"GET /getRunId HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", 431},
		"many headers":              {"GET /getRunId HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: a\r\n", 100_000) + "\r\n", 431},
		"header without name":       {"GET /getRunId HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n", 400},
		"header with NUL":           {"GET /getRunId HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n", 400},
		"body cut short":            {supplyHead("Content-Length: 1000\r\n") + supply, 400},
		"length not a number":       {supplyHead("Content-Length: x\r\n") + supply, 400},
		"length negative":           {supplyHead("Content-Length: -1\r\n") + supply, 400},
		"two lengths":               {supplyHead("Content-Length: 5\r\nContent-Length: 6\r\n") + supply, 400},
		"length that overflows":     {supplyHead("Content-Length: 99999999999999999999\r\n") + supply, 400},
		"length beyond the limit":   {supplyHead("Content-Length: 999999999\r\n") + supply, 400},
		"length too small":          {supplyHead("Content-Length: 10\r\n") + supply, 400},
		"length and chunks":         {supplyHead(length+"Transfer-Encoding: chunked\r\n") + supply, 0},
		"unknown coding":            {supplyHead("Transfer-Encoding: gzip, chunked\r\n") + supply, 501},
		"chunk of no size":          {supplyHead("Transfer-Encoding: chunked\r\n") + "zz\r\n" + supply, 400},
		"chunk cut short":           {supplyHead("Transfer-Encoding: chunked\r\n") + "2d\r\nurl=evil", 400},
		"chunk without end":         {supplyHead("Transfer-Encoding: chunked\r\n") + fmt.Sprintf("%x\r\n%s\r\n", len(supply), supply), 400},
		"compressed body":           {supplyHead(fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n", len(gzipped(supply)))) + gzipped(supply), 400},
		"fields in the query":       {"POST /supplySupply?" + supply + " HTTP/1.1\r\n" + formHeaders + "Content-Length: 0\r\n\r\n", 400},
		"foreign origin":            {supplyHead("Origin: http://evil.example\r\n"+length) + supply, 403},
		"null origin":               {supplyHead("Origin: null\r\n"+length) + supply, 403},
		"second origin foreign":     {supplyHead("Origin: http://localhost\r\nOrigin: http://evil.example\r\n"+length) + supply, 403},
		"origin with our name":      {supplyHead("Origin: http://localhost.evil.example\r\n"+length) + supply, 403},
		"origin with us as user":    {supplyHead("Origin: http://localhost@evil.example\r\n"+length) + supply, 403},
		"foreign origin, PUT":       {"PUT /supplySupply HTTP/1.1\r\n" + formHeaders + "Origin: http://evil.example\r\n" + length + "\r\n" + supply, 403},
		"foreign preflight":         {"OPTIONS /supplySupply HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n", 403},
		"rebound name":              {"POST /supplySupply HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nContent-Type: application/x-www-form-urlencoded\r\n" + length + "\r\n" + supply, 403},
		"multipart without end":     {"POST /supplySupply HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 66\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\nevil", 400},
		"multipart of many parts":   multipartOf(5000),
		"multipart of long headers": {"POST /supplySupply HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n--b\r\nX: " + strings.Repeat("a", 0x200000-8) + "\r\n0\r\n\r\n", 400},
		"100 000 fields":            fieldsOf(100_000),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServed(t)
			before := s.state()
			statuses, text := s.raw(test.request, -1)
			if test.status != 0 {
				require.NotEmpty(t, statuses, text)
				require.Equal(t, test.status, statuses[0], "%.300s", text)
			}
			require.NotContains(t, statuses, 500)
			require.NotContains(t, text, "Access-Control-Allow")
			if strings.Contains(test.request, "/supplySupply") {
				require.NotContains(t, statuses, 200, "%.300s", text)
			}
			require.Less(t, len(text), 16<<10, "a refusal is short")
			require.Equal(t, before, s.state())
			s.calm(text)
		})
	}
}

type rawTest = struct {
	request string
	status  int
}

func multipartOf(n int) rawTest {
	body := strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\nevil\r\n", n) + "--b--\r\n"
	return rawTest{fmt.Sprintf("POST /supplySupply HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: %d\r\n\r\n%s", len(body), body), 413}
}

func fieldsOf(n int) rawTest {
	body := strings.Repeat("a=b&", n) + "url=evil&computer_id=computer&state=available"
	return rawTest{supplyHead(fmt.Sprintf("Content-Length: %d\r\n", len(body))) + body, 413}
}

// Calls that are odd but whole are served.
func TestRawRequestsThatAreServed(t *testing.T) {
	const supply = "url=u&computer_id=computer&state=available"
	length := fmt.Sprintf("Content-Length: %d\r\n", len(supply))
	call := supplyHead(length) + supply
	for name, test := range map[string]struct {
		request  string
		statuses []int
	}{
		"HTTP/1.0":          {"GET /getRunId HTTP/1.0\r\n\r\n", []int{200}},
		"HTTP/1.0 POST":     {"POST /supplySupply HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n" + length + "\r\n" + supply, []int{200}},
		"absolute form":     {"GET http://localhost:5000/getRunId HTTP/1.1\r\nHost: evil.example\r\n\r\n", []int{200}},
		"IPv6 with zone":    {"GET /getRunId HTTP/1.1\r\nHost: [::1%25lo]:5000\r\n\r\n", []int{200}},
		"upper case":        {"GET /getRunId HTTP/1.1\r\nHOST: LocalHost.:5000\r\n\r\n", []int{200}},
		"own origin":        {supplyHead("Origin: http://LOCALHOST\r\n"+length) + supply, []int{200}},
		"chunks":            {supplyHead("Transfer-Encoding: chunked\r\n") + fmt.Sprintf("3\r\n%s\r\n%x;x=y\r\n%s\r\n0\r\n\r\n", supply[:3], len(supply)-3, supply[3:]), []int{200}},
		"pipelining":        {strings.Repeat(call, 50), repeated(200, 50)},
		"pipelined refusal": {call + supplyHead(length+"Origin: null\r\n") + supply + call, []int{200, 403, 200}},
		"slashes too many":  {"POST //supplySupply HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n" + length + "\r\n" + supply, []int{200}},
		"encoded letters":   {"GET /get%52unId HTTP/1.1\r\nHost: localhost\r\n\r\n", []int{200}},
		"garbage escapes":   {supplyHead("Content-Length: 53\r\n") + "url=%zz%%%u0041%ff&computer_id=computer&state=available&x"[:53], []int{400}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServed(t)
			statuses, text := s.raw(test.request, len(test.statuses))
			require.Equal(t, test.statuses, statuses, "%.300s", text)
			s.calm(text)
		})
	}
}

func repeated(status, n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = status
	}
	return out
}

// Callers that send slowly, never end, or never read keep nobody else waiting,
// and lose their connection.
func TestSlowCallers(t *testing.T) {
	s := newServed(t, func(c *config) error {
		return WithLimits(Limits{HeaderTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second, IdleTimeout: time.Second})(c)
	})
	s.place(asking{title: "large", parameters: map[string]any{"k": strings.Repeat("x", 1<<20)}})
	var slow []net.Conn
	for range 25 {
		for _, start := range []string{
			"",
			"GET /getRunId HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
			"GET /getRunId HTTP/1.1\r\nHost: localhost\r\n\r\n", // and no other call
			supplyHead("Content-Length: 16000000\r\n") + "url=",
			supplyHead("Transfer-Encoding: chunked\r\n") + "5\r\nurl=",
			strings.Repeat("GET /getFullComputerInformation?computer_id=computer HTTP/1.1\r\nHost: localhost\r\n\r\n", 50), // and never reads
		} {
			conn := s.dial()
			_, err := io.WriteString(conn, start)
			require.NoError(t, err)
			slow = append(slow, conn)
		}
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: patience}
	for i := range 20 {
		_, err := send(&client, "http://"+s.address+"/supplySupply",
			map[string][]string{"url": {fmt.Sprint(i)}, "computer_id": {"computer"}, "state": {"available"}})
		require.NoError(t, err)
	}
	for i, conn := range slow {
		// To the end, which comes by itself; a reset is one too.
		_, err := io.Copy(io.Discard, conn)
		var timeout net.Error
		require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "connection %d is still open after %v", i, patience)
	}
	s.calm("")
}

// With more connections than the process may have files, those that are served
// go on, and with the flood over so do new ones.
func TestConnectionFlood(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	const files = 100
	limited := exec.Command("/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0"`, files), os.Args[0])
	flooded, address := startChildBy(t, path, limited)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: patience}
	supply := func(url string) error {
		_, err := send(&client, "http://"+address+"/supplySupply", map[string][]string{"url": {url}, "computer_id": {"computer"}, "state": {"available"}})
		return err
	}
	require.NoError(t, supply("before"))
	var flood []net.Conn
	for range 2 * files {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			break // the queue of the listener is full too
		}
		flood = append(flood, conn)
	}
	require.Greater(t, len(flood), files/2)
	for i := range 10 {
		require.NoError(t, supply(fmt.Sprint(i)), "the connection that was there first")
		answer, err := client.Get("http://" + address + "/getFullComputerInformation?computer_id=computer")
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, answer.Body)
		require.NoError(t, errors.Join(err, answer.Body.Close()))
		require.Equal(t, 200, answer.StatusCode)
	}
	for _, conn := range flood {
		require.NoError(t, conn.Close())
	}
	transport.CloseIdleConnections()
	require.Eventually(t, func() bool { return supply("after") == nil }, patience, 50*time.Millisecond)
	require.NoError(t, flooded.Kill())
	_, err := flooded.Wait()
	require.NoError(t, err)
	check(t, path)
}
