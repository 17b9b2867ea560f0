//go:build linux

package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// descriptors duplicates files to descriptors in a row, as the manager passes
// them, and returns the first.
func descriptors(t *testing.T, files ...*os.File) int {
	t.Helper()
	const first = 200 // free in this process
	for i, file := range files {
		raw, err := file.SyscallConn()
		require.NoError(t, err)
		require.NoError(t, raw.Control(func(fd uintptr) { err = syscall.Dup3(int(fd), first+i, 0) }))
		require.NoError(t, err)
		require.NoError(t, file.Close())
	}
	return first
}

func environment(count int) []string {
	return []string{"LISTEN_PID=" + strconv.Itoa(os.Getpid()), "LISTEN_FDS=" + strconv.Itoa(count)}
}

func TestListeners(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer tcp.Close()
	unix, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer unix.Close()
	tcpFile, err := tcp.(*net.TCPListener).File()
	require.NoError(t, err)
	unixFile, err := unix.(*net.UnixListener).File()
	require.NoError(t, err)
	first := descriptors(t, tcpFile, unixFile)
	all, err := listeners(environment(2), os.Getpid(), first)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for i, want := range []net.Listener{tcp, unix} {
		require.Equal(t, want.Addr().String(), all[i].Addr().String())
		conn, err := net.Dial(want.Addr().Network(), want.Addr().String())
		require.NoError(t, err)
		accepted, err := all[i].Accept()
		require.NoError(t, err)
		require.NoError(t, accepted.Close())
		require.NoError(t, conn.Close())
		require.NoError(t, all[i].Close())
	}
	for fd := first; fd < first+2; fd++ {
		var stat syscall.Stat_t
		require.ErrorIs(t, syscall.Fstat(fd, &stat), syscall.EBADF, "the inherited descriptor stays open")
	}
}

func TestNoListeners(t *testing.T) {
	pid := os.Getpid()
	for _, test := range []struct {
		environ []string
		failure string
	}{
		{nil, ""},
		{[]string{"LISTEN_FDS=1"}, ""},
		{[]string{"LISTEN_FDS=1", fmt.Sprintf("LISTEN_PID=%d", pid+1)}, ""},
		{[]string{"LISTEN_FDS=1", fmt.Sprintf("LISTEN_PID=%d", pid), "LISTEN_PID=1"}, ""}, // the last counts
		{environment(0), ""},
		{environment(-1), "LISTEN_FDS"},
		{environment(65), "LISTEN_FDS"},
		{[]string{"LISTEN_FDS=x", fmt.Sprintf("LISTEN_PID=%d", pid)}, "LISTEN_FDS"},
		{environment(1), "socket 300"},
	} {
		all, err := listeners(test.environ, pid, 300)
		require.Empty(t, all)
		if test.failure == "" {
			require.NoError(t, err, test.environ)
		} else {
			require.ErrorContains(t, err, test.failure)
		}
	}
}

func TestWhatDoesNotListenIsRefused(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tcpFile, err := tcp.(*net.TCPListener).File()
	require.NoError(t, err)
	require.NoError(t, tcp.Close())
	plain, err := os.Create(filepath.Join(t.TempDir(), "file"))
	require.NoError(t, err)
	_, err = listeners(environment(2), os.Getpid(), descriptors(t, tcpFile, plain))
	require.ErrorContains(t, err, "socket 201")
}

func TestNotify(t *testing.T) {
	for _, name := range []string{filepath.Join(t.TempDir(), "notify"), fmt.Sprintf("@slapos-notify-%d", os.Getpid())} {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		require.NoError(t, err)
		environ := []string{"NOTIFY_SOCKET=" + name}
		require.NoError(t, Notify(t.Context(), environ, Ready))
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(10*time.Second)))
		buffer := make([]byte, 100)
		n, err := conn.Read(buffer)
		require.NoError(t, err)
		require.Equal(t, "READY=1", string(buffer[:n]))
		require.NoError(t, conn.Close())
		require.Error(t, Notify(t.Context(), environ, Stopping))
	}
	require.NoError(t, Notify(t.Context(), nil, Ready))
	require.ErrorContains(t, Notify(t.Context(), []string{"NOTIFY_SOCKET=vsock:2:1"}, Ready), "NOTIFY_SOCKET")
}

func TestWatchdogPeriod(t *testing.T) {
	for _, test := range []struct {
		environ []string
		want    time.Duration
		failure bool
	}{
		{nil, 0, false},
		{[]string{"WATCHDOG_USEC=3000000"}, 1500 * time.Millisecond, false},
		{[]string{"WATCHDOG_USEC=3000000", "WATCHDOG_PID=7"}, 1500 * time.Millisecond, false},
		{[]string{"WATCHDOG_USEC=3000000", "WATCHDOG_PID=8"}, 0, false},
		{[]string{"WATCHDOG_USEC=1"}, time.Millisecond, false},
		{[]string{"WATCHDOG_USEC=0"}, 0, true},
		{[]string{"WATCHDOG_USEC=x"}, 0, true},
		{[]string{"WATCHDOG_USEC=9007199254740991"}, 0, true},
	} {
		got, err := WatchdogPeriod(test.environ, 7)
		require.Equal(t, test.failure, err != nil, "%v: %v", test.environ, err)
		require.Equal(t, test.want, got, test.environ)
	}
}
