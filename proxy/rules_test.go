package proxy

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

const releaseA, releaseB = "http://sr.example/a.cfg", "http://sr.example/b.cfg"

// testMaster drives the rules of a master whose clock the test sets.
type testMaster struct {
	*master
	t      *testing.T
	server *Server
	mu     sync.Mutex
	time   time.Time
}

var start = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func newMaster(t *testing.T, opts ...Option) *testMaster {
	t.Helper()
	m := &testMaster{t: t, time: start}
	s, err := Open(t.Context(), "", append([]Option{WithClock(m.now), frontedBy()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	m.server, m.master = s, s.master
	return m
}

func (m *testMaster) now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.time
}

func (m *testMaster) wait(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.time = m.time.Add(d)
}

// layout declares a computer with n partitions, p0 and on.
func (m *testMaster) layout(computer string, n int) {
	m.t.Helper()
	c := computerConfiguration{reference: computer}
	for i := range n {
		c.partitions = append(c.partitions, partitionConfiguration{
			reference: fmt.Sprintf("p%d", i),
			addresses: []store.Address{{Interface: "tap", Address: fmt.Sprintf("%s-%d", computer, i)}},
		})
	}
	require.NoError(m.t, m.format(m.t.Context(), Principal{}, c))
}

// asking is a request in short: who asks, as "computer/partition" or nobody.
type asking struct {
	by, title, kind, state, release string
	shared                          bool
	filter, parameters              map[string]any
}

func (m *testMaster) ask(a asking) (*marshal.Object, error) {
	q := instanceRequest{
		Release: a.release, Type: a.kind, Reference: a.title, State: a.state, Shared: a.shared,
		Filter: dictOf(a.filter), Parameters: dictOf(a.parameters),
	}
	if q.Release == "" {
		q.Release = releaseA
	}
	if q.Type == "" {
		q.Type = defaultType
	}
	q.Computer, q.Partition, _ = strings.Cut(a.by, "/")
	var err error
	q.Text, err = encodeParameters(q.Parameters)
	require.NoError(m.t, err)
	return m.request(m.t.Context(), Principal{}, q)
}

func dictOf(values map[string]any) *marshal.Dict {
	d := marshal.NewDict()
	for k, v := range values {
		d.Set(k, v)
	}
	return d
}

// place asks and returns where the instance is.
func (m *testMaster) place(a asking) string {
	m.t.Helper()
	o, err := m.ask(a)
	require.NoError(m.t, err)
	return attribute(o, "slap_computer_id") + "/" + attribute(o, "slap_computer_partition_id")
}

func attribute(o *marshal.Object, name string) string {
	v, _ := o.Get(name)
	text, _ := v.(string)
	return text
}

// at returns a partition with all its parts.
func (m *testMaster) at(place string) *store.Partition {
	m.t.Helper()
	computer, partition, _ := strings.Cut(place, "/")
	var p *store.Partition
	require.NoError(m.t, m.store.View(m.t.Context(), func(r store.Reader) (err error) {
		p, err = r.Partition(computer, partition)
		return err
	}))
	return p
}

// changes returns which of the places got a new timestamp while f ran.
func (m *testMaster) changes(places []string, f func()) (changed []string) {
	m.t.Helper()
	before := map[string]float64{}
	for _, p := range places {
		before[p] = m.at(p).Timestamp
	}
	m.wait(time.Second)
	f()
	for _, p := range places {
		switch now := m.at(p).Timestamp; {
		case now > before[p]:
			changed = append(changed, p)
		case now < before[p]:
			m.t.Errorf("timestamp of %s went back", p)
		}
	}
	return changed
}

func TestTitlesAreUniquePerTree(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 6)
	require.Equal(t, "computer/p0", m.place(asking{title: "A"}))
	require.Equal(t, "computer/p1", m.place(asking{title: "B"}))
	require.Equal(t, "computer/p2", m.place(asking{by: "computer/p0", title: "db"}))
	require.Equal(t, "computer/p3", m.place(asking{by: "computer/p1", title: "db"}))
	require.Equal(t, "computer/p2", m.place(asking{by: "computer/p0", title: "db"}))
	require.Equal(t, "computer/p4", m.place(asking{by: "computer/p2", title: "deep"}))
	require.Equal(t, "A", m.at("computer/p4").Instance.Tree)
	// A free or unknown partition is nobody.
	require.Equal(t, "computer/p0", m.place(asking{by: "computer/p5", title: "A"}))
	require.Equal(t, "computer/p0", m.place(asking{by: "nowhere/p9", title: "A"}))
	// Without a title each request takes another partition.
	require.Equal(t, "computer/p5", m.place(asking{}))
	_, err := m.ask(asking{})
	require.ErrorContains(t, err, "No free partition")
}

func TestInstanceNeverMoves(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	m.layout("other", 1)
	require.Equal(t, "other/p0", m.place(asking{title: "A", filter: map[string]any{"computer_guid": "other"}}))
	require.Equal(t, "other/p0", m.place(asking{title: "A", filter: map[string]any{"computer_guid": "computer"}}))
	require.Equal(t, "other/p0", m.place(asking{title: "A"}))
	_, err := m.ask(asking{title: "B", filter: map[string]any{"computer_guid": "unknown"}})
	status, text := statusOf(err)
	require.Equal(t, 404, status)
	require.Contains(t, text, `"unknown"`)
	_, err = m.ask(asking{title: "C", filter: map[string]any{"master_url": "https://elsewhere/"}})
	status, text = statusOf(err)
	require.Equal(t, 404, status)
	require.Contains(t, text, "https://elsewhere/")
}

func TestWhatChangesTimestamps(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 4)
	m.layout("far", 1)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child"})
	m.place(asking{by: "computer/p1", title: "deep", filter: map[string]any{"computer_guid": "far"}})
	m.place(asking{title: "B"})
	places := []string{"computer/p0", "computer/p1", "computer/p2", "far/p0"}
	ctx := t.Context()
	publish := func(place, key, value string) func() {
		return func() {
			computer, partition, _ := strings.Cut(place, "/")
			require.NoError(t, m.connect(ctx, Principal{}, computer, partition, key, marshal.NewDict().Set("v", value)))
		}
	}
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"identical request", func() { m.place(asking{title: "A"}) }, nil},
		{"parameters", func() { m.place(asking{title: "A", parameters: map[string]any{"a": 1}}) }, []string{"computer/p0"}},
		{"type", func() { m.place(asking{title: "A", kind: "t", parameters: map[string]any{"a": 1}}) }, []string{"computer/p0"}},
		{"release", func() { m.place(asking{title: "B", release: releaseB}) }, []string{"computer/p2"}},
		{"state", func() { m.place(asking{by: "computer/p0", title: "child", state: "stopped"}) }, []string{"computer/p1"}},
		{"state again", func() { m.place(asking{by: "computer/p0", title: "child", state: "stopped"}) }, nil},
		{"no state", func() { m.place(asking{by: "computer/p0", title: "child"}) }, nil},
		{"published", publish("computer/p1", "", "1"), []string{"computer/p0"}},
		{"published again", publish("computer/p1", "", "1"), nil},
		{"published for a requester elsewhere", publish("far/p0", "", "1"), []string{"computer/p1"}},
		{"published by a root", publish("computer/p0", "", "1"), nil},
		{"bang of a leaf", func() { require.NoError(t, m.bang(ctx, Principal{}, "far", "p0", "x")) }, []string{"computer/p0", "computer/p1", "far/p0"}},
		{"bang of a root", func() { require.NoError(t, m.bang(ctx, Principal{}, "computer", "p2", "")) }, []string{"computer/p2"}},
		{"rename", func() { require.NoError(t, m.rename(ctx, Principal{}, "computer", "p0", "A2")) }, nil},
		{"reports", func() {
			require.NoError(t, m.reportPartition(ctx, Principal{}, "computer", "p0", report{text: "#access x", state: "started"}))
			require.NoError(t, m.instanceError(ctx, Principal{}, "computer", "p0", "", "log"))
			require.NoError(t, m.computerBang(ctx, Principal{}, "computer", "x"))
		}, nil},
		{"format", func() { m.layout("computer", 5) }, nil},
		{"adopted by another requester", func() { m.place(asking{by: "computer/p0", title: "deep"}) }, nil},
		{"published for the new requester", publish("far/p0", "", "2"), []string{"computer/p0"}},
	} {
		require.Equal(t, step.want, m.changes(places, step.do), step.name)
	}
}

