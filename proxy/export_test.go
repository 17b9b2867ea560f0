package proxy

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/refdb"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// keptState is all that a master keeps and a database of the reference can hold.
type keptState struct {
	Computers  []store.Computer
	Software   []store.Software
	Partitions []store.Partition
	Shared     []store.Shared
	Forwarded  []store.Forwarded
	Root       string
}

func readKept(t *testing.T, path string) (k keptState) {
	t.Helper()
	v, _, err := openToRead(t.Context(), path, "")
	require.NoError(t, err)
	defer v.Close()
	require.NoError(t, v.Check(t.Context()))
	require.NoError(t, v.View(t.Context(), func(r store.Reader) error {
		computers, err := r.Computers()
		require.NoError(t, err)
		for _, c := range computers {
			if !c.Formatted {
				continue
			}
			k.Computers = append(k.Computers, *c)
			software, err := r.Software(c)
			require.NoError(t, err)
			for _, s := range software {
				k.Software = append(k.Software, *s)
			}
			partitions, err := r.Partitions(c)
			require.NoError(t, err)
			for _, p := range partitions {
				k.Partitions = append(k.Partitions, *p)
			}
		}
		shared, err := r.AllShared()
		require.NoError(t, err)
		for _, s := range shared {
			k.Shared = append(k.Shared, *s)
		}
		k.Forwarded, err = r.Forwarded()
		require.NoError(t, err)
		k.Root, err = r.Setting(settingSoftwareRoot)
		return err
	}))
	return k
}

// ofExport leaves out what an export does not keep: identities, and the place of
// shared instances among those of other hosts.
var ofExport = cmp.Options{
	cmpopts.IgnoreFields(store.Computer{}, "ID", "Sequence", "Status", "Bang"),
	cmpopts.IgnoreFields(store.Software{}, "ID", "ComputerID", "Status", "Error"),
	cmpopts.IgnoreFields(store.Partition{}, "ID", "ComputerID"),
	cmpopts.IgnoreFields(store.Instance{}, "ID", "Requester", "Status", "Error", "Bang", "Filter"),
	cmpopts.IgnoreFields(store.Shared{}, "ID", "ComputerID", "Host", "Requester", "Position", "Status", "Error"),
	cmpopts.EquateEmpty(),
}

// What was imported, exported in either schema and imported again is the same.
func TestExportAndImportAgain(t *testing.T) {
	for _, d := range append(recordedDatabases(t, "served.jsonl"), recordedDatabases(t, "upgraded.jsonl")...) {
		if len(d.Tables) == 0 {
			continue
		}
		for _, schema := range []int{Schema14, Schema18} {
			t.Run(fmt.Sprint(d.Case, " to ", schema), func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path, exported := filepath.Join(dir, "proxy.db"), filepath.Join(dir, "exported.db")
				writeTables(t, path, d.Tables)
				_, err := Export(t.Context(), path, exported, ExportOptions{Schema: schema})
				require.NoError(t, err)
				info, err := os.Stat(exported)
				require.NoError(t, err)
				require.Equal(t, fs.FileMode(0o600), info.Mode())
				want := readKept(t, path)
				got := readKept(t, exported)
				if schema == Schema14 {
					want.Root, got.Root = "", ""
				}
				for n, p := range want.Partitions {
					// Hosts whose lists the import changes are processed at its time.
					if len(p.Shared) > 0 {
						want.Partitions[n].Timestamp, got.Partitions[n].Timestamp = 0, 0
					}
					// Schema 17 does not know who asked; schema 14 then names the root.
					if i := p.Instance; i != nil && schema == Schema14 && i.Tree != "" && i.RequesterPartition == "" {
						got.Partitions[n].Instance.RequesterPartition = ""
					}
				}
				require.Empty(t, cmp.Diff(want, got, ofExport))
			})
		}
	}
}

