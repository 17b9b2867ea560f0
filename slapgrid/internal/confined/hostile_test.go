package confined

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// deepTree makes a tree that is too deep for one path.
func deepTree(t *testing.T, dir string, depth int) {
	t.Helper()
	fd, err := syscall.Open(dir, syscall.O_DIRECTORY, 0)
	require.NoError(t, err)
	for i := range depth {
		require.NoError(t, syscall.Mkdirat(fd, "d", 0o700))
		next, err := syscall.Openat(fd, "d", syscall.O_DIRECTORY, 0)
		require.NoError(t, err)
		if i%1000 == 0 {
			require.NoError(t, unix.Symlinkat("/etc", fd, "l"))
		}
		require.NoError(t, syscall.Close(fd))
		fd = next
	}
	require.NoError(t, syscall.Close(fd))
}

// However deep its owner made a tree: it is removed, in time that grows with
// its size only.
func TestDeepTree(t *testing.T) {
	d, path := open(t)
	require.NoError(t, d.Mkdir("tree", 0o700))
	deepTree(t, filepath.Join(path, "tree"), 3_000)
	require.NoError(t, d.RepairOwner("tree"))
	require.NoError(t, d.RemoveTree("tree"))
	names, err := d.Names(".")
	require.NoError(t, err)
	require.Empty(t, names)
}

// A file with another name elsewhere may be somebody else's: it is neither
// given away nor written.
func TestSharedFiles(t *testing.T) {
	d, path := open(t)
	victim := filepath.Join(filepath.Dir(path), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	require.NoError(t, d.Mkdir("tree", 0o700))
	require.NoError(t, os.Link(victim, filepath.Join(path, "tree", "f")))
	_, err := d.Append("tree/f", 0o644, true)
	require.ErrorContains(t, err, filepath.Join(path, "tree/f"))
	if os.Getuid() != 0 {
		t.Skip("only root gives files away")
	}
	d.Owner = Owner{65534, 65534}
	require.NoError(t, d.RepairOwner("tree"))
	info, err := os.Stat(victim)
	require.NoError(t, err)
	require.Zero(t, info.Sys().(*syscall.Stat_t).Uid)
	info, err = os.Stat(filepath.Join(path, "tree"))
	require.NoError(t, err)
	require.EqualValues(t, 65534, info.Sys().(*syscall.Stat_t).Uid)

	// What the agent itself made is given as a whole.
	require.NoError(t, d.GiveTree("tree"))
	info, err = os.Stat(victim)
	require.NoError(t, err)
	require.EqualValues(t, 65534, info.Sys().(*syscall.Stat_t).Uid)
}

// ReadOf believes the agent's files only.
func TestReadOf(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("without root every file belongs to the same user")
	}
	d, path := open(t)
	for uid, allowed := range map[int]bool{0: true, 7: true, 65534: false} {
		require.NoError(t, d.Write("f", []byte("x"), 0o644, false))
		require.NoError(t, os.Lchown(filepath.Join(path, "f"), uid, uid))
		_, err := d.ReadOf("f", 7)
		require.Equal(t, !allowed, errors.Is(err, fs.ErrPermission), uid)
	}
}
