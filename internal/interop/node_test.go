//go:build linux

package interop

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// partitionCount is the number of partitions of every node.
const partitionCount = 5

// node is a configured node of one master, worked by one tool.
type node struct {
	sandbox *sandbox.Sandbox
	tool    tool
	// peer lends the real supervisorctl, whichever daemon runs.
	peer   *testpeer.Peer
	master string
	config string // of node commands
	client string // of client commands
}

// newNode writes the configuration of a node; settings are lines added to [slapos].
func newNode(t *testing.T, s *sandbox.Sandbox, with tool, peer *testpeer.Peer, master string, settings ...string) *node {
	t.Helper()
	s.Mkdir(t, "soft")
	s.Mkdir(t, "inst")
	var definition strings.Builder
	definition.WriteString("[computer]\naddress = 127.0.0.1/255.0.0.0\n")
	for i := range partitionCount {
		fmt.Fprintf(&definition, "\n[partition_%d]\naddress = 127.0.0.1/255.0.0.0 ::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\n"+
			"user = %s\nnetwork_interface = tap%d\npathname = slappart%d\n", i, s.User(), i, i)
	}
	config := fmt.Sprintf(`[slapos]
computer_id = %[1]s
master_url = %[2]s
software_root = %[3]s/soft
instance_root = %[3]s/inst
root_check = False
pidfile_software = %[3]s/software.pid
pidfile_instance = %[3]s/instance.pid
pidfile_report = %[3]s/report.pid
software_min_free_space = 1M
instance_min_free_space = 1M
%[6]s

[slapformat]
computer_xml = %[3]s/computer.xml
input_definition_file = %[4]s
partition_amount = %[5]d
partition_base_name = slappart
user_base_name = slapuser
tap_base_name = slaptap
interface_name = lo
ipv4_local_network = 127.0.0.1/8
alter_user = false
alter_network = false
create_tap = false
`, computerID, master, s.Path(), s.Write(t, definition.String(), "definition.cfg"), partitionCount, strings.Join(settings, "\n"))
	return &node{
		sandbox: s, tool: with, peer: peer, master: master,
		config: s.Write(t, config, "slapos.cfg"),
		client: s.Write(t, "[slapos]\nmaster_url = "+master+"\n", "client.cfg"),
	}
}

// run runs a command of the node's tool.
func (n *node) run(t *testing.T, args ...string) sandbox.Result {
	t.Helper()
	r := n.sandbox.Run(t, n.tool.slapos(sandbox.Timeout(t), args...))
	if testing.Verbose() {
		t.Logf("exit %d: slapos %s", r.Code, strings.Join(args, " "))
	}
	return r
}

// ok runs a command that must succeed.
func (n *node) ok(t *testing.T, args ...string) sandbox.Result {
	t.Helper()
	return n.exits(t, 0, args...)
}

// exits runs a command that must end with a given status.
func (n *node) exits(t *testing.T, code int, args ...string) sandbox.Result {
	t.Helper()
	r := n.run(t, args...)
	require.Equal(t, code, r.Code, "%s\nprocesses: %q", r, n.sandbox.Describe())
	return r
}

// pass runs one pass of the agent, which must end with a given status.
func (n *node) pass(t *testing.T, code int, kind string, args ...string) sandbox.Result {
	t.Helper()
	return n.exits(t, code, append([]string{"node", kind, "--now", "--cfg", n.config}, args...)...)
}

// request asks for an instance, or for a change of one.
func (n *node) request(t *testing.T, reference, release string, args ...string) sandbox.Result {
	t.Helper()
	return n.ok(t, append([]string{"request", "--cfg", n.client, reference, release}, args...)...)
}

// python runs a script of testdata with the reference's library and must succeed.
// Arguments that are paths of testdata are put within reach of the runner.
func (n *node) python(t *testing.T, peer *testpeer.Peer, args ...string) string {
	t.Helper()
	for i, arg := range args {
		if !strings.HasPrefix(arg, "testdata"+string(filepath.Separator)) {
			continue
		}
		text, err := os.ReadFile(arg)
		require.NoError(t, err)
		args[i] = n.sandbox.Write(t, string(text), filepath.Base(arg))
	}
	r := n.sandbox.Run(t, peer.Command(sandbox.Timeout(t), "python", args...))
	require.Equal(t, 0, r.Code, "%s", r)
	return r.Output
}

// supervisorctl runs the real supervisorctl on the node's daemon.
func (n *node) supervisorctl(t *testing.T, args ...string) sandbox.Result {
	t.Helper()
	args = append([]string{"-c", n.sandbox.Path("inst", "etc", "supervisord.conf")}, args...)
	return n.sandbox.Run(t, n.peer.Command(sandbox.Timeout(t), "supervisorctl", args...))
}

// status returns the state word of a program, or nothing when it is not known.
func (n *node) status(t *testing.T, program string) string {
	t.Helper()
	for line := range strings.Lines(n.supervisorctl(t, "status").Output) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == program {
			return fields[1]
		}
	}
	return ""
}

// waitStatus waits until a program is in one of the states ("" is unknown).
func (n *node) waitStatus(t *testing.T, program string, states ...string) {
	t.Helper()
	sandbox.Eventually(t, fmt.Sprintf("%s becomes %q", program, states), func() (bool, string) {
		status := n.status(t, program)
		for _, state := range states {
			if status == state {
				return true, status
			}
		}
		return false, status
	})
}

// partition returns a path in a partition.
func (n *node) partition(id string, elements ...string) string {
	return n.sandbox.Path(append([]string{"inst", id}, elements...)...)
}

// runs returns how often the cycle's recipe has run in a partition.
func (n *node) runs(t *testing.T, id string) int {
	t.Helper()
	text, err := os.ReadFile(n.partition(id, "runs"))
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	require.NoError(t, err)
	return strings.Count(string(text), "\n")
}

// software returns the directory of a release.
func (n *node) software(url string) string {
	sum := md5.Sum([]byte(url))
	return n.sandbox.Path("soft", hex.EncodeToString(sum[:]))
}

// shutdown ends the node's supervisor and checks that it takes everything along.
func (n *node) shutdown(t *testing.T) {
	t.Helper()
	r := n.supervisorctl(t, "shutdown")
	require.Equal(t, 0, r.Code, "%s", r)
	sandbox.Eventually(t, "nothing of the instances is left running", func() (bool, string) {
		var left []string
		for _, line := range n.sandbox.Describe() {
			if strings.Contains(line, "supervisord") || strings.Contains(line, "sleep ") {
				left = append(left, line)
			}
		}
		return len(left) == 0, strings.Join(left, "\n")
	})
}

// kill9 ends one process, as an operator's kill -9 would.
func kill9(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}

// readPID reads a file that holds a process id.
func readPID(t *testing.T, path string) int {
	t.Helper()
	var pid int
	sandbox.Eventually(t, path+" holds a process id", func() (bool, string) {
		text, err := os.ReadFile(path)
		if err != nil {
			return false, err.Error()
		}
		_, err = fmt.Sscan(string(text), &pid)
		return err == nil && pid > 1, string(text)
	})
	return pid
}
