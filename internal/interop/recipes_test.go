//go:build linux

package interop

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// TestRealRecipes has our node and our master run two releases built by the real
// buildout with recipes as they are published: a root instance asks for a web
// server from inside its recipe and publishes the address that it was told.
// With SLAPOS_SOAK=1 the reference's own node and master show that the releases are
// right.
func TestRealRecipes(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, version := range testpeer.Versions() {
		t.Run(version+"/ours", func(t *testing.T) {
			t.Parallel()
			peer := testpeer.Get(t, version)
			s := sandbox.New(t)
			o := newOurs(t, peer)
			runSite(t, newNode(t, s, o, peer, startOurProxy(t, s, o)))
		})
	}
	if !soak() {
		return
	}
	t.Run("theirs", func(t *testing.T) {
		t.Parallel()
		peer := testpeer.Get(t, testpeer.Newest)
		runSite(t, newNode(t, sandbox.New(t), theirs{peer}, peer, peer.StartProxy(t, computerID).URL))
	})
}

// runSite runs the releases site and web on a node until the page is served.
func runSite(t *testing.T, n *node) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())

	n.tool.format(t, n)
	marks := map[string]string{
		"@RELEASE@": n.sandbox.Path("web"), "@WEB@": n.sandbox.Path("web"),
		"@SLAP-CONFIGURATION@": slapConfiguration(n.peer, port),
	}
	web := n.sandbox.CopyTree(t, "testdata/web", "web", marks) + "/software.cfg"
	marks["@RELEASE@"] = n.sandbox.Path("site")
	site := n.sandbox.CopyTree(t, "testdata/site", "site", marks) + "/software.cfg"
	for _, release := range []string{web, site} {
		n.ok(t, "supply", "--cfg", n.client, release, computerID)
	}
	n.pass(t, 0, "software")

	n.request(t, "site", site, "--parameters", fmt.Sprintf("port=%d", port), "greeting=good morning")
	v := newView(t, n.master)
	// The root cannot be finished before the child has published, which takes a
	// pass each to ask for it, to make it, and to read what it published.
	var last sandbox.Result
	for range 6 {
		if last = n.run(t, "node", "instance", "--now", "--cfg", n.config); last.Code == 0 {
			break
		}
		require.Equal(t, 1, last.Code, "%s", last)
	}
	require.Equal(t, 0, last.Code, "%s", last)

	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	require.Equal(t, url, v.published(t, "web")["url"])
	require.Equal(t, url, v.published(t, "site")["url"])
	require.Equal(t, "good morning", fetch(t, url))
	n.waitStatus(t, v.id(t, "web")+":web-on-watch", "RUNNING")
	require.NotEqual(t, v.id(t, "web"), v.id(t, "site"))

	n.pass(t, 0, "instance")
	n.pass(t, 0, "promise")
	// With the root goes the child.
	n.request(t, "site", site, "--parameters", fmt.Sprintf("port=%d", port), "greeting=good morning", "--state", "destroyed")
	for range 6 {
		n.pass(t, 0, "instance")
		n.pass(t, 0, "report")
		if v.instance(t, "site") == nil && v.instance(t, "web") == nil {
			break
		}
	}
	require.Nil(t, v.instance(t, "site"))
	require.Nil(t, v.instance(t, "web"))
	client := http.Client{Timeout: 5 * time.Second}
	resp, err := client.Get(url)
	if err == nil {
		resp.Body.Close()
	}
	require.Error(t, err, "the page is served after the end")
}

// slapConfiguration is how the releases get at the parameters of an instance: by
// the recipe slapconfiguration. The published one needs a newer library than the
// documented version, whose instances find the values written down instead.
func slapConfiguration(peer *testpeer.Peer, port int) string {
	if peer.Version() == testpeer.Documented {
		return fmt.Sprintf("configuration.port = %d\nconfiguration.greeting = good morning", port)
	}
	return `recipe = slapos.cookbook:slapconfiguration
computer = $${slap-connection:computer-id}
partition = $${slap-connection:partition-id}
url = $${slap-connection:server-url}
key = $${slap-connection:key-file}
cert = $${slap-connection:cert-file}`
}

// fetch returns the text of a page.
func fetch(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return strings.TrimSpace(string(body))
}
