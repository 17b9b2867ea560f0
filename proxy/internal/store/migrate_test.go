package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// older writes a database of an older schema with one computer and what more says.
func older(t *testing.T, path string, version int, more string) {
	t.Helper()
	db, err := sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), strings.Join(migrations[:version], "")+
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;", applicationID, version)+
		"INSERT INTO computer (reference) VALUES ('kept');"+more)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func TestOlderSchemaIsBroughtForward(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	older(t, path, 1, "")
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

// Partitions and addresses of schema 4 are neither hidden nor routed, and can become so.
func TestPartitionsOfSchema4(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	older(t, path, 4, "INSERT INTO partition (computer_id, reference) VALUES (1, 'p');"+
		"INSERT INTO address (partition_id, interface, address, netmask) VALUES (1, 'tap', '::1', 'ffff::');")
	_, err := OpenViewer(t.Context(), path)
	require.ErrorContains(t, err, "its schema is 4")
	s := open(t, path)
	require.NoError(t, s.Update(t.Context(), func(tx Tx) error {
		p, err := tx.Partition("kept", "p")
		require.NoError(t, err)
		require.False(t, p.Hidden)
		require.Equal(t, []Address{{Interface: "tap", Address: "::1", Netmask: "ffff::"}}, p.Addresses)
		p.Hidden = true
		require.Error(t, tx.SaveHidden(p), "it is free")
		require.NoError(t, tx.Occupy(p, &Instance{}))
		return tx.SaveHidden(p)
	}))
	require.NoError(t, s.Check(t.Context()))
	copies, err := filepath.Glob(path + "-backup-schema4-*.db")
	require.NoError(t, err)
	require.Len(t, copies, 1)
}

// A step that fails leaves the schema as it was.
func TestFailedStepChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	older(t, path, 1, "")
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
