package confined

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A deep tree is taken apart inside itself: what is beside it, where nobody would
// look for the rest after an interruption, does not change.
func TestRemovalStaysInTheTree(t *testing.T) {
	d, path := open(t)
	require.NoError(t, d.MkdirAll("tree/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u", 0o700))
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(fd) //nolint:errcheck // of a test
	_, err = unix.InotifyAddWatch(fd, filepath.Clean(path), unix.IN_CREATE|unix.IN_MOVED_TO)
	require.NoError(t, err)
	require.NoError(t, d.RemoveTree("tree"))
	require.False(t, d.Exists("tree"))
	n, err := unix.Read(fd, make([]byte, 4096))
	require.ErrorIs(t, err, unix.EAGAIN, "%d bytes of events", n)
}
