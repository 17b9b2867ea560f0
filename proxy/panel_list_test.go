package proxy

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// crowded fills a database with n trees of three instances, on computers of 300
// partitions. Every tenth tree has a failing instance; a release is on all computers,
// and each computer has one of its own.
func crowded(tb testing.TB, s *Server, n int) {
	tb.Helper()
	const batch = 100 // trees of a computer
	for from := 0; from < n; from += batch {
		require.NoError(tb, s.master.store.Update(tb.Context(), func(t store.Tx) error {
			c, err := t.EnsureComputer(fmt.Sprintf("COMP-%d", from/batch))
			if err != nil {
				return err
			}
			c.Status = store.Status{Text: "#access " + c.Reference, CreatedAt: s.master.now()}
			if err := t.SaveComputerStatus(c); err != nil {
				return err
			}
			for _, url := range []string{"http://release.example/all/software.cfg", fmt.Sprintf("http://release.example/%d/software.cfg", from)} {
				if err := t.InsertSoftware(&store.Software{ComputerID: c.ID, URL: url, State: "available"}); err != nil {
					return err
				}
			}
			for i := from; i < min(from+batch, n); i++ {
				if err := crowdedTree(t, c, i); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func crowdedTree(t store.Tx, c *store.Computer, i int) error {
	root := fmt.Sprintf("Tree %06d", i)
	for member := range 3 {
		p, err := t.InsertPartition(c, fmt.Sprintf("slappart%d", 3*i+member))
		if err != nil {
			return err
		}
		instance := &store.Instance{
			Title: root, Release: "http://release.example/all/software.cfg", Type: "default", State: "started",
			Parameters: `<?xml version="1.0" encoding="utf-8"?><instance><parameter id="port">8080</parameter></instance>`,
		}
		if member > 0 {
			instance.Title, instance.Tree = fmt.Sprint(root, " child ", member), root
		}
		if err := t.Occupy(p, instance); err != nil {
			return err
		}
		p.Instance.Status = store.Status{Text: "#access " + c.Reference, State: "started", CreatedAt: 1}
		if i%10 == 0 && member == 2 {
			p.Instance.Status.Text = "#error it failed"
		}
		if err := t.SaveStatus(p, false); err != nil {
			return err
		}
	}
	return nil
}

// The store and the rows judge a report alike.
func TestPanelSearchesHealths(t *testing.T) {
	m := newMaster(t)
	texts := []string{"", " ", "#access", "#access c", "#accessible", "#building software", "#building", "#error", "#error x", "other"}
	m.layout("computer", 2*len(texts))
	for i, text := range texts {
		for j, state := range []string{"started", "stopped"} {
			acted(t, m.server, "request", map[string]any{"title": fmt.Sprint("t", i, state), "release": "r"})
			require.NoError(t, m.master.store.Update(t.Context(), func(tx store.Tx) error {
				p, err := tx.Occupied("computer", fmt.Sprint("p", 2*i+j))
				if err != nil {
					return err
				}
				p.Instance.Status = store.Status{Text: text, State: state}
				return tx.SaveStatus(p, true)
			}))
		}
	}
	want := map[string]int{}
	for _, row := range view[listed[serviceRow]](t, m.server, "services?limit=500").Rows {
		want[row.Status.Health]++
	}
	require.Len(t, want, 5)
	for health, n := range want {
		require.Len(t, view[listed[serviceRow]](t, m.server, "services?limit=500&q="+health).Rows, n, health)
	}
	require.Equal(t, want[healthError], view[shownProblems](t, m.server, "problems").InstanceCount)
}

// BenchmarkPanelList reads pages as a browser does every few seconds.
func BenchmarkPanelList(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		benchmarkPanelList(b, b.TempDir()+"/x.db", n)
	}
}

func benchmarkPanelList(b *testing.B, database string, n int) {
	s, err := Open(b.Context(), database)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	crowded(b, s, n)
	for _, list := range []struct{ name, call string }{
		{"services", "services"},
		{"middle", "services?after=i0:tree+" + fmt.Sprintf("%06d", n/2)},
		{"last", "services?before=i0:u"},
		{"search", "services?q=Tree+" + fmt.Sprintf("%06d", n/2)},
		{"searchMany", "services?q=tree"},
		{"computers", "computers"},
		{"computer", "computer?computer=COMP-0"},
		{"releases", "releases"},
		{"release", "release?release=http://release.example/all/software.cfg"},
		{"problems", "problems"},
	} {
		b.Run(fmt.Sprint(list.name, "/", n), func(b *testing.B) {
			for b.Loop() {
				require.Equal(b, 200, get(s, "/panel/api/"+list.call).Code)
			}
		})
	}
}
