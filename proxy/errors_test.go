package proxy

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// TestStatusOfUncertainCommits says nothing that is not known.
func TestStatusOfUncertainCommits(t *testing.T) {
	status, text := statusOf(fmt.Errorf("%w: %w: connection reset", store.ErrUnavailable, store.ErrUncertain))
	require.Equal(t, 503, status)
	require.Contains(t, text, "may have been made or not")
	require.NotContains(t, text, "nothing was changed")

	status, text = statusOf(fmt.Errorf("%w: disk full", store.ErrUnavailable))
	require.Equal(t, 503, status)
	require.Contains(t, text, "nothing was changed")
}
