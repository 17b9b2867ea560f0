//go:build linux

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
)

// When the root of local releases moves, both masters change the same paths.
func TestMovedSoftwareRoot(t *testing.T) {
	peer := testpeer.Get(t, testpeer.Newest)
	dir := t.TempDir()
	old, moved := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	for _, name := range []string{"old/stays.cfg", "old/both.cfg", "new/both.cfg", "new/there.cfg", "new/sub/deep.cfg"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	theirDatabase, ourDatabase := filepath.Join(dir, "theirs.db"), filepath.Join(dir, "ours.db")
	theirs := peer.ServeDatabaseWith(t, computerID, theirDatabase, rootKey(old))
	useReleases(t, theirs.URL, []string{
		old + "/stays.cfg", old + "/both.cfg", old + "/there.cfg", old + "/nowhere.cfg", old + "/sub/deep.cfg", old + "-2/a.cfg",
		old + "/..a.cfg", dir + "/outside.cfg", "http://h.example/a.cfg", "https://h.example" + old + "/a.cfg", "file://" + old + "/a.cfg",
	})
	theirs.Stop()
	text, err := os.ReadFile(theirDatabase)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(ourDatabase, text, 0o600))

	rebases := 0
	for _, root := range []string{moved, moved + "/sub", dir + "/third", dir, "/elsewhere", ""} {
		theirs := peer.ServeDatabaseWith(t, computerID, theirDatabase, rootKey(root))
		var opts []proxy.Option
		if root != "" {
			opts = append(opts, proxy.WithLocalSoftwareReleaseRoot(root))
		}
		ours, stop := serveOurs(t, ourDatabase, opts...)
		want := answer(t, theirs.URL, computerID)
		require.Empty(t, cmp.Diff(want, answer(t, ours, computerID)), "moved to %q\n%s", root, theirs.Output())
		stop()
		if strings.Contains(theirs.Output(), "Rebase URLs on local software release root path") {
			rebases++
		}
		theirs.Stop()
		backups, err := filepath.Glob(ourDatabase + "-backup-softwareroot-*.db")
		require.NoError(t, err)
		require.Len(t, backups, rebases, "moved to %q", root)
	}
	require.Equal(t, 3, rebases)
}

// rootKey is the key of the configuration file, absent if there is no root.
func rootKey(root string) string {
	if root == "" {
		return ""
	}
	return "local_software_release_root = " + root + "\n"
}

// useReleases supplies each release and requests an instance of it.
func useReleases(t *testing.T, url string, releases []string) {
	t.Helper()
	ctx := t.Context()
	client, err := slap.New(url)
	require.NoError(t, err)
	var partitions []any
	for i := range releases {
		partitions = append(partitions, map[string]any{"reference": fmt.Sprint("part", i), "tap": map[string]any{"name": "t"}, "address_list": []any{}})
	}
	document, err := marshal.Marshal(map[string]any{
		"reference": computerID, "address": "127.0.0.1", "netmask": "255.0.0.0", "partition_list": partitions,
	})
	require.NoError(t, err)
	require.NoError(t, client.Computer(computerID).UpdateConfiguration(ctx, document))
	for i, release := range releases {
		require.NoError(t, client.Supply().Supply(ctx, release, computerID, slap.StateAvailable))
		_, err := client.OpenOrder().Request(ctx, slap.Request{SoftwareRelease: release, SoftwareType: "default", Reference: fmt.Sprint("i", i)})
		require.NoError(t, err)
	}
}
