package slap

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

// look is what a master tells of a computer.
type look struct {
	releases   map[string]State
	partitions []*snapshot
}

// object returns the computer as the master sends it.
func (l look) object(t testing.TB) string {
	t.Helper()
	releases, partitions := marshal.NewList(), marshal.NewList()
	for url, state := range l.releases {
		o := marshal.NewObject(marshal.ClassSoftwareRelease, url, "C")
		o.State.Set("_software_release", url).Set("_computer_guid", "C").Set("_requested_state", string(state))
		releases.Items = append(releases.Items, o)
	}
	for _, p := range l.partitions {
		o := marshal.NewObject(marshal.ClassComputerPartition, "C", p.partitionID)
		o.State.Set("_computer_id", "C").Set("_partition_id", p.partitionID).Set("_requested_state", string(p.state)).
			Set("_parameter_dict", plain(p.parameters).(map[string]any)).Set("_connection_dict", plain(p.connection).(map[string]any))
		partitions.Items = append(partitions.Items, o)
	}
	o := marshal.NewObject(marshal.ClassComputer, "C")
	o.State.Set("_computer_id", "C").Set("_software_release_list", releases).Set("_computer_partition_list", partitions)
	data, err := marshal.Marshal(o)
	require.NoError(t, err)
	return string(data)
}

// watchedComputer is a computer at a master without a network. An empty text is a master
// that fails.
func watchedComputer(t testing.TB, answer func(n int) string) (computer *Computer, at func() []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	var looks []time.Duration
	var start time.Time
	c := client(t, "http://master/", WithRetry(0), WithTransport(handled(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if looks == nil {
			start = time.Now()
		}
		looks = append(looks, time.Since(start))
		text := answer(len(looks))
		if text == "" {
			http.Error(w, "", http.StatusInternalServerError)
		}
		fmt.Fprint(w, text)
	})))
	return c.Computer("C"), func() []time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return looks
	}
}

func part(id string, state State, parameters Parameters) *snapshot {
	return &snapshot{partitionID: id, state: state, parameters: parameters}
}

// collect returns what a watch tells, until some number of things.
func collect(ctx context.Context, c *Computer, most int, opts ...WatchOption) (told []string) {
	for change, err := range c.Watch(ctx, opts...) {
		if err != nil {
			told = append(told, "error")
		} else {
			told = append(told, change.String())
		}
		if len(told) == most {
			return told
		}
	}
	return told
}

