package proxy

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// headerLines puts lines "key: value" into a header, as far as HTTP allows them.
func headerLines(h http.Header, lines string) {
	for line := range strings.Lines(lines) {
		key, value, found := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		if !found || key == "" || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' }) {
			continue
		}
		h.Add(textproto.TrimString(key), textproto.TrimString(value))
	}
}

// FuzzHTTP sends arbitrary requests: method, target, Host, headers and body. No
// request crashes the master, is answered with more than it should, or breaks
// what the store promises; what is refused changes nothing.
func FuzzHTTP(f *testing.F) {
	for _, x := range readTranscript(f) {
		var headers strings.Builder
		for key, value := range x.Headers {
			headers.WriteString(key + ": " + value + "\n")
		}
		f.Add(x.Method, x.Path+"?"+x.Query, "localhost", headers.String(), x.Body)
	}
	const kind = "Content-Type: application/x-www-form-urlencoded\n"
	for path, fields := range fieldsOfCalls() {
		values := url.Values{}
		for k, v := range fields {
			values.Set(k, v)
		}
		f.Add("POST", path, "localhost", kind, values.Encode())
		f.Add("GET", path+"?"+values.Encode(), "[::1]:5000", "", "")
	}
	f.Add("POST", "/supplySupply", "evil.example", kind+"Origin: null\nX-Forwarded-Host: localhost", "url=x")
	f.Add("GET", "/hateoas/?mode=traverse&relative_url=/a/hateoas/%00", "localhost", "X-Forwarded-Prefix: /a\nX-Forwarded-Proto: https", "")
	f.Add("OPTIONS", "*", "", "", "")
	f.Add("POST", "/supplySupply", "localhost", "Content-Type: multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\nx\r\n--b--")

	log := &lockedBuffer{}
	s, err := Open(f.Context(), "", WithLogger(slog.New(slog.NewTextHandler(log, nil))), WithMaxBody(1<<20))
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	calls := 0
	f.Fuzz(func(t *testing.T, method, target, host, headers, body string) {
		m := &testMaster{t: t, master: s.master, server: s}
		m.layout("computer", 3)
		m.place(asking{title: "A"})
		before := m.readable("before")
		r, err := http.NewRequest(method, "http://x/", strings.NewReader(body))
		if err != nil {
			t.Skip("no method")
		}
		if r.URL, err = url.ParseRequestURI(target); err != nil {
			t.Skip("no target")
		}
		r.Host, r.RequestURI, r.RemoteAddr = host, target, "127.0.0.1:1"
		headerLines(r.Header, headers)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)

		require.NotEqual(t, 500, w.Code, "%s %s: %s", method, target, w.Body)
		require.NotContains(t, log.String(), "panic")
		log.reset()
		for key, values := range w.Header() {
			require.False(t, strings.ContainsAny(key+strings.Join(values, ""), "\r\n\x00"), "%s: %q", key, values)
			require.False(t, strings.HasPrefix(key, "Access-Control"), key)
		}
		after := m.readable("after")
		if w.Code >= 400 {
			require.Equal(t, before, after)
		}
		if calls++; w.Code == 200 || calls%100 == 0 {
			require.NoError(t, s.master.store.(*store.SQLite).Check(t.Context()))
		}
	})
}

// reset forgets what was written.
func (b *lockedBuffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}