func TestTimestampsGrowThoughTheClockDoesNot(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child"})
	m.wait(-time.Hour)
	seen := map[string]bool{}
	last := 0.0
	for i := range 50 {
		m.place(asking{title: "A", parameters: map[string]any{"i": i}})
		if i%10 == 0 {
			require.NoError(t, m.bang(t.Context(), Principal{}, "computer", "p1", ""))
		}
		now := m.at("computer/p0").Timestamp
		require.Greater(t, now, last)
		require.False(t, seen[marshal.FloatText(now)])
		seen[marshal.FloatText(now)], last = true, now
	}
}

func TestStoppedRootImposesItsState(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 3)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child", state: "stopped"})
	m.place(asking{title: "A", state: "stopped"})
	for _, state := range []string{"started", "destroyed", ""} {
		o, err := m.ask(asking{by: "computer/p0", title: "child", state: state})
		require.NoError(t, err)
		require.Equal(t, "stopped", attribute(o, "_requested_state"))
	}
	// It is not imposed on what is new.
	o, err := m.ask(asking{by: "computer/p0", title: "new"})
	require.NoError(t, err)
	require.Equal(t, "started", attribute(o, "_requested_state"))
	m.place(asking{title: "A", state: "started"})
	o, err = m.ask(asking{by: "computer/p0", title: "child", state: "started"})
	require.NoError(t, err)
	require.Equal(t, "started", attribute(o, "_requested_state"))
}

