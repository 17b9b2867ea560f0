package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// listedStage fills a database with a little of everything.
func listedStage(t *testing.T, s store.Store) {
	t.Helper()
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		for _, reference := range []string{"Bee", "a", "never"} {
			c, err := tx.EnsureComputer(reference)
			require.NoError(t, err)
			c.Status = map[string]store.Status{"a": {Text: "#access a", CreatedAt: 100}, "Bee": {Text: "#error disk", CreatedAt: 50}}[reference]
			require.NoError(t, tx.SaveComputerStatus(c))
		}
		a, err := tx.Computer("a")
		require.NoError(t, err)
		var host *store.Partition
		for i, title := range []string{"web", "Élan", "web", "WEB 100%", "", "zope", "Apache"} {
			p := occupied(t, tx, a, fmt.Sprint("p", i), store.Instance{Title: title, Release: "http://r/1", Type: "T", State: "started"})
			p.Instance.Status = store.Status{Text: "#access a", State: "started"}
			if title == "zope" {
				p.Instance.Status = store.Status{Text: "#error no port", State: "stopped"}
				host = p
			}
			require.NoError(t, tx.SaveStatus(p, true))
		}
		for i := range 3 {
			p := occupied(t, tx, a, fmt.Sprint("m", i), store.Instance{Title: fmt.Sprint("member", i), Tree: "zope", Release: "http://r/2", State: "started"})
			if i == 0 {
				p.Instance.Status = store.Status{Text: "#error"}
				require.NoError(t, tx.SaveStatus(p, true))
			}
		}
		free, err := tx.InsertPartition(a, "free")
		require.NoError(t, err)
		require.NoError(t, tx.ReplaceAddresses(free, []store.Address{{Interface: "i", Address: "2001:db8::AB", Netmask: "n"}}))
		for i, shared := range []store.Shared{
			{Key: "_Web", State: "started", Listed: true}, {Key: "_gone", State: "destroyed"},
			{Key: "zope_inner", Tree: "zope", State: "started", Listed: true, Status: store.Status{Text: "#error shared"}},
		} {
			shared.ComputerID, shared.Host, shared.Position = a.ID, host.Instance.ID, int64(i)
			require.NoError(t, tx.SaveShared(&shared))
			require.NoError(t, tx.SaveShared(&shared)) // a new one has no status
		}
		for _, supplied := range []struct{ computer, url, status string }{
			{"a", "http://r/2", "#access"}, {"a", "http://r/1", "#building software"}, {"Bee", "http://r/1", "#error compiler"}, {"Bee", "http://r/3", ""},
		} {
			c, err := tx.Computer(supplied.computer)
			require.NoError(t, err)
			require.NoError(t, tx.InsertSoftware(&store.Software{ComputerID: c.ID, URL: supplied.url, State: "available", Status: store.Status{Text: supplied.status}}))
		}
		return nil
	}))
}

func occupied(t *testing.T, tx store.Tx, c *store.Computer, reference string, i store.Instance) *store.Partition {
	t.Helper()
	p, err := tx.InsertPartition(c, reference)
	require.NoError(t, err)
	require.NoError(t, tx.Occupy(p, &i))
	return p
}

// walk reads a list part by part, forth and back, and checks that both tell the same.
func walk[T any](t *testing.T, limit int, words string, read func(store.Part) (store.Listed[T], error), name func(T) string) string {
	t.Helper()
	var forth, back [][]string
	names := func(l store.Listed[T]) (out []string) {
		for _, row := range l.Rows {
			out = append(out, name(row))
		}
		return out
	}
	part := store.Part{Words: strings.Fields(words), Limit: limit}
	first, err := read(part)
	require.NoError(t, err)
	require.Empty(t, first.Previous)
	last := first
	for forth = append(forth, names(first)); last.Next != ""; forth = append(forth, names(last)) {
		part.After = last.Next
		last, err = read(part)
		require.NoError(t, err)
		require.NotEmpty(t, last.Previous)
		require.Equal(t, first.Count, last.Count)
	}
	all := slices.Concat(forth...)
	require.Len(t, all, first.Count)
	part.After = ""
	for l := last; l.Previous != ""; {
		part.Before = l.Previous
		l, err = read(part)
		require.NoError(t, err)
		require.NotEmpty(t, l.Next)
		back = append(back, names(l))
	}
	slices.Reverse(back)
	require.Empty(t, cmp.Diff(forth[:len(forth)-1], back, equalEmpty))
	return strings.Join(all, "|")
}

