package proxy

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/refdb"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// execute runs a script on a database.
func execute(tb testing.TB, path, script string, args ...any) {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(tb, err)
	_, err = db.Exec(script, args...)
	require.NoError(tb, err)
	require.NoError(tb, db.Close())
}

// A file that says that it is ours may be anybody's: nothing is read from what only
// looks like a table, and the names of its columns are no statements.
func TestHostileFilesOfOurs(t *testing.T) {
	ours := func(script string) string {
		path := filepath.Join(t.TempDir(), "x.db")
		s, err := Open(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		execute(t, path, script)
		return path
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	target := filepath.Join(t.TempDir(), "new.db")

	endless := ours("ALTER TABLE front_end RENAME TO away; CREATE VIEW front_end AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) " +
		"SELECT id, id AS reference, id AS requester_id, id AS origin FROM n WHERE id < 0")
	_, err := Open(ctx, endless)
	require.ErrorIs(t, err, ErrForeignDatabase)
	_, err = Check(ctx, endless, "")
	require.ErrorIs(t, err, ErrForeignDatabase)
	_, err = Import(ctx, endless, target, ImportOptions{})
	require.ErrorIs(t, err, ErrForeignDatabase)
	require.NoFileExists(t, target)

	named := ours(`ALTER TABLE setting ADD COLUMN "value) SELECT 'stolen', ?2, ?3 WHERE ?1 > '' --"; INSERT INTO setting (name, value) VALUES ('a', 'b')`)
	_, err = Import(ctx, named, target, ImportOptions{})
	require.ErrorContains(t, err, "has no column named value) SELECT")
	require.NoFileExists(t, target)
}

// A key may be as long as a value may be, and hold nothing but what separates names.
func TestImportOfEndlessKeys(t *testing.T) {
	f, err := plant([]refdb.Partition{{Reference: "_", Computer: "c", SlapState: "busy", Title: "root", ByPartition: true}})
	require.NoError(t, err)
	f.roots["_"] = true
	key := strings.Repeat("_", refdb.MaxValue)
	began := time.Now()
	require.Equal(t, "_", f.byPrefix(refdb.Slave{Reference: key, Computer: "c", ByPartition: true}).row.Reference)
	require.Equal(t, "_", longest(key, f.roots))
	require.Less(t, time.Since(began), 10*time.Second)
}

// Files that cannot be imported are refused with their reason, and stay as they
// are to the byte.
func TestDatabasesThatAreRefused(t *testing.T) {
	good := schema14(busyRow("p0", "computer", "root", nil))
	change := func(column string, value any) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			writeTables(t, path, good)
			execute(t, path, "UPDATE partition14 SET "+column+" = ?", value)
		}
	}
	script := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			writeTables(t, path, good)
			execute(t, path, text)
		}
	}
	for name, test := range map[string]struct {
		make func(*testing.T, string)
		want error
		text string
	}{
		"schema 19":             {make: script("CREATE TABLE partition19(x)"), want: ErrNewerDatabase, text: "schemas 10 to 18 are read"},
		"schema 9 only":         {make: func(t *testing.T, p string) { execute(t, p, "CREATE TABLE partition9(x)") }, want: ErrForeignDatabase, text: "1.6.10"},
		"text in a timestamp":   {make: change("timestamp", "soon"), text: "table partition14, row 1: timestamp is not a number"},
		"endless timestamp":     {make: change("timestamp", math.Inf(1)), text: "timestamp is +Inf, which is no time"},
		"timestamp before 1970": {make: change("timestamp", -1.0), text: "timestamp is -1"},
		"bytes for a title":     {make: change("partition_reference", []byte("root")), text: "partition_reference is not text"},
		"no partition name":     {make: change("reference", nil), text: "reference is empty"},
		"not UTF-8":             {make: script("UPDATE partition14 SET partition_reference = CAST(x'ff41' AS TEXT)"), text: "not UTF-8"},
		"zero byte":             {make: script("UPDATE partition14 SET partition_reference = CAST(x'410042' AS TEXT)"), text: "zero byte"},
		"control character":     {make: change("partition_reference", "a\x01b"), text: `partition "p0" of computer "computer" cannot be told`},
		"broken parameters":     {make: change("xml", "<instance>"), text: `partition "p0" of computer "computer" cannot be told`},
		"broken list":           {make: change("slave_instance_list", "<marshal><list>"), text: `partition "p0" of computer "computer": slave_instance_list`},
		"list is a dictionary":  {make: change("slave_instance_list", "<marshal><dictionary/></marshal>"), text: "is not a list"},
		"list of texts":         {make: change("slave_instance_list", "<marshal><list><string>a</string></list></marshal>"), text: "not a dictionary"},
		"huge text":             {make: script("UPDATE partition14 SET xml = printf('%.*c', 17000000, 'x')"), text: "xml has 17000000 bytes"},
		"enormous text":         {make: script("UPDATE partition14 SET xml = printf('%.*c', 70000000, 'x')"), text: "partition14"},
		"twice the same":        {make: script("INSERT INTO partition14 SELECT * FROM partition14"), text: `partition "p0" of computer "computer" is there twice`},
		"missing column":        {make: script("ALTER TABLE partition14 DROP COLUMN xml"), text: "table partition14 has no column xml"},
		"computed column":       {make: script("ALTER TABLE partition14 DROP COLUMN xml; ALTER TABLE partition14 ADD COLUMN xml AS (printf('%.*c', 1000000000, 'x'))"), text: "column xml of partition14 is computed"},
		"a view":                {make: script("DROP TABLE slave14; CREATE VIEW slave14 AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS reference FROM n"), text: "slave14 is not a plain table"},
		"an index":              {make: script("DROP TABLE slave14; CREATE INDEX slave14 ON partition14 (xml)"), text: "slave14 is not a plain table"},
		"a virtual table":       {make: script("DROP TABLE slave14; CREATE VIRTUAL TABLE slave14 USING fts5(reference)"), text: "slave14 is not a plain table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "proxy.db")
			test.make(t, path)
			require.NoError(t, os.Chmod(path, 0o640))
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = Open(t.Context(), path)
			require.Error(t, err)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
			require.ErrorContains(t, err, test.text)
			require.ErrorContains(t, err, path)
			_, checked := Check(t.Context(), path, "")
			require.ErrorContains(t, checked, test.text)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.Equal(before, after), "the file changed")
			left, err := filepath.Glob(path + ".import*")
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// What is odd and harmless is imported.
func TestOddDatabasesAreImported(t *testing.T) {
	for name, script := range map[string]string{
		"triggers":           "CREATE TRIGGER t AFTER UPDATE ON partition14 BEGIN DELETE FROM partition14; END",
		"another view":       "CREATE VIEW partition AS SELECT * FROM missing",
		"strange columns":    "ALTER TABLE partition14 ADD COLUMN more; ALTER TABLE computer14 ADD COLUMN timestamp TIMESTAMP DEFAULT 'x'",
		"declared dates":     "ALTER TABLE partition14 RENAME COLUMN timestamp TO old; ALTER TABLE partition14 ADD COLUMN timestamp DATETIME; UPDATE partition14 SET timestamp = old",
		"numbers for names":  "UPDATE computer14 SET netmask = 24",
		"log":                "PRAGMA journal_mode = WAL",
		"upper case":         "CREATE TABLE PARTITION18 (x)",
		"tables of cats":     "CREATE TABLE cats (x)",
		"strange version":    "PRAGMA user_version = 99",
		"strange state":      "UPDATE partition14 SET requested_state = 'odd'",
		"free with instance": "UPDATE partition14 SET slap_state = 'free'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "proxy.db")
			writeTables(t, path, schema14(busyRow("p0", "computer", "root", nil)))
			execute(t, path, script)
			s := imported(t, path)
			body := get(s, "/getFullComputerInformation?computer_id=computer").Body.String()
			require.Contains(t, body, "<string>root</string>")
			require.NoFileExists(t, path+"-journal")
			check(t, path)
			names := tablesOf(t, path)
			require.NotContains(t, names, "t")
			require.NotContains(t, names, "cats")
		})
	}
}

