package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// older writes a database of schema 1 with one computer.
func older(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), schemaFirst+
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 1;", applicationID)+
		"INSERT INTO computer (reference) VALUES ('kept');")
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestOlderSchemaIsBroughtForward(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	older(t, path)
	s := open(t, path)
	require.Equal(t, []string{"kept"}, references(t, s))
	require.NoError(t, s.Check(t.Context()))
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error { return tx.SaveSetting("a", "b") }))

	copies, err := filepath.Glob(path + "-backup-schema1-*.db")
	require.NoError(t, err)
	require.Len(t, copies, 1)
	info, err := os.Stat(copies[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	db, err := sql.Open("sqlite", dsn(copies[0]))
	require.NoError(t, err)
	defer db.Close()
	var version int
	require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&version))
	require.Equal(t, 1, version)
}

// A step that fails leaves the schema as it was.
func TestFailedStepChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	older(t, path)
	db, err := sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "CREATE TABLE setting (x)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	_, err = Open(t.Context(), path)
	require.ErrorContains(t, err, fmt.Sprintf("change the database from schema 1 to %d", SchemaVersion))

	db, err = sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	defer db.Close()
	names, err := tableNames(t.Context(), db)
	require.NoError(t, err)
	require.NotContains(t, names, "forwarded_request")
}

// The reference takes tables whose names end in digits for its own, and gives up
// where others are.
func TestNoTableIsTheReferences(t *testing.T) {
	s := open(t, Memory)
	names, err := tableNames(t.Context(), s.write)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.NotRegexp(t, regexp.MustCompile(`\d$`), name)
	}
}
