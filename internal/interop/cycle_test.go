//go:build linux

package interop

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/slap"
)

// TestCycle leads a service through its life with every mix of node and master.
// The client is of the node's side.
func TestCycle(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	type newMaster func(t *testing.T, s *sandbox.Sandbox, peer *testpeer.Peer) string
	ourMaster := func(t *testing.T, s *sandbox.Sandbox, peer *testpeer.Peer) string {
		return startOurProxy(t, s, newOurs(t, peer))
	}
	theirMaster := func(t *testing.T, _ *sandbox.Sandbox, peer *testpeer.Peer) string {
		return peer.StartProxy(t, computerID).URL
	}
	ourNode := func(t *testing.T, peer *testpeer.Peer) tool { return newOurs(t, peer) }
	theirNode := func(_ *testing.T, peer *testpeer.Peer) tool { return theirs{peer} }
	for _, version := range testpeer.Versions() {
		for _, mix := range []struct {
			name    string
			node    func(*testing.T, *testpeer.Peer) tool
			master  newMaster
			mishaps bool
		}{
			{"ourNode/ourMaster", ourNode, ourMaster, true},
			{"ourNode/theirMaster", ourNode, theirMaster, true},
			{"theirNode/ourMaster", theirNode, ourMaster, true},
			// Shows that the test is right; its mishaps are the slowest.
			{"theirNode/theirMaster", theirNode, theirMaster, soak()},
		} {
			t.Run(version+"/"+mix.name, func(t *testing.T) {
				t.Parallel()
				peer := testpeer.Get(t, version)
				s := sandbox.New(t)
				url := mix.master(t, s, peer)
				c := &cycle{node: newNode(t, s, mix.node(t, peer), peer, url), view: newView(t, url), mishaps: mix.mishaps}
				c.live(t)
			})
		}
	}
}

// cycle is the life of one service.
type cycle struct {
	*node
	view    view
	release string
	part    string // the partition it is on
	mishaps bool   // whether its promise and its recipe fail now and then
}

// program is the service as supervisors name it.
func (c *cycle) program() string { return c.part + ":sleeper-on-watch" }

// live goes through the whole life, a step a function.
func (c *cycle) live(t *testing.T) {
	marks := map[string]string{"@RELEASE@": c.sandbox.Path("release")}
	c.release = c.sandbox.CopyTree(t, "testdata/cycle", "release", marks) + "/software.cfg"
	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"format", c.format},
		{"supply", c.supply},
		{"request", c.requestFirst},
		{"up to date", c.upToDate},
		{"parameter", c.changeParameter},
		{"mishaps", c.fail},
		{"stop", c.stop},
		{"start", c.start},
		{"slave", c.slave},
		{"bang", c.bang},
		{"destroy", c.destroy},
		{"remove", c.remove},
	} {
		if !t.Run(step.name, step.do) {
			return
		}
	}
}

func (c *cycle) format(t *testing.T) {
	c.tool.format(t, c.node)
	require.Len(t, c.view.partitions(t), partitionCount)
	info, err := os.Stat(c.partition("slappart0"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o750), info.Mode().Perm())
}

func (c *cycle) supply(t *testing.T) {
	c.ok(t, "supply", "--cfg", c.client, c.release, computerID)
	require.Equal(t, map[string]slap.State{c.release: slap.StateAvailable}, c.view.releases(t))
	c.pass(t, 0, "software")
	require.FileExists(t, c.software(c.release)+"/.completed")
	require.FileExists(t, c.software(c.release)+"/instance.cfg")
	c.pass(t, 0, "software")
}

func (c *cycle) requestFirst(t *testing.T) {
	r := c.request(t, "front", c.release, "--parameters", "message=hello")
	require.Contains(t, r.Output, "State is : started.")
	c.part = c.view.id(t, "front")
	c.pass(t, 0, "instance")
	c.waitStatus(t, c.program(), "RUNNING")
	require.Equal(t, slap.Parameters{"echo": "hello", "partition": c.part}, c.view.published(t, "front"))
	r = c.request(t, "front", c.release, "--parameters", "message=hello")
	require.Contains(t, r.Output, "'echo': 'hello'")
	require.FileExists(t, c.partition(c.part, ".timestamp"))
	require.Equal(t, 1, c.runs(t, c.part))
}

func (c *cycle) upToDate(t *testing.T) {
	pid := readPID(t, c.partition(c.part, "sleeper.pid"))
	c.pass(t, 0, "instance")
	require.Equal(t, 1, c.runs(t, c.part), "processed again although up to date")
	require.Equal(t, pid, readPID(t, c.partition(c.part, "sleeper.pid")))
	require.Equal(t, "RUNNING", c.status(t, c.program()))
}

