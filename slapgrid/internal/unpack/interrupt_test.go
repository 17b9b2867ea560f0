package unpack

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bomb writes an archive of a few kilobytes that holds a quarter of a gigabyte.
func bomb(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	const size = 256 << 20
	fill := func(w io.Writer, err error) {
		require.NoError(t, err)
		_, err = io.CopyN(w, zeros{}, size)
		require.NoError(t, err)
	}
	if filepath.Ext(name) == ".zip" {
		w := zip.NewWriter(f)
		fill(w.Create("big"))
		require.NoError(t, w.Close())
	} else {
		z, err := gzip.NewWriterLevel(f, gzip.BestSpeed)
		require.NoError(t, err)
		w := tar.NewWriter(z)
		fill(w, w.WriteHeader(&tar.Header{Name: "big", Mode: 0o644, Size: size}))
		require.NoError(t, errors.Join(w.Close(), z.Close()))
	}
	_, err = f.Seek(0, io.SeekStart)
	require.NoError(t, err)
	return f
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// An interruption ends the unpacking in the middle of a file.
func TestInterruptedUnpacking(t *testing.T) {
	interrupted := errors.New("interrupted")
	for _, name := range []string{"a.tar.gz", "a.zip", "directory"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			root, err := os.OpenRoot(dir)
			require.NoError(t, err)
			defer root.Close()
			work := func(ctx context.Context) error {
				source := t.TempDir()
				require.NoError(t, os.WriteFile(filepath.Join(source, "big"), nil, 0o600))
				require.NoError(t, os.Truncate(filepath.Join(source, "big"), 256<<20))
				return CopyTree(ctx, root, source, func(f func() error) error { return f() })
			}
			if name != "directory" {
				f := bomb(t, name)
				work = func(ctx context.Context) error { _, err := Unpack(ctx, root, f, name); return err }
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			begun := make(chan struct{})
			go func() {
				defer close(begun)
				for {
					if info, err := os.Stat(filepath.Join(dir, "big")); err == nil && info.Size() > 0 || ctx.Err() != nil {
						cancel(interrupted)
						return
					}
					time.Sleep(time.Millisecond)
				}
			}()
			require.ErrorIs(t, work(ctx), interrupted)
			<-begun
			info, err := os.Stat(filepath.Join(dir, "big"))
			require.NoError(t, err)
			require.Less(t, info.Size(), int64(256<<20))
		})
	}
}
