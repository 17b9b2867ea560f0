package confined

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func open(t *testing.T) (*Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in")
	require.NoError(t, os.Mkdir(path, 0o755))
	d, err := Open(path, Owner{os.Getuid(), os.Getgid()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, path
}

func TestWriteAndRead(t *testing.T) {
	d, path := open(t)
	require.NoError(t, d.Write("f", []byte("one"), 0o640, true))
	require.NoError(t, d.Write("f", []byte("two"), 0o600, true))
	data, err := d.Read("f")
	require.NoError(t, err)
	require.Equal(t, "two", string(data))
	info, err := os.Stat(filepath.Join(path, "f"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	names, err := d.Names(".")
	require.NoError(t, err)
	require.Equal(t, []string{"f"}, names)
	tail, err := d.ReadTail("f", 2)
	require.NoError(t, err)
	require.Equal(t, "wo", string(tail))
}

func TestNothingLeadsOut(t *testing.T) {
	d, path := open(t)
	outside := filepath.Join(filepath.Dir(path), "outside")
	require.NoError(t, os.WriteFile(outside, []byte("secret"), 0o600))
	require.NoError(t, os.Symlink("../outside", filepath.Join(path, "link")))
	require.NoError(t, os.Symlink("..", filepath.Join(path, "up")))

	_, err := d.Read("link")
	require.Error(t, err)
	_, err = d.Append("link", 0o644, true)
	require.Error(t, err)
	require.Error(t, d.Write("up/new", nil, 0o644, true))
	// A link in the place of a file is replaced, one to a directory removed.
	require.NoError(t, d.Write("link", []byte("x"), 0o644, true))
	require.NoError(t, d.RemoveTree("up"))
	data, err := os.ReadFile(outside)
	require.NoError(t, err)
	require.Equal(t, "secret", string(data))
}

func TestSpecialFilesDoNotHang(t *testing.T) {
	d, path := open(t)
	require.NoError(t, syscall.Mkfifo(filepath.Join(path, "pipe"), 0o600))
	_, err := d.Read("pipe")
	require.ErrorContains(t, err, "not a regular file")
	_, err = d.Append("pipe", 0o600, true)
	require.Error(t, err)
	_, err = d.Sub("pipe", Owner{})
	require.ErrorIs(t, err, syscall.ENOTDIR)
	_, err = d.Read("missing")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestRemoveTree(t *testing.T) {
	d, path := open(t)
	deep := filepath.Join(path, "a/b")
	require.NoError(t, os.MkdirAll(deep, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(deep, "f\xff\\x"), nil, 0o440))
	require.NoError(t, os.Symlink("/etc", filepath.Join(path, "a/etc")))
	require.NoError(t, os.Chmod(deep, 0o550))
	require.NoError(t, os.Chmod(filepath.Join(path, "a"), 0o000))
	require.NoError(t, d.RemoveTree("a"))
	require.NoError(t, d.RemoveTree("a"), "absent is fine")
	require.NoError(t, os.WriteFile(filepath.Join(path, "keep"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(path, "drop"), nil, 0o644))
	require.NoError(t, d.Empty(func(name string) bool { return name == "keep" }))
	names, err := d.Names(".")
	require.NoError(t, err)
	require.Equal(t, []string{"keep"}, names)
}

func TestMakeDirAndGiveTree(t *testing.T) {
	d, path := open(t)
	require.NoError(t, d.MakeDir("d", 0o700))
	require.NoError(t, d.MakeDir("d", 0o755), "an existing one keeps its mode")
	info, err := os.Stat(filepath.Join(path, "d"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, os.WriteFile(filepath.Join(path, "f"), nil, 0o644))
	require.Error(t, d.MakeDir("f", 0o755))
	if os.Getuid() != 0 {
		return
	}
	require.NoError(t, os.WriteFile(filepath.Join(path, "d/x"), nil, 0o644))
	d.Owner = Owner{65534, 65534}
	require.NoError(t, d.GiveTree("d"))
	require.NoError(t, d.GiveTree("absent"))
	var st syscall.Stat_t
	require.NoError(t, syscall.Lstat(filepath.Join(path, "d/x"), &st))
	require.Equal(t, uint32(65534), st.Uid)
}

func TestReadForeign(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(name), mode))
		return path
	}
	public, secret := write("public", 0o644), write("secret", 0o600)
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(secret, link))
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o644))
	data, err := ReadForeign(public, 65534)
	require.NoError(t, err)
	require.Equal(t, "public", string(data))
	data, err = ReadForeign(link, os.Getuid())
	require.NoError(t, err)
	require.Equal(t, "secret", string(data))
	_, err = ReadForeign(pipe, os.Getuid())
	require.ErrorContains(t, err, "not a regular file")
	_, err = ReadForeign(filepath.Join(dir, "none"), os.Getuid())
	require.ErrorIs(t, err, os.ErrNotExist)
	if os.Getuid() == 0 {
		_, err = ReadForeign(link, 65534)
		require.ErrorIs(t, err, os.ErrPermission)
	}
}