func tablesOf(t *testing.T, path string) (names []string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	rows, err := db.Query("SELECT name FROM sqlite_master")
	require.NoError(t, err)
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Err())
	return names
}

// Long chains and circles of requests end, in a time that grows with their length.
func TestLongChainsOfRequests(t *testing.T) {
	const n = 200000
	for name, closed := range map[string]bool{"chain": false, "circle": true} {
		t.Run(name, func(t *testing.T) {
			rows := make([]refdb.Partition, n)
			for i := range rows {
				rows[i] = refdb.Partition{
					Reference: fmt.Sprint("p", i), Computer: "c", SlapState: "busy", Title: fmt.Sprint("t", i),
					Requester: fmt.Sprint("p", (i+1)%n), ByPartition: true,
				}
			}
			root := "t0"
			if !closed {
				rows[n-1].Requester, root = "", fmt.Sprint("t", n-1)
			}
			f, err := plant(rows)
			require.NoError(t, err)
			roots := 0
			for _, node := range f.all {
				require.Equal(t, root, f.rootTitle(node))
				if f.tree(node) == "" {
					roots++
				}
			}
			require.Equal(t, 1, roots)
		})
	}
}

// A database that somebody writes to waits, and is refused when that lasts.
func TestImportWhileWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxy.db")
	writeTables(t, path, schema14(busyRow("p0", "computer", "root", nil)))
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN IMMEDIATE; UPDATE partition14 SET partition_reference = 'changed'")
	require.NoError(t, err)
	opened := make(chan error, 1)
	go func() {
		s, err := Open(context.Background(), path)
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	_, err = conn.ExecContext(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.NoError(t, <-opened)
	require.Equal(t, "changed", readKept(t, path).Partitions[0].Instance.Title)
}

// FuzzImport puts values into the rows of a database of any schema: they are
// imported, exported in both schemas and imported again, or refused at first.
func FuzzImport(f *testing.F) {
	f.Add(14, "p1", "p0", "started", "<instance/>", "<marshal><list/></marshal>", "p0_s", 1.5)
	f.Add(18, "p0", "root", "", "", "<marshal><list><dictionary><string>slave_reference</string><string>root_s</string></dictionary></list></marshal>", "root_s", 0.0)
	f.Add(10, "p", "p", "x", "<instance><parameter id=\"_\">{}</parameter></instance>", "", "_s", -1.0)
	f.Add(17, "user", "user", "destroyed", "", "<marshal><list><int>1</int></list></marshal>", "user_", 1e300)
	f.Add(16, "p_0", "p_0", "stopped", "", "<marshal><list><dictionary><string>slave_reference</string><string>p_0_s</string></dictionary></list></marshal>", "p_0_s", 3.0)
	s, err := store.Open(f.Context(), store.Memory)
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	undone := errors.New("undone")
	// tried imports rows, looks at what became of them and takes it back.
	tried := func(d *refdb.Database, look func(store.Reader)) error {
		return s.Update(context.Background(), func(t store.Tx) error {
			im := importer{computerID: "computer", now: 1, from: d}
			if err := im.fill(t); err != nil {
				return err
			}
			look(t)
			return undone
		})
	}
	f.Fuzz(func(t *testing.T, schema int, name, requester, state, xml, list, key string, at float64) {
		d := rowsOf(10+(schema%9+9)%9, name, requester, state, xml, list, key, at)
		exports := map[int]*refdb.Database{}
		err := tried(d, func(r store.Reader) {
			for _, schema := range []int{Schema14, Schema18} {
				var e exporter
				require.NoError(t, e.read(r, schema))
				exports[schema] = &e.out
			}
		})
		if !errors.Is(err, undone) {
			require.NotContains(t, err.Error(), "panic")
			return
		}
		for schema, d := range exports {
			for i := range d.Partitions {
				d.Partitions[i].ByPartition = schema == Schema14
			}
			for i := range d.Slaves {
				d.Slaves[i].ByPartition = schema == Schema14
			}
			require.ErrorIs(t, tried(d, func(store.Reader) {}), undone)
		}
	})
}

// rowsOf are a few rows that hold given values.
func rowsOf(schema int, name, requester, state, xml, list, key string, at float64) *refdb.Database {
	d := &refdb.Database{
		Versions:  []int{schema},
		Computers: []refdb.Computer{{Reference: "computer"}, {Reference: requester}},
		Software:  []refdb.Software{{URL: key, Computer: "computer", State: state}, {URL: key, Computer: requester}},
		Partitions: []refdb.Partition{
			{Reference: "p0", Computer: "computer", SlapState: "busy", Release: "r", XML: xml, SlaveList: list, Title: "root", State: "started", Timestamp: 1},
			{
				Reference: name, Computer: "computer", SlapState: "busy", ConnectionXML: xml, Type: state, Title: key,
				Tree: requester, Requester: requester, State: state, Timestamp: at,
			},
			{Reference: "p1", Computer: requester, SlapState: state, SlaveList: list, Title: name, Tree: name, Requester: name, State: state},
		},
		Slaves: []refdb.Slave{
			{Reference: key, Computer: "computer", ConnectionXML: xml, Host: "p0", Tree: requester, Requester: requester},
			{Reference: "p0_s", Computer: "computer", Host: name, Tree: "root", Requester: "p0"},
			{Reference: key, Computer: requester, Host: requester, Requester: name},
		},
		Addresses: []refdb.Address{{Partition: name, Computer: requester, Interface: key, Address: "::1"}},
		Forwarded: []refdb.Forwarded{{Reference: key, Master: name}, {Reference: key, Master: name}},
	}
	for i := range d.Partitions {
		d.Partitions[i].ByPartition = schema < 17
	}
	for i := range d.Slaves {
		d.Slaves[i].ByPartition = schema < 17
	}
	return d
}