func (c *cycle) changeParameter(t *testing.T) {
	c.request(t, "front", c.release, "--parameters", "message=bonjour")
	c.pass(t, 0, "instance")
	require.Equal(t, 2, c.runs(t, c.part))
	require.Equal(t, "bonjour", c.view.published(t, "front")["echo"])
}

func (c *cycle) fail(t *testing.T) {
	if c.mishaps {
		c.failPromise(t)
		c.failRecipe(t)
	}
}

func (c *cycle) failPromise(t *testing.T) {
	c.request(t, "front", c.release, "--parameters", "message=fail")
	r := c.pass(t, 2, "instance")
	require.Contains(t, r.Output, "told to fail")
}

// failRecipe follows failPromise and sets both right.
func (c *cycle) failRecipe(t *testing.T) {
	c.request(t, "front", c.release, "--parameters", "message=explode")
	r := c.pass(t, 1, "instance")
	require.Contains(t, r.Output, "the recipe was told to explode")
	require.FileExists(t, c.partition(c.part, ".slapgrid-"+c.part+"-error.log"))
	c.request(t, "front", c.release, "--parameters", "message=fine")
	c.pass(t, 0, "instance")
	require.NoFileExists(t, c.partition(c.part, ".slapgrid-"+c.part+"-error.log"))
}

func (c *cycle) stop(t *testing.T) {
	r := c.request(t, "front", c.release, "--parameters", "message=fine", "--state", "stopped")
	require.Contains(t, r.Output, "State is : stopped.")
	c.pass(t, 0, "instance")
	c.waitStatus(t, c.program(), "STOPPED", "EXITED", "")
}

func (c *cycle) start(t *testing.T) {
	c.request(t, "front", c.release, "--parameters", "message=fine", "--state", "started")
	c.pass(t, 0, "instance")
	c.waitStatus(t, c.program(), "RUNNING")
}

func (c *cycle) slave(t *testing.T) {
	c.requestSlave(t)
	c.pass(t, 0, "instance")
	host := c.view.instance(t, "front")
	kind, err := host.Type()
	require.NoError(t, err)
	guest, err := c.view.client.OpenOrder().Request(t.Context(), slap.Request{
		SoftwareRelease: c.release, SoftwareType: kind, Reference: "guest", Shared: true,
		Parameters: slap.Parameters{"message": "tchin"},
	})
	require.NoError(t, err)
	require.Equal(t, slap.Parameters{"slave-echo": "tchin"}, guest.ConnectionParameters())
	before := c.runs(t, c.part)
	c.requestSlave(t, "--state", "destroyed")
	c.pass(t, 0, "instance")
	require.Greater(t, c.runs(t, c.part), before, "a slave left and its host was not processed")
}

// requestSlave asks for a slave with the client of the node's side. What it prints
// differs: a proxy sends no state for a slave, which the reference's clients take
// for "not ready", or replace by what they find on the host.
func (c *cycle) requestSlave(t *testing.T, args ...string) {
	t.Helper()
	r := c.run(t, append([]string{"request", "--cfg", c.client, "guest", c.release, "--slave", "--parameters", "message=tchin"}, args...)...)
	require.Contains(t, []int{0, 2}, r.Code, "%s", r)
}

func (c *cycle) bang(t *testing.T) {
	before := c.runs(t, c.part)
	c.ok(t, "node", "bang", "--cfg", c.config, "-m", "all of you")
	partition, err := c.view.client.ComputerPartition(t.Context(), computerID, c.part)
	require.NoError(t, err)
	require.NoError(t, partition.Bang(t.Context(), "wake up"))
	c.pass(t, 0, "instance")
	require.Equal(t, before+1, c.runs(t, c.part))
}

func (c *cycle) destroy(t *testing.T) {
	c.request(t, "front", c.release, "--parameters", "message=fine", "--state", "destroyed")
	c.pass(t, 0, "instance")
	c.waitStatus(t, c.program(), "STOPPED", "EXITED", "")
	c.pass(t, 0, "report")
	left, err := os.ReadDir(c.partition(c.part))
	require.NoError(t, err)
	require.Empty(t, left)
	require.Nil(t, c.view.instance(t, "front"))
	c.pass(t, 0, "instance")
}

func (c *cycle) remove(t *testing.T) {
	c.ok(t, "remove", "--cfg", c.client, c.release, computerID)
	c.pass(t, 0, "software")
	require.NoDirExists(t, c.software(c.release))
	require.Empty(t, c.view.releases(t))
	c.shutdown(t)
}