// A master that is told so lets an instance of a stopped tree be destroyed, and
// nothing else.
func TestDestroyInStoppedTrees(t *testing.T) {
	m := newMaster(t, WithDestroyInStoppedTrees())
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child"})
	m.place(asking{title: "A", state: "stopped"})
	for _, state := range []string{"started", "", "destroyed", "started"} {
		want := "stopped"
		if state == "destroyed" {
			want = state
		}
		o, err := m.ask(asking{by: "computer/p0", title: "child", state: state})
		require.NoError(t, err)
		require.Equal(t, want, attribute(o, "_requested_state"))
		require.Equal(t, want, m.at("computer/p1").Instance.State)
	}
}

func TestTreeIsDestroyedFromTheLeaves(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 3)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child"})
	m.place(asking{by: "computer/p1", title: "deep"})
	m.place(asking{title: "A", state: "destroyed"})
	answer, err := m.destroyed(ctx, Principal{}, "computer", "p0")
	require.NoError(t, err)
	require.Equal(t, "Not destroying yet because this partition has child partitions: child, deep", answer)
	for _, p := range []string{"computer/p0", "computer/p1", "computer/p2"} {
		require.Equal(t, "destroyed", m.at(p).Instance.State)
	}
	timestamp := m.at("computer/p0").Timestamp
	for _, p := range []string{"p2", "p1", "p0", "p0"} {
		answer, err := m.destroyed(ctx, Principal{}, "computer", p)
		require.NoError(t, err)
		require.Equal(t, "OK", answer)
		require.Nil(t, m.at("computer/"+p).Instance)
	}
	require.Equal(t, timestamp, m.at("computer/p0").Timestamp)
	require.Equal(t, "computer/p0", m.place(asking{title: "again"}))
	require.Greater(t, m.at("computer/p0").Timestamp, timestamp)
}

func TestRenamedRootKeepsItsTree(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 3)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child"})
	require.NoError(t, m.rename(ctx, Principal{}, "computer", "p0", "A2"))
	require.NoError(t, m.rename(ctx, Principal{}, "computer", "p1", "kid"))
	require.Equal(t, "computer/p1", m.place(asking{by: "computer/p0", title: "kid"}))
	require.Equal(t, "computer/p0", m.place(asking{title: "A2"}))
	require.Equal(t, "A2", m.at("computer/p1").Instance.Tree)
	require.Error(t, m.rename(ctx, Principal{}, "computer", "p9", "x"))
}

// What follows the computer in an instance_guid is a character, of however many bytes.
func TestPartitionOfGUID(t *testing.T) {
	for guid, want := range map[string]string{
		"c-p0": "p0", "cép0": "p0", "c\U0001F600p0": "p0", "c": "c", "p0": "p0", "": "", "c-": "",
	} {
		require.Equal(t, want, partitionOf("c", guid), guid)
	}
}

