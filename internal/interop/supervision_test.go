//go:build linux

package interop

import (
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/slap"
)

// newRunning returns a cycle of our node and our master whose service runs.
func newRunning(t *testing.T, settings ...string) *cycle {
	t.Helper()
	if testing.Short() {
		t.Skip("long")
	}
	t.Parallel()
	peer := testpeer.Get(t, testpeer.Newest)
	s := sandbox.New(t)
	o := newOurs(t, peer)
	master := startOurProxy(t, s, o)
	c := &cycle{node: newNode(t, s, o, peer, master, settings...), view: newView(t, master)}
	c.release = s.CopyTree(t, "testdata/cycle", "release", map[string]string{"@RELEASE@": s.Path("release")}) + "/software.cfg"
	c.format(t)
	c.supply(t)
	c.requestFirst(t)
	return c
}

// pid returns the process id of the service.
func (c *cycle) pid(t *testing.T) int {
	t.Helper()
	return readPID(t, c.partition(c.part, "sleeper.pid"))
}

// supervisorPID returns the process id of the node's supervisor.
func (c *cycle) supervisorPID(t *testing.T) int {
	t.Helper()
	return readPID(t, c.sandbox.Path("inst", "var", "run", "supervisord.pid"))
}

// alive tells whether a process is there and has not ended.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

// waitDead waits for the end of a process.
func waitDead(t *testing.T, pid int) {
	t.Helper()
	sandbox.Eventually(t, "the process ends", func() (bool, string) { return !alive(pid), strconv.Itoa(pid) })
}

// control is a way to give supervisorctl commands.
type control func(t *testing.T, args ...string) sandbox.Result

// testControl lists, stops, starts and tails the service of a running cycle.
func testControl(t *testing.T, c *cycle, ctl control) {
	t.Helper()
	program := c.program()
	r := ctl(t, "status")
	require.Len(t, lines(r.Output, program), 1, "%s", r)
	r = ctl(t, "status", program)
	require.Equal(t, 0, r.Code, "%s", r)
	require.Regexp(t, `RUNNING\s+pid \d+, uptime \d+:\d\d:\d\d`, r.Output)

	first := c.pid(t)
	r = ctl(t, "stop", program)
	require.Equal(t, 0, r.Code, "%s", r)
	require.Contains(t, r.Output, program+": stopped")
	waitDead(t, first)
	r = ctl(t, "status", program)
	require.Equal(t, 3, r.Code, "%s", r)
	require.Contains(t, r.Output, "STOPPED")

	r = ctl(t, "start", program)
	require.Equal(t, 0, r.Code, "%s", r)
	require.Contains(t, r.Output, program+": started")
	c.waitStatus(t, program, "RUNNING")
	r = ctl(t, "start", program)
	require.Contains(t, r.Output, "already started")

	sandbox.Eventually(t, "the output is kept", func() (bool, string) {
		r := ctl(t, "tail", program)
		return r.Code == 0 && strings.Contains(r.Output, "sleeper is up"), r.String()
	})
	r = ctl(t, "restart", c.part+":*")
	require.Equal(t, 0, r.Code, "%s", r)
	require.Contains(t, r.Output, "started")
	c.waitStatus(t, program, "RUNNING")
	require.NotEqual(t, first, c.pid(t))

	r = ctl(t, "status", "nothing:")
	require.Contains(t, r.Output, "no such group")
	require.NotEqual(t, 0, r.Code, "%s", r)
}

// ourControl gives commands with our own command line.
func (c *cycle) ourControl(t *testing.T, args ...string) sandbox.Result {
	t.Helper()
	return c.run(t, append([]string{"node", args[0], "--cfg", c.config}, args[1:]...)...)
}

func TestTheirSupervisorctlOnOurDaemon(t *testing.T) {
	c := newRunning(t, "supervisor = embedded")
	testControl(t, c, c.supervisorctl)
	testControl(t, c, c.ourControl)
	r := c.supervisorctl(t, "pid")
	require.Equal(t, strconv.Itoa(c.supervisorPID(t)), strings.TrimSpace(r.Output))
	r = c.supervisorctl(t, "version")
	require.Equal(t, 0, r.Code, "%s", r)
	r = c.supervisorctl(t, "reread")
	require.Equal(t, 0, r.Code, "%s", r)
	c.shutdown(t)
}

