package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *SQLite {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// eachStore runs a test on every kind of database.
func eachStore(t *testing.T, f func(t *testing.T, s *SQLite)) {
	t.Run("memory", func(t *testing.T) { f(t, open(t, Memory)) })
	t.Run("file", func(t *testing.T) { f(t, open(t, filepath.Join(t.TempDir(), "a?b#%20.db"))) })
}

func ensure(t *testing.T, s Store, reference string) {
	t.Helper()
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
		_, err := tx.EnsureComputer(reference)
		return err
	}))
}

func references(t *testing.T, s Store) (out []string) {
	t.Helper()
	require.NoError(t, s.View(t.Context(), func(r Reader) error {
		computers, err := r.Computers()
		for _, c := range computers {
			out = append(out, c.Reference)
		}
		return err
	}))
	return out
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s *SQLite) {
		boom := errors.New("boom")
		err := s.Update(t.Context(), func(tx Tx) error {
			_, err := tx.EnsureComputer("lost")
			require.NoError(t, err)
			return boom
		})
		require.ErrorIs(t, err, boom)
		ensure(t, s, "kept")
		require.Equal(t, []string{"kept"}, references(t, s))
	})
}

func TestPanicOfOneUpdate(t *testing.T) {
	eachStore(t, func(t *testing.T, s *SQLite) {
		err := s.Update(t.Context(), func(tx Tx) error {
			_, err := tx.EnsureComputer("lost")
			require.NoError(t, err)
			panic("oops")
		})
		var p *PanicError
		require.ErrorAs(t, err, &p)
		require.Equal(t, "oops", p.Value)
		require.NotEmpty(t, p.Stack)
		ensure(t, s, "kept")
		require.Equal(t, []string{"kept"}, references(t, s))
	})
}

// Many updates at once share commits; those that fail do not disturb the
// others.
func TestSharedCommits(t *testing.T) {
	eachStore(t, func(t *testing.T, s *SQLite) {
		const n = 200
		var wg sync.WaitGroup
		errs := make([]error, n)
		for i := range n {
			wg.Go(func() {
				errs[i] = s.Update(context.Background(), func(tx Tx) error {
					_, err := tx.EnsureComputer(fmt.Sprintf("c%03d", i))
					if i%3 == 0 {
						err = errors.Join(err, errors.New("refused"))
					}
					return err
				})
			})
		}
		wg.Wait()
		kept := references(t, s)
		for i := range n {
			if i%3 == 0 {
				require.Error(t, errs[i])
				require.NotContains(t, kept, fmt.Sprintf("c%03d", i))
			} else {
				require.NoError(t, errs[i])
				require.Contains(t, kept, fmt.Sprintf("c%03d", i))
			}
		}
	})
}

func TestEndedContextDoesNothing(t *testing.T) {
	s := open(t, Memory)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Update(ctx, func(Tx) error { t.Error("ran"); return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.View(ctx, func(Reader) error { return nil }), context.Canceled)
}

func TestClosed(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Update(t.Context(), func(Tx) error { return nil }), ErrClosed)
	require.ErrorIs(t, s.View(t.Context(), func(Reader) error { return nil }), ErrClosed)
}

func TestReadsDoNotWaitForWrites(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "x.db"))
	inside, leave := make(chan struct{}), make(chan struct{})
	written := make(chan error, 1)
	go func() {
		written <- s.Update(context.Background(), func(tx Tx) error {
			_, err := tx.EnsureComputer("new")
			close(inside)
			<-leave
			return err
		})
	}()
	<-inside
	require.Empty(t, references(t, s)) // neither waits nor sees the change
	close(leave)
	require.NoError(t, <-written)
	require.Equal(t, []string{"new"}, references(t, s))
}

func TestVersions(t *testing.T) {
	s := open(t, Memory)
	require.Zero(t, s.Version("c", ""))
	var p *Partition
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		p, err = tx.InsertPartition(c, "p")
		return err
	}))
	before, beforeP := s.Version("c", ""), s.Version("c", "p")
	require.Positive(t, before)
	require.Positive(t, beforeP)
	require.Error(t, s.Update(t.Context(), func(tx Tx) error {
		require.NoError(t, tx.SaveTimestamp(p))
		return errors.New("no")
	}))
	require.Equal(t, before, s.Version("c", ""))
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error { return tx.SaveTimestamp(p) }))
	require.Greater(t, s.Version("c", ""), before)
	require.Greater(t, s.Version("c", "p"), beforeP)
	require.Zero(t, s.Version("c", "q"))
}

func TestDurabilitySettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	for name, db := range map[string]*sql.DB{"write": s.write, "read": s.read} {
		pragma := func(pragma string) (v string) {
			require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&v))
			return v
		}
		require.Equal(t, "wal", pragma("journal_mode"), name)
		require.Equal(t, "2", pragma("synchronous"), name) // FULL
		require.Equal(t, "1", pragma("foreign_keys"), name)
		require.Equal(t, map[string]string{"write": "0", "read": "1"}[name], pragma("query_only"))
	}
	require.Equal(t, 1, s.write.Stats().MaxOpenConnections)
	ensure(t, s, "c")
	for _, file := range []string{path, path + "-wal", path + "-shm", path + ".lock"} {
		info, err := os.Stat(file)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), file)
	}
}

func TestWiderModeIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, os.Chmod(path, 0o644))
	open(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestOneServerForOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	open(t, path)
	_, err := Open(t.Context(), path)
	require.ErrorIs(t, err, ErrInUse)
	require.ErrorContains(t, err, "stop the other proxy")
}

// Files that are not ours are refused and stay as they are.
func TestRefusedFiles(t *testing.T) {
	execute := func(t *testing.T, path, script string) {
		db, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), script)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
	for _, test := range []struct {
		name, script, raw string
		want              error
		text              string
	}{
		{name: "newer", script: fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d; CREATE TABLE computer(x)", applicationID, SchemaVersion+1),
			want: ErrNewer, text: "its schema is 3, this program knows 2"},
		{name: "reference", script: "CREATE TABLE partition14(x); CREATE TABLE software14(x)", want: ErrReference, text: "schema 14"},
		{name: "stranger", script: "CREATE TABLE cats(x)", want: ErrForeign, text: "set another database_uri"},
		{name: "other application", script: "PRAGMA application_id=7", want: ErrForeign},
		{name: "no database", raw: "this is a text file, of some length, not a database", want: ErrForeign},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			if test.raw != "" {
				require.NoError(t, os.WriteFile(path, []byte(test.raw), 0o640))
			} else {
				execute(t, path, test.script)
				require.NoError(t, os.Chmod(path, 0o640))
			}
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = Open(t.Context(), path)
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, test.text)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
			require.NoFileExists(t, path+".lock")
			_, err = OpenViewer(t.Context(), path)
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestUnusablePaths(t *testing.T) {
	_, err := Open(t.Context(), filepath.Join(t.TempDir(), "missing", "x.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(t.Context(), t.TempDir())
	require.ErrorIs(t, err, ErrForeign)
	_, err = OpenViewer(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestFreedPartitionLeavesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, s *SQLite) {
		require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
			c, err := tx.EnsureComputer("c")
			require.NoError(t, err)
			host, err := tx.InsertPartition(c, "host")
			require.NoError(t, err)
			child, err := tx.InsertPartition(c, "child")
			require.NoError(t, err)
			host.Timestamp = 1
			require.NoError(t, tx.Occupy(host, &Instance{Title: "h", State: "started"}))
			require.NoError(t, tx.Occupy(child, &Instance{Title: "c", Tree: "h", Requester: host.Instance.ID, State: "started"}))
			require.Error(t, tx.Occupy(child, &Instance{}))
			require.NoError(t, tx.SaveShared(&Shared{ComputerID: c.ID, Key: "_s", Host: host.Instance.ID, State: "started", Listed: true, Position: 1}))
			require.NoError(t, tx.Free(host))

			got, err := tx.Occupied("c", "child")
			require.NoError(t, err)
			require.Zero(t, got.Instance.Requester)
			shared, err := tx.AllShared()
			require.NoError(t, err)
			require.Empty(t, shared)
			free, err := tx.FirstFree(c)
			require.NoError(t, err)
			require.Equal(t, "host", free.Reference)
			return nil
		}))
	})
}

func TestUsageReportsAreKeptOnce(t *testing.T) {
	s := open(t, Memory)
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		for _, step := range []struct {
			reference, body string
			version         int64
			added           bool
		}{{"r", "1", 1, true}, {"r", "2", 2, true}, {"r", "1", 1, false}, {"q", "1", 1, true}} {
			r := &UsageReport{Reference: step.reference, Body: step.body}
			added, err := tx.InsertUsageReport(c, r)
			require.NoError(t, err)
			require.Equal(t, step.added, added)
			require.Equal(t, step.version, r.Version)
		}
		reports, err := tx.UsageReports(c)
		require.NoError(t, err)
		require.Len(t, reports, 3)
		return nil
	}))
}

func TestCheckFindsDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := open(t, path)
	ensure(t, s, "c")
	v, err := OpenViewer(t.Context(), path)
	require.NoError(t, err)
	defer v.Close()
	require.NoError(t, v.Check(t.Context()))
	_, err = s.write.ExecContext(t.Context(), `INSERT INTO partition (computer_id, reference, busy) VALUES (1, 'p', 1)`)
	require.NoError(t, err)
	require.ErrorContains(t, v.Check(t.Context()), "marked busy without instance")
}
