package proxy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A node would fail on these at every pass: they are refused, as the reference
// refuses them, and what was supplied before stays. Nobody can install a release
// without a URL.
func TestSuppliesThatNoNodeUnderstands(t *testing.T) {
	m := newMaster(t)
	require.Equal(t, 200, post(m.server, "/supplySupply", "url", releaseA, "computer_id", "computer", "state", "available").Code)
	before := m.readable("before")
	for _, state := range []string{"", "None", "started", "stopped", "Available", "available ", "no such state"} {
		w := post(m.server, "/supplySupply", "url", releaseA, "computer_id", "computer", "state", state)
		require.Equal(t, 400, w.Code, state)
		require.Contains(t, w.Body.String(), "can be supplied as")
	}
	w := post(m.server, "/supplySupply", "url", "", "computer_id", "computer", "state", "available")
	require.Equal(t, 400, w.Code)
	require.Contains(t, w.Body.String(), "is empty: no node can install")
	require.Equal(t, before, m.readable("after"))
}

// The open mode keeps an instance's state that it does not know, as the
// reference does: the node tells about that partition, and goes on with the
// others.
func TestStateOfInstancesIsKept(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	m.place(asking{title: "one", state: "flying"})
	o, err := m.ask(asking{title: "one"})
	require.NoError(t, err)
	require.Equal(t, "flying", attribute(o, "_requested_state"))
}
