package slapgrid

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A supervisor that accepts calls and never answers does not hold up the node
// for ever.
func TestSupervisorThatDoesNotAnswer(t *testing.T) {
	dir, err := os.MkdirTemp("", "slapgrid-test-")
	require.NoError(t, err)
	defer os.RemoveAll(dir) //nolint:errcheck // of a test
	l, err := net.Listen("unix", filepath.Join(dir, "sv.sock"))
	require.NoError(t, err)
	defer l.Close()
	node, err := New(Config{MasterURL: "http://127.0.0.1:1", ComputerID: "c", SoftwareRoot: dir, InstanceRoot: dir})
	require.NoError(t, err)
	d := newDaemon(node)
	d.patience = 50 * time.Millisecond
	err = d.Ensure(t.Context())
	require.ErrorIs(t, err, errDeaf)
	require.ErrorContains(t, err, "sv.sock")
}