func TestOurCommandsOnTheirSupervisord(t *testing.T) {
	c := newRunning(t, "supervisor = supervisord")
	require.Len(t, lines(strings.Join(c.sandbox.Describe(), "\n"), c.peer.Python()), 1, "supervisord is not the real one")
	testControl(t, c, c.ourControl)
	testControl(t, c, c.supervisorctl)
	c.stop(t)
	c.start(t)
	c.destroy(t)
	c.shutdown(t)
}

// TestNodesTakeOver has the agents of both sides work on the same node in turn.
func TestNodesTakeOver(t *testing.T) {
	for _, version := range testpeer.Versions() {
		t.Run(version, func(t *testing.T) {
			c := newRunning(t)
			mine, yours := c.tool, tool(theirs{testpeer.Get(t, version)})
			first := c.pid(t)
			for round, step := range []struct {
				with tool
				do   func(*testing.T)
			}{
				{yours, c.upToDateOrProcessed},
				{yours, c.stop},
				{mine, c.start},
				{yours, c.changeParameterAgain},
				{mine, c.destroy},
			} {
				c.tool = step.with
				step.do(t)
				if round == 0 {
					require.Equal(t, first, c.pid(t), "the service was restarted")
				}
			}
			c.tool = mine
			c.shutdown(t)
		})
	}
}

// upToDateOrProcessed is a pass that must leave the service alone.
func (c *cycle) upToDateOrProcessed(t *testing.T) {
	c.pass(t, 0, "software")
	c.pass(t, 0, "instance")
	require.Equal(t, "RUNNING", c.status(t, c.program()))
}

func (c *cycle) changeParameterAgain(t *testing.T) {
	before := c.runs(t, c.part)
	c.request(t, "front", c.release, "--parameters", "message=salut")
	c.pass(t, 0, "instance")
	require.Equal(t, before+1, c.runs(t, c.part))
	require.Equal(t, "salut", c.view.published(t, "front")["echo"])
}

// TestServiceKilled checks what is seen of a service that dies: by who asks the
// supervisor, by its promise, and at the master.
func TestServiceKilled(t *testing.T) {
	c := newRunning(t)
	kill9(t, c.pid(t))
	c.waitStatus(t, c.program(), "EXITED")
	r := c.pass(t, 2, "promise")
	require.Contains(t, r.Output, "the sleeper is dead")
	c.pass(t, 0, "instance")
	require.Contains(t, c.accessStatus(t), "the sleeper is dead")
	// Processing the partition starts it again.
	c.pass(t, 0, "instance", "--all")
	c.waitStatus(t, c.program(), "RUNNING")
	require.NotContains(t, c.accessStatus(t), "#error")
	c.shutdown(t)
}

// accessStatus returns what the master last heard of the instance.
func (c *cycle) accessStatus(t *testing.T) string {
	t.Helper()
	partition, err := c.view.client.ComputerPartition(t.Context(), computerID, c.part)
	require.NoError(t, err)
	status, err := partition.Status(t.Context())
	require.NoError(t, err)
	return status.Text
}

// TestOurDaemonKilled checks that services outlive the embedded supervisor, and
// that the next one takes them over.
func TestOurDaemonKilled(t *testing.T) {
	c := newRunning(t, "supervisor = embedded")
	service, daemon := c.pid(t), c.supervisorPID(t)
	for range 2 {
		kill9(t, daemon)
		waitDead(t, daemon)
		require.True(t, alive(service), "the service died with its supervisor")
		c.pass(t, 0, "instance")
		require.Equal(t, "RUNNING", c.status(t, c.program()))
		require.Equal(t, service, c.pid(t), "the service was started twice")
		again := c.supervisorPID(t)
		require.NotEqual(t, daemon, again)
		daemon = again
	}
	// What was adopted is supervised like what was started.
	require.Equal(t, 0, c.supervisorctl(t, "stop", c.program()).Code)
	waitDead(t, service)
	require.Equal(t, 0, c.supervisorctl(t, "start", c.program()).Code)
	c.waitStatus(t, c.program(), "RUNNING")
	kill9(t, daemon)
	waitDead(t, daemon)
	second := c.pid(t)
	kill9(t, second) // while nobody watches
	c.pass(t, 0, "instance")
	require.NotEqual(t, "RUNNING", c.status(t, c.program()))
	c.pass(t, 0, "instance", "--all")
	c.waitStatus(t, c.program(), "RUNNING")
	c.shutdown(t)
}

