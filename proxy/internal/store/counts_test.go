package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestCounts(t *testing.T) {
	s, err := Open(t.Context(), "")
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Update(t.Context(), func(x Tx) error {
		c, err := x.EnsureComputer("c")
		if err != nil {
			return err
		}
		for i, instance := range []*Instance{
			nil,
			{State: "started"},
			{State: "started", Status: Status{Text: "#access c"}},
			{State: "stopped", Status: Status{Text: "#error failed"}},
			{State: "stopped", Status: Status{Text: "#error"}},
			{State: "a state\nof somebody's", Status: Status{Text: "something"}},
		} {
			p, err := x.InsertPartition(c, fmt.Sprint(i))
			if err == nil && instance != nil {
				status := instance.Status
				err = x.Occupy(p, instance)
				instance.Status = status
				err = errors.Join(err, x.SaveStatus(p, false))
			}
			if err != nil {
				return err
			}
		}
		r := &Software{ComputerID: c.ID, Computer: "c", URL: "u", State: "available"}
		r.Status.Text = "#building software"
		return x.InsertSoftware(r)
	}))
	var counts Counts
	require.NoError(t, s.View(t.Context(), func(r Reader) (err error) { counts, err = r.Counts(); return err }))
	require.Empty(t, cmp.Diff(Counts{
		Partitions: 6, Busy: 5,
		Instances: []Count{
			{"other", "other", 1}, {"started", "access", 1}, {"started", "none", 1}, {"stopped", "error", 2},
		},
		Software: []Count{{"available", "building", 1}},
	}, counts))
}

func TestCommitsAreObserved(t *testing.T) {
	s, err := Open(t.Context(), "")
	require.NoError(t, err)
	defer s.Close()
	var updates atomic.Int64
	s.Observe(func(c Commit) {
		updates.Add(int64(c.Updates))
		if c.Err != nil || c.Took <= 0 {
			updates.Add(1000)
		}
	})
	for range 3 {
		require.NoError(t, s.Update(t.Context(), func(x Tx) error { return x.SaveSetting("a", "b") }))
	}
	require.Equal(t, int64(3), updates.Load())
}
