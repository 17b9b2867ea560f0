//go:build linux

package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/pgtest"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// largeReference writes a database of schema 14 with many instances.
func largeReference(t *testing.T, path string, instances int) {
	t.Helper()
	rows := make([][]any, instances)
	for i := range rows {
		parent := any(nil)
		if i > 0 {
			parent = fmt.Sprint("p", (i-1)/2)
		}
		rows[i] = busyRow(fmt.Sprint("p", i), "computer", fmt.Sprint("title", i), parent)
		rows[i][4] = "<instance><parameter id=\"a\">" + strings.Repeat("x", 200) + "</parameter></instance>"
	}
	writeTables(t, path, schema14(rows...))
}

// instancesIn counts the instances of a database of ours, and verifies it.
func instancesIn(t *testing.T, path string) (n int) {
	t.Helper()
	v, err := store.OpenViewer(t.Context(), path)
	require.NoError(t, err)
	defer v.Close()
	require.NoError(t, v.Check(t.Context()))
	require.NoError(t, v.View(t.Context(), func(r store.Reader) error {
		c, err := r.Computer("computer")
		require.NoError(t, err)
		partitions, err := r.Shown(c)
		for _, p := range partitions {
			if p.Instance != nil {
				n++
			}
		}
		return err
	}))
	return n
}

// A master that is killed during the import leaves the database of the reference or
// a complete one of ours, and the next start goes on.
func TestKilledImport(t *testing.T) {
	const instances = 500
	dir := t.TempDir()
	original := filepath.Join(dir, "original.db")
	largeReference(t, original, instances)
	content, err := os.ReadFile(original)
	require.NoError(t, err)
	rowsBefore := readRows(t, original)

	timed := filepath.Join(dir, "timed.db")
	require.NoError(t, os.WriteFile(timed, content, 0o600))
	begin := time.Now()
	startedChild, _ := startChild(t, timed)
	whole := time.Since(begin)
	require.NoError(t, startedChild.Kill())
	_, err = startedChild.Wait()
	require.NoError(t, err)

	interrupted := 0
	for round := range rounds(6, 200) {
		path := filepath.Join(t.TempDir(), "proxy.db")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDatabase+"="+path)
		child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		require.NoError(t, child.Start())
		time.Sleep(time.Duration(rand.Int64N(int64(whole) + 1)))
		require.NoError(t, child.Process.Kill())
		require.Error(t, child.Wait())

		v, err := store.OpenViewer(t.Context(), path)
		if errors.Is(err, store.ErrReference) {
			interrupted++
			require.Equal(t, rowsBefore, readRows(t, path), "round %d: the original changed", round)
		} else {
			require.NoError(t, err, "round %d", round)
			require.NoError(t, v.Close())
		}
		s, err := Open(t.Context(), path)
		require.NoError(t, err, "round %d", round)
		require.NoError(t, s.Close())
		require.Equal(t, instances, instancesIn(t, path), "round %d", round)
		copies, err := filepath.Glob(path + "-backup-reference14-*.db")
		require.NoError(t, err)
		require.Len(t, copies, 1, "round %d", round)
		require.Equal(t, rowsBefore, readRows(t, copies[0]), "round %d", round)
		left, err := filepath.Glob(path + ".import*")
		require.NoError(t, err)
		require.Empty(t, left, "round %d", round)
	}
	t.Logf("%d of %d imports were interrupted", interrupted, rounds(6, 200))
}

// A process that is killed while it imports leaves nothing in the target, or all of
// it, and the next one goes on.
func importKilled(t *testing.T, server *pgtest.Server) {
	const instances = 500
	source := filepath.Join(t.TempDir(), "theirs.db")
	largeReference(t, source, instances)
	content, err := os.ReadFile(source)
	require.NoError(t, err)
	for _, kind := range []struct {
		name   string
		target func(*testing.T) string
	}{
		{"PostgreSQL", func(t *testing.T) string { return server.Address(t) }},
		{"File", func(t *testing.T) string { return filepath.Join(t.TempDir(), "ours.db") }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			importing := func(target string) *exec.Cmd {
				child := exec.Command(os.Args[0])
				child.Env = append(os.Environ(), childDatabase+"="+target, childSource+"="+source)
				child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
				return child
			}
			begin := time.Now()
			require.NoError(t, importing(kind.target(t)).Run())
			whole := time.Since(begin)
			made := 0
			for range rounds(4, 200) {
				target := kind.target(t)
				child := importing(target)
				require.NoError(t, child.Start())
				time.Sleep(time.Duration(rand.Int64N(int64(whole) + 1)))
				require.NoError(t, child.Process.Kill())
				_ = child.Wait() // it was killed, or had ended
				if importAgain(t, source, target, instances) {
					made++
				}
			}
			t.Logf("%d of %d imports were killed before they were made", rounds(4, 200)-made, rounds(4, 200))
			after, err := os.ReadFile(source)
			require.NoError(t, err)
			require.Equal(t, content, after)
		})
	}
}

// A full disk leaves what was there, and says so; with space it works.
func TestFullFileSystemDuringImport(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	source := filepath.Join(t.TempDir(), "x.db")
	largeReference(t, source, 500)
	content, err := os.ReadFile(source)
	require.NoError(t, err)
	rowsBefore := readRows(t, source)
	size := len(content)
	// Too little for the copy, for the new database, and almost enough.
	for _, room := range []int{size / 2, size * 3 / 2, size * 2, size * 5 / 2} {
		dir := mountSmall(t, fmt.Sprint(size+room))
		path := filepath.Join(dir, "proxy.db")
		require.NoError(t, os.WriteFile(path, content, 0o600))
		_, err = Open(t.Context(), path)
		require.ErrorIs(t, err, ErrDatabaseUnavailable, "room %d of %d", room, size)
		require.ErrorContains(t, err, "full")
		require.ErrorContains(t, err, "stays as it is")
		require.Equal(t, rowsBefore, readRows(t, path))
		hidden, err := filepath.Glob(filepath.Join(dir, ".*"))
		require.NoError(t, err)
		require.Empty(t, hidden)
		left, err := filepath.Glob(path + ".import*")
		require.NoError(t, err)
		require.Empty(t, left)
		require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=64m"))
		s, err := Open(t.Context(), path)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.Equal(t, 500, instancesIn(t, path))
	}
}

// Backups and exports onto a full disk leave nothing, and not what was there before.
func TestFullFileSystemDuringCopies(t *testing.T) {
	if !inMountNamespace(t) {
		return
	}
	path := filepath.Join(t.TempDir(), "proxy.db")
	largeReference(t, path, 500)
	imported(t, path)
	dir := mountSmall(t, "100k")
	target := filepath.Join(dir, "copy.db")
	require.NoError(t, os.WriteFile(target, []byte("precious"), 0o600))
	_, err := Backup(t.Context(), path, BackupOptions{Path: target, Replace: true})
	require.ErrorIs(t, err, ErrDatabaseUnavailable)
	require.ErrorContains(t, err, "full")
	_, err = Export(t.Context(), path, target, ExportOptions{Replace: true})
	require.ErrorIs(t, err, ErrDatabaseUnavailable)
	require.ErrorContains(t, err, "full")
	text, err := os.ReadFile(target)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)

	require.NoError(t, syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=64m"))
	_, err = Backup(t.Context(), path, BackupOptions{Path: target, Replace: true})
	require.NoError(t, err)
	require.Equal(t, 500, instancesIn(t, target))
	_, err = Export(t.Context(), path, target, ExportOptions{Replace: true})
	require.NoError(t, err)
	require.Len(t, readRows(t, target).Partitions, 500)
}
