package proxy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/pgtest"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// A database of either kind becomes one of the other.
func TestImport(t *testing.T) {
	server := pgtest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *pgtest.Server)
	}{
		{"RecordedDatabases", importRecorded},
		{"EverythingIsKept", importKeepsEverything},
		{"NotEmpty", importRefusesRows},
		{"WrongSources", importRefusesSources},
		{"RefusedTexts", importRefusesTexts},
		{"ServedTarget", importIntoServed},
		{"Interrupted", importInterrupted},
		{"Killed", importKilled},
		{"ServerGone", importWithoutServer}, // restarts the server: the last one
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

// opened opens a database, and closes it at the end of the test.
func opened(t *testing.T, database string) *Server {
	t.Helper()
	s, err := Open(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// requireSound verifies a database of any kind.
func requireSound(t *testing.T, database string) {
	t.Helper()
	notes, err := Check(t.Context(), database, "")
	require.NoError(t, err)
	require.Empty(t, notes)
}

// Every recorded database is told about by a master on PostgreSQL, and on a new file,
// as its own proxy did, and stays as it is.
func importRecorded(t *testing.T, server *pgtest.Server) {
	for _, name := range []string{"served.jsonl", "upgraded.jsonl"} {
		for _, d := range recordedDatabases(t, name) {
			if len(d.Tables) == 0 {
				continue
			}
			t.Run(d.Case, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				source := filepath.Join(dir, "theirs.db")
				writeTables(t, source, d.Tables)
				before, err := os.ReadFile(source)
				require.NoError(t, err)
				for _, target := range []string{server.Address(t), filepath.Join(dir, "ours.db")} {
					_, err := Import(t.Context(), source, target, ImportOptions{})
					require.NoError(t, err)
					requireSound(t, target)
					s := opened(t, target)
					want := withoutTimes(rewritten(expectTold(t, d.Tables), keysOf(d)))
					require.Empty(t, cmp.Diff(want, withoutTimes(answersOf(t, s, slices.Collect(maps.Keys(want))))))
				}
				after, err := os.ReadFile(source)
				require.NoError(t, err)
				require.Equal(t, before, after)
				names, err := filepath.Glob(filepath.Join(dir, "theirs*"))
				require.NoError(t, err)
				require.Equal(t, []string{source}, names)
			})
		}
	}
}

// withoutTimes leaves out the times of hosts, which are that of the import if it
// changes their lists.
func withoutTimes(all map[string]told) map[string]told {
	for _, c := range all {
		for i, p := range c.Partitions {
			if len(p.Slaves) > 0 {
				c.Partitions[i].Timestamp = ""
			}
		}
	}
	return all
}

// rich makes a database of ours with something in every table.
func rich(t *testing.T, path string) {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.EnsureComputer("first, which is formatted last")
		require.NoError(t, err)
		c, err := tx.EnsureComputer("computer")
		require.NoError(t, err)
		require.NoError(t, tx.FormatComputer(c))
		c.Status, c.Bang = store.Status{Text: "#access", State: "", Reporter: "computer", CreatedAt: 1, Since: 0.5}, store.Event{Text: "é\n", At: 2}
		require.NoError(t, tx.SaveComputerStatus(c))
		require.NoError(t, tx.InsertSoftware(&store.Software{ComputerID: c.ID, Computer: "computer", URL: releaseA, State: "available", Error: store.Event{Text: "e", At: 3}}))
		_, err = tx.InsertPartition(c, "gone")
		require.NoError(t, err)
		p, err := tx.InsertPartition(c, "p0")
		require.NoError(t, err)
		q, err := tx.InsertPartition(c, "p1")
		require.NoError(t, err)
		require.NoError(t, tx.ReplaceAddresses(p, []store.Address{{Interface: "tap", Address: "::1", Netmask: "ffff::"}}))
		p.Timestamp, q.Timestamp = 1795608000.123456, 2
		require.NoError(t, tx.Occupy(p, &store.Instance{Title: "child", Tree: "root", Release: releaseA, Type: "t", State: "started", Filter: "<marshal><dictionary id=\"i2\"></dictionary></marshal>"}))
		require.NoError(t, tx.Occupy(q, &store.Instance{Title: "root", Release: releaseA, Type: "t", State: "stopped"}))
		p.Instance.Requester = q.Instance.ID // that of a later row
		require.NoError(t, tx.SaveInstance(p))
		p.Instance.Error = store.Event{Text: "log", At: 4}
		require.NoError(t, tx.SaveStatus(p, true))
		require.NoError(t, tx.SaveShared(&store.Shared{ComputerID: c.ID, Computer: "computer", Key: "root_s", Tree: "root", Host: q.Instance.ID,
			Requester: p.Instance.ID, State: "started", Listed: true, Position: 7, Type: "t", Entry: "<marshal><dictionary id=\"i2\"></dictionary></marshal>"}))
		for _, body := range []string{"one", "two"} {
			_, err := tx.InsertUsageReport(c, &store.UsageReport{Reference: "r", Body: body, ReceivedAt: 5})
			require.NoError(t, err)
		}
		require.NoError(t, tx.SaveForwarded(store.Forwarded{Reference: "user_f", Master: "http://m/"}))
		require.NoError(t, tx.SaveFrontEnd(store.FrontEnd{Reference: "front", Requester: p.Instance.ID, Origin: "http://o/"}))
		require.NoError(t, tx.SaveSetting(settingSoftwareRoot, "/srv"))
		gone, err := tx.Occupied("computer", "gone")
		require.NoError(t, err)
		return tx.DeletePartition(gone) // keys have a gap
	}))
	require.NoError(t, s.Close())
}

