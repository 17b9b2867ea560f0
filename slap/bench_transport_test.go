package slap

import (
	"io"
	"log/slog"
	"net/http"
	"testing"
)

// BenchmarkCall is what a call costs besides its network and its answer.
func BenchmarkCall(b *testing.B) {
	for name, opts := range map[string][]Option{
		"plain":    nil,
		"observed": {WithObserver(nobody{})},
		"logged":   {WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			b.Run(name+"/"+method, func(b *testing.B) {
				c := client(b, "http://u:p@master/", append(opts, WithTransport(canned("ok")))...)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.do(b.Context(), method, call{op: "x", path: "y", fields: []field{{"a", "b"}}}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkCallOverLoopback is a call to a server of this machine, over a
// connection that is kept.
func BenchmarkCallOverLoopback(b *testing.B) {
	a := newAuthority(b)
	certFile, keyFile := a.issue("me")
	answer := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }
	for name, c := range map[string]*Client{
		"http":  client(b, serve(b, answer)),
		"https": client(b, a.serveHandler(answer, 1, false), WithCAFile(a.file), WithKeyPair(certFile, keyFile)),
		"h2":    client(b, a.serveHandler(answer, 1, true), WithCAFile(a.file), WithKeyPair(certFile, keyFile)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.get(b.Context(), call{op: "x", path: "y"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
