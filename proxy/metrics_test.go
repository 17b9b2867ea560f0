package proxy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What takes long to count is counted less often.
func TestCensusPeriod(t *testing.T) {
	for _, test := range []struct{ took, want time.Duration }{
		{0, 10 * time.Second}, {100 * time.Millisecond, 10 * time.Second}, {400 * time.Millisecond, 20 * time.Second},
		{5 * time.Second, 250 * time.Second}, {time.Minute, 5 * time.Minute},
	} {
		require.Equal(t, test.want, censusPeriod(test.took), test.took)
	}
}

// A census is of one moment until it is due again.
func TestCensusIsKept(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 3)
	busy := func() int64 {
		c, err := m.server.takeCensus(t.Context())
		require.NoError(t, err)
		return c.counts.Busy
	}
	require.Zero(t, busy())
	acted(t, m.server, "request", map[string]any{"title": "web", "release": "r"})
	require.Zero(t, busy())
	c := &m.server.metrics.census
	c.due = time.Now()
	require.EqualValues(t, 1, busy())
	require.WithinDuration(t, time.Now().Add(10*time.Second), c.due, time.Second)
}

// BenchmarkCensus counts 100,000 instances, and tells what is kept of that.
func BenchmarkCensus(b *testing.B) {
	s, err := Open(b.Context(), b.TempDir()+"/x.db")
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	crowded(b, s, 33334)
	b.Run("counted", func(b *testing.B) {
		for b.Loop() {
			s.metrics.census.due = time.Time{}
			require.NotEmpty(b, s.writeMetrics(b.Context()))
		}
	})
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			require.NotEmpty(b, s.writeMetrics(b.Context()))
		}
	})
}
