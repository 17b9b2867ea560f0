package storetest

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// unlinked finds what was unlinked before a time, in the order of places.
func unlinked(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		for n, at := range []float64{20, 0, 10, 30.5} {
			p, err := tx.InsertPartition(c, fmt.Sprint("p", n))
			require.NoError(t, err)
			require.NoError(t, tx.Occupy(p, &store.Instance{Title: fmt.Sprint(n), Tree: "t"}))
			p.Instance.Unlinked = at
			require.NoError(t, tx.SaveInstance(p))
			shared := &store.Shared{ComputerID: c.ID, Key: fmt.Sprint("s", n), Tree: "t", Host: p.Instance.ID}
			require.NoError(t, tx.SaveShared(shared))
			shared.Unlinked = at
			require.NoError(t, tx.SaveShared(shared))
		}
		return nil
	}))
	for before, want := range map[float64]string{0: "", 10: "", 10.5: "p2 s2 ", 30.5: "p0 p2 s0 s2 ", 99: "p0 p2 p3 s0 s2 s3 "} {
		require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
			var got string
			instances, err := r.Unlinked(before)
			require.NoError(t, err)
			for _, p := range instances {
				got += p.Reference + " "
			}
			shared, err := r.UnlinkedShared(before)
			require.NoError(t, err)
			for _, s := range shared {
				got += s.Key + " "
			}
			require.Equal(t, want, got)
			return nil
		}))
	}
}