var equalEmpty = cmp.Comparer(func(a, b [][]string) bool { return slices.EqualFunc(a, b, slices.Equal) })

func nameOfService(s store.Service) string {
	if s.Shared != nil {
		return s.Shared.Key + " on " + s.Release
	}
	return strings.TrimSpace(fmt.Sprint(s.Partition.Instance.Title, " ", s.Partition.Reference, " ", s.Members, " ", s.Failing))
}

func lists(t *testing.T, open Opener) {
	s := open(t)
	listedStage(t, s)
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		a, err := r.Computer("a")
		require.NoError(t, err)
		services := func(words string) string { return walk(t, 2, words, r.ListServices, nameOfService) }
		computers := func(words string) string {
			return walk(t, 1, words, func(p store.Part) (store.Listed[store.ListedComputer], error) { return r.ListComputers(p, 101) },
				func(c store.ListedComputer) string { return fmt.Sprint(c.Reference, c.Size) })
		}
		partitions := func(words string) string {
			return walk(t, 3, words, func(p store.Part) (store.Listed[store.ListedPartition], error) { return r.ListPartitions(a, p) },
				func(p store.ListedPartition) string {
					return fmt.Sprintf("%s %d %d", p.Reference, p.Hosted, len(p.Addresses))
				})
		}
		installation := func(i store.Installation) string { return fmt.Sprint(i.Computer, " ", i.URL, " ", i.Instances) }
		releases := func(words string) string {
			return walk(t, 2, words, func(p store.Part) (store.Listed[store.Release], error) { return r.ListReleases(p, 1) },
				func(v store.Release) string { return fmt.Sprint(installation(v.Installations[0]), " of ", v.Count) })
		}
		for _, test := range []struct{ what, want, got string }{
			{"services", "p4 0 0|Apache p6 0 0|web p0 0 0|web p2 0 0|_Web on http://r/1|WEB 100% p3 0 0|zope p5 3 1|Élan p1 0 0", services("")},
			{"a word", "web p0 0 0|web p2 0 0|_Web on http://r/1|WEB 100% p3 0 0", services("wEb")},
			{"all words", "web p0 0 0|web p2 0 0|WEB 100% p3 0 0", services("web instance")},
			{"a kind", "_Web on http://r/1", services("shared")},
			{"a health", "zope p5 3 1", services("error")},
			{"no pattern", "WEB 100% p3 0 0", services("0%")},
			{"no pattern of one", "", services("w_b")},
			{"beyond ASCII", "Élan p1 0 0", services("élan")},
			{"nothing", "", services("web nothing")},
			{"computers", "Bee{0 0 0 2}|a{11 1 2 2}|never{0 0 0 0}", computers("")},
			{"silent", "a{11 1 2 2}", computers("silent")},
			{"failing computers", "Bee{0 0 0 2}", computers("ERROR")},
			{"partitions", "p0 0 0|p1 0 0|p2 0 0|p3 0 0|p4 0 0|p5 2 0|p6 0 0|m0 0 0|m1 0 0|m2 0 0|free 0 1", partitions("")},
			{"an address", "free 0 1", partitions("db8::ab")},
			{"free", "free 0 1", partitions("free")},
			{"a tree", "p5 2 0|m0 0 0|m1 0 0|m2 0 0", partitions("zope")},
			{"releases", "a http://r/1 7 of 2|a http://r/2 3 of 1|Bee http://r/3 0 of 1", releases("")},
			{"a release", "Bee http://r/1 0 of 1", releases("r/1 error")},
			{"of a computer", "Bee http://r/1 0 of 1|Bee http://r/3 0 of 1", releases("bee")},
			{"installations", "a http://r/1 7|Bee http://r/1 0", walk(t, 1, "", func(p store.Part) (store.Listed[store.Installation], error) {
				return r.ListInstallations("http://r/1", p)
			}, installation)},
			{"software", "a http://r/2 3|a http://r/1 7", walk(t, 1, "", func(p store.Part) (store.Listed[store.Installation], error) {
				return r.ListSoftware(a, p)
			}, installation)},
		} {
			require.Equal(t, test.want, test.got, test.what)
		}
		size, err := r.SizeOf(a)
		require.NoError(t, err)
		require.Equal(t, store.ComputerSize{Partitions: 11, Free: 1, Failing: 2, Releases: 2}, size)
		return nil
	}))
}

