package store_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
	"github.com/slapos/slapos-go/proxy/internal/store/storetest"
)

// sqlite opens databases of a path.
func sqlite(path func(t *testing.T) string) storetest.Opener {
	return func(t *testing.T) store.Store {
		s, err := store.Open(t.Context(), path(t))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
}

func TestSQLite(t *testing.T) {
	file := sqlite(func(t *testing.T) string { return filepath.Join(t.TempDir(), "a?b#%20.db") })
	t.Run("memory", func(t *testing.T) {
		storetest.Run(t, sqlite(func(*testing.T) string { return store.Memory }))
	})
	t.Run("file", func(t *testing.T) {
		storetest.Run(t, file)
		t.Run("ReadsDoNotWaitForWrites", func(t *testing.T) { storetest.ReadsDoNotWaitForWrites(t, file) })
	})
}
