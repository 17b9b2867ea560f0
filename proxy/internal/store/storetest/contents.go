package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

func freedPartitionLeavesNothing(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		host, err := tx.InsertPartition(c, "host")
		require.NoError(t, err)
		child, err := tx.InsertPartition(c, "child")
		require.NoError(t, err)
		host.Timestamp = 1
		require.NoError(t, tx.Occupy(host, &store.Instance{Title: "h", State: "started"}))
		require.NoError(t, tx.Occupy(child, &store.Instance{Title: "c", Tree: "h", Requester: host.Instance.ID, State: "started"}))
		require.Error(t, tx.Occupy(child, &store.Instance{}))
		require.NoError(t, tx.SaveShared(&store.Shared{ComputerID: c.ID, Key: "_s", Host: host.Instance.ID, State: "started", Listed: true, Position: 1}))
		require.NoError(t, tx.Free(host))

		got, err := tx.Occupied("c", "child")
		require.NoError(t, err)
		require.Zero(t, got.Instance.Requester)
		shared, err := tx.AllShared()
		require.NoError(t, err)
		require.Empty(t, shared)
		free, err := tx.FirstFree(c)
		require.NoError(t, err)
		require.Equal(t, "host", free.Reference)
		return nil
	}))
}

func usageReportsAreKeptOnce(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		for _, step := range []struct {
			reference, body string
			version         int64
			added           bool
		}{{"r", "1", 1, true}, {"r", "2", 2, true}, {"r", "1", 1, false}, {"q", "1", 1, true}} {
			r := &store.UsageReport{Reference: step.reference, Body: step.body}
			added, err := tx.InsertUsageReport(c, r)
			require.NoError(t, err)
			require.Equal(t, step.added, added)
			require.Equal(t, step.version, r.Version)
		}
		reports, err := tx.UsageReports(c)
		require.NoError(t, err)
		require.Len(t, reports, 3)
		return nil
	}))
}

// shown reads what nodes are told: all of it but errors and bangs.
func shown(t *testing.T, open Opener) {
	s := open(t)
	ensure(t, s, "c")
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.Computer("c")
		require.NoError(t, err)
		_, err = tx.InsertPartition(c, "free")
		require.NoError(t, err)
		busy, err := tx.InsertPartition(c, "busy")
		require.NoError(t, err)
		require.NoError(t, tx.ReplaceAddresses(busy, []store.Address{{Interface: "tap", Address: "::1", Netmask: "ffff::"}}))
		busy.Timestamp = 1
		require.NoError(t, tx.Occupy(busy, &store.Instance{Title: "i", Release: "r", Type: "t", State: "started", Parameters: "p"}))
		busy.Instance.Status = store.Status{Text: "#error failed", State: "started", Reporter: "c", CreatedAt: 2, Since: 1}
		busy.Instance.Error = store.Event{Text: "a long log", At: 3}
		busy.Instance.Bang = store.Event{Text: "bang", At: 4}
		require.NoError(t, tx.SaveStatus(busy, true))
		shared := &store.Shared{
			ComputerID: c.ID, Key: "_s", Host: busy.Instance.ID, State: "started", Listed: true, Position: 1, Entry: "e",
			Error: store.Event{Text: "another log", At: 5},
		}
		return tx.SaveShared(shared)
	}))
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		c, err := r.Computer("c")
		require.NoError(t, err)
		want, err := r.Partitions(c)
		require.NoError(t, err)
		require.Len(t, want, 2)
		require.NotEmpty(t, want[1].Instance.Error)
		want[1].Instance.Error, want[1].Instance.Bang = store.Event{}, store.Event{}
		require.Len(t, want[1].Shared, 1)
		want[1].Shared[0].Error = store.Event{}
		got, err := r.Shown(c)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
		return nil
	}))
}

// hidden partitions are found by whoever asks for what they hold, and not told to
// nodes; nothing new gets there, and they go with their instance.
func hidden(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		for _, name := range []string{"gone", "here"} {
			p, err := tx.InsertPartition(c, name)
			require.NoError(t, err)
			require.NoError(t, tx.ReplaceAddresses(p, []store.Address{{Interface: "tap", Address: name}}))
			require.NoError(t, tx.Occupy(p, &store.Instance{Title: name, Release: "r", Type: "t", State: "started"}))
			require.NoError(t, tx.SaveShared(&store.Shared{
				ComputerID: c.ID, Key: "_" + name, Host: p.Instance.ID, State: "started", Listed: true, Position: p.ID,
			}))
		}
		p, err := tx.InsertPartition(c, "free")
		require.NoError(t, err)
		p.Hidden = true
		require.Error(t, tx.SaveHidden(p))
		return nil
	}))
	before, err := s.Version(t.Context(), "c", "gone")
	require.NoError(t, err)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		p, err := tx.Find("", "gone")
		require.NoError(t, err)
		p.Hidden = true
		return tx.SaveHidden(p)
	}))
	after, err := s.Version(t.Context(), "c", "gone")
	require.NoError(t, err)
	require.Greater(t, after, before)
	require.NoError(t, s.Check(t.Context()))

	references := func(partitions []*store.Partition, err error) (out []string) {
		require.NoError(t, err)
		for _, p := range partitions {
			out = append(out, p.Reference)
		}
		return out
	}
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		c, err := r.Computer("c")
		require.NoError(t, err)
		require.Equal(t, []string{"here", "free"}, references(r.Shown(c)))
		require.Equal(t, []string{"gone", "here", "free"}, references(r.Partitions(c)))
		require.Equal(t, []string{"gone", "here"}, references(r.Roots("")))
		for _, kind := range []string{"", "t"} {
			host, err := r.Host(c, "r", kind, "")
			require.NoError(t, err)
			require.Equal(t, "here", host.Reference)
			host, err = r.Host(c, "r", kind, "gone")
			require.NoError(t, err)
			require.True(t, host.Hidden)
		}
		list, err := r.ListPartitions(c, store.Part{Words: []string{"hidden"}, Limit: 9})
		require.NoError(t, err)
		require.Len(t, list.Rows, 1)
		require.True(t, list.Rows[0].Hidden)
		return nil
	}))

	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		p, err := tx.Partition("c", "gone")
		require.NoError(t, err)
		require.Len(t, p.Shared, 1)
		require.NoError(t, tx.Free(p))
		_, err = tx.Partition("c", "gone")
		require.ErrorIs(t, err, store.ErrNotFound)
		shared, err := tx.AllShared()
		require.NoError(t, err)
		require.Len(t, shared, 1)
		return nil
	}))
	require.NoError(t, s.Check(t.Context()))
}

