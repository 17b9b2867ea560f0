package proxy

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/refdb"
)

// recordedDatabase is what a database of the reference held at some moment.
type recordedDatabase struct {
	Case   string
	Tables map[string]recordedTable
	// After is what the reference's own upgrade made of it.
	After map[string]recordedTable
	// Answers are what its proxy answered about computers at that moment.
	Answers map[string]string
}

type recordedTable struct {
	Columns []string
	Rows    [][]any
}

// recordedDatabases reads testdata: served.jsonl are databases while they were
// served, upgraded.jsonl those before an upgrade.
func recordedDatabases(tb testing.TB, name string) (all []recordedDatabase) {
	tb.Helper()
	f, err := os.Open(filepath.Join("testdata", "reference", name))
	require.NoError(tb, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var d recordedDatabase
		require.NoError(tb, json.Unmarshal(lines.Bytes(), &d))
		all = append(all, d)
	}
	require.NoError(tb, lines.Err())
	require.NotEmpty(tb, all)
	return all
}

// writeTables makes a database with these tables.
func writeTables(tb testing.TB, path string, tables map[string]recordedTable) {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(tb, err)
	defer func() { require.NoError(tb, db.Close()) }()
	tx, err := db.Begin()
	require.NoError(tb, err)
	for name, t := range tables {
		if len(t.Columns) == 0 {
			continue // recorded empty, and without its columns
		}
		var columns, marks []string
		for _, c := range t.Columns {
			kind := "VARCHAR(255)"
			if c == "timestamp" {
				kind = "REAL"
			}
			columns, marks = append(columns, `"`+c+`" `+kind), append(marks, "?")
		}
		_, err := tx.Exec("CREATE TABLE " + name + " (" + strings.Join(columns, ", ") + ")")
		require.NoError(tb, err)
		for _, row := range t.Rows {
			_, err := tx.Exec("INSERT INTO "+name+" VALUES ("+strings.Join(marks, ", ")+")", row...)
			require.NoError(tb, err)
		}
	}
	require.NoError(tb, tx.Commit())
}

// told is what nodes are told about a computer, as far as the reference tells it.
type told struct {
	Software   []string
	Partitions []toldPartition
}

type toldPartition struct {
	Reference, State, Release, Type, Timestamp string
	Title, Root                                any
	Parameters, Connection                     map[string]any
	Addresses                                  [][2]string
	Slaves                                     []any
}

// readTold reads an answer about a computer.
func readTold(tb testing.TB, body string) (out told) {
	tb.Helper()
	v, err := marshal.Unmarshal([]byte(body))
	require.NoError(tb, err)
	get := func(o *marshal.Object, name string) any {
		v, _ := o.Get(name)
		return v
	}
	native := func(v any) map[string]any {
		if v == nil {
			return nil
		}
		n, err := marshal.Native(v)
		require.NoError(tb, err)
		return n.(map[string]any)
	}
	for _, item := range get(v.(*marshal.Object), "_software_release_list").(*marshal.List).Items {
		o := item.(*marshal.Object)
		out.Software = append(out.Software, fmt.Sprint(get(o, "_software_release"), " ", get(o, "_requested_state")))
	}
	for _, item := range get(v.(*marshal.Object), "_computer_partition_list").(*marshal.List).Items {
		o := item.(*marshal.Object)
		p := toldPartition{Reference: get(o, "_partition_id").(string), State: get(o, "_requested_state").(string)}
		if release, ok := get(o, "_software_release_document").(*marshal.Object); ok {
			p.Release = get(release, "_software_release").(string)
			p.Parameters, p.Connection = native(get(o, "_parameter_dict")), native(get(o, "_connection_dict"))
			take := func(name string) any {
				v := p.Parameters[name]
				delete(p.Parameters, name)
				return v
			}
			for _, address := range take("ip_list").([]any) {
				pair := address.([]any)
				p.Addresses = append(p.Addresses, [2]string{pair[0].(string), pair[1].(string)})
			}
			p.Slaves = take("slave_instance_list").([]any)
			p.Type, p.Title, p.Root = take("slap_software_type").(string), take("instance_title"), take("root_instance_title")
			p.Timestamp, _ = take("timestamp").(string)
			for _, name := range []string{"full_address_list", "slap_computer_id", "slap_computer_partition_id", "slap_software_release_url"} {
				take(name)
			}
		}
		out.Partitions = append(out.Partitions, p)
	}
	return out
}

