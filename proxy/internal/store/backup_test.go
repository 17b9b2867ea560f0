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
	first, second := write(BackupName(path, "", day(1))), write(BackupName(path, "schema1", day(2)))
	third, fourth := write(BackupName(path, "", day(3))), write(BackupName(path, "", day(4)))
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

func TestPrune(t *testing.T) {
	s := open(t, Memory)
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		c.Bang = Event{"old bang", 1}
		require.NoError(t, tx.SaveComputerStatus(c))
		require.NoError(t, tx.InsertSoftware(&Software{ComputerID: c.ID, URL: "u", State: "available", Error: Event{"new", 20}}))
		p, err := tx.InsertPartition(c, "p")
		require.NoError(t, err)
		require.NoError(t, tx.Occupy(p, &Instance{}))
		p.Instance.Error, p.Instance.Bang = Event{"old", 5}, Event{"new", 20}
		p.Instance.Status = Status{Text: "#error", CreatedAt: 5}
		require.NoError(t, tx.SaveStatus(p, true))
		// The clock went back between the second and the third.
		for i, at := range []float64{1, 30, 2, 40} {
			_, err := tx.InsertUsageReport(c, &UsageReport{Reference: "r", Body: fmt.Sprint(i), ReceivedAt: at})
			require.NoError(t, err)
		}
		n, err := tx.Prune(0, 0)
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = tx.Prune(10, 10)
		require.NoError(t, err)
		require.EqualValues(t, 3, n) // a report, an error, a bang
		return nil
	}))
	require.NoError(t, s.Check(t.Context()))
	require.NoError(t, s.View(t.Context(), func(r Reader) error {
		reports, err := r.UsageReports(nil)
		require.NoError(t, err)
		require.Len(t, reports, 3)
		p, err := r.Partition("c", "p")
		require.NoError(t, err)
		require.Equal(t, Event{}, p.Instance.Error)
		require.Equal(t, Event{"new", 20}, p.Instance.Bang)
		require.Equal(t, "#error", p.Instance.Status.Text)
		return nil
	}))
}

func TestForwardedAndSettings(t *testing.T) {
	s := open(t, Memory)
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
		a, b := Forwarded{"user_a", "http://m/"}, Forwarded{"user_b", "http://m/"}
		for _, f := range []Forwarded{a, b, a} {
			require.NoError(t, tx.SaveForwarded(f))
		}
		all, err := tx.Forwarded()
		require.NoError(t, err)
		require.Equal(t, []Forwarded{a, b}, all)
		require.NoError(t, tx.DeleteForwarded(a))
		all, err = tx.Forwarded()
		require.NoError(t, err)
		require.Equal(t, []Forwarded{b}, all)
		for _, want := range []string{"", "one", "two"} {
			if want != "" {
				require.NoError(t, tx.SaveSetting("s", want))
			}
			got, err := tx.Setting("s")
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		return nil
	}))
}

func TestFrontEnds(t *testing.T) {
	s := open(t, Memory)
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		p, err := tx.InsertPartition(c, "p")
		require.NoError(t, err)
		require.NoError(t, tx.Occupy(p, &Instance{Title: "asker"}))
		mine, other := FrontEnd{"_a", 0, "http://x:80"}, FrontEnd{"asker_b", p.Instance.ID, "https://x:443"}
		require.NoError(t, tx.SaveFrontEnd(FrontEnd{"_a", 0, "http://y:80"}))
		for _, f := range []FrontEnd{mine, other} {
			require.NoError(t, tx.SaveFrontEnd(f))
			got, err := tx.FrontEnd(f.Reference)
			require.NoError(t, err)
			require.Equal(t, f, got)
			got, err = tx.FrontEndOf(f.Origin)
			require.NoError(t, err)
			require.Equal(t, f, got)
		}
		_, err = tx.FrontEndOf("http://y:80")
		require.ErrorIs(t, err, ErrNotFound)
		require.NoError(t, tx.Free(p))
		_, err = tx.FrontEndOf(other.Origin)
		require.ErrorIs(t, err, ErrNotFound, "it goes with its requester")
		require.NoError(t, tx.DeleteFrontEnd("_a"))
		_, err = tx.FrontEnd("_a")
		require.ErrorIs(t, err, ErrNotFound)
		return nil
	}))
}