// everything reads all rows that have an interface, with their keys.
func everything(t *testing.T, database string) (all []any) {
	t.Helper()
	db, _, err := openToRead(t.Context(), database, "")
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.View(t.Context(), func(r store.Reader) error {
		computers, err := r.Computers()
		require.NoError(t, err)
		all = append(all, computers)
		for _, c := range computers {
			software, err := r.Software(c)
			require.NoError(t, err)
			partitions, err := r.Partitions(c)
			require.NoError(t, err)
			all = append(all, software, partitions)
		}
		shared, err := r.AllShared()
		require.NoError(t, err)
		usage, err := r.UsageReports(nil)
		require.NoError(t, err)
		forwarded, err := r.Forwarded()
		require.NoError(t, err)
		front, err := r.FrontEnd("front")
		require.NoError(t, err)
		root, err := r.Setting(settingSoftwareRoot)
		all = append(all, shared, usage, forwarded, front, root)
		return err
	}))
	return all
}

// A database of ours is the same on a server, and back in a file, and goes on there.
func importKeepsEverything(t *testing.T, server *pgtest.Server) {
	dir := t.TempDir()
	source, back, again := filepath.Join(dir, "ours.db"), filepath.Join(dir, "back.db"), filepath.Join(dir, "again.db")
	rich(t, source)
	first, second := server.Address(t), server.Address(t)
	want := everything(t, source)
	for _, step := range [][2]string{{source, first}, {first, second}, {second, back}, {back, again}} {
		notes, err := Import(t.Context(), step[0], step[1], ImportOptions{})
		require.NoError(t, err)
		require.Empty(t, notes)
		requireSound(t, step[1])
		require.Empty(t, cmp.Diff(want, everything(t, step[1])))
	}
	info, err := os.Stat(back)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	for _, name := range append(names, hidden...) {
		require.Contains(t, []string{source, source + ".lock", back, again}, name)
	}
	for _, target := range []string{first, back} {
		s := opened(t, target)
		require.NoError(t, s.master.store.Update(t.Context(), func(tx store.Tx) error {
			c, err := tx.EnsureComputer("new")
			require.NoError(t, err)
			p, err := tx.InsertPartition(c, "p")
			require.NoError(t, err)
			require.NoError(t, tx.Occupy(p, &store.Instance{Title: "new"}))
			added, err := tx.InsertUsageReport(&store.Computer{ID: 2, Reference: "computer"}, &store.UsageReport{Reference: "r", Body: "three"})
			require.True(t, added)
			return err
		}))
		require.NoError(t, s.master.store.Check(t.Context()))
	}
}

// What has rows stays as it is.
func importRefusesRows(t *testing.T, server *pgtest.Server) {
	dir := t.TempDir()
	source, file := filepath.Join(dir, "theirs.db"), filepath.Join(dir, "ours.db")
	writeTables(t, source, schema14(busyRow("p0", "computer", "root", nil)))
	address := server.Address(t)
	for _, target := range []string{address, file} {
		_, err := Import(t.Context(), source, target, ImportOptions{})
		require.NoError(t, err)
	}
	before := readKept(t, address)
	_, err := Import(t.Context(), source, address, ImportOptions{})
	require.ErrorIs(t, err, ErrDatabaseNotEmpty)
	require.ErrorContains(t, err, "its table computer has rows")
	require.ErrorContains(t, err, "PostgreSQL database postgres")
	require.Equal(t, before, readKept(t, address))
	_, err = Import(t.Context(), address, address, ImportOptions{})
	require.ErrorIs(t, err, ErrDatabaseNotEmpty)
	for _, target := range []string{file, source} {
		_, err = Import(t.Context(), source, target, ImportOptions{})
		require.ErrorIs(t, err, fs.ErrExist)
	}
	strange := server.Address(t)
	require.NoError(t, server.Do(t.Context(), "CREATE TABLE "+pgtest.Schema(strange)+".cats (x int)"))
	_, err = Import(t.Context(), source, strange, ImportOptions{})
	require.ErrorIs(t, err, ErrForeignDatabase)
	require.ErrorContains(t, err, "tables of another program")
}