func prune(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		c.Bang = store.Event{Text: "old bang", At: 1}
		require.NoError(t, tx.SaveComputerStatus(c))
		require.NoError(t, tx.InsertSoftware(&store.Software{ComputerID: c.ID, URL: "u", State: "available", Error: store.Event{Text: "new", At: 20}}))
		p, err := tx.InsertPartition(c, "p")
		require.NoError(t, err)
		require.NoError(t, tx.Occupy(p, &store.Instance{}))
		p.Instance.Error, p.Instance.Bang = store.Event{Text: "old", At: 5}, store.Event{Text: "new", At: 20}
		p.Instance.Status = store.Status{Text: "#error", CreatedAt: 5}
		require.NoError(t, tx.SaveStatus(p, true))
		// The clock went back between the second and the third.
		for i, at := range []float64{1, 30, 2, 40} {
			_, err := tx.InsertUsageReport(c, &store.UsageReport{Reference: "r", Body: fmt.Sprint(i), ReceivedAt: at})
			require.NoError(t, err)
		}
		n, err := tx.Prune(0, 0)
		require.NoError(t, err)
		require.Zero(t, n)
		n, err = tx.Prune(10, 10)
		require.NoError(t, err)
		require.EqualValues(t, 3, n) // a report, an error, a bang
		return nil
	}))
	require.NoError(t, s.Check(t.Context()))
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		reports, err := r.UsageReports(nil)
		require.NoError(t, err)
		require.Len(t, reports, 3)
		p, err := r.Partition("c", "p")
		require.NoError(t, err)
		require.Equal(t, store.Event{}, p.Instance.Error)
		require.Equal(t, store.Event{Text: "new", At: 20}, p.Instance.Bang)
		require.Equal(t, "#error", p.Instance.Status.Text)
		return nil
	}))
}

func forwardedAndSettings(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		a, b := store.Forwarded{Reference: "user_a", Master: "http://m/"}, store.Forwarded{Reference: "user_b", Master: "http://m/"}
		for _, f := range []store.Forwarded{a, b, a} {
			require.NoError(t, tx.SaveForwarded(f))
		}
		all, err := tx.Forwarded()
		require.NoError(t, err)
		require.Equal(t, []store.Forwarded{a, b}, all)
		require.NoError(t, tx.DeleteForwarded(a))
		all, err = tx.Forwarded()
		require.NoError(t, err)
		require.Equal(t, []store.Forwarded{b}, all)
		for _, want := range []string{"", "one", "two"} {
			if want != "" {
				require.NoError(t, tx.SaveSetting("s", want))
			}
			got, err := tx.Setting("s")
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		return nil
	}))
}

func frontEnds(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		p, err := tx.InsertPartition(c, "p")
		require.NoError(t, err)
		require.NoError(t, tx.Occupy(p, &store.Instance{Title: "asker"}))
		mine, other := store.FrontEnd{Reference: "_a", Origin: "http://x:80"}, store.FrontEnd{Reference: "asker_b", Requester: p.Instance.ID, Origin: "https://x:443"}
		require.NoError(t, tx.SaveFrontEnd(store.FrontEnd{Reference: "_a", Origin: "http://y:80"}))
		for _, f := range []store.FrontEnd{mine, other} {
			require.NoError(t, tx.SaveFrontEnd(f))
			got, err := tx.FrontEnd(f.Reference)
			require.NoError(t, err)
			require.Equal(t, f, got)
			got, err = tx.FrontEndOf(f.Origin)
			require.NoError(t, err)
			require.Equal(t, f, got)
		}
		_, err = tx.FrontEndOf("http://y:80")
		require.ErrorIs(t, err, store.ErrNotFound)
		require.NoError(t, tx.Free(p))
		_, err = tx.FrontEndOf(other.Origin)
		require.ErrorIs(t, err, store.ErrNotFound, "it goes with its requester")
		require.NoError(t, tx.DeleteFrontEnd("_a"))
		_, err = tx.FrontEnd("_a")
		require.ErrorIs(t, err, store.ErrNotFound)
		return nil
	}))
}