// killRounds is how often a pass is killed: more often with SLAPOS_SOAK=1.
func killRounds() int {
	if soak() {
		return 200
	}
	return 4
}

// killInPass starts a pass, kills the agent after a while, and returns whether it
// was still at work. Only the agent is killed: what it started goes on, as after a
// real kill -9.
func (c *cycle) killInPass(t *testing.T, after time.Duration, kind string) bool {
	t.Helper()
	out, err := os.CreateTemp(c.sandbox.Path(), "killed-")
	require.NoError(t, err)
	defer out.Close()
	cmd := c.sandbox.As(c.tool.slapos(sandbox.Timeout(t), "node", kind, "--now", "--cfg", c.config))
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	time.Sleep(after)
	// An error means that it was faster.
	_ = cmd.Process.Signal(syscall.SIGKILL)
	return cmd.Wait() != nil
}

// TestAgentKilled kills the agent at random instants of a pass: the next pass must
// end in the right state.
func TestAgentKilled(t *testing.T) {
	c := newRunning(t)
	killed := 0
	for round := range killRounds() {
		message := "round" + strconv.Itoa(round)
		c.request(t, "front", c.release, "--parameters", "message="+message)
		if c.killInPass(t, rand.N(1500*time.Millisecond), "instance") {
			killed++
		}
		c.pass(t, 0, "instance")
		require.Equal(t, message, c.view.published(t, "front")["echo"])
		c.waitStatus(t, c.program(), "RUNNING")
		require.True(t, alive(c.pid(t)))

		require.NoError(t, os.Remove(c.software(c.release)+"/.completed"))
		if c.killInPass(t, rand.N(1500*time.Millisecond), "software") {
			killed++
		}
		c.pass(t, 0, "software")
		require.FileExists(t, c.software(c.release)+"/.completed")
		require.Equal(t, map[string]slap.State{c.release: slap.StateAvailable}, c.view.releases(t))
	}
	t.Logf("killed in %d of %d passes", killed, 2*killRounds())
	c.killInPass(t, rand.N(300*time.Millisecond), "instance")
	c.destroy(t)
	c.shutdown(t)
}

// TestBrokenRelease supplies a release that does not build beside one that does.
func TestBrokenRelease(t *testing.T) {
	c := newRunning(t)
	broken := c.sandbox.Write(t, "[buildout]\nparts = broken\noffline = true\n\n"+
		"[broken]\nrecipe = slapos.recipe.template\nurl = /nonexistent/template.in\noutput = ${buildout:directory}/instance.cfg\n", "broken.cfg")
	good := c.sandbox.CopyTree(t, "testdata/cycle", "second", map[string]string{"@RELEASE@": c.sandbox.Path("second")}) + "/software.cfg"
	c.ok(t, "supply", "--cfg", c.client, broken, computerID)
	c.ok(t, "supply", "--cfg", c.client, good, computerID)
	r := c.pass(t, 1, "software")
	require.Contains(t, r.Output, "/nonexistent/template.in")
	require.Contains(t, r.Output, "Failed to run buildout profile in directory '"+c.software(broken)+"'")
	require.NoFileExists(t, c.software(broken)+"/.completed")
	require.FileExists(t, c.software(good)+"/.completed")
	// The master knows of both.
	status := func(release string) string {
		return fetch(t, c.master+"getSoftwareInstallationStatus?"+url.Values{"computer_id": {computerID}, "url": {release}}.Encode())
	}
	require.Contains(t, status(broken), "#error while installing "+broken)
	require.Contains(t, status(good), "software release "+good+" available")
	// An instance of what is not there fails alone.
	c.request(t, "lame", broken)
	r = c.pass(t, 1, "instance")
	require.Contains(t, r.Output, "Software Release "+broken+" is not")
	lame := c.view.instance(t, "lame")
	require.NotNil(t, lame)
	told, err := lame.Status(t.Context())
	require.NoError(t, err)
	require.Contains(t, told.Text, "#error while instanciating: ")
	c.waitStatus(t, c.program(), "RUNNING")
	c.shutdown(t)
}
