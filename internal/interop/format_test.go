//go:build linux

package interop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
)

// TestFormatWithTheirLibrary lists partitions and reads addresses with the reference's
// client library: its proxy and ours agree, unless ours is told to format as a real
// master does.
func TestFormatWithTheirLibrary(t *testing.T) {
	const (
		asProxy = `[[["slaptap0", "10.0.0.2"]], null, [], []]`
		asReal  = `[[["slaptap0", "10.0.0.2"]], [["route_slaptap0", "10.42.0.7", "10.42.0.1", "255.255.0.0", "10.42.0.0"]], [], ["kept"]]`
	)
	for _, version := range testpeer.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			peer := testpeer.Get(t, version)
			n := newNode(t, sandbox.New(t), theirs{peer}, peer, "")
			for _, master := range []struct{ name, url, want string }{
				{"theirs", peer.StartProxy(t, computerID).URL, asProxy},
				{"ours", proxytest.New(t).URL, asProxy},
				{"ours as a real one", proxytest.New(t, proxy.WithFormatAsRealMaster()).URL, asReal},
			} {
				got := n.python(t, peer, "testdata/routes.py", master.url, computerID)
				require.JSONEq(t, master.want, got, master.name)
			}
		})
	}
}
