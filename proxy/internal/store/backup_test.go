package store

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A backup holds one moment, and its source is written to meanwhile.
func TestBackupWhileServing(t *testing.T) {
	eachStore(t, func(t *testing.T, s *SQLite) {
		ensure(t, s, "first")
		ctx, cancel := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		writing.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				// Both or none are in a copy.
				_ = s.Update(ctx, func(tx Tx) error {
					if _, err := tx.EnsureComputer(fmt.Sprint("a", i)); err != nil {
						return err
					}
					_, err := tx.EnsureComputer(fmt.Sprint("b", i))
					return err
				})
			}
		})
		defer writing.Wait()
		defer cancel()
		for i := range 5 {
			path := filepath.Join(t.TempDir(), fmt.Sprint(i, ".db"))
			require.NoError(t, s.Backup(t.Context(), path, false))
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, fs.FileMode(0o600), info.Mode())
			v, err := OpenViewer(t.Context(), path)
			require.NoError(t, err)
			require.NoError(t, v.Check(t.Context()))
			require.NoError(t, v.View(t.Context(), func(r Reader) error {
				computers, err := r.Computers()
				require.Equal(t, 1, len(computers)%2, "half of an update")
				return err
			}))
			require.NoError(t, v.Close())
		}
	})
}

func TestBackupReplacesOnlyIfTold(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"))
	ensure(t, s, "c")
	dir := t.TempDir()
	path := filepath.Join(dir, "copy.db")
	require.NoError(t, os.WriteFile(path, []byte("precious"), 0o644))
	require.ErrorIs(t, s.Backup(t.Context(), path, false), fs.ErrExist)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
	require.NoError(t, s.Backup(t.Context(), path, true))
	other := open(t, path)
	require.Equal(t, []string{"c"}, references(t, other))
	require.ErrorContains(t, s.Backup(t.Context(), path, true), "a program has it open")
	entries, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, entries, "something is left over")
}

func TestPruneBackups(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	write := func(name string) string {
		require.NoError(t, os.WriteFile(name, nil, 0o600))
		return name
	}
	first, second := write(BackupName(path, "", day(1))), write(BackupName(path, "softwareroot", day(2)))
	third, fourth := write(BackupName(path, "schema1", day(3))), write(BackupName(path, "softwareroot", day(4)))
	stay := []string{
		write(path), write(BackupName(path, "reference14", day(1))), write(path + "-backup-mine.db"),
		write(BackupName(filepath.Join(dir, "other.db"), "", day(1))),
	}
	removed, err := PruneBackups(path, 2)
	require.NoError(t, err)
	require.Equal(t, []string{first, second}, removed)
	for _, name := range append(stay, third, fourth) {
		require.FileExists(t, name)
	}
}
