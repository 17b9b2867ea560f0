package child

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nothing is started any more once the pass has ended.
func TestNothingIsStartedAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	started := filepath.Join(t.TempDir(), "started")
	for range 50 {
		_, err := Run(ctx, Command{Args: []string{"/usr/bin/touch", started}, AllowRoot: true})
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoFileExists(t, started)
}