// hosted returns the keys that a host sees.
func (m *testMaster) hosted(place string) (keys []string) {
	m.t.Helper()
	for _, s := range m.at(place).Shared {
		keys = append(keys, s.Key)
	}
	return keys
}

func TestSharedInstances(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 4)
	_, err := m.ask(asking{title: "s", shared: true})
	require.ErrorContains(t, err, "request one first")
	m.place(asking{title: "host"})
	m.place(asking{title: "A", release: releaseB})
	places := []string{"computer/p0", "computer/p1"}
	shared := func(a asking) func() {
		a.shared = true
		return func() { require.Equal(t, "computer/p0", m.place(a)) }
	}
	for _, step := range []struct {
		name   string
		do     func()
		want   []string // changed timestamps
		hosted []string
	}{
		{"destroy what is not there", shared(asking{title: "x", state: "destroyed"}), nil, nil},
		{"first", shared(asking{title: "s"}), []string{"computer/p0"}, []string{"_s"}},
		{"again", shared(asking{title: "s"}), nil, []string{"_s"}},
		{"from an instance", shared(asking{by: "computer/p1", title: "s"}), []string{"computer/p0"}, []string{"_s", "A_s"}},
		{"changed", shared(asking{title: "s", parameters: map[string]any{"n": 1}}), []string{"computer/p0"}, []string{"_s", "A_s"}},
		{"stopped", shared(asking{title: "s", state: "stopped", parameters: map[string]any{"n": 1}}), []string{"computer/p0"}, []string{"A_s"}},
		{"stays stopped", shared(asking{title: "s", parameters: map[string]any{"n": 1}}), nil, []string{"A_s"}},
		{"started", shared(asking{title: "s", state: "started"}), []string{"computer/p0"}, []string{"A_s", "_s"}},
		{"published", func() {
			require.NoError(t, m.connect(ctx, Principal{}, "computer", "p0", "A_s", marshal.NewDict().Set("u", "1")))
		}, []string{"computer/p1"}, []string{"A_s", "_s"}},
		{"published for nobody known", func() {
			require.NoError(t, m.connect(ctx, Principal{}, "computer", "p0", "unknown", marshal.NewDict()))
		}, nil, []string{"A_s", "_s"}},
		{"error", func() { require.NoError(t, m.instanceError(ctx, Principal{}, "computer", "p0", "A_s", "bad")) }, nil, []string{"A_s", "_s"}},
		{"destroyed", shared(asking{title: "s", state: "destroyed"}), []string{"computer/p0"}, []string{"A_s"}},
		{"requesting tree gone", func() { _, err := m.destroyed(ctx, Principal{}, "computer", "p1"); require.NoError(t, err) },
			[]string{"computer/p0"}, nil},
		{"requested again, without a state", shared(asking{title: "s"}), []string{"computer/p0"}, []string{"_s"}},
	} {
		require.Equal(t, step.want, m.changes(places, step.do), step.name)
		require.Equal(t, step.hosted, m.hosted("computer/p0"), step.name)
	}
}

func TestSharedInstanceKeepsItsHost(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 3)
	m.place(asking{title: "other", release: releaseB})
	m.place(asking{title: "host"})
	require.Equal(t, "computer/p1", m.place(asking{title: "s", shared: true}))
	m.place(asking{title: "other", release: releaseA}) // now the first that fits
	require.Equal(t, "computer/p1", m.place(asking{title: "s", shared: true}))
	require.Equal(t, "computer/p0", m.place(asking{title: "t", shared: true}))
	moved := m.changes([]string{"computer/p0", "computer/p1"}, func() {
		require.Equal(t, "computer/p0", m.place(asking{title: "s", shared: true, filter: map[string]any{"instance_guid": "computer-p0"}}))
	})
	require.Equal(t, []string{"computer/p0", "computer/p1"}, moved)
	require.Empty(t, m.hosted("computer/p1"))
	require.Equal(t, []string{"_t", "_s"}, m.hosted("computer/p0"))
	_, err := m.ask(asking{title: "u", shared: true, filter: map[string]any{"instance_guid": "computer-p2"}})
	require.Error(t, err)
	_, err = m.ask(asking{title: "u", shared: true, kind: "other type"})
	require.Error(t, err)
}

