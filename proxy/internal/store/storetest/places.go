package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// awkward is text that databases are known to change.
var awkward = "é 漢 \U0001f600 'quoted' \"twice\" \\ %s $1 ? \t\r\n trailing  \uffff" + strings.Repeat("x", 100_000)

// whatIsWrittenIsRead compares all that can be written with what is read back in
// another transaction.
func whatIsWrittenIsRead(t *testing.T, open Opener) {
	s := open(t)
	status := func(n float64) store.Status {
		return store.Status{Text: "#access " + awkward, State: "started", Reporter: "r", CreatedAt: 1764126000.123456 + n, Since: n}
	}
	event := func(n float64) store.Event { return store.Event{Text: awkward, At: n + 0.1} }
	want := &store.Partition{Computer: "c é", Reference: "p", Timestamp: 1764126000.123457}
	computer := &store.Computer{}
	software := &store.Software{Computer: "c é", URL: "http://x/?a='b'", State: "available", Status: status(1), Error: event(1)}
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer(want.Computer)
		require.NoError(t, err)
		c.Address, c.Netmask, c.Status, c.Bang = "::1", "ffff::", status(2), event(2)
		require.NoError(t, tx.FormatComputer(c))
		require.NoError(t, tx.SaveComputerStatus(c))
		computer = c
		software.ComputerID = c.ID
		require.NoError(t, tx.InsertSoftware(software))
		require.NoError(t, tx.MoveSoftware(software, software.URL+"&moved"))
		p, err := tx.InsertPartition(c, want.Reference)
		require.NoError(t, err)
		want.ID, want.ComputerID = p.ID, p.ComputerID
		want.Addresses = []store.Address{{Interface: "route_tap", Address: "::2", Netmask: "ffff::", Gateway: "::3", Network: "::"}, {Interface: "tap", Address: "::1", Netmask: "ffff::"}}
		require.NoError(t, tx.ReplaceAddresses(p, want.Addresses))
		p.Timestamp = want.Timestamp
		i := &store.Instance{
			Title: awkward[:200], Tree: "root", Release: software.URL, Type: "t", State: "started",
			Parameters: awkward, Connection: "c", Filter: "f",
		}
		require.NoError(t, tx.Occupy(p, i))
		i.Requester, i.Connection, i.Unlinked = i.ID, awkward, 12.5
		require.NoError(t, tx.SaveInstance(p))
		i.Status, i.Error, i.Bang = status(3), event(3), event(4)
		require.NoError(t, tx.SaveStatus(p, true))
		i.RequesterPartition = want.Reference
		want.Instance = i
		shared := &store.Shared{
			ComputerID: c.ID, Computer: c.Reference, Key: "_s", Tree: "root", Host: i.ID, HostPartition: "p", Requester: i.ID,
			RequesterPartition: "p", RequesterComputer: c.Reference, State: "started", Listed: true, Position: 1, Type: "t", Entry: awkward,
		}
		require.NoError(t, tx.SaveShared(shared))
		shared.Connection, shared.Status, shared.Error, shared.Unlinked = awkward, status(5), event(5), 13.5
		want.Shared = []*store.Shared{shared}
		return tx.SaveShared(shared)
	}))
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		c, err := r.Computer(want.Computer)
		require.NoError(t, err)
		computer.Sequence = c.Sequence
		require.True(t, c.Formatted)
		require.Empty(t, cmp.Diff(computer, c))
		w, err := r.SoftwareByURL(c, software.URL)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(software, w))
		p, err := r.Partition(want.Computer, want.Reference)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, p))
		all, err := r.Partitions(c)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff([]*store.Partition{want}, all))
		return nil
	}))
	require.NoError(t, s.Check(t.Context()))
}

// order is that of creation, and for computers that of their last format. Names
// are compared byte by byte.
func order(t *testing.T, open Opener) {
	s := open(t)
	names := []string{"b", "B", "a", "ä", "a ", "A"}
	for _, name := range names {
		ensure(t, s, name)
	}
	require.Equal(t, names, references(t, s))
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		for _, name := range []string{"a", "b"} {
			c, err := tx.Computer(name)
			require.NoError(t, err)
			require.NoError(t, tx.FormatComputer(c))
		}
		c, err := tx.Computer("a")
		require.NoError(t, err)
		for i := range 12 {
			_, err = tx.InsertPartition(c, fmt.Sprint("p", 20-i))
			require.NoError(t, err)
		}
		free, err := tx.FirstFree(c)
		require.NoError(t, err)
		require.Equal(t, "p20", free.Reference)
		require.NoError(t, tx.Occupy(free, &store.Instance{}))
		free, err = tx.FirstFree(c)
		require.NoError(t, err)
		require.Equal(t, "p19", free.Reference)
		require.NoError(t, tx.DeletePartition(free))
		free, err = tx.FirstFree(c)
		require.NoError(t, err)
		require.Equal(t, "p18", free.Reference)
		return nil
	}))
	require.Equal(t, []string{"B", "ä", "a ", "A", "a", "b"}, references(t, s))
}

