package xmlrpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type callerFunc func(ctx context.Context, method string, args []any) (any, error)

func (f callerFunc) Call(ctx context.Context, method string, args []any) (any, error) {
	return f(ctx, method, args)
}

// serve serves h on a unix socket and returns a client of it.
func serve(t *testing.T, h http.Handler) *Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "rpc-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	socket := filepath.Join(dir, "s")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	server.Start()
	t.Cleanup(server.Close)
	c, err := NewClient("unix://" + socket)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestCall(t *testing.T) {
	c := serve(t, Handler(callerFunc(func(_ context.Context, method string, args []any) (any, error) {
		switch method {
		case "echo":
			return args, nil
		case "refuse":
			return nil, &Fault{Code: 10, String: "BAD_NAME"}
		case "unusable":
			return struct{}{}, nil
		}
		return nil, errors.New("broken <inside>")
	})))
	ctx := t.Context()
	v, err := c.Call(ctx, "echo", "a", 1, true)
	require.NoError(t, err)
	require.Equal(t, []any{"a", 1, true}, v)

	var fault *Fault
	_, err = c.Call(ctx, "refuse")
	require.ErrorAs(t, err, &fault)
	require.Equal(t, 10, fault.Code)
	_, err = c.Call(ctx, "other")
	require.ErrorAs(t, err, &fault)
	require.Equal(t, Fault{Code: FaultInternal, String: "broken <inside>"}, *fault)
	_, err = c.Call(ctx, "unusable")
	require.ErrorAs(t, err, &fault)
	require.Equal(t, FaultInternal, fault.Code)

	_, err = c.Call(ctx, "echo", struct{}{})
	require.ErrorContains(t, err, "argument 1 of echo")

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = c.Call(cancelled, "echo")
	require.ErrorIs(t, err, context.Canceled)

	var status *StatusError
	_, err = c.Get(ctx, "/RPC2")
	require.ErrorAs(t, err, &status)
	require.Equal(t, http.StatusMethodNotAllowed, status.Status)
}

func TestBadRequests(t *testing.T) {
	h := Handler(callerFunc(func(context.Context, string, []any) (any, error) { return true, nil }))
	for name, body := range map[string]io.Reader{
		"no XML":    strings.NewReader("hello"),
		"too large": bytes.NewReader(make([]byte, MaxCall+1)),
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/RPC2", body))
			require.Equal(t, http.StatusBadRequest, w.Code)
		})
	}
}

func TestBadAnswers(t *testing.T) {
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	_, err := c.Call(t.Context(), "m")
	require.ErrorIs(t, err, ErrMalformed)

	c = serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		block := make([]byte, 1<<20)
		for range MaxDocument>>20 + 1 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	_, err = c.Call(t.Context(), "m")
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestGet(t *testing.T) {
	c := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }))
	body, err := c.Get(t.Context(), "/logtail/a:b/stderr")
	require.NoError(t, err)
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	require.Equal(t, "/logtail/a:b/stderr", string(text))
}

func TestBasicAuth(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		_, _ = io.WriteString(w, user+" "+password)
	}))
	t.Cleanup(server.Close)
	c, err := NewClient(strings.Replace(server.URL, "http://", "http://me:secret@", 1))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	body, err := c.Get(t.Context(), "/")
	require.NoError(t, err)
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	require.Equal(t, "me secret", string(text))
}

func TestNewClient(t *testing.T) {
	for _, bad := range []string{"", "unix://", "/a/path", "https://host", "http://", "http://%zz"} {
		_, err := NewClient(bad)
		require.Error(t, err, bad)
	}
	_, err := NewClient("http://user:secret@127.0.0.1:9001/ignored")
	require.NoError(t, err)
	_, err = NewClient("ftp://user:secret@host")
	require.NotContains(t, err.Error(), "secret")

	c, err := NewClient("unix:///nowhere/at/all")
	require.NoError(t, err)
	_, err = c.Call(t.Context(), "m")
	require.ErrorIs(t, err, os.ErrNotExist)
}
