package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWriteReplacesContentAndMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte("old and longer"), 0o600))
	require.NoError(t, Write(path, []byte("new"), 0o644))
	requireFile(t, path, "new", 0o644)
	requireOnly(t, filepath.Dir(path), "f")
}

func TestWriteModeIgnoresUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, Write(path, nil, 0o666))
	requireFile(t, path, "", 0o666)
}

func TestWriteReplacesSymbolicLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	require.NoError(t, os.WriteFile(target, []byte("precious"), 0o600))
	link := filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(target, link))
	changed, err := WriteIfChanged(link, []byte("precious"), 0o644)
	require.NoError(t, err)
	require.True(t, changed)
	requireFile(t, target, "precious", 0o600)
	info, err := os.Lstat(link)
	require.NoError(t, err)
	require.True(t, info.Mode().IsRegular())
}

func TestWriteIfChangedLeavesEqualFileAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	changed, err := WriteIfChanged(path, []byte("a"), 0o644)
	require.NoError(t, err)
	require.True(t, changed)
	old := time.Unix(1000, 0)
	require.NoError(t, os.Chtimes(path, old, old))

	changed, err = WriteIfChanged(path, []byte("a"), 0o644)
	require.NoError(t, err)
	require.False(t, changed)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, info.ModTime().Equal(old))

	for _, mode := range []os.FileMode{0o600, 0o644 | os.ModeSetuid} {
		require.NoError(t, os.Chmod(path, mode))
		changed, err = WriteIfChanged(path, []byte("a"), 0o644)
		require.NoError(t, err)
		require.True(t, changed, mode)
		info, err = os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o644), info.Mode())
	}

	changed, err = WriteIfChanged(path, []byte("b"), 0o644)
	require.NoError(t, err)
	require.True(t, changed)
	requireFile(t, path, "b", 0o644)
}

func TestFailureKeepsOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, Write(path, []byte("old"), 0o644))
	boom := errors.New("boom")
	err := WriteFunc(path, 0o644, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		return boom
	})
	require.ErrorIs(t, err, boom)
	requireFile(t, path, "old", 0o644)
	requireOnly(t, filepath.Dir(path), "f")
}

func TestRenameFailureCleansUp(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, os.Mkdir(path, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(path, "x"), nil, 0o644))
	require.Error(t, Write(path, []byte("new"), 0o644))
	requireOnly(t, dir, "f")
}

func TestMissingDirectory(t *testing.T) {
	err := Write(filepath.Join(t.TempDir(), "no", "f"), nil, 0o644)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "write ")
}

func TestConcurrentReadersSeeWholeFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, Write(path, []byte("aaaa"), 0o644))
	var wg sync.WaitGroup
	for _, content := range []string{"aaaa", "bbbbbbbb"} {
		wg.Go(func() {
			for range 20 {
				if err := Write(path, []byte(content), 0o644); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 200 {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, []string{"aaaa", "bbbbbbbb"}, string(data))
	}
	wg.Wait()
}

func requireFile(t *testing.T, path, content string, perm os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, content, string(data))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, perm, info.Mode().Perm())
}

func requireOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	require.Equal(t, names, got)
}
