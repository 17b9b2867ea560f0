package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// caller is a connection that stays open after its calls.
type caller struct {
	net.Conn
	reader *bufio.Reader
}

func keep(t *testing.T, address net.Addr) *caller {
	t.Helper()
	conn, err := net.Dial(address.Network(), address.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &caller{conn, bufio.NewReader(conn)}
}

// asks sends a call without waiting for the answer.
func (k *caller) asks(t *testing.T, path string) {
	t.Helper()
	_, err := fmt.Fprintf(k, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	require.NoError(t, err)
}

func (k *caller) answered(within time.Duration) (string, error) {
	if err := k.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(k.reader, nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// Of several listeners, so many connections are served as may be; the others wait
// until one is closed, which is logged once, and the end does not wait for them.
func TestConnectionsWaitForRoom(t *testing.T) {
	log := &lockedBuffer{}
	m := newMaster(t, WithLimits(Limits{Connections: 2}), WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.server.Serve(ctx, tcp, unix) }()
	defer stop()

	first, second := keep(t, tcp.Addr()), keep(t, unix.Addr())
	for _, k := range []*caller{first, second} {
		k.asks(t, "/healthz")
		text, err := k.answered(patience)
		require.NoError(t, err)
		require.Equal(t, "ok\n", text)
	}
	third, fourth := keep(t, tcp.Addr()), keep(t, unix.Addr())
	for _, k := range []*caller{third, fourth} {
		k.asks(t, "/healthz")
	}
	require.Eventually(t, func() bool { return m.server.connections.waited.Load() == 2 }, patience, time.Millisecond)
	_, err = third.answered(50 * time.Millisecond)
	require.ErrorContains(t, err, "timeout")
	require.Equal(t, 2, m.server.connections.open())

	// Those that are open are served all the time, and tell how it is.
	first.asks(t, "/metrics")
	text, err := first.answered(patience)
	require.NoError(t, err)
	require.Contains(t, text, "slapos_master_connections 2\n")
	require.Contains(t, text, "slapos_master_connections_limit 2\n")
	require.Contains(t, text, "slapos_master_connections_waited_total 2\n")
	require.Equal(t, 1, strings.Count(log.String(), "as many connections as may be"), log.String())

	require.NoError(t, second.Close())
	require.Eventually(t, func() bool {
		for _, k := range []*caller{third, fourth} {
			if text, err := k.answered(10 * time.Millisecond); err == nil {
				return text == "ok\n"
			}
		}
		return false
	}, patience, time.Millisecond)
	stop()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("the end waits for a connection that waits")
	}
	require.Eventually(t, func() bool { return m.server.connections.open() == 0 }, patience, time.Millisecond)
}

// Places come back, however a connection ends.
func TestConnectionsGiveTheirPlaceBack(t *testing.T) {
	s := newServed(t, WithLimits(Limits{Connections: 3, HeaderTimeout: 50 * time.Millisecond}))
	for i := range 60 {
		conn := s.dial()
		switch i % 3 {
		case 0: // closed by the caller
			require.NoError(t, conn.Close())
		case 1: // by the master, as no header comes
		case 2: // by both, after a call
			_, err := fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, conn)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		}
	}
	require.Eventually(t, func() bool { return s.server.connections.open() == 0 }, patience, time.Millisecond)
}
