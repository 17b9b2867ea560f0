//go:build linux

package interop

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// clientCommands are the commands that talk to a master, in an order in which each
// finds what it needs. RELEASE stands for a release.
var clientCommands = [][]string{
	{"supply", "RELEASE", computerID},
	{"remove", "RELEASE", computerID},
	{"service", "list"},
	{"computer", "list"},
	{"computer", "info", computerID},
	{"computer", "info", "unknown"},
	{"computer", "info", `x"y`},
	{"request", "root", "RELEASE", "--type", "t", "--node", "computer_guid=" + computerID, "--parameters", "a=b", "c=é d=e"},
	{"request", "root", "RELEASE", "--type", "t", "--state", "stopped"},
	{"request", "shared one", "RELEASE", "--type", "t", "--slave", "--parameters", "k=v"},
	{"request", "elsewhere", "RELEASE", "--node", "computer_guid=unknown"},
	{"service", "list"},
	{"service", "info", "root"},
	{"service", "info", "shared one"},
	{"service", "info", "nothing"},
	{"service", "info", `x"y`},
	{"request", "root", "RELEASE", "--type", "t", "--state", "destroyed"},
}

// commandDeviations are the commands whose outcome our master changes on purpose:
// the reference's texts and ours, pairwise. Documents are those of the newer
// generation, row O7 of package proxy: shared instances are services, and the state is
// the requested one.
var commandDeviations = map[string][]string{
	testpeer.Documented + " service list":      {"root SANDBOX/release/software.cfg\n", "root SANDBOX/release/software.cfg\nshared one SANDBOX/release/software.cfg\n"},
	testpeer.Documented + " service info root": {"Instance state: busy", "Instance state: stopped"},
	testpeer.Documented + " service info shared one": {
		"exit 2\nInstance shared one does not exist.\n", "exit 0\nSoftware Release URL: SANDBOX/release/software.cfg\n" +
			"Instance state: unused\nInstance parameters:\n{'k': 'v'}\nConnection parameters:\nNone\n",
	},
}

// TestTheirCommands runs the commands of both generations against the proxy of
// their own and against ours, on either kind of database, and compares what they
// print and their exit status.
func TestTheirCommands(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, version := range testpeer.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			peer := testpeer.Get(t, version)
			want := printed(t, peer, peer.StartProxy(t, computerID).URL)
			for i := range want {
				want[i] = strings.NewReplacer(commandDeviations[version+" "+strings.Join(clientCommands[i], " ")]...).Replace(want[i])
			}
			for _, master := range ourMasters {
				t.Run(master.name, func(t *testing.T) {
					t.Parallel()
					if diff := cmp.Diff(want, printed(t, peer, master.start(t))); diff != "" {
						t.Errorf("with our master (-theirs +ours):\n%s", diff)
					}
				})
			}
		})
	}
}

// volatile is what differs from run to run: times and process numbers of the log.
var volatile = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[,.]?\d*|slapos\[\d+\]`)

// printed runs the commands against a master with one formatted computer.
func printed(t *testing.T, peer *testpeer.Peer, url string) (texts []string) {
	t.Helper()
	s := sandbox.New(t)
	n := newNode(t, s, theirs{peer}, peer, url)
	n.python(t, peer, filepath.Join("testdata", "format.py"), url, computerID, filepath.Join("testdata", "computer-1.6.10.xml"))
	rest := url + "hateoas"
	if peer.Version() == testpeer.Newest {
		rest += "/"
	}
	config := s.Write(t, fmt.Sprintf("[slapos]\nmaster_url = %s\nmaster_rest_url = %s\n", url, rest), "rest.cfg")
	// The words of a status, and the slash of the older generation's address, mean
	// nothing to a client.
	mask := strings.NewReplacer(url+"hateoas/?", "MASTER/hateoas?", url, "MASTER/", s.Path(), "SANDBOX", "BAD REQUEST", "Bad Request", "NOT FOUND", "Not Found")
	for _, command := range clientCommands {
		args := make([]string, 0, len(command)+2)
		for _, arg := range command {
			args = append(args, strings.ReplaceAll(arg, "RELEASE", s.Path("release", "software.cfg")))
		}
		words := 1
		if command[0] == "service" || command[0] == "computer" {
			words = 2
		}
		args = append(append(append([]string{}, args[:words]...), "--cfg", config), args[words:]...)
		r := n.run(t, args...)
		require.NotContains(t, r.Output, "usage:")
		texts = append(texts, fmt.Sprintf("%q: exit %d\n%s", command, r.Code, volatile.ReplaceAllString(mask.Replace(r.Output), "TIME")))
	}
	return texts
}
