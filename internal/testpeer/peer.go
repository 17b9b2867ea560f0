package testpeer

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Peer is one installed release of the reference.
type Peer struct {
	version string
	dir     string
}

// builds remembers what each version gave in this process.
var builds sync.Map // version -> func() (string, error)

// Get returns the given release of the reference, building its environment if it
// is not there yet. Where that is impossible the test is skipped, or fails with
// SLAPOS_INTEROP=required.
func Get(tb testing.TB, version string) *Peer {
	tb.Helper()
	mode := os.Getenv("SLAPOS_INTEROP")
	switch mode {
	case "", "required":
	case "off":
		tb.Skip("not comparing with the reference: SLAPOS_INTEROP=off")
	default:
		tb.Fatalf("SLAPOS_INTEROP is %q: want off, required or nothing", mode)
	}
	once, _ := builds.LoadOrStore(version, sync.OnceValues(func() (string, error) {
		return build(version, mode == "required")
	}))
	dir, err := once.(func() (string, error))()
	if err != nil {
		if mode == "required" {
			tb.Fatalf("the reference %s is required (SLAPOS_INTEROP) and cannot be installed: %v", version, err)
		}
		tb.Skipf("not comparing with the reference %s, it cannot be installed: %v", version, err)
	}
	return &Peer{version: version, dir: dir}
}

// Version returns the release number.
func (p *Peer) Version() string { return p.version }

// Dir returns the directory of the virtual environment.
func (p *Peer) Dir() string { return p.dir }

// Program returns the path of a program of the environment, for example "slapos".
func (p *Peer) Program(name string) string { return filepath.Join(p.dir, "bin", name) }

// Python returns the path of the interpreter, which imports slapos.core,
// supervisor, zc.buildout and the recipes.
func (p *Peer) Python() string { return p.Program("python") }

// Supervisord returns the path of the real supervisord.
func (p *Peer) Supervisord() string { return p.Program("supervisord") }

// Supervisorctl returns the path of the real supervisorctl.
func (p *Peer) Supervisorctl() string { return p.Program("supervisorctl") }

// Command prepares a program of the environment. Its environment variables are
// those of the test without the ones that would redirect Python or the reference,
// and with the programs of the environment first on PATH; callers that run the
// reference's client or node should set HOME to a directory of the test.
func (p *Peer) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Program(name), args...)
	cmd.Env = append(cleanEnvironment(os.Environ()),
		"PATH="+filepath.Join(p.dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"PYTHONUNBUFFERED=1")
	return cmd
}
