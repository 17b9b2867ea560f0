package proxy

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// openAtRoot opens a database with a root and returns what was logged about it.
func openAtRoot(t *testing.T, path, root string) (m *testMaster, logged []string) {
	t.Helper()
	var log bytes.Buffer
	opts := []Option{WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))}
	if root != "" {
		opts = append(opts, WithLocalSoftwareReleaseRoot(root))
	}
	s, err := Open(t.Context(), path, opts...)
	require.NoError(t, err)
	for line := range strings.Lines(log.String()) {
		var record struct{ Level, Msg string }
		require.NoError(t, json.Unmarshal([]byte(line), &record))
		logged = append(logged, record.Level+" "+record.Msg)
	}
	return &testMaster{t: t, server: s, master: s.master, time: start}, logged
}

// releasesKept are the releases supplied on the computer and those of its
// partitions, in order, and the root.
func releasesKept(t *testing.T, s store.Store) (all []string, root string) {
	t.Helper()
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		c, err := r.Computer("computer")
		require.NoError(t, err)
		software, err := r.Software(c)
		require.NoError(t, err)
		for _, s := range software {
			all = append(all, s.URL+" "+s.State)
		}
		partitions, err := r.Partitions(c)
		require.NoError(t, err)
		for _, p := range partitions {
			if p.Instance != nil {
				all = append(all, p.Instance.Title+" "+p.Instance.Release)
			}
		}
		root, err = r.Setting(settingSoftwareRoot)
		return err
	}))
	return all, root
}

func backupsOf(t *testing.T, path string) []string {
	t.Helper()
	found, err := filepath.Glob(path + "-backup-*")
	require.NoError(t, err)
	return found
}

// Each rule of what is moved and what stays, for a release that is supplied and one
// that is used. In the names, OLD and NEW are the roots.
func TestMovedSoftwareRoot(t *testing.T) {
	for _, test := range []struct {
		name, release, want string
		files               []string // that exist
		reason              string   // that is logged
	}{
		{name: "neither file exists", release: "OLD/a/software.cfg", want: "NEW/a/software.cfg", reason: "  Migrate to rebased URL NEW/a/software.cfg"},
		{name: "only the new file exists", release: "OLD/a.cfg", files: []string{"NEW/a.cfg"}, want: "NEW/a.cfg"},
		{name: "both files exist", release: "OLD/a.cfg", files: []string{"OLD/a.cfg", "NEW/a.cfg"}, want: "NEW/a.cfg"},
		{
			name: "only the old file exists", release: "OLD/a.cfg", files: []string{"OLD/a.cfg"}, want: "OLD/a.cfg",
			reason: "  Do not rebase because it refers to an existing file but NEW/a.cfg does not",
		},
		{name: "a directory is no file", release: "OLD/d", files: []string{"OLD/d/x"}, want: "NEW/d"},
		{name: "odd path", release: "OLD//b/./c/../a.cfg", want: "NEW/b/a.cfg"},
		{name: "path that leaves the root", release: "OLD/../a.cfg", want: "OLD/../a.cfg", reason: "  Do not rebase because it is not a subpath of OLD"},
		{name: "name that begins alike", release: "OLD-2/a.cfg", want: "OLD-2/a.cfg"},
		{name: "names that begin with dots", release: "OLD/..a/...", want: "NEW/..a/..."},
		{name: "the root itself", release: "OLD", want: "NEW"},
		{name: "the parent of the root", release: "OLD/..", want: "OLD/.."},
		{name: "outside", release: "/elsewhere/a.cfg", want: "/elsewhere/a.cfg", reason: "  Do not rebase because it is not a subpath of OLD"},
		{name: "relative", release: "a.cfg", want: "a.cfg"},
		{name: "at the new root already", release: "NEW/a.cfg", want: "NEW/a.cfg"},
		{name: "http", release: "http://h.example/OLD/a.cfg", want: "http://h.example/OLD/a.cfg", reason: "  Do not rebase because it is not a path"},
		{name: "https", release: "https://u:p@h.example/a.cfg", want: "https://u:p@h.example/a.cfg", reason: "Examining URL https://xxxxx@h.example/a.cfg"},
		{name: "file", release: "file://OLD/a.cfg", want: "file://OLD/a.cfg"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, from, to := filepath.Join(dir, "proxy.db"), filepath.Join(dir, "old"), filepath.Join(dir, "new")
			here := strings.NewReplacer("OLD", from, "NEW", to).Replace
			for _, name := range test.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(here(name)), 0o755))
				require.NoError(t, os.WriteFile(here(name), nil, 0o644))
			}
			m, _ := openAtRoot(t, path, from)
			m.layout("computer", 2)
			require.NoError(t, m.supply(t.Context(), Principal{}, here(test.release), "computer", stateAvailable))
			m.place(asking{title: "A", release: here(test.release)})
			before := m.at("computer/p0")
			require.NoError(t, m.server.Close())

			m, logged := openAtRoot(t, path, to)
			defer m.server.Close()
			all, root := releasesKept(t, m.store)
			require.Equal(t, []string{here(test.want) + " available", "A " + here(test.want)}, all)
			require.Equal(t, to, root)
			require.Equal(t, before.Timestamp, m.at("computer/p0").Timestamp)
			backups := backupsOf(t, path)
			require.Len(t, backups, 1)
			require.Equal(t, []string{
				"INFO Backuping database to " + backups[0], "INFO Rebase URLs on local software release root path",
				"INFO Old root path: " + from, "INFO New root path: " + to,
			}, logged[:4])
			if test.reason != "" {
				require.Contains(t, strings.Join(logged, "\n"), "DEBUG "+here(test.reason))
			}
		})
	}
}

