package slap

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// counter counts the connections of a server that are open.
type counter struct {
	mu   sync.Mutex
	open map[net.Conn]bool
	all  int
}

func (c *counter) state(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.open[conn] = true
		c.all++
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
}

func (c *counter) counts() (open, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open), c.all
}

// lockedBuffer is a log that goroutines may write.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func debugLog(w io.Writer) Option {
	return WithLogger(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// copyFile replaces the content of a file by that of another.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}

func TestRenewedCertificate(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			a := newAuthority(t)
			connections := &counter{open: map[net.Conn]bool{}}
			slow, entered := make(chan struct{}), make(chan struct{})
			server := httptest.NewUnstartedServer(http.StripPrefix(mount, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					_, _ = io.WriteString(w, "begun ")
					w.(http.Flusher).Flush()
					close(entered)
					<-slow
				}
				fmt.Fprintf(w, "%s %d", r.TLS.PeerCertificates[0].Subject.CommonName, r.ProtoMajor)
			})))
			server.Config.ConnState = connections.state
			master := a.start(server, tls.RequireAndVerifyClientCert, http2).URL + mount
			major := 1
			if http2 {
				major = 2
			}

			var log lockedBuffer
			certFile, keyFile := a.issue("first")
			c := client(t, master, WithCAFile(a.file), WithKeyPair(certFile, keyFile), debugLog(&log))
			ask := func(path string) string {
				body, err := c.get(context60(t), call{op: "x", path: path})
				require.NoError(t, err)
				return string(body)
			}
			is := func(name string) string { return fmt.Sprintf("%s %d", name, major) }
			for range 3 {
				require.Equal(t, is("first"), ask("y"))
			}
			_, all := connections.counts()
			require.Equal(t, 1, all, "the connection is used again")

			// A call is under way while the files are replaced one by one.
			late := make(chan string, 1)
			go func() {
				body, err := c.get(context.WithoutCancel(t.Context()), call{op: "x", path: "slow"})
				late <- fmt.Sprint(string(body), err)
			}()
			<-entered
			newCert, newKey := a.issue("second")
			copyFile(t, newCert, certFile)
			require.Equal(t, is("first"), ask("y"), "the key is still missing")
			require.Equal(t, is("first"), ask("y"))
			require.Equal(t, 1, strings.Count(log.String(), "cannot be used"), "warned once")
			half, err := os.ReadFile(newKey)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(keyFile, half[:len(half)/2], 0o600))
			require.Equal(t, is("first"), ask("y"), "the key is half written")
			require.NoError(t, os.Remove(keyFile))
			require.Equal(t, is("first"), ask("y"), "the key is absent")
			copyFile(t, newKey, keyFile)
			require.Equal(t, is("second"), ask("y"))
			require.Contains(t, log.String(), "certificate files changed: new connections")

			close(slow)
			require.Equal(t, "begun "+is("first")+"<nil>", <-late, "what was under way is not cut")
			require.Eventually(t, func() bool { open, _ := connections.counts(); return open == 1 },
				20*time.Second, 5*time.Millisecond, "the connections of the old certificate are closed")
			require.Equal(t, is("second"), ask("y"))
		})
	}
}

// TestFilesThatChangeAllTheTime has goroutines call while certificate, key and
// authority are garbage, halves, and new ones that do not belong together.
func TestFilesThatChangeAllTheTime(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("http2=%v", http2), func(t *testing.T) {
			a := newAuthority(t)
			connections := &counter{open: map[net.Conn]bool{}}
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			server.Config.ConnState = connections.state
			master := a.start(server, tls.RequireAndVerifyClientCert, http2).URL
			certFile, keyFile := a.issue("first")
			good, err := os.ReadFile(a.file)
			require.NoError(t, err)
			c := client(t, master, WithCAFile(a.file), WithKeyPair(certFile, keyFile), WithRetry(0))
			_, err = c.get(t.Context(), call{op: "x", path: "y"})
			require.NoError(t, err, "the first reading has to succeed")
			over := make(chan struct{})
			var group errgroup.Group
			for worker := range 4 {
				method := []string{http.MethodGet, http.MethodPost}[worker%2]
				group.Go(func() error {
					for {
						select {
						case <-over:
							return nil
						default:
						}
						if _, err := c.do(t.Context(), method, call{op: "x", path: "y", fields: []field{{"a", "b"}}}); err != nil {
							return err
						}
					}
				})
			}
			for i := range 20 {
				newCert, newKey := a.issue(fmt.Sprint(i))
				for _, change := range []func() error{
					func() error { return os.WriteFile(certFile, []byte("garbage"), 0o600) },
					func() error { return os.WriteFile(a.file, good[:len(good)/2], 0o600) },
					func() error { copyFile(t, newCert, certFile); return nil },
					func() error { return os.WriteFile(a.file, good, 0o600) },
					func() error { copyFile(t, newKey, keyFile); return nil },
				} {
					require.NoError(t, change())
					time.Sleep(5 * time.Millisecond)
				}
			}
			close(over)
			require.NoError(t, group.Wait())
			c.CloseIdleConnections()
			require.Eventually(t, func() bool {
				c.CloseIdleConnections()
				open, _ := connections.counts()
				return open == 0
			}, 20*time.Second, 10*time.Millisecond, "connections of old certificates stay")
		})
	}
}