// lookUps finds what was written by each of the ways to it, and nothing else.
func lookUps(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		var places []*store.Partition
		for n, i := range []*store.Instance{
			{Title: "root", Release: "r", Type: "t", State: "started"},
			{Title: "child", Tree: "root", Release: "r", Type: "u", State: "started"},
			{Title: "other", Release: "s", Type: "t", State: "started"},
		} {
			p, err := tx.InsertPartition(c, fmt.Sprint("p", n))
			require.NoError(t, err)
			if n == 1 {
				i.Requester = places[0].Instance.ID
			}
			require.NoError(t, tx.Occupy(p, i))
			places = append(places, p)
		}
		shared := &store.Shared{ComputerID: c.ID, Key: "root_s", Tree: "root", Host: places[2].Instance.ID, Requester: places[0].Instance.ID, State: "started"}
		shared.Position, err = tx.NextPosition()
		require.NoError(t, err)
		require.EqualValues(t, 1, shared.Position)
		require.NoError(t, tx.SaveShared(shared))
		next, err := tx.NextPosition()
		require.NoError(t, err)
		require.EqualValues(t, 2, next)
		return nil
	}))
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		c, err := r.Computer("c")
		require.NoError(t, err)
		root, err := r.Find("", "root")
		require.NoError(t, err)
		one := func(p *store.Partition, err error) string {
			if err != nil {
				return err.Error()
			}
			return p.Reference
		}
		list := func(all []*store.Partition, err error) (out string) {
			require.NoError(t, err)
			for _, p := range all {
				out += p.Reference + " "
			}
			return out
		}
		for _, look := range []struct{ name, want, got string }{
			{"find", "p1", one(r.Find("root", "child"))},
			{"find in another tree", "not found", one(r.Find("", "child"))},
			{"titled", "p1", one(r.Titled("child"))},
			{"titled as nobody", "not found", one(r.Titled("Child"))},
			{"instance", "p0", one(r.ByInstance(root.Instance.ID))},
			{"no instance", "not found", one(r.ByInstance(1 << 40))},
			{"members", "p1 ", list(r.Members("root"))},
			{"members of no tree", "", list(r.Members(""))},
			{"roots", "p0 p2 ", list(r.Roots(""))},
			{"roots of a title", "p2 ", list(r.Roots("other"))},
			{"children", "p1 ", list(r.Children(root.Instance.ID))},
			{"host", "p0", one(r.Host(c, "r", "", ""))},
			{"host of a type", "p1", one(r.Host(c, "r", "u", ""))},
			{"host at", "p1", one(r.Host(c, "r", "", "p1"))},
			{"host of a type at", "not found", one(r.Host(c, "r", "t", "p1"))},
			{"none free", "not found", one(r.FirstFree(c))},
			{"unknown partition", "not found", one(r.Partition("c", "p9"))},
		} {
			require.Equal(t, look.want, look.got, look.name)
		}
		_, err = r.Computer("C")
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = r.SoftwareByURL(c, "none")
		require.ErrorIs(t, err, store.ErrNotFound)
		_, err = r.Shared(c, "none")
		require.ErrorIs(t, err, store.ErrNotFound)
		want, err := r.Shared(c, "root_s")
		require.NoError(t, err)
		for _, look := range []func() ([]*store.Shared, error){
			r.AllShared,
			func() ([]*store.Shared, error) { return r.SharedByKey("root_s") },
			func() ([]*store.Shared, error) { return r.SharedOfTree("root") },
			func() ([]*store.Shared, error) { return r.SharedOf(root.Instance.ID) },
			func() ([]*store.Shared, error) { return r.SharedOfHost(want.Host, "another") },
		} {
			got, err := look()
			require.NoError(t, err)
			require.Empty(t, cmp.Diff([]*store.Shared{want}, got))
		}
		none, err := r.SharedOfHost(want.Host, want.State)
		require.NoError(t, err)
		require.Empty(t, none)
		return nil
	}))
}

func renamedTree(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		p, err := tx.InsertPartition(c, "p")
		require.NoError(t, err)
		require.NoError(t, tx.Occupy(p, &store.Instance{Title: "i", Tree: "old"}))
		require.NoError(t, tx.SaveShared(&store.Shared{ComputerID: c.ID, Key: "old_s", Tree: "old", Host: p.Instance.ID, State: "started"}))
		require.NoError(t, tx.RenameTree("old", "new"))
		members, err := tx.Members("new")
		require.NoError(t, err)
		require.Len(t, members, 1)
		shared, err := tx.SharedOfTree("new")
		require.NoError(t, err)
		require.Len(t, shared, 1)
		return nil
	}))
}
