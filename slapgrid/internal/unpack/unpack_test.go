package unpack

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type member struct {
	name, content, link string
	kind                byte
	mode                int64
}

func tarball(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, m := range members {
		if m.kind == 0 {
			m.kind = tar.TypeReg
		}
		if m.mode == 0 {
			m.mode = 0o644
		}
		require.NoError(t, w.WriteHeader(&tar.Header{
			Name: m.name, Typeflag: m.kind, Linkname: m.link, Mode: m.mode, Size: int64(len(m.content)),
		}))
		_, err := w.Write([]byte(m.content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

func unpack(t testing.TB, data []byte, name string) (dir, top string, err error) {
	t.Helper()
	dir = t.TempDir()
	root, err := os.OpenRoot(dir)
	require.NoError(t, err)
	defer root.Close()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	top, err = Unpack(context.Background(), root, f, name)
	return dir, top, err
}

func TestUnpackTar(t *testing.T) {
	dir, top, err := unpack(t, tarball(t,
		member{name: "r-1/software/build", content: "#!/bin/sh\n", mode: 0o755},
		member{name: "r-1/data", content: "x"},
		member{name: "r-1/link", link: "data", kind: tar.TypeSymlink},
		member{name: "r-1/later", link: "made/by/build", kind: tar.TypeSymlink},
		member{name: "r-1/hard", link: "r-1/data", kind: tar.TypeLink},
	), "a.tar.gz")
	require.NoError(t, err)
	require.Equal(t, "r-1", top)
	info, err := os.Stat(filepath.Join(dir, "r-1/software/build"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o755), info.Mode())
	for _, name := range []string{"link", "hard"} {
		data, err := os.ReadFile(filepath.Join(dir, "r-1", name))
		require.NoError(t, err)
		require.Equal(t, "x", string(data))
	}
}

func TestUnpackZip(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "software/instantiate"}
	h.SetMode(0o755)
	f, err := w.CreateHeader(h)
	require.NoError(t, err)
	_, err = f.Write([]byte("run"))
	require.NoError(t, err)
	h = &zip.FileHeader{Name: "bin"}
	h.SetMode(os.ModeSymlink | 0o777)
	f, err = w.CreateHeader(h)
	require.NoError(t, err)
	_, err = f.Write([]byte("software"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	dir, top, err := unpack(t, b.Bytes(), "a.zip")
	require.NoError(t, err)
	require.Empty(t, top)
	data, err := os.ReadFile(filepath.Join(dir, "bin/instantiate"))
	require.NoError(t, err)
	require.Equal(t, "run", string(data))
}

func TestUnpackRefuses(t *testing.T) {
	tests := map[string][]member{
		"absolute":          {{name: "/etc/x"}},
		"upward":            {{name: "a/../../x"}},
		"absolute link":     {{name: "x", link: "/etc/passwd", kind: tar.TypeSymlink}},
		"upward link":       {{name: "a/x", link: "../../b", kind: tar.TypeSymlink}},
		"upward after top":  {{name: "a/x", link: "../b", kind: tar.TypeSymlink}},
		"upward by links":   {{name: "keep"}, {name: "d/e", link: "..", kind: tar.TypeSymlink}, {name: "f", link: "d/e/..", kind: tar.TypeSymlink}},
		"hard link outside": {{name: "x", link: "../etc/passwd", kind: tar.TypeLink}},
		"hard link nowhere": {{name: "x", link: "y", kind: tar.TypeLink}},
		"device":            {{name: "x", kind: tar.TypeChar}},
		"pipe":              {{name: "x", kind: tar.TypeFifo}},
		"set-id":            {{name: "x", mode: 0o4755}},
		"backslash":         {{name: `a\..\x`}},
	}
	for name, members := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := unpack(t, tarball(t, members...), "a.tgz")
			require.ErrorIs(t, err, ErrRefused)
		})
	}
	t.Run("through a link", func(t *testing.T) {
		_, _, err := unpack(t, tarball(t, member{name: "l", link: ".", kind: tar.TypeSymlink}, member{name: "l/x", content: "1"}, member{name: "l/x", content: "2"}), "a.tgz")
		require.Error(t, err)
	})
}

func TestUnpackLimits(t *testing.T) {
	data := tarball(t, member{name: "a", content: strings.Repeat("x", 1000)}, member{name: "b"})
	for _, tt := range []struct {
		entries int
		bytes   int64
		fails   bool
	}{{2, 1000, false}, {1, 1000, true}, {2, 999, true}} {
		root, err := os.OpenRoot(t.TempDir())
		require.NoError(t, err)
		w := newWriter(context.Background(), root)
		w.maxEntries, w.maxBytes = tt.entries, tt.bytes
		err = w.tar(bytes.NewReader(data))
		if tt.fails {
			require.ErrorIs(t, err, ErrRefused)
		} else {
			require.NoError(t, err)
		}
		require.NoError(t, root.Close())
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(tarball(f, member{name: "a/b", content: "x"}, member{name: "a/l", link: "b", kind: tar.TypeSymlink}), false)
	f.Add([]byte("PK\x05\x06"+strings.Repeat("\x00", 18)), true)
	f.Fuzz(func(t *testing.T, data []byte, isZip bool) {
		outer := t.TempDir()
		dir := filepath.Join(outer, "in")
		require.NoError(t, os.Mkdir(dir, 0o755))
		root, err := os.OpenRoot(dir)
		require.NoError(t, err)
		defer root.Close()
		path := filepath.Join(t.TempDir(), "archive")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		archive, err := os.Open(path)
		require.NoError(t, err)
		defer archive.Close()
		name := "a.tgz"
		if isZip {
			name = "a.zip"
		}
		_, _ = Unpack(context.Background(), root, archive, name) // only escapes matter
		entries, err := os.ReadDir(outer)
		require.NoError(t, err)
		require.Len(t, entries, 1)
	})
}