func TestRelatedInstances(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 5)
	m.place(asking{title: "A"})
	for _, title := range []string{"one", "two"} {
		m.place(asking{by: "computer/p0", title: title})
	}
	m.place(asking{title: "host", release: releaseB})
	for _, title := range []string{"s1", "s2"} {
		m.place(asking{by: "computer/p0", title: title, release: releaseB, shared: true})
	}
	places := []string{"computer/p0"}
	publish := func(partition, key string) []string {
		return m.changes(places, func() {
			value := marshal.NewDict().Set("t", m.now().String())
			require.NoError(t, m.connect(ctx, Principal{}, "computer", partition, key, value))
		})
	}
	require.Empty(t, m.changes(places, func() {
		require.NoError(t, m.relate(ctx, Principal{}, "computer", "p0", []string{"one", "s1", "never seen"}))
	}))
	require.Equal(t, places, publish("p1", ""))
	require.Empty(t, publish("p2", ""))
	require.Equal(t, places, publish("p3", "A_s1"))
	require.Empty(t, publish("p3", "A_s2"))
	require.Equal(t, "started", m.at("computer/p2").Instance.State)
	require.Equal(t, "computer/p2", m.place(asking{by: "computer/p1", title: "two"})) // adopted
	require.Equal(t, "p1", m.at("computer/p2").Instance.RequesterPartition)
	require.Error(t, m.relate(ctx, Principal{}, "computer", "p9", nil))
}

func TestFormat(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 3)
	m.place(asking{title: "A"})
	m.place(asking{title: "B"})
	require.NoError(t, m.format(ctx, Principal{}, computerConfiguration{reference: "computer", partitions: []partitionConfiguration{
		{reference: "p1", addresses: []store.Address{{Interface: "t", Address: "new"}}}, {reference: "p7"},
	}}))
	require.Equal(t, "B", m.at("computer/p1").Instance.Title)
	require.Equal(t, "new", m.at("computer/p1").Addresses[0].Address)
	require.Nil(t, m.at("computer/p7").Instance)
	err := m.rename(ctx, Principal{}, "computer", "p0", "x")
	status, _ := statusOf(err)
	require.Equal(t, 404, status)
	require.Equal(t, "computer/p7", m.place(asking{title: "A"}))
}

// statusValues returns the texts of a status dictionary.
func statusValues(d *marshal.Dict, keys ...string) (out []any) {
	for _, k := range keys {
		v, _ := d.Get(k)
		out = append(out, v)
	}
	return out
}

func TestStatuses(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	at := func(d time.Duration) string { return start.Add(d).Format("Mon, 02 Jan 2006 15:04:05 GMT") }
	partition := func(keys ...string) []any {
		d, err := m.partitionStatus(ctx, Principal{}, "computer", "p0")
		require.NoError(t, err)
		return statusValues(d, keys...)
	}
	require.Equal(t, []any{"#error no data found for computer-p0", "SlapOS Master", 1, nil}, partition("text", "user", "no_data", "no_data_since_5_minutes"))
	started := report{text: "#access Instance correctly started", state: "started"}
	require.NoError(t, m.reportPartition(ctx, Principal{}, "computer", "p0", started))
	m.wait(time.Minute)
	require.NoError(t, m.reportPartition(ctx, Principal{}, "computer", "p0", started))
	require.Equal(t, []any{"#access Instance correctly started", "started", at(time.Minute), at(0), nil},
		partition("text", "state", "created_at", "since", "no_data"))
	m.wait(217 * time.Second)
	require.Equal(t, []any{1, 0}, partition("no_data_since_5_minutes", "no_data_since_15_minutes"))
	m.wait(216 * time.Second)
	require.Equal(t, []any{1, 1}, partition("no_data_since_5_minutes", "no_data_since_15_minutes"))

	log := strings.Repeat("x", 100) + "é" + strings.Repeat("y", 79)
	require.NoError(t, m.instanceError(ctx, Principal{}, "computer", "p0", "", log))
	require.Equal(t, []any{"#error while instanciating: é" + strings.Repeat("y", 79), "started"}, partition("text", "state"))
	require.Equal(t, log, m.at("computer/p0").Instance.Error.Text)
	require.NoError(t, m.bang(ctx, Principal{}, "computer", "p0", "why"))
	require.Equal(t, []any{"#error bang called: why"}, partition("text"))
	require.Equal(t, "why", m.at("computer/p0").Instance.Bang.Text)
	require.Equal(t, log, m.at("computer/p0").Instance.Error.Text)

	// A free partition has no data; an unknown one is an error.
	d, err := m.partitionStatus(ctx, Principal{}, "computer", "p1")
	require.NoError(t, err)
	require.Equal(t, []any{1}, statusValues(d, "no_data"))
	_, err = m.partitionStatus(ctx, Principal{}, "computer", "p9")
	require.Error(t, err)
	_, err = m.computerStatus(ctx, Principal{}, "unknown")
	require.Error(t, err)
}

