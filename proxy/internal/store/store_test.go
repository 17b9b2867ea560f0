package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
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

// A database that was copied while it was open has a log beside it, which is as secret.
func TestModesOfFilesBeside(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "x.db"), filepath.Join(t.TempDir(), "x.db")
	ensure(t, open(t, from), "computer")
	for _, ending := range []string{"", "-wal"} {
		content, err := os.ReadFile(from + ending)
		require.NoError(t, err)
		require.NotEmpty(t, content)
		require.NoError(t, os.WriteFile(to+ending, content, 0o644))
	}
	link := filepath.Join(t.TempDir(), "link.db")
	require.NoError(t, os.Symlink(to, link))
	require.Equal(t, []string{"computer"}, references(t, open(t, link)))
	for _, ending := range besides {
		info, err := os.Stat(to + ending)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), ending)
	}
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
			want: ErrNewer, text: fmt.Sprintf("its schema is %d, this program knows %d", SchemaVersion+1, SchemaVersion)},
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