// What is logged line by line, of what stays as of what moves.
func TestMovedSoftwareRootIsLogged(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy.db")
	m, logged := openAtRoot(t, path, "/old")
	require.Equal(t, []string{"INFO Do not rebase any URLs because /old is a subpath of /"}, logged)
	m.layout("computer", 1)
	for _, release := range []string{"/old/a.cfg", "/a\nb.cfg", "http://h/a.cfg"} {
		require.NoError(t, m.supply(t.Context(), Principal{}, release, "computer", stateAvailable))
	}
	m.place(asking{title: "A", release: "/old/b.cfg"})
	require.NoError(t, m.server.Close())
	m, logged = openAtRoot(t, path, "/new/")
	defer m.server.Close()
	require.Equal(t, []string{
		"INFO Backuping database to " + backupsOf(t, path)[0],
		"INFO Rebase URLs on local software release root path",
		"INFO Old root path: /old",
		"INFO New root path: /new",
		"DEBUG Examining URL /old/a.cfg",
		"DEBUG   Migrate to rebased URL /new/a.cfg",
		`DEBUG Examining URL "/a\nb.cfg"`,
		"DEBUG   Do not rebase because it is not a subpath of /old",
		"DEBUG Examining URL http://h/a.cfg",
		"DEBUG   Do not rebase because it is not a path",
		"DEBUG Examining URL /old/b.cfg",
		"DEBUG   Migrate to rebased URL /new/b.cfg",
	}, logged)
}

// Several moves, some of which change no path; and the root that nobody names.
func TestSeveralMovesOfTheSoftwareRoot(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "proxy.db")
	m, _ := openAtRoot(t, path, "/srv/one")
	m.layout("computer", 1)
	m.place(asking{title: "A", release: "/srv/one/sub/a.cfg"})
	require.NoError(t, m.server.Close())
	backups := 0
	for _, move := range []struct{ root, kept, want, logged string }{
		{"/srv/two", "/srv/two", "/srv/two/sub/a.cfg", "INFO Rebase URLs on local software release root path"},
		{"/srv/two/", "/srv/two", "/srv/two/sub/a.cfg", ""},
		{"/srv/two/sub", "/srv/two/sub", "/srv/two/sub/a.cfg", "INFO Do not rebase any URLs because /srv/two/sub is a subpath of /srv/two"},
		{"/opt/three", "/opt/three", "/opt/three/a.cfg", "INFO Rebase URLs on local software release root path"},
		{"/opt", "/opt", "/opt/three/a.cfg", "INFO Do not rebase any URLs because /opt is a superpath of /opt/three"},
		{"/srv", "/srv", "/srv/three/a.cfg", "INFO Rebase URLs on local software release root path"},
		{"", "/", "/srv/three/a.cfg", "INFO Do not rebase any URLs because / is a superpath of /srv"},
		{"/", "/", "/srv/three/a.cfg", ""},
		{"/new", "/new", "/srv/three/a.cfg", "INFO Do not rebase any URLs because /new is a subpath of /"},
	} {
		m, logged := openAtRoot(t, path, move.root)
		all, root := releasesKept(t, m.store)
		require.Equal(t, []string{"A " + move.want}, all, move.root)
		require.Equal(t, move.kept, root)
		require.NoError(t, m.server.Close())
		if move.logged == "" {
			require.Empty(t, logged)
			continue
		}
		require.Contains(t, logged, move.logged)
		if strings.HasPrefix(move.logged, "INFO Rebase") {
			backups++
		}
		require.Len(t, backupsOf(t, path), backups, move.root)
	}
}