func TestWatch(t *testing.T) {
	first := look{map[string]State{"sr1": StateAvailable}, []*snapshot{part("p0", StateDestroyed, nil)}}
	second := look{map[string]State{"sr1": StateAvailable, "sr2": StateAvailable}, []*snapshot{
		part("p0", StateStarted, Parameters{"a": "1", "timestamp": "1"}), part("p1", StateDestroyed, nil),
	}}
	third := look{map[string]State{"sr1": StateDestroyed, "sr2": StateAvailable}, []*snapshot{
		part("p0", StateStopped, Parameters{"a": "2", "timestamp": "2"}),
	}}
	texts := []string{first.object(t), first.object(t), "", "", "", second.object(t), third.object(t)}
	told := []string{
		"software release sr1 added", "partition p0 added", "error", "error", "error",
		"software release sr2 added", "partition p0 changed: state, parameters, timestamp", "partition p1 added",
		"software release sr1 changed: state", "partition p0 changed: state, parameters, timestamp", "partition p1 removed",
	}
	answer := func(n int) string { return texts[min(n, len(texts))-1] }
	synctest.Test(t, func(t *testing.T) {
		c, looks := watchedComputer(t, answer)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.Empty(t, cmp.Diff(told, collect(ctx, c, -1, WatchEvery(10*time.Second), WatchBackoff(time.Second, 3*time.Second))))
		at := looks()
		for i, bounds := range [][2]time.Duration{
			{9 * time.Second, 11 * time.Second}, {9 * time.Second, 11 * time.Second},
			{time.Second / 2, time.Second}, {time.Second, 2 * time.Second}, {3 * time.Second / 2, 3 * time.Second}, {9 * time.Second, 11 * time.Second},
		} {
			pause := at[i+1] - at[i]
			require.GreaterOrEqual(t, pause, bounds[0], "pause %d", i)
			require.LessOrEqual(t, pause, bounds[1], "pause %d", i)
		}
		require.Greater(t, len(at), 300)
		require.Less(t, len(at), 420)
		require.Nil(t, c.known.Load(), "watching changes nothing that the computer knows")
	})
	synctest.Test(t, func(t *testing.T) {
		c, looks := watchedComputer(t, answer)
		require.Equal(t, told[:6], collect(t.Context(), c, 6), "the loop is left in the middle of a look")
		require.Equal(t, []time.Duration{0}, looks()[:1])
	})
	synctest.Test(t, func(t *testing.T) {
		c, _ := watchedComputer(t, answer)
		require.Equal(t, told[2:], collect(t.Context(), c, len(told)-2, WatchFromNow()))
	})
	synctest.Test(t, func(t *testing.T) {
		// A later run goes on from what was stored.
		c, _ := watchedComputer(t, answer)
		s, err := c.Snapshot(t.Context())
		require.NoError(t, err)
		stored, err := json.Marshal(s)
		require.NoError(t, err)
		var restored *Snapshot
		require.NoError(t, json.Unmarshal(stored, &restored))
		require.Equal(t, told[2:], collect(t.Context(), c, len(told)-2, WatchSince(restored), WatchFromNow()))
		again, err := json.Marshal(restored)
		require.NoError(t, err)
		require.Equal(t, stored, again, "the snapshot is left as it is")
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	c, _ := watchedComputer(t, func(int) string { return "" })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	errs := 0
	for change, err := range c.Watch(ctx) {
		require.Nil(t, change)
		require.ErrorIs(t, err, ErrServer)
		errs++
		cancel()
	}
	require.Equal(t, 1, errs)
	require.Empty(t, collect(ctx, c, -1))
	nameless := client(t, "http://master/").Computer("")
	for _, err := range nameless.Watch(t.Context()) {
		require.ErrorIs(t, err, ErrNotFound)
		break
	}
}

func TestChangesNameAspects(t *testing.T) {
	full := func() *snapshot {
		return &snapshot{
			partitionID: "p", guid: "G", state: StateStarted, release: &SoftwareRelease{uri: "sr"},
			parameters: Parameters{
				"a": "1", "timestamp": "1", "slap_software_type": "default", "instance_title": "T", "root_instance_title": "R",
				"ip_list":             []any{[]any{"tap0", "fd00::1"}},
				"slave_instance_list": []any{map[string]any{"slave_reference": "S1", "x": "1"}, map[string]any{"slave_reference": "S2"}},
			},
			connection: Parameters{"url": "hunter2"},
		}
	}
	snap := func(edit func(*snapshot)) *Snapshot {
		s := full()
		edit(s)
		return newSnapshot("C", nil, []*ComputerPartition{newPartition(&Client{}, s)})
	}
	same := snap(func(*snapshot) {})
	for want, edit := range map[Aspects]func(*snapshot){
		0:                          func(s *snapshot) { s.accessStatus = "#access ok" },
		AspectState:                func(s *snapshot) { s.state = StateStopped },
		AspectInstance:             func(s *snapshot) { s.guid = "H" },
		AspectSoftwareRelease:      func(s *snapshot) { s.release = nil },
		AspectSoftwareType:         func(s *snapshot) { s.parameters["slap_software_type"] = "other" },
		AspectParameters:           func(s *snapshot) { s.parameters["a"] = int64(1) },
		AspectConnectionParameters: func(s *snapshot) { s.connection["more"] = nil },
		AspectSharedInstances:      func(s *snapshot) { s.parameters["slave_instance_list"].([]any)[1].(map[string]any)["x"] = "2" },
		AspectAddresses:            func(s *snapshot) { s.parameters["ip_list"] = []any{} },
		AspectTitles:               func(s *snapshot) { s.parameters["root_instance_title"] = "Q" },
		AspectTimestamp:            func(s *snapshot) { s.parameters["timestamp"] = int64(1) + 1 },
		AspectParameters | AspectTimestamp: func(s *snapshot) {
			s.parameters["b"], s.parameters["timestamp"] = "", "2"
		},
	} {
		changes := Changes(same, snap(edit))
		if want == 0 {
			require.Empty(t, changes)
			continue
		}
		require.Len(t, changes, 1)
		c := changes[0]
		require.Equal(t, Changed, c.Kind)
		require.Equal(t, want, c.Aspects, "%s", c)
		require.True(t, c.Aspects.Has(want))
		require.NotNil(t, c.Partition)
		require.NotEqual(t, c.Before, c.After)
	}
	shuffled := snap(func(s *snapshot) {
		list := s.parameters["slave_instance_list"].([]any)
		list[0], list[1] = list[1], list[0]
	})
	require.Empty(t, Changes(same, shuffled), "shared instances have no order")
	require.Empty(t, Changes(nil, nil))
	stored, err := json.Marshal(same)
	require.NoError(t, err)
	require.NotContains(t, string(stored), "hunter2")
}

// All changes applied to the one look give the other.
func TestChangesApplied(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	word := func(n int) string { return string(rune('a' + random.IntN(n))) }
	some := func() *Snapshot {
		s := &Snapshot{Computer: "C", SoftwareReleases: map[string]Mark{}, Partitions: map[string]Mark{}}
		for range random.IntN(5) {
			s.SoftwareReleases[word(6)] = Mark{State: State(word(2))}
			s.Partitions[word(6)] = Mark{State: State(word(2)), Parameters: word(2), Timestamp: word(2), Titles: word(2)}
		}
		return s
	}
	for range 500 {
		before, after := some(), some()
		changes := Changes(before, after)
		for _, c := range changes {
			require.Equal(t, c.Kind == Changed, c.Aspects != 0)
			before.Apply(c)
		}
		require.Empty(t, cmp.Diff(after, before, cmpopts.IgnoreUnexported(Snapshot{})))
		require.Empty(t, Changes(before, after))
		var empty Snapshot
		for _, c := range Changes(nil, after) {
			empty.Apply(c)
		}
		require.Empty(t, Changes(&empty, after))
	}
}

func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{10, 500, 10000} {
		var partitions []*ComputerPartition
		for i := range n {
			s := part(fmt.Sprint("slappart", i), StateStarted, Parameters{"timestamp": "1", "a": strings.Repeat("x", 100), "ip_list": []any{[]any{"tap", "fd00::1"}}})
			partitions = append(partitions, newPartition(&Client{}, s))
		}
		before := newSnapshot("C", nil, partitions)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if len(Changes(before, newSnapshot("C", nil, partitions))) > 0 {
					b.Fatal("something changed")
				}
			}
		})
	}
}
