package proxy

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// imported opens a database of the reference.
func imported(t *testing.T, path string) *Server {
	t.Helper()
	s, err := Open(t.Context(), path, WithClock(func() time.Time { return start }))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// rewritten turns what is expected into what the import makes of shared instances
// whose keys began with partitions: the keys, and the time of their hosts.
func rewritten(want map[string]told, keys map[string]string) map[string]told {
	for _, c := range want {
		for i, p := range c.Partitions {
			for _, slave := range p.Slaves {
				entry := slave.(map[string]any)
				key, ok := keys[entry["slave_reference"].(string)]
				if !ok {
					continue
				}
				entry["slave_reference"], entry["slave_title"] = key, key
				c.Partitions[i].Timestamp = "1795608000.0"
			}
		}
	}
	return want
}

// keysOf are the keys that an import rewrites, in the recorded databases.
func keysOf(d recordedDatabase) map[string]string {
	keys := map[string]string{"part0_sl": "root_sl"}
	for _, p := range latest(&testing.T{}, d.Tables)["partition"] {
		if p.version == 14 && p.values["reference"] == "slappart0" && p.values["computer_reference"] == "computer" {
			for _, title := range []string{"slave2", "sl"} {
				keys["slappart0_"+title] = p.text("partition_reference", "") + "_" + title
			}
		}
	}
	return keys
}

// Every recorded database is imported, and told about as its own proxy did.
func TestImportOfRecordedDatabases(t *testing.T) {
	for _, name := range []string{"served.jsonl", "upgraded.jsonl"} {
		for _, d := range recordedDatabases(t, name) {
			t.Run(d.Case, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(t.TempDir(), "proxy.db")
				writeTables(t, path, d.Tables)
				before, err := os.ReadFile(path)
				require.NoError(t, err)
				want := rewritten(expectTold(t, d.Tables), keysOf(d))
				s := imported(t, path)
				require.Empty(t, cmp.Diff(want, answersOf(t, s, slices.Collect(maps.Keys(want)))))
				for computer, body := range d.Answers {
					require.Empty(t, cmp.Diff(rewritten(map[string]told{computer: readTold(t, body)}, keysOf(d)),
						answersOf(t, s, []string{computer})), "recorded answer")
				}
				check(t, path)
				copies, err := filepath.Glob(path + "-backup-reference*.db")
				require.NoError(t, err)
				if len(d.Tables) == 0 {
					require.Empty(t, copies)
					return
				}
				require.Len(t, copies, 1)
				info, err := os.Stat(copies[0])
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o600), info.Mode())
				after, err := os.ReadFile(copies[0])
				require.NoError(t, err)
				require.Len(t, after, len(before))
				require.Equal(t, readRowsOf(t, d.Tables), readRows(t, copies[0]))
				left, err := filepath.Glob(path + ".import*")
				require.NoError(t, err)
				require.Empty(t, left)
			})
		}
	}
}

// readRowsOf are the rows of a fresh file with some tables.
func readRowsOf(t *testing.T, tables map[string]recordedTable) any {
	path := filepath.Join(t.TempDir(), "again.db")
	writeTables(t, path, tables)
	return readRows(t, path)
}

// What the reference's own upgrade left is imported too, also where it gave up.
func TestImportOfUpgradedDatabases(t *testing.T) {
	for _, d := range recordedDatabases(t, "upgraded.jsonl") {
		t.Run(d.Case, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "proxy.db")
			writeTables(t, path, d.After)
			s := imported(t, path)
			want := rewritten(expectTold(t, d.After), keysOf(d))
			require.Empty(t, cmp.Diff(want, answersOf(t, s, slices.Collect(maps.Keys(want)))))
			check(t, path)
		})
	}
}

// schema14 are tables with some partitions.
func schema14(partitions ...[]any) map[string]recordedTable {
	return map[string]recordedTable{
		"computer14": {Columns: []string{"reference", "address", "netmask"}, Rows: [][]any{{"computer", "", ""}, {"other", "", ""}}},
		"software14": {Columns: []string{"url", "computer_reference", "requested_state"}},
		"partition14": {Columns: []string{
			"reference", "computer_reference", "slap_state", "software_release", "xml", "connection_xml", "slave_instance_list",
			"software_type", "partition_reference", "requested_by", "requested_state", "timestamp",
		}, Rows: partitions},
		"slave14": {
			Columns: []string{"reference", "computer_reference", "connection_xml", "hosted_by", "asked_by"},
			Rows:    [][]any{{"p1_s", "computer", nil, "p0", "p1"}, {"p1_s", "computer", "<instance/>", "p0", "p1"}, {"gone_s", "computer", nil, "p9", "p1"}},
		},
		"partition_network14": {Columns: []string{"partition_reference", "computer_reference", "reference", "address", "netmask"}, Rows: [][]any{
			{"p0", "computer", "tap", "::1", ""}, {"p9", "computer", "tap", "::2", ""},
		}},
		"forwarded_partition_request14": {Columns: []string{"partition_reference", "master_url"}, Rows: [][]any{
			{"user_f", "http://m/"}, {"user_f", "http://m/"},
		}},
	}
}