func problems(t *testing.T, open Opener) {
	s := open(t)
	listedStage(t, s)
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		found := func(silent float64, limit int) (out []string) {
			p, err := r.Problems(silent, limit)
			require.NoError(t, err)
			for _, c := range slices.Concat(p.Computers.Rows, p.Silent.Rows) {
				out = append(out, c.Reference)
			}
			for _, i := range p.Releases.Rows {
				out = append(out, i.Computer+" "+i.URL)
			}
			for _, i := range p.Instances.Rows {
				out = append(out, i.Reference)
			}
			for _, i := range p.Shared.Rows {
				out = append(out, i.Shared.Key)
			}
			return append(out, fmt.Sprint(p.Computers.Count, p.Silent.Count, p.Releases.Count, p.Instances.Count, p.Shared.Count))
		}
		require.Equal(t, []string{"Bee", "a", "Bee http://r/1", "p5", "m0", "zope_inner", "1 1 1 2 1"}, found(101, 10))
		require.Equal(t, []string{"Bee", "Bee http://r/1", "p5", "zope_inner", "1 0 1 2 1"}, found(100, 1))
		return nil
	}))
}

// A list that changes between two parts is still led through.
func partsOfChangedLists(t *testing.T, open Opener) {
	s := open(t)
	listedStage(t, s)
	read := func(p store.Part) (out string, l store.Listed[store.Service]) {
		require.NoError(t, s.View(t.Context(), func(r store.Reader) (err error) {
			l, err = r.ListServices(p)
			return err
		}))
		for _, row := range l.Rows {
			out += strings.Fields(nameOfService(row))[0] + " "
		}
		return out, l
	}
	for _, test := range []struct {
		what, want string
		part       store.Part
	}{
		{"behind a row that is gone", "web web ", store.Part{After: "i999:b", Limit: 2}},
		{"before a row that is gone", "p4 Apache ", store.Part{Before: "s0:b", Limit: 2}},
		{"less than a part before", "p4 Apache web ", store.Part{Before: "s0:b", Limit: 3}},
		{"behind all", "zope Élan ", store.Part{After: "s9:\uffff", Limit: 2}},
		{"nothing behind", "", store.Part{After: "s9:\uffff", Limit: 2, Words: []string{"web"}}},
	} {
		got, _ := read(test.part)
		require.Equal(t, test.want, got, test.what)
	}
	_, nothing := read(store.Part{After: "s9:\uffff", Limit: 2, Words: []string{"web"}})
	got, _ := read(store.Part{Before: nothing.Previous, Limit: 2, Words: []string{"web"}})
	require.Equal(t, "_Web WEB ", got)
	for _, odd := range []string{"x", ":", "i:", "i1", "ix:a"} {
		err := s.View(t.Context(), func(r store.Reader) error {
			_, err := r.ListServices(store.Part{After: odd, Limit: 1})
			return err
		})
		require.ErrorIs(t, err, store.ErrCursor, odd)
	}
}

// A search of many rows goes on from part to part, also where it finds nothing.
func searchOfManyRows(t *testing.T, open Opener) {
	s := open(t)
	const n = store.MostSearched + 50
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		for i := range n {
			if _, err := tx.EnsureComputer(fmt.Sprintf("c%06d", i)); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		read := func(p store.Part, word string) store.Listed[store.ListedComputer] {
			p.Limit, p.Words = 5, strings.Fields(word)
			l, err := r.ListComputers(p, 0)
			require.NoError(t, err)
			return l
		}
		require.Equal(t, store.MostCounted+1, read(store.Part{}, "").Count)
		last := fmt.Sprintf("c%06d", n-1)
		l := read(store.Part{}, last)
		require.Empty(t, l.Rows)
		require.Equal(t, store.Uncounted, l.Count)
		l = read(store.Part{After: l.Next}, last)
		require.Len(t, l.Rows, 1)
		require.Empty(t, l.Next)
		l = read(store.Part{Before: l.Previous}, last)
		require.Empty(t, l.Rows)
		require.NotEmpty(t, l.Previous)
		l = read(store.Part{Before: l.Previous}, last)
		require.Empty(t, l.Rows)
		require.Empty(t, l.Previous, "the first part")
		require.Len(t, read(store.Part{}, "c0000").Rows, 5, "what is found first is shown first")
		return nil
	}))
}