// What is no database of a proxy, or cannot be told to nodes, is not imported, and
// the target stays without tables.
func importRefusesSources(t *testing.T, server *pgtest.Server) {
	dir := t.TempDir()
	text, strange, empty, old, broken, unsound := filepath.Join(dir, "text.db"), filepath.Join(dir, "strange.db"), filepath.Join(dir, "empty.db"),
		filepath.Join(dir, "old.db"), filepath.Join(dir, "broken.db"), filepath.Join(dir, "unsound.db")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600))
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	writeTables(t, strange, map[string]recordedTable{"cats": {Columns: []string{"name"}}})
	writeTables(t, old, map[string]recordedTable{"computer9": {Columns: []string{"reference"}}})
	rows := schema14(busyRow("p0", "computer", "root", nil))
	rows["partition14"].Rows[0][4] = "no XML"
	writeTables(t, broken, rows)
	rich(t, unsound)
	db, err := sql.Open("sqlite", unsound)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "UPDATE partition SET busy = 0")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	address := server.Address(t)
	for _, test := range []struct {
		source string
		want   error
		text   string
	}{
		{filepath.Join(dir, "none.db"), fs.ErrNotExist, "none.db"},
		{text, ErrForeignDatabase, "no SQLite database"},
		{empty, ErrForeignDatabase, "no proxy has served it yet"},
		{strange, ErrForeignDatabase, "strange.db"},
		{old, ErrForeignDatabase, "let the Python proxy of 1.6.10 upgrade it first"},
		{broken, nil, `partition "p0" of computer "computer"`},
		{unsound, nil, "a partition is marked busy without instance, or free with one"},
		{server.Address(t), ErrForeignDatabase, "no proxy has served it yet"},
	} {
		for _, target := range []string{address, filepath.Join(dir, "target.db")} {
			_, err := Import(t.Context(), test.source, target, ImportOptions{})
			require.ErrorContains(t, err, test.text)
			if test.want != nil {
				require.ErrorIs(t, err, test.want)
			}
		}
	}
	require.NoFileExists(t, filepath.Join(dir, "target.db"))
	requireUntouched(t, address)
	const secret = "postgres://user:s3cr3t@127.0.0.1:1/x"
	writeTables(t, filepath.Join(dir, "good.db"), schema14(busyRow("p0", "computer", "root", nil)))
	for _, pair := range [][2]string{{secret, address}, {filepath.Join(dir, "good.db"), secret}} {
		_, err := Import(t.Context(), pair[0], pair[1], ImportOptions{})
		require.ErrorIs(t, err, ErrDatabaseUnavailable)
		require.NotContains(t, err.Error(), "s3cr3t")
	}
}

// requireUntouched verifies that a database has no tables.
func requireUntouched(t *testing.T, address string) {
	t.Helper()
	_, err := store.OpenPostgresViewer(t.Context(), address)
	require.ErrorContains(t, err, "it is empty")
}

// Texts that a file takes and the server does not are named, and nothing is
// imported.
func importRefusesTexts(t *testing.T, server *pgtest.Server) {
	long := make([]byte, 0, 40_000)
	for i := range 10_000 {
		long = fmt.Append(long, i*7919%10_007)
	}
	for _, test := range []struct{ text, says string }{
		{"a\x00b", "column bang_text of row 1"},
		{"a\xffb", "column bang_text of row 1"},
		{string(long), "COPY computer, line 1"},
	} {
		path := filepath.Join(t.TempDir(), "ours.db")
		s, err := store.Open(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
			if len(test.text) > 10 {
				return errorOf(tx.EnsureComputer(test.text))
			}
			c, err := tx.EnsureComputer("computer")
			c.Bang.Text = test.text
			return errors.Join(err, tx.SaveComputerStatus(c))
		}))
		require.NoError(t, s.Close())
		address := server.Address(t)
		_, err = Import(t.Context(), path, address, ImportOptions{})
		require.ErrorContains(t, err, test.says)
		require.ErrorContains(t, err, "table computer")
		require.ErrorIs(t, err, store.ErrText)
		requireNoRows(t, address)
	}
}

func errorOf[T any](_ T, err error) error { return err }