func TestComputerStatusRemembersAccess(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 1)
	text := func() any {
		d, err := m.computerStatus(ctx, Principal{}, "computer")
		require.NoError(t, err)
		return statusValues(d, "text")[0]
	}
	require.Equal(t, "#error no data found for computer", text())
	_, err := m.computerBody(ctx, Principal{}, "computer")
	require.NoError(t, err)
	require.Equal(t, "#access computer", text())
	m.wait(time.Second)
	require.NoError(t, m.computerBang(ctx, Principal{}, "computer", "help"))
	require.Equal(t, "#error bang: help", text())
	m.wait(time.Second)
	_, err = m.computerBody(ctx, Principal{}, "computer") // not written, but known
	require.NoError(t, err)
	require.Equal(t, "#access computer", text())
}

func TestReleases(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 1)
	list := func() (out []string) {
		body, err := m.computerBody(ctx, Principal{}, "computer")
		require.NoError(t, err)
		v, err := marshal.Unmarshal(body)
		require.NoError(t, err)
		releases, _ := v.(*marshal.Object).Get("_software_release_list")
		for _, item := range releases.(*marshal.List).Items {
			o := item.(*marshal.Object)
			out = append(out, strings.TrimSpace(attribute(o, "_software_release")+" "+attribute(o, "_requested_state")+" "+attribute(o, "_known_state")))
		}
		return out
	}
	supply := func(url, state string) { require.NoError(t, m.supply(ctx, Principal{}, url, "computer", state)) }
	supply(releaseA, "available")
	supply(releaseB, "available")
	require.Equal(t, []string{releaseA + " available", releaseB + " available"}, list())
	require.NoError(t, m.reportRelease(ctx, Principal{}, releaseA, "computer", report{text: "#building x", state: "building"}))
	require.Equal(t, releaseA+" available building", list()[0])
	require.NoError(t, m.reportRelease(ctx, Principal{}, releaseA, "computer", report{text: "#error x", errorLog: "log"}))
	require.Equal(t, releaseA+" available error", list()[0])
	supply(releaseA, "destroyed")
	require.Equal(t, []string{releaseB + " available", releaseA + " destroyed error"}, list())
	require.NoError(t, m.removed(ctx, Principal{}, releaseA, "computer"))
	require.NoError(t, m.removed(ctx, Principal{}, releaseA, "computer"))
	require.Equal(t, []string{releaseB + " available"}, list())

	err := m.reportRelease(ctx, Principal{}, releaseA, "computer", report{text: "#access x"})
	require.ErrorContains(t, err, "supply it first")
	require.Error(t, m.supply(ctx, Principal{}, releaseA, "computer", "started"))
	require.Error(t, m.removed(ctx, Principal{}, releaseA, "nowhere"))
	// A computer may be supplied before it is formatted; it is not known yet.
	require.NoError(t, m.supply(ctx, Principal{}, releaseA, "later", "available"))
	_, err = m.computerBody(ctx, Principal{}, "later")
	require.Error(t, err)
}

func TestHostingAddresses(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 3)
	m.layout("far", 1)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child", filter: map[string]any{"computer_guid": "far"}})
	m.place(asking{title: "B"})
	for place, want := range map[string][]any{
		"computer/p0": {marshal.Tuple{"tap", "computer-0"}, marshal.Tuple{"tap", "far-0"}},
		"far/p0":      {marshal.Tuple{"tap", "computer-0"}, marshal.Tuple{"tap", "far-0"}},
		"computer/p1": {marshal.Tuple{"tap", "computer-1"}},
	} {
		computer, partition, _ := strings.Cut(place, "/")
		list, err := m.hostingAddresses(ctx, Principal{}, computer, partition)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, list.Items), place)
	}
	_, err := m.hostingAddresses(ctx, Principal{}, "computer", "p2") // free
	require.Error(t, err)
	m.place(asking{title: "B", state: "destroyed"})
	list, err := m.hostingAddresses(ctx, Principal{}, "computer", "p1")
	require.NoError(t, err)
	require.Empty(t, list.Items)
}

