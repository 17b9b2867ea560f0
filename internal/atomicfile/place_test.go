package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	made := func(text string) string {
		name := filepath.Join(dir, "made")
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
		return name
	}
	require.NoError(t, Place(made("one"), path, 0o600, false))
	err := Place(made("two"), path, 0o600, false)
	require.ErrorIs(t, err, fs.ErrExist)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "one", string(text))
	require.FileExists(t, filepath.Join(dir, "made"), "what has no place yet stays")

	require.NoError(t, Place(filepath.Join(dir, "made"), path, 0o600, true))
	text, err = os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "two", string(text))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