// requireNoRows verifies that nothing was imported.
func requireNoRows(t *testing.T, address string) {
	t.Helper()
	k := readKept(t, address)
	require.Empty(t, k.Computers)
	require.Empty(t, k.Partitions)
}

// A master that serves the empty database tells its nodes what was imported at once.
func importIntoServed(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	s, err := Open(t.Context(), address, WithLocalSoftwareReleaseRoot("/elsewhere"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	ask := func() string { return get(s, "/getFullComputerInformation?computer_id=computer").Body.String() }
	require.NotContains(t, ask(), "p0")
	runID := get(s, "/getRunId").Body.String()
	source := filepath.Join(t.TempDir(), "ours.db")
	rich(t, source)
	other, err := Open(t.Context(), source)
	require.NoError(t, err)
	require.NoError(t, other.Close())
	_, err = Import(t.Context(), source, address, ImportOptions{})
	require.NoError(t, err)
	require.Contains(t, ask(), "p0")
	require.Equal(t, everything(t, source), everything(t, address), "the setting, too")
	require.Equal(t, runID, get(opened(t, address), "/getRunId").Body.String())

	// The computer of the master stays known, though it is not in the copy.
	address = server.Address(t)
	other, err = Open(t.Context(), address, WithComputerID("new"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	_, err = Import(t.Context(), source, address, ImportOptions{})
	require.NoError(t, err)
	require.Equal(t, 200, get(other, "/getFullComputerInformation?computer_id=new").Code)
	requireSound(t, address)
}

// An import whose context ends imports nothing, and can be run again. So can one of
// those that come at the same time.
func importInterrupted(t *testing.T, server *pgtest.Server) {
	const instances = 200
	dir := t.TempDir()
	source := filepath.Join(dir, "theirs.db")
	largeReference(t, source, instances)
	content, err := os.ReadFile(source)
	require.NoError(t, err)
	begin := time.Now()
	_, err = Import(t.Context(), source, server.Address(t), ImportOptions{})
	require.NoError(t, err)
	whole := time.Since(begin)
	interrupted := 0
	for i := range 3 {
		address, file := server.Address(t), filepath.Join(dir, fmt.Sprint(i, ".db"))
		for _, target := range []string{address, file} {
			ctx, cancel := context.WithTimeout(t.Context(), whole*time.Duration(i)/3)
			_, err := Import(ctx, source, target, ImportOptions{})
			cancel()
			if err != nil {
				interrupted++
				require.NoFileExists(t, file)
				_, err = Import(t.Context(), source, target, ImportOptions{})
				require.NoError(t, err, "interrupted after %d of 3", i)
			}
			require.Len(t, readKept(t, target).Partitions, instances)
		}
	}
	require.Positive(t, interrupted)
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left)
	after, err := os.ReadFile(source)
	require.NoError(t, err)
	require.Equal(t, content, after)

	address := server.Address(t)
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		wg.Go(func() { errs[i] = errorOf(Import(t.Context(), source, address, ImportOptions{})) })
	}
	wg.Wait()
	done := 0
	for _, err := range errs {
		if err == nil {
			done++
			continue
		}
		require.ErrorIs(t, err, ErrDatabaseNotEmpty)
	}
	require.Equal(t, 1, done)
	require.Len(t, readKept(t, address).Partitions, instances)
}

// A server that stops during the import has nothing of it, or all, and the next one
// goes on.
func importWithoutServer(t *testing.T, server *pgtest.Server) {
	const instances = 500
	source := filepath.Join(t.TempDir(), "theirs.db")
	largeReference(t, source, instances)
	begin := time.Now()
	_, err := Import(t.Context(), source, server.Address(t), ImportOptions{})
	require.NoError(t, err)
	whole := time.Since(begin)
	for i := range 3 {
		address := server.Address(t)
		ended := make(chan error, 1)
		go func() { ended <- errorOf(Import(context.Background(), source, address, ImportOptions{})) }()
		time.Sleep(whole * time.Duration(i+2) / 4)
		server.Restart(t)
		if err := <-ended; err != nil {
			require.ErrorIs(t, err, ErrDatabaseUnavailable)
		}
		importAgain(t, source, address, instances)
	}
}

// importAgain completes an import that may have been made.
func importAgain(t *testing.T, source, target string, instances int) (made bool) {
	t.Helper()
	_, err := Import(t.Context(), source, target, ImportOptions{})
	if made = errors.Is(err, ErrDatabaseNotEmpty) || errors.Is(err, fs.ErrExist); !made {
		require.NoError(t, err)
	}
	requireSound(t, target)
	kept := readKept(t, target)
	require.Len(t, kept.Partitions, instances)
	for _, p := range kept.Partitions {
		require.NotNil(t, p.Instance, p.Reference)
	}
	return made
}