func busyRow(reference, computer, title string, requestedBy any) []any {
	return []any{reference, computer, "busy", "http://r", nil, nil, nil, "default", title, requestedBy, "started", 5.5}
}

// The trees of schema 14, with what its upgrade by release 1.26 trips over.
func TestImportedTrees(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxy.db")
	rows := schema14(
		busyRow("p0", "computer", "root", nil), busyRow("p1", "computer", "child", "p0"), busyRow("p2", "computer", "grandchild", "p1"),
		busyRow("p3", "computer", "orphan", "p99"), busyRow("p4", "computer", "self", "p4"),
		busyRow("p5", "computer", "one", "p6"), busyRow("p6", "computer", "two", "p5"), busyRow("p7", "computer", "of two", "p6"),
		busyRow("p0", "other", "root2", nil), busyRow("p1", "other", "child2", "p0"), busyRow("p8", "other", "far", "p2"),
	)
	writeTables(t, path, rows)
	s := imported(t, path)
	trees, requesters := map[string]string{}, map[string]string{}
	require.NoError(t, s.master.store.View(t.Context(), func(r store.Reader) error {
		for _, computer := range []string{"computer", "other"} {
			c, err := r.Computer(computer)
			require.NoError(t, err)
			partitions, err := r.Partitions(c)
			require.NoError(t, err)
			for _, p := range partitions {
				trees[p.Instance.Title], requesters[p.Instance.Title] = p.Instance.Tree, p.Instance.RequesterPartition
			}
		}
		forwarded, err := r.Forwarded()
		require.NoError(t, err)
		require.Equal(t, []store.Forwarded{{Reference: "user_f", Master: "http://m/"}}, forwarded)
		shared, err := r.AllShared()
		require.NoError(t, err)
		require.Len(t, shared, 1)
		require.Equal(t, []string{"root_s", "root", "p0", "p1", "<instance/>", stateDestroyed},
			[]string{shared[0].Key, shared[0].Tree, shared[0].HostPartition, shared[0].RequesterPartition, shared[0].Connection, shared[0].State})
		return nil
	}))
	require.Equal(t, map[string]string{
		"root": "", "child": "root", "grandchild": "root", "orphan": "", "self": "", "one": "", "two": "one", "of two": "one",
		"root2": "", "child2": "root2", "far": "root",
	}, trees)
	require.Equal(t, map[string]string{
		"root": "", "child": "p0", "grandchild": "p1", "orphan": "", "self": "", "one": "p6", "two": "p5", "of two": "p6",
		"root2": "", "child2": "p0", "far": "p2",
	}, requesters)
}

// Requests find what was imported, and usable means usable.
func TestImportedInstancesAreFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxy.db")
	free := []any{"p3", "computer", "free", nil, nil, nil, nil, nil, nil, nil, "started", nil}
	writeTables(t, path, schema14(busyRow("p0", "computer", "root", nil), busyRow("p1", "computer", "child", "p0"), free))
	s := imported(t, path)
	request := func(title string, by ...string) string {
		w := post(s, "/requestComputerPartition", append([]string{
			"software_release", "http://r", "software_type", "default", "partition_reference", title,
			"partition_parameter_xml", "<marshal><dictionary/></marshal>", "filter_xml", "<marshal><dictionary/></marshal>",
			"state", "<marshal><string>started</string></marshal>", "shared_xml", "<marshal><bool>0</bool></marshal>",
		}, by...)...)
		require.Equal(t, 200, w.Code, w.Body.String())
		_, rest, _ := strings.Cut(w.Body.String(), "<string>slap_computer_partition_id</string><string>")
		id, _, _ := strings.Cut(rest, "<")
		return id
	}
	require.Equal(t, "p0", request("root"))
	require.Equal(t, "p1", request("child", "computer_id", "computer", "computer_partition_id", "p0"))
	require.Equal(t, "p3", request("child"), "a tree of its own")
}

// A second start imports nothing, and the log tells of the first.
func TestImportIsToldOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxy.db")
	writeTables(t, path, schema14(busyRow("p0", "computer", "root", nil)))
	var log strings.Builder
	for range 2 {
		s, err := Open(t.Context(), path, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	require.Equal(t, 1, strings.Count(log.String(), "the database of the Python proxy was imported"), log.String())
	require.Contains(t, log.String(), "original="+path+"-backup-reference14-")
	require.Contains(t, log.String(), "gone_s")
	copies, err := filepath.Glob(path + "-backup-*")
	require.NoError(t, err)
	require.Len(t, copies, 1)
}
