//go:build linux

package pgtest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestServer(t *testing.T) {
	s := Start(t)
	require.NoError(t, s.Do(t.Context(), "CREATE TABLE kept (x int)"))
	s.Restart(t)
	require.NoError(t, s.Do(t.Context(), "SELECT * FROM kept"))
	s.Kill(t)
	s.Restart(t)
	require.NoError(t, s.Do(t.Context(), "SELECT * FROM kept"))
	require.NotEqual(t, s.Address(t), s.Address(t))
	s.Stop(t)
	require.Error(t, s.Do(t.Context(), "SELECT 1"))
}
