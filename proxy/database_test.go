package proxy

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy.db")
	s := imported(t, path)
	m := &testMaster{t: t, master: s.master, server: s}
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	notes, err := Check(t.Context(), path, "") // while it is served
	require.NoError(t, err)
	require.Empty(t, notes)
	require.NoError(t, s.Close())

	execute(t, path, "UPDATE partition SET busy = 0; UPDATE instance SET parameters = '<broken'")
	_, err = Check(t.Context(), path, "")
	require.ErrorContains(t, err, "marked busy without instance, or free with one")
	require.ErrorContains(t, err, `partition "p0" of computer "computer" cannot be told to its node`)

	_, err = Check(t.Context(), filepath.Join(dir, "none.db"), "")
	require.ErrorIs(t, err, fs.ErrNotExist)

	// What an import would do with a database of the reference, without doing it.
	theirs := filepath.Join(dir, "theirs.db")
	writeTables(t, theirs, schema14(busyRow("p0", "computer", "root", nil)))
	before, err := os.ReadFile(theirs)
	require.NoError(t, err)
	notes, err = Check(t.Context(), theirs, "")
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(notes), `the shared instance "gone_s" has no host`)
	after, err := os.ReadFile(theirs)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestBackup(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy.db")
	s := imported(t, path)
	m := &testMaster{t: t, master: s.master, server: s}
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	var made []string
	for range 4 {
		copied, err := Backup(t.Context(), path, BackupOptions{Keep: 2})
		require.NoError(t, err)
		made = append(made, copied)
		time.Sleep(2 * time.Millisecond) // names tell milliseconds
	}
	left, err := filepath.Glob(path + "-backup-*")
	require.NoError(t, err)
	require.Equal(t, made[2:], left)

	// A backup is put in the place of the database.
	m.place(asking{title: "B"})
	require.NoError(t, s.Close())
	require.NoError(t, os.Rename(made[3], path))
	imported(t, path)
	require.Len(t, readKept(t, path).Partitions, 2)
	require.Nil(t, readKept(t, path).Partitions[1].Instance, "restored from before B")

	_, err = Backup(t.Context(), path, BackupOptions{Path: path, Replace: true})
	require.Error(t, err)
	theirs := filepath.Join(dir, "theirs.db")
	writeTables(t, theirs, schema14())
	_, err = Backup(t.Context(), theirs, BackupOptions{})
	require.ErrorIs(t, err, ErrReferenceDatabase)
}

// Show prints a database of the reference as it is once imported.
func TestShowOfTheReferencesDatabase(t *testing.T) {
	for _, d := range recordedDatabases(t, "upgraded.jsonl") {
		if len(d.Tables) == 0 {
			continue
		}
		path := filepath.Join(t.TempDir(), "proxy.db")
		writeTables(t, path, d.Tables)
		var before, after strings.Builder
		require.NoError(t, Show(t.Context(), &before, path, ShowOptions{}))
		s := imported(t, path)
		require.NoError(t, Show(t.Context(), &after, path, ShowOptions{}))
		require.NoError(t, s.Close())
		require.Equal(t, after.String(), before.String(), d.Case)
	}
	require.ErrorIs(t, Show(t.Context(), io.Discard, filepath.Join(t.TempDir(), "none"), ShowOptions{}), fs.ErrNotExist)
}

func TestRetention(t *testing.T) {
	for _, test := range []struct {
		name            string
		retention       Retention
		reports, errors int
	}{
		{"default", Retention{}, 1, 1},
		{"for ever", Retention{Reports: -1, Errors: -1, Backups: -1}, 2, 2},
		{"an hour", Retention{Reports: time.Hour, Errors: time.Hour, Backups: 1}, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "proxy.db")
			s, err := Open(t.Context(), path)
			require.NoError(t, err)
			require.NoError(t, s.master.store.Update(t.Context(), func(tx store.Tx) error {
				c, err := tx.EnsureComputer("computer")
				require.NoError(t, err)
				for i, age := range []time.Duration{24 * time.Hour, 10000 * time.Hour} {
					at := seconds(start.Add(-age))
					_, err := tx.InsertUsageReport(c, &store.UsageReport{Reference: fmt.Sprint(i), ReceivedAt: at})
					require.NoError(t, err)
					require.NoError(t, tx.InsertSoftware(&store.Software{
						ComputerID: c.ID, URL: fmt.Sprint(i), State: "available", Error: store.Event{Text: "log", At: at},
					}))
				}
				return nil
			}))
			require.NoError(t, s.Close())
			backups := 12
			for i := range backups {
				require.NoError(t, os.WriteFile(store.BackupName(path, "", start.Add(time.Duration(i)*time.Hour)), nil, 0o600))
			}
			s, err = Open(t.Context(), path, WithClock(func() time.Time { return start }), WithRetention(test.retention))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			require.NoError(t, s.master.store.View(t.Context(), func(r store.Reader) error {
				reports, err := r.UsageReports(nil)
				require.NoError(t, err)
				require.Len(t, reports, test.reports)
				c, err := r.Computer("computer")
				require.NoError(t, err)
				software, err := r.Software(c)
				failed := 0
				for _, s := range software {
					if s.Error.Text != "" {
						failed++
					}
				}
				require.Equal(t, test.errors, failed)
				return err
			}))
			left, err := filepath.Glob(path + "-backup-*")
			require.NoError(t, err)
			require.Len(t, left, map[string]int{"default": DefaultBackups, "for ever": backups, "an hour": 1}[test.name])
		})
	}
}