// The file has the tables of the reference, in its order of columns, which it
// relies on.
func TestExportedTables(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ours.db")
	writeTables(t, path, schema14(busyRow("p0", "computer", "root", nil)))
	for schema, want := range map[int]map[string][]string{
		Schema14: {
			"software14":                    {"url", "computer_reference", "requested_state"},
			"computer14":                    {"reference", "address", "netmask"},
			"partition14":                   {"reference", "computer_reference", "slap_state", "software_release", "xml", "connection_xml", "slave_instance_list", "software_type", "partition_reference", "requested_by", "requested_state", "timestamp"},
			"slave14":                       {"reference", "computer_reference", "connection_xml", "hosted_by", "asked_by"},
			"partition_network14":           {"partition_reference", "computer_reference", "reference", "address", "netmask"},
			"forwarded_partition_request14": {"partition_reference", "master_url"},
		},
		Schema18: {
			"config18":                      {"name", "value"},
			"software18":                    {"url", "computer_reference", "requested_state"},
			"computer18":                    {"reference", "address", "netmask"},
			"partition18":                   {"reference", "computer_reference", "slap_state", "software_release", "xml", "connection_xml", "slave_instance_list", "software_type", "partition_reference", "requested_by", "requester_id", "requested_state", "timestamp"},
			"slave18":                       {"reference", "computer_reference", "connection_xml", "hosted_by", "requester_id"},
			"partition_network18":           {"partition_reference", "computer_reference", "reference", "address", "netmask"},
			"forwarded_partition_request18": {"partition_reference", "master_url"},
		},
	} {
		exported := filepath.Join(dir, fmt.Sprint(schema, ".db"))
		_, err := Export(t.Context(), path, exported, ExportOptions{Schema: schema, ComputerID: "it's"})
		require.NoError(t, err)
		db, err := sql.Open("sqlite", exported)
		require.NoError(t, err)
		got := map[string][]string{}
		rows, err := db.Query("SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.cid")
		require.NoError(t, err)
		for rows.Next() {
			var table, column string
			require.NoError(t, rows.Scan(&table, &column))
			got[table] = append(got[table], column)
		}
		require.NoError(t, rows.Err())
		require.Equal(t, want, got)
		_, err = db.Exec(fmt.Sprintf("INSERT INTO software%d (url) VALUES ('u')", schema))
		require.NoError(t, err)
		var computer string
		require.NoError(t, db.QueryRow(fmt.Sprintf("SELECT computer_reference FROM software%d", schema)).Scan(&computer))
		require.Equal(t, "it's", computer)
		require.NoError(t, db.Close())
	}
}

// What release 1.6.10 would loop over or mix up is changed, and named.
func TestExportForTheDocumentedRelease(t *testing.T) {
	dir := t.TempDir()
	path, exported := filepath.Join(dir, "ours.db"), filepath.Join(dir, "theirs.db")
	writeTables(t, path, schema14(
		busyRow("p0", "computer", "one", "p1"), busyRow("p1", "computer", "two", "p0"),
		busyRow("p2", "computer", "same", nil), busyRow("p3", "other", "same", nil),
		// By name alone, these two are a circle.
		busyRow("p4", "computer", "four", "p5"), busyRow("p5", "computer", "five", nil), busyRow("p5", "a", "other five", "p4"), busyRow("p4", "a", "other four", nil),
	))
	notes, err := Export(t.Context(), path, exported, ExportOptions{Schema: Schema14})
	require.NoError(t, err)
	d := readRows(t, exported)
	first := map[string]refdb.Partition{}
	for _, p := range d.Partitions {
		if old, ok := first[p.Reference]; !ok || p.Computer < old.Computer {
			first[p.Reference] = p
		}
	}
	for name := range first {
		steps := 0
		for first[name].Requester != "" && first[name].Requester != name {
			name = first[name].Requester
			steps++
			require.Less(t, steps, 20, "a circle")
		}
	}
	require.Contains(t, fmt.Sprint(notes), "requested one another")
	require.Contains(t, fmt.Sprint(notes), `the title "same"`)
}

func TestExportRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ours.db")
	s := imported(t, path)
	_, err := Export(t.Context(), path, filepath.Join(dir, "x.db"), ExportOptions{Schema: 17})
	require.ErrorContains(t, err, "14 and 18 can")
	_, err = Export(t.Context(), filepath.Join(dir, "none.db"), filepath.Join(dir, "x.db"), ExportOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Export(t.Context(), path, filepath.Join(dir, "no", "x.db"), ExportOptions{})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, s.Close())
	_, err = Export(t.Context(), path, path, ExportOptions{Replace: true})
	require.ErrorContains(t, err, "the database itself")
	check(t, path)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.db"), []byte("precious"), 0o644))
	_, err = Export(t.Context(), path, filepath.Join(dir, "x.db"), ExportOptions{})
	require.ErrorIs(t, err, fs.ErrExist)
	text, err := os.ReadFile(filepath.Join(dir, "x.db"))
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
	_, err = Export(t.Context(), path, filepath.Join(dir, "x.db"), ExportOptions{Replace: true})
	require.NoError(t, err)
	require.Equal(t, []int{Schema18}, readRows(t, filepath.Join(dir, "x.db")).Versions)
}