// Bodies are kept while nothing changes, and never outlive a change.
func TestBodiesAreKeptByVersion(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	body := func() (computer, partition []byte) {
		computer, err := m.computerBody(ctx, Principal{}, "computer")
		require.NoError(t, err)
		partition, err = m.partitionBody(ctx, Principal{}, "computer", "p0")
		require.NoError(t, err)
		return computer, partition
	}
	same := func(a, b []byte) bool { return &a[0] == &b[0] }
	c1, p1 := body()
	c2, p2 := body()
	require.True(t, same(c1, c2))
	require.True(t, same(p1, p2))
	m.place(asking{title: "B"}) // changes the computer, not p0
	c3, p3 := body()
	require.False(t, same(c1, c3))
	require.True(t, same(p1, p3))
	m.place(asking{title: "A", parameters: map[string]any{"fresh": "yes"}})
	_, p4 := body()
	require.Contains(t, string(p4), "fresh")
}

func TestBodyCacheIsBounded(t *testing.T) {
	c := newBodyCache(10 * (1000 + overhead))
	for i := range 100 {
		c.put(cacheKey{computer: fmt.Sprint(i)}, 1, make([]byte, 1000))
		c.get(cacheKey{computer: "0"}, 1) // used, hence kept
	}
	require.Len(t, c.byKey, 10)
	_, ok := c.get(cacheKey{computer: "0"}, 1)
	require.True(t, ok)
	_, ok = c.get(cacheKey{computer: "0"}, 2)
	require.False(t, ok)
	c.put(cacheKey{computer: "0"}, 3, []byte("new"))
	c.put(cacheKey{computer: "0"}, 2, []byte("old"))
	body, ok := c.get(cacheKey{computer: "0"}, 3)
	require.True(t, ok)
	require.Equal(t, "new", string(body))
	c.put(cacheKey{computer: "big"}, 1, make([]byte, 1<<20))
	_, ok = c.get(cacheKey{computer: "big"}, 1)
	require.False(t, ok)
}

func TestUsageReports(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	valid, err := os.ReadFile("testdata/usage.xml")
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, m.useComputer(ctx, Principal{}, "computer", string(valid)))
	}
	reports, err := m.server.UsageReports(ctx, "computer", 0)
	require.NoError(t, err)
	require.Len(t, reports, 1)
	require.Equal(t, string(valid), reports[0].XML)
	require.EqualValues(t, 1, reports[0].Version)
	require.True(t, reports[0].Received.Equal(start))
	for _, bad := range []string{"", "not xml", "<journal/>", string(valid[:len(valid)/2])} {
		status, text := statusOf(m.useComputer(ctx, Principal{}, "computer", bad))
		require.Equal(t, 400, status)
		require.Contains(t, text, "TioFormat")
	}
	aggregated, err := os.ReadFile("testdata/usage-aggregated.xml")
	require.NoError(t, err)
	require.NoError(t, m.useComputer(ctx, Principal{}, "computer", string(aggregated)))
	status, _ := statusOf(m.useComputer(ctx, Principal{}, "unknown", string(valid)))
	require.Equal(t, 404, status)
	_, err = m.server.UsageReports(ctx, "unknown", 0)
	require.Error(t, err)
	require.NoError(t, m.useComputer(ctx, Principal{}, "computer", string(valid)+"<!-- again -->"))
	reports, err = m.server.UsageReports(ctx, "", 1)
	require.NoError(t, err)
	require.Len(t, reports, 1)
	require.EqualValues(t, 2, reports[0].Version)
}

// refusing is an authorization that refuses everything.
type refusing struct{}

func (refusing) Authorize(_ context.Context, p Principal, a Action, o Object) error {
	return &Error{Status: 403, Message: fmt.Sprintf("%s may not %s %s/%s", p.Name, a, o.Computer, o.Partition)}
}