// expectTold is told from the rows of a database, as wire.md section 7.2 has it,
// with the trees of section 8.3 for schemas up to 16.
func expectTold(tb testing.TB, d map[string]recordedTable) map[string]told {
	tb.Helper()
	t := latest(tb, d)
	out := map[string]told{"computer": {}}
	for _, c := range t["computer"] {
		out[c.text("reference", "computer")] = told{}
	}
	for _, s := range t["software"] {
		computer := s.text("computer_reference", "computer")
		if c, ok := out[computer]; ok {
			c.Software = append(c.Software, s.text("url", "")+" "+s.text("requested_state", "available"))
			out[computer] = c
		}
	}
	for _, row := range t["partition"] {
		computer := row.text("computer_reference", "computer")
		p := toldPartition{Reference: row.text("reference", ""), State: "destroyed", Release: row.text("software_release", "")}
		if p.Release != "" {
			p.State, p.Type, p.Title = row.text("requested_state", ""), row.text("software_type", ""), row.values["partition_reference"]
			p.Root = rootOf(t["partition"], row)
			p.Parameters, p.Connection = decodedXML(tb, row.text("xml", "")), decodedXML(tb, row.text("connection_xml", ""))
			if at, ok := row.values["timestamp"].(float64); ok {
				p.Timestamp = marshal.FloatText(at)
			}
			for _, a := range t["partition_network"] {
				if a.text("partition_reference", "") == p.Reference && a.text("computer_reference", "computer") == computer {
					p.Addresses = append(p.Addresses, [2]string{a.text("reference", ""), a.text("address", "")})
				}
			}
			p.Slaves = []any{}
			if list := row.text("slave_instance_list", ""); list != "" {
				v, err := marshal.Unmarshal([]byte(list))
				require.NoError(tb, err)
				n, err := marshal.Native(v)
				require.NoError(tb, err)
				p.Slaves = n.([]any)
			}
		}
		c := out[computer]
		c.Partitions = append(c.Partitions, p)
		out[computer] = c
	}
	return out
}

func decodedXML(tb testing.TB, text string) map[string]any {
	tb.Helper()
	if text == "" {
		return map[string]any{}
	}
	v, err := instancexml.Decode(text)
	require.NoError(tb, err)
	return v
}

// rowOf is a row by column.
type rowOf struct {
	version int
	values  map[string]any
}

func (r rowOf) text(column, otherwise string) string {
	if s, ok := r.values[column].(string); ok {
		return s
	}
	return otherwise
}

// latest is the newest version of each table that has rows.
func latest(tb testing.TB, d map[string]recordedTable) map[string][]rowOf {
	tb.Helper()
	out := map[string][]rowOf{}
	name := regexp.MustCompile(`^(.*?)(\d+)$`)
	for called, t := range d {
		m := name.FindStringSubmatch(called)
		var version int
		_, err := fmt.Sscan(m[2], &version)
		require.NoError(tb, err)
		if old := out[m[1]]; len(t.Rows) == 0 || len(old) > 0 && old[0].version > version {
			continue
		}
		out[m[1]] = nil
		for _, values := range t.Rows {
			r := rowOf{version: version, values: map[string]any{}}
			for i, v := range values {
				r.values[t.Columns[i]] = v
			}
			out[m[1]] = append(out[m[1]], r)
		}
	}
	return out
}

// rootOf is the title of the root of a tree.
func rootOf(partitions []rowOf, row rowOf) any {
	parent := row.text("requested_by", "")
	if row.version >= 17 && parent != "" && !slices.ContainsFunc(partitions, func(p rowOf) bool {
		// Left by an upgrade: a partition where a title belongs.
		return p.values["reference"] == parent && p.values["computer_reference"] == row.values["computer_reference"]
	}) {
		return parent
	}
	var same, elsewhere []rowOf
	for _, p := range partitions {
		switch {
		case p.values["reference"] != parent || p.text("slap_state", "") != "busy":
		case p.values["computer_reference"] == row.values["computer_reference"]:
			same = append(same, p)
		default:
			elsewhere = append(elsewhere, p)
		}
	}
	if len(same) == 0 && len(elsewhere) == 1 {
		same = elsewhere
	}
	if parent == "" || len(same) == 0 {
		return row.values["partition_reference"]
	}
	return rootOf(partitions, same[0])
}

// answersOf are what a master tells about computers.
func answersOf(tb testing.TB, s *Server, computers []string) map[string]told {
	tb.Helper()
	out := map[string]told{}
	for _, c := range computers {
		w := get(s, "/getFullComputerInformation?computer_id="+url.QueryEscape(c))
		require.Equal(tb, 200, w.Code, w.Body.String())
		out[c] = readTold(tb, w.Body.String())
	}
	return out
}

// readRows reads all of a file of the reference.
func readRows(tb testing.TB, path string) *refdb.Database {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(tb, err)
	defer db.Close()
	d, err := refdb.Read(tb.Context(), db, "computer")
	require.NoError(tb, err)
	return d
}
