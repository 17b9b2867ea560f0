//go:build linux

package proxy

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// supplyTo supplies a release, and returns status and body of the answer.
func supplyTo(s *Server, url string) (int, string) {
	w := post(s, "/supplySupply", "url", url, "computer_id", "computer", "state", "available")
	return w.Code, w.Body.String()
}

// Nothing is answered 200 that would be written into a file without name. With
// the files back, the same master works on.
func TestDatabaseRemovedWhileServed(t *testing.T) {
	for _, ending := range []string{"", "-wal", "-shm"} {
		t.Run("file"+ending, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			s, err := Open(t.Context(), path)
			require.NoError(t, err)
			status, _ := supplyTo(s, "before")
			require.Equal(t, 200, status)
			require.NoError(t, os.Rename(path+ending, path+".away"))

			status, body := supplyTo(s, "lost")
			require.Equal(t, http.StatusServiceUnavailable, status)
			require.Contains(t, body, "removed or replaced")
			require.Contains(t, body, path+ending)
			w := get(s, "/getFullComputerInformation?computer_id=computer")
			require.Equal(t, 200, w.Code)
			require.Contains(t, w.Body.String(), "before")
			require.NotContains(t, w.Body.String(), "lost")

			require.NoError(t, os.Rename(path+".away", path+ending))
			status, body = supplyTo(s, "after")
			require.Equal(t, 200, status, body)
			require.NoError(t, s.Close())
			check(t, path)
			require.Equal(t, []string{"before", "after"}, supplied(t, path))
		})
	}
}

// supplied opens a database and returns the releases that are supplied.
func supplied(t *testing.T, path string) (urls []string) {
	t.Helper()
	v, err := store.OpenViewer(t.Context(), path)
	require.NoError(t, err)
	defer v.Close()
	require.NoError(t, v.View(t.Context(), func(r store.Reader) error {
		c, err := r.Computer("computer")
		require.NoError(t, err)
		software, err := r.Software(c)
		for _, s := range software {
			urls = append(urls, s.URL)
		}
		return err
	}))
	return urls
}

// A master whose files were replaced writes nothing into the new ones and takes
// nothing away from who serves them.
func TestDatabaseReplacedWhileServed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	first, err := Open(t.Context(), path)
	require.NoError(t, err)
	for _, ending := range []string{"", "-wal", "-shm", ".lock"} {
		require.NoError(t, os.Remove(path+ending))
	}
	second, err := Open(t.Context(), path)
	require.NoError(t, err)
	status, _ := supplyTo(second, "kept")
	require.Equal(t, 200, status)
	status, body := supplyTo(first, "lost")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, "removed or replaced")
	require.NoError(t, first.Close())

	require.FileExists(t, path+"-wal", "the log of the second master is not the first one's to remove")
	status, body = supplyTo(second, "kept too")
	require.Equal(t, 200, status, body)
	require.Equal(t, []string{"kept", "kept too"}, supplied(t, path))
	require.NoError(t, second.Close())
	check(t, path)
	require.Equal(t, []string{"kept", "kept too"}, supplied(t, path))
}

// However a file is named, only one master serves it.
func TestSecondMasterIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, os.Symlink(path, filepath.Join(dir, "link.db")))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "sub")))
	locked := locksOn(t, path)
	require.Positive(t, locked)
	for _, name := range []string{path, filepath.Join(dir, "link.db"), filepath.Join(dir, "sub", "x.db"), filepath.Join(dir, "sub", "link.db")} {
		_, err := Open(t.Context(), name)
		require.ErrorIs(t, err, ErrDatabaseInUse, name)
		require.ErrorContains(t, err, "another database_uri")
	}
	require.Equal(t, locked, locksOn(t, path), "a refused master took the locks of the first")
	status, _ := supplyTo(s, "kept")
	require.Equal(t, 200, status)
	require.NoError(t, s.Close())
	require.Equal(t, []string{"kept"}, supplied(t, path))
}

// A new file comes into being where a link points, and what is no file is left
// alone.
func TestOddDatabasePaths(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.Symlink("further.db", at("link.db")))
	require.NoError(t, os.Symlink(at("new.db"), at("further.db")))
	s, err := Open(t.Context(), at("link.db"))
	require.NoError(t, err)
	_, err = Open(t.Context(), at("new.db"))
	require.ErrorIs(t, err, ErrDatabaseInUse)
	status, body := supplyTo(s, "kept")
	require.Equal(t, 200, status, body)
	require.NoError(t, s.Close())
	require.Equal(t, []string{"kept"}, supplied(t, at("new.db")))

	require.NoError(t, os.Symlink("loop.db", at("loop.db")))
	require.NoError(t, os.Symlink("missing/x.db", at("nowhere.db")))
	require.NoError(t, syscall.Mkfifo(at("pipe.db"), 0o644))
	require.NoError(t, os.Mkdir(at("dir.db"), 0o755))
	before, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, name := range []string{"loop.db", "nowhere.db", "pipe.db", "dir.db", "missing/x.db", strings.Repeat("a", 1000)} {
		_, err := Open(t.Context(), at(name))
		require.ErrorContains(t, err, at(name))
	}
	after, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, len(before), len(after), "something was left beside what was refused")
	info, err := os.Stat(at("pipe.db"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o644), info.Mode().Perm())
}

// locksOn counts the locks that the engine of this process has on a file.
func locksOn(t *testing.T, path string) (n int) {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		t.Skipf("no table of locks: %v", err)
	}
	inode := ":" + strconv.FormatUint(info.Sys().(*syscall.Stat_t).Ino, 10) + " "
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, "POSIX") && strings.Contains(line, inode) {
			n++
		}
	}
	return n
}

// Timestamps grow and states stay in order whatever the clock does.
func TestClockThatJumps(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	before := m.at("computer/p0").Timestamp
	for i, now := range []time.Time{
		start.Add(-time.Hour), time.Unix(0, 0), time.Unix(-1<<31, 0), time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), start,
		time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC), start, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), start, start,
	} {
		m.mu.Lock()
		m.time = now
		m.mu.Unlock()
		require.Equal(t, 200, post(m.server, "/softwareInstanceBang", "computer_id", "computer", "computer_partition_id", "p0").Code)
		after := m.at("computer/p0").Timestamp
		require.Greater(t, after, before, "%d: %v", i, now)
		before = after
		w := get(m.server, "/getFullComputerInformation?computer_id=computer")
		require.Equal(t, 200, w.Code, "%v", now)
		require.Equal(t, 200, get(m.server, "/getComputerPartitionStatus?computer_id=computer&computer_partition_id=p0").Code, "%v", now)
	}
	require.Equal(t, "computer/p1", m.place(asking{title: "B"}))
	require.NoError(t, m.store.(*store.SQLite).Check(t.Context()))
}
