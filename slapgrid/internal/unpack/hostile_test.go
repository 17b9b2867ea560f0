package unpack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Directories that no entry names count as entries.
func TestImpliedDirectoriesAreBounded(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	w := newWriter(context.Background(), root)
	w.maxEntries = 1000
	var members []member
	for i := range 50 {
		members = append(members, member{name: fmt.Sprintf("%d/%s", i, strings.Repeat("d/", 100)) + "f"})
	}
	path := filepath.Join(t.TempDir(), "a.tar.gz")
	require.NoError(t, os.WriteFile(path, tarball(t, members...), 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	require.ErrorIs(t, w.tar(f), ErrRefused)
	require.LessOrEqual(t, w.entries, 1001)
}

func TestLongNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("d/", 5000) + "f", strings.Repeat("x", 5000)} {
		_, _, err := unpack(t, tarball(t, member{name: name}), "a.tar.gz")
		require.ErrorIs(t, err, ErrRefused)
		_, _, err = unpack(t, tarball(t, member{name: "f"}, member{name: "l", link: name, kind: tar.TypeLink}), "a.tar.gz")
		require.ErrorIs(t, err, ErrRefused)
	}
}

// The directory of a zip archive is not read into memory without bound,
// whatever number of entries its end tells.
func TestZipOfNothingButEntries(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for range 3000 {
		_, err := z.CreateHeader(&zip.FileHeader{Name: strings.Repeat("n", 1000)})
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	data := b.Bytes()
	lying := bytes.Clone(data)
	binary.LittleEndian.PutUint16(lying[len(lying)-22+8:], 1)
	binary.LittleEndian.PutUint16(lying[len(lying)-22+10:], 1)
	for _, archive := range [][]byte{data, lying} {
		root, err := os.OpenRoot(t.TempDir())
		require.NoError(t, err)
		defer root.Close()
		w := newWriter(context.Background(), root)
		w.maxEntries = 100
		path := filepath.Join(t.TempDir(), "a.zip")
		require.NoError(t, os.WriteFile(path, archive, 0o600))
		f, err := os.Open(path)
		require.NoError(t, err)
		defer f.Close()
		require.ErrorIs(t, w.zip(f), ErrRefused)
		require.Zero(t, w.entries)
	}
}
