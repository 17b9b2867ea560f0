package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// services reads roots, whatever the order in which they came, what they host and
// the shared instances of persons.
func services(t *testing.T, open Opener) {
	s := open(t)
	var ids []int64
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		var places []*store.Partition
		for n := range 4 {
			p, err := tx.InsertPartition(c, fmt.Sprint("p", n))
			require.NoError(t, err)
			places = append(places, p)
		}
		for _, n := range []int{2, 0, 1, 3} {
			i := &store.Instance{Title: fmt.Sprint("t", n%3), Release: fmt.Sprint("r", n), Type: "u", State: "started", Parameters: "p", Connection: "x"}
			if n == 1 {
				i.Tree, i.Requester = "t2", places[2].Instance.ID
			}
			places[n].Timestamp = float64(n) / 2
			require.NoError(t, tx.Occupy(places[n], i))
		}
		for _, p := range places {
			ids = append(ids, p.Instance.ID)
		}
		for n, h := range []struct {
			key, tree string
			host      int
			listed    bool
			position  int64
		}{
			{"_a", "", 0, true, 3}, {"_b", "", 0, true, 1}, {"_c", "", 0, false, 2}, {"t2_d", "t2", 2, true, 4}, {"_e", "", 1, true, 5},
		} {
			require.NoError(t, tx.SaveShared(&store.Shared{
				ComputerID: c.ID, Key: h.key, Tree: h.tree, Host: ids[h.host], State: "started", Listed: h.listed,
				Position: h.position, Entry: fmt.Sprint("entry", n),
			}))
		}
		return nil
	}))
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		var roots []store.Root
		collect := func(v store.Root) error {
			roots = append(roots, v)
			return nil
		}
		require.NoError(t, r.EachRoot("", collect))
		root := func(n int) store.Root {
			return store.Root{
				Computer: "c", Partition: fmt.Sprint("p", n), Timestamp: float64(n) / 2, ID: ids[n], Title: fmt.Sprint("t", n%3),
				Release: fmt.Sprint("r", n), Type: "u", State: "started", Parameters: "p", Connection: "x",
			}
		}
		require.Equal(t, []store.Root{root(0), root(2), root(3)}, roots)
		roots = nil
		require.NoError(t, r.EachRoot("t0", collect))
		require.Equal(t, []store.Root{root(0), root(3)}, roots)
		enough := errors.New("enough")
		require.ErrorIs(t, r.EachRoot("", func(store.Root) error { return enough }), enough)

		for title, want := range map[string]map[int64][]string{
			"":   {ids[0]: {"entry1", "entry0"}, ids[2]: {"entry3"}},
			"t2": {ids[2]: {"entry3"}},
			"t1": {},
		} {
			shown, err := r.ShownToRoots(title)
			require.NoError(t, err)
			require.Equal(t, want, shown)
		}
		var shared []string
		require.NoError(t, r.EachSharedService(func(key, release string) error {
			shared = append(shared, key+" "+release)
			return nil
		}))
		require.Equal(t, []string{"_a r0", "_b r0", "_e r1"}, shared)
		return r.EachSharedService(func(string, string) error { return nil })
	}))
}
