package confined

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestErrorsGiveWholePaths: also those of a directory inside another.
func TestErrorsGiveWholePaths(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a", "file"), nil, 0o600))
	top, err := Open(dir, Owner{})
	require.NoError(t, err)
	defer top.Close()
	sub, err := top.Sub("a", Owner{})
	require.NoError(t, err)
	defer sub.Close()
	in := func(name string) string { return filepath.Join(dir, "a", name) }
	for name, call := range map[string]func() error{
		"read":     func() error { _, err := sub.Read("none"); return err },
		"open":     func() error { _, err := sub.Open("none"); return err },
		"root":     func() error { _, err := sub.OpenRoot("none"); return err },
		"stat":     func() error { _, err := sub.Stat("none"); return err },
		"lstat":    func() error { _, err := sub.Lstat("none"); return err },
		"chmod":    func() error { return sub.Chmod("none", 0o700) },
		"lchown":   func() error { return sub.Lchown("none", os.Getuid(), os.Getgid()) },
		"remove":   func() error { return sub.Remove("none") },
		"rename":   func() error { return sub.Rename("none", "other") },
		"mkdir":    func() error { return sub.Mkdir("none/x", 0o700) },
		"mkdirall": func() error { return sub.MkdirAll("file/none", 0o700) },
		"symlink":  func() error { return sub.Symlink("target", "none/x") },
		"write":    func() error { return sub.Write("none/x", nil, 0o600, false) },
		"escape":   func() error { return sub.Remove("../../none") },
	} {
		err := call()
		require.Error(t, err, name)
		require.Contains(t, err.Error(), " "+filepath.Join(dir, "a")+"/", name)
	}
	require.NoError(t, sub.Delete("none"))
	err = sub.Symlink("target", "b")
	require.ErrorIs(t, err, os.ErrExist)
	require.EqualError(t, err, "symlinkat target "+in("b")+": file exists")
}
