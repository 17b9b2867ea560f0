//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// computerID is the computer of every test: proxies take it for granted.
const computerID = "computer"

// tool is one implementation of the command line.
type tool interface {
	// name tells the tool apart in the names of tests.
	name() string
	// slapos prepares one run of the command.
	slapos(ctx context.Context, args ...string) *exec.Cmd
	// format makes the partitions of a node and registers them at its master.
	format(t *testing.T, n *node)
}

// theirs is the reference.
type theirs struct{ peer *testpeer.Peer }

func (p theirs) name() string { return p.peer.Version() }

func (p theirs) slapos(ctx context.Context, args ...string) *exec.Cmd {
	return p.peer.Command(ctx, "slapos", args...)
}

func (p theirs) format(t *testing.T, n *node) {
	t.Helper()
	if p.peer.Version() != testpeer.Documented {
		n.ok(t, "node", "format", "--now", "--cfg", n.config)
		return
	}
	// The command of this version needs an older Python. What it once sent stands
	// in, through its own library.
	for i := range partitionCount {
		require.NoError(t, os.Chmod(n.sandbox.Mkdir(t, "inst", fmt.Sprintf("slappart%d", i)), 0o750))
	}
	n.python(t, p.peer, filepath.Join("testdata", "format.py"), n.master, computerID, filepath.Join("testdata", "computer-1.6.10.xml"))
}

// ours is the command of this project. A peer lends it a Python with zc.buildout
// and the recipes, as a configured node would have.
type ours struct {
	binary string
	peer   *testpeer.Peer
}

func (o ours) name() string { return "ours" }

func (o ours) slapos(ctx context.Context, args ...string) *exec.Cmd {
	cmd := o.peer.Command(ctx, "slapos", args...)
	cmd.Path, cmd.Err = o.binary, nil
	cmd.Args[0] = o.binary
	return cmd
}

func (o ours) format(t *testing.T, n *node) {
	t.Helper()
	n.ok(t, "node", "format", "--now", "--cfg", n.config)
}

// buildOurs compiles the command once for all tests of the package.
var buildOurs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "slit-bin-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	if releaseBinary, err = testpeer.Guard(dir); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "slapos")
	cmd := exec.Command("go", "build", "-o", binary, "./examples/slapos")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return binary, errors.Join(os.Chmod(dir, 0o755), os.Chmod(binary, 0o755))
})

// binaryDir is removed at the end of the package's tests, and its guard released.
var (
	binaryDir     string
	releaseBinary func()
)

func newOurs(t *testing.T, peer *testpeer.Peer) ours {
	t.Helper()
	binary, err := buildOurs()
	require.NoError(t, err)
	return ours{binary: binary, peer: peer}
}

// startOurProxy starts the proxy command of this project and returns its URL.
func startOurProxy(t *testing.T, s *sandbox.Sandbox, o ours) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	require.NoError(t, l.Close())
	config := s.Write(t, fmt.Sprintf(`[slapos]
computer_id = %s

[slapproxy]
host = 127.0.0.1
port = %d
database_uri = %s
`, computerID, port, s.Path("proxy.db")), "proxy.cfg")
	log, err := os.Create(s.Path("proxy.log"))
	require.NoError(t, err)
	cmd := s.As(o.slapos(context.Background(), "proxy", "start", "--cfg", config))
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	require.NoError(t, log.Close())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// How it ended does not matter: its output tells.
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		// An error means that it has ended already.
		_ = cmd.Process.Kill()
		<-ended
	})
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	sandbox.Eventually(t, "our proxy answers", func() (bool, string) {
		select {
		case <-ended:
			text, err := os.ReadFile(s.Path("proxy.log"))
			t.Fatalf("our proxy ended at once: %s (%v)", text, err)
		default:
		}
		resp, err := client.Get(url + "getHateoasUrl")
		if err != nil {
			return false, err.Error()
		}
		return resp.Body.Close() == nil, ""
	})
	return url
}

// lines returns the lines of a text that contain a word.
func lines(text, word string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	return found
}
