package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every table of the schema is copied, after those that it refers to, and its first
// column is its key.
func TestAllTablesAreCopied(t *testing.T) {
	s, err := Open(t.Context(), Memory)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	names, err := tableNames(t.Context(), s.read)
	require.NoError(t, err)
	require.ElementsMatch(t, names, tables)
	known := map[any]bool{}
	for _, table := range tables {
		known[table] = true
		var key string
		require.NoError(t, s.read.QueryRowContext(t.Context(), "SELECT name FROM pragma_table_info(?) WHERE cid = 0 AND pk = 1", table).Scan(&key))
		require.NoError(t, each(t.Context(), s.read, `SELECT "table" FROM pragma_foreign_key_list('`+table+`')`, func(parent any) {
			require.True(t, known[parent], "%s refers to %s", table, parent)
		}))
	}
}