func TestRenewedAuthority(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	master := a.serveTLS(tls.NoClientCert)
	good, err := os.ReadFile(a.file)
	require.NoError(t, err)
	var log lockedBuffer
	c := client(t, master, WithCAFile(a.file), debugLog(&log))
	ask := func() error {
		_, err := c.get(context60(t), call{op: "x", path: "y"})
		return err
	}
	require.NoError(t, ask())
	require.NoError(t, os.WriteFile(a.file, good[:len(good)/2], 0o600))
	require.NoError(t, ask(), "half written")
	require.Contains(t, log.String(), "incomplete")
	copyFile(t, other.file, a.file)
	err = ask()
	require.ErrorIs(t, err, ErrAuthentication, "the old connection is not used either")
	require.NoError(t, os.WriteFile(a.file, append(good, '\n'), 0o600))
	require.NoError(t, ask())
}

func TestCertificatesInMemory(t *testing.T) {
	a := newAuthority(t)
	certFile, keyFile := a.issue("me")
	certPEM, err := os.ReadFile(certFile)
	require.NoError(t, err)
	keyPEM, err := os.ReadFile(keyFile)
	require.NoError(t, err)
	caPEM, err := os.ReadFile(a.file)
	require.NoError(t, err)
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	otherCA, err := os.ReadFile(newAuthority(t).file)
	require.NoError(t, err)
	master := a.serveTLS(tls.RequireAndVerifyClientCert)
	for name, opts := range map[string][]Option{
		"PEM":           {WithKeyPairPEM(certPEM, keyPEM), WithCAPEM(caPEM)},
		"certificate":   {WithCertificate(pair), WithCAPEM(caPEM)},
		"last counts":   {WithKeyPair("/absent", "/absent"), WithCertificate(pair), WithCAPEM(caPEM)},
		"several":       {WithCertificate(pair), WithCAPEM(otherCA), WithCAPEM(caPEM)},
		"text and file": {WithCertificate(pair), WithCAPEM(otherCA), WithCAFile(a.file)},
		"TLS session cache": {WithTLSConfig(&tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)}),
			WithCertificate(pair), WithCAPEM(caPEM)},
	} {
		body, err := client(t, master, opts...).get(context60(t), call{op: "x", path: "y"})
		require.NoError(t, err, name)
		require.Equal(t, "me", string(body), name)
	}
	for name, option := range map[string]Option{
		"key of another": WithKeyPairPEM(certPEM, otherCA), "cut": WithKeyPairPEM(certPEM[:50], keyPEM),
		"no authority": WithCAPEM(keyPEM), "empty": WithCertificate(tls.Certificate{}), "cut authority": WithCAPEM(append(caPEM, caPEM[:90]...)),
	} {
		_, err := New(master, option)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "BEGIN", name)
	}
}

// TestCertificateStaysAtHome follows a redirect to another origin.
func TestCertificateStaysAtHome(t *testing.T) {
	a := newAuthority(t)
	foreign := a.serveTLS(tls.RequestClientCert)
	home := a.serveHandler(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, foreign+"/y", http.StatusFound)
		case "/near":
			http.Redirect(w, r, mount+"/y", http.StatusFound)
		default:
			fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}, tls.RequireAndVerifyClientCert, false)
	certFile, keyFile := a.issue("me")
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	for _, option := range []Option{WithKeyPair(certFile, keyFile), WithTLSConfig(&tls.Config{Certificates: []tls.Certificate{pair}})} {
		c := client(t, home, WithCAFile(a.file), option)
		for path, want := range map[string]string{"away": "", "near": "me", foreign + "/y": "me"} {
			body, err := c.get(context60(t), call{op: "x", path: path})
			require.NoError(t, err)
			require.Equal(t, want, string(body), path)
		}
	}
}