// A release that is supplied at both places is one afterwards: the database keeps
// a URL once on a computer.
func TestMovedReleaseIsThereAlready(t *testing.T) {
	for _, test := range []struct{ moved, there, want string }{
		{stateAvailable, stateAvailable, stateAvailable}, {stateAvailable, stateDestroyed, stateAvailable},
		{stateDestroyed, stateAvailable, stateAvailable}, {stateDestroyed, stateDestroyed, stateDestroyed},
	} {
		t.Run(test.moved+" "+test.there, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "proxy.db")
			m, _ := openAtRoot(t, path, "/old")
			require.NoError(t, m.supply(t.Context(), Principal{}, "/old/a.cfg", "computer", test.moved))
			require.NoError(t, m.supply(t.Context(), Principal{}, "/new/a.cfg", "computer", test.there))
			require.NoError(t, m.server.Close())
			m, _ = openAtRoot(t, path, "/new")
			defer m.server.Close()
			all, _ := releasesKept(t, m.store)
			require.Equal(t, []string{"/new/a.cfg " + test.want}, all)
		})
	}
}

// The backup holds what was before; where none can be written nothing moves.
func TestBackupBeforeTheSoftwareRootMoves(t *testing.T) {
	path := filepath.Join(t.TempDir(), "proxy.db")
	m, _ := openAtRoot(t, path, "/old")
	require.NoError(t, m.supply(t.Context(), Principal{}, "/old/a.cfg", "computer", stateAvailable))
	require.NoError(t, m.server.Close())
	m, _ = openAtRoot(t, path, "/new")
	require.NoError(t, m.server.Close())
	m, _ = openAtRoot(t, backupsOf(t, path)[0], "/old")
	defer m.server.Close()
	all, root := releasesKept(t, m.store)
	require.Equal(t, []string{"/old/a.cfg available"}, all)
	require.Equal(t, "/old", root)

	_, err := Open(t.Context(), path, WithLocalSoftwareReleaseRoot("relative"))
	require.ErrorContains(t, err, `"relative" is not an absolute path`)
	// The name of the backup would be too long.
	path = filepath.Join(filepath.Dir(path), strings.Repeat("x", 220))
	other, _ := openAtRoot(t, path, "/old")
	require.NoError(t, other.supply(t.Context(), Principal{}, "/old/a.cfg", "computer", stateAvailable))
	require.NoError(t, other.server.Close())
	_, err = Open(t.Context(), path, WithLocalSoftwareReleaseRoot("/new"))
	require.ErrorContains(t, err, "back up the database before URLs are rebased to /new")
	other, _ = openAtRoot(t, path, "/old")
	defer other.server.Close()
	all, _ = releasesKept(t, other.store)
	require.Equal(t, []string{"/old/a.cfg available"}, all)
}

// The root of a database of the Python proxy counts as ours does.
func TestImportedSoftwareRootMoves(t *testing.T) {
	for from, want := range map[string]string{"/old": "/new/a.cfg", "old": "/old/a.cfg"} {
		dir := t.TempDir()
		ours, path := filepath.Join(dir, "ours.db"), filepath.Join(dir, "proxy.db")
		m, _ := openAtRoot(t, ours, "/old")
		require.NoError(t, m.supply(t.Context(), Principal{}, "/old/a.cfg", "computer", stateAvailable))
		require.NoError(t, m.server.Close())
		_, err := Export(t.Context(), ours, path, ExportOptions{})
		require.NoError(t, err)
		execute(t, path, "UPDATE config18 SET value = '"+from+"'")
		m, _ = openAtRoot(t, path, "/new")
		defer m.server.Close()
		all, root := releasesKept(t, m.store)
		require.Equal(t, []string{want + " available"}, all)
		require.Equal(t, "/new", root)
	}
}
