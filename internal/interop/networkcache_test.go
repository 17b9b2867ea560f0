//go:build linux

package interop

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
)

// networkCache is a network cache that counts what is asked of it.
type networkCache struct {
	url, tree string // tree holds its directories, shadir and shacache

	mu     sync.Mutex
	counts map[string]int // calls by method
}

// ourCache is a network cache of our master, over another one unless that is empty.
func ourCache(t *testing.T, above string) *networkCache {
	t.Helper()
	c := &networkCache{tree: t.TempDir(), counts: map[string]int{}}
	config := proxy.Shacache{Content: filepath.Join(c.tree, "shacache"), Metadata: filepath.Join(c.tree, "shadir")}
	if above != "" {
		config.UpstreamCache, config.UpstreamDir = above+"/cache", above+"/dir"
	}
	master := proxytest.New(t, proxy.WithShacache(config))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.counts[r.Method]++
		c.mu.Unlock()
		master.Server.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.url = server.URL + "/shacache"
	return c
}

func (c *networkCache) count(method string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts[method]
}

// theirCache is a network cache of the reference's proxy.
func theirCache(t *testing.T, peer *testpeer.Peer, above string) string {
	t.Helper()
	tree := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(tree, "shacache"), 0o755))
	sections := "shacache_content_directory = " + filepath.Join(tree, "shacache") + "\nshacache_metadata_directory = " + filepath.Join(tree, "shadir") + "\n"
	if above != "" {
		sections += "shacache_upstream_cache_url = " + above + "/cache\nshacache_upstream_dir_url = " + above + "/dir\n"
	}
	return peer.StartProxyWith(t, computerID, sections).URL + "shacache"
}

// libnetworkcache runs a script of testdata with the real client and returns what it
// printed last.
func libnetworkcache[T any](t *testing.T, peer *testpeer.Peer, script string, args ...string) (out T) {
	t.Helper()
	cmd := peer.Command(t.Context(), "python", append([]string{filepath.Join("testdata", script)}, args...)...)
	text, err := cmd.Output()
	require.NoError(t, err, "%s", text)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	require.NoError(t, json.Unmarshal(lines[len(lines)-1], &out), "%s", text)
	return out
}

// TestTheirClientsOwnTests runs what slapos.libnetworkcache tests of itself against
// our network cache.
func TestTheirClientsOwnTests(t *testing.T) {
	peer := testpeer.Get(t, testpeer.Newest)
	c := ourCache(t, "")
	t.Setenv("TEST_SHA_CACHE", c.url+"/cache")
	t.Setenv("TEST_SHA_DIR", c.url+"/dir")
	outcomes := libnetworkcache[map[string]string](t, peer, "networkcache_suite.py", c.tree)
	require.Len(t, outcomes, 17)
	for test, outcome := range outcomes {
		require.Equal(t, "ok", outcome, test)
	}
	require.Contains(t, outcomes, "test_select_signed_content_server_hacked")
	require.NotZero(t, c.count(http.MethodPut))
}

// found is what reading must give, whichever way it went.
var found = map[string]any{
	"trusted": []any{"arm 5", "x86_64 2097159"}, "wanted": []any{"arm 5"}, "required": []any{"arm 5", "x86_64 2097159"},
	"required in vain": []any{}, "both": []any{"arm 5", "x86_64 2097159", "x86_64 5"},
	"unfiltered": []any{"arm 5", "x86_64 2097159", "x86_64 5", "x86_64 8"},
	"numbers":    []any{"1", "[1, 'é']"}, "raw": 4.0, "content": true, "not indexed": "alone",
	"egg": []any{[]any{"demo-1.0.tar.gz", "egg"}}, "no key": "HTTPError 404", "no content": "HTTPError 404",
}

// TestNetworkCacheWithTheirClient has the real client write and read: signatures are
// verified by who reads, entries are added, nothing is sent twice.
func TestNetworkCacheWithTheirClient(t *testing.T) {
	peer := testpeer.Get(t, testpeer.Newest)
	keys := t.TempDir()
	c := ourCache(t, "")
	writes(t, peer, keys, c.url)
	require.Equal(t, 7, c.count(http.MethodPost), "six, and one whose entry says nothing")
	writes(t, peer, keys, c.url)
	require.Equal(t, 7, c.count(http.MethodPost), "content that is there is not sent again")
	reads(t, peer, keys, c.url)
}

func writes(t *testing.T, peer *testpeer.Peer, keys, url string) {
	t.Helper()
	got := libnetworkcache[map[string]any](t, peer, "networkcache.py", "write", keys, url, url)
	require.Empty(t, cmp.Diff(map[string]any{
		"digests": []any{true, true}, "unsigned": 128.0, "other": 128.0, "alone": 128.0, "egg": 128.0, "nothing said": "NetworkcacheException ",
	}, got))
}

