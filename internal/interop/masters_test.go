//go:build linux

package interop

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/pgtest"
	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
)

// ourMasters start ours on an empty database of either kind, and return its address.
var ourMasters = []struct {
	name  string
	start func(*testing.T) string
}{
	{"SQLite", func(t *testing.T) string { return proxytest.New(t).URL }},
	{"PostgreSQL", onPostgres},
}

// onPostgres starts our master on a PostgreSQL server of its own.
func onPostgres(t *testing.T) string {
	t.Helper()
	master, err := proxy.Open(t.Context(), pgtest.Start(t).Address(t))
	require.NoError(t, err)
	listening := httptest.NewServer(master)
	t.Cleanup(func() {
		listening.Close()
		require.NoError(t, master.Close())
	})
	return listening.URL + "/"
}