func reads(t *testing.T, peer *testpeer.Peer, keys, url string) {
	t.Helper()
	require.Empty(t, cmp.Diff(found, libnetworkcache[map[string]any](t, peer, "networkcache.py", "read", keys, url, url)))
}

// TestNetworkCacheAbove reads through one network cache what is in another, of either
// kind; afterwards it is in both.
func TestNetworkCacheAbove(t *testing.T) {
	peer := testpeer.Get(t, testpeer.Newest)
	t.Run("ours over ours", func(t *testing.T) {
		keys := t.TempDir()
		above := ourCache(t, "")
		writes(t, peer, keys, above.url)
		below := ourCache(t, above.url)
		reads(t, peer, keys, below.url)
		sameFiles(t, below.tree, above.tree)
		asked := above.count(http.MethodGet)
		reads(t, peer, keys, below.url)
		require.Equal(t, asked+2, above.count(http.MethodGet), "only what was not found is asked for again")
	})
	t.Run("ours over theirs", func(t *testing.T) {
		keys := t.TempDir()
		// Theirs keeps one entry of a key: ours is filled, and theirs reads it.
		source := ourCache(t, "")
		writes(t, peer, keys, source.url)
		theirs := theirCache(t, peer, source.url)
		reads(t, peer, keys, theirs)
		below := ourCache(t, theirs)
		reads(t, peer, keys, below.url)
		sameFiles(t, below.tree, source.tree)
	})
}

// sameFiles checks that what was read through a network cache, six contents and two
// lists of entries, is in it as it was written.
func sameFiles(t *testing.T, read, written string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(read, "sha*", "*"))
	require.NoError(t, err)
	require.Len(t, paths, 8)
	for _, path := range paths {
		name, err := filepath.Rel(read, path)
		require.NoError(t, err)
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(written, name))
		require.NoError(t, err)
		if strings.HasPrefix(name, "shadir/") { // theirs writes other spaces
			require.JSONEq(t, string(want), string(got), name)
			continue
		}
		require.True(t, bytes.Equal(want, got), "%s differs", name)
	}
}

// TestNetworkCacheCommands uses the commands that come with the client, and those of
// slapos that look into a network cache.
func TestNetworkCacheCommands(t *testing.T) {
	peer := testpeer.Get(t, testpeer.Newest)
	c := ourCache(t, "")
	dir := t.TempDir()
	run := func(name string, args ...string) (string, error) {
		cmd := peer.Command(t.Context(), name, args...)
		cmd.Env = append(cmd.Env, "HOME="+dir)
		text, err := cmd.CombinedOutput()
		return string(text), err
	}
	ok := func(name string, args ...string) string {
		text, err := run(name, args...)
		require.NoError(t, err, "%s %q: %s", name, args, text)
		return text
	}
	key, certificate := filepath.Join(dir, "signature.key"), filepath.Join(dir, "signature.crt")
	ok("generate-signature-key", "--cert-file", certificate, key, "COMP-1")
	pem, err := os.ReadFile(certificate)
	require.NoError(t, err)
	config := filepath.Join(dir, "slapos.cfg")
	require.NoError(t, os.WriteFile(config, []byte(strings.Join([]string{
		"[slapos]", "software_root = " + dir, "[networkcache]",
		"upload-cache-url = " + c.url + "/cache", "upload-dir-url = " + c.url + "/dir",
		"download-cache-url = " + c.url + "/cache", "download-dir-url = " + c.url + "/dir",
		"download-binary-cache-url = " + c.url + "/cache", "download-binary-dir-url = " + c.url + "/dir",
		"signature-private-key-file = " + key,
		"signature-certificate-list =\n  " + strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", "\n  "), "",
	}, "\n")), 0o600))
	source := filepath.Join(dir, "source")
	require.NoError(t, os.WriteFile(source, []byte("some source\n"), 0o600))

	const url = "http://release.example/source.tar.gz"
	ok("networkcache-upload", "-c", config, "-u", url, "-f", source, "flavour=sweet")
	require.Equal(t, "some source\n", ok("networkcache-download", "-c", config, "-u", url, `flavour=="sweet"`))
	require.Contains(t, ok("networkcache-download", "-c", config, "-u", url, "-l"), `"flavour": "sweet"`)
	text, err := run("networkcache-download", "-c", config, "-u", url, `flavour=="sour"`)
	require.Error(t, err)
	require.Contains(t, text, "No result found")

	text = ok("slapos", "cachelookup", "url", url, "--cfg", config)
	require.Contains(t, text, "True", "signed")
	ok("networkcache-upload", "-c", config, "-k", "pypi:demo=1.0", "-f", source, "basename=demo-1.0.tar.gz")
	require.Contains(t, ok("slapos", "cachelookup", "pypi", "demo", "1.0", "--cfg", config), "demo-1.0.tar.gz")
	text, err = run("slapos", "cachelookup", "url", "http://release.example/other", "--cfg", config)
	require.Error(t, err)
	require.Contains(t, text, "Object not found in cache")
}
