package slapgrid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
)

// What a bootstrap from scratch installs. Later versions of zc.buildout change
// eggs-directory in a way that breaks release profiles.
var buildoutPins = []string{"zc.buildout==4.1.12", "setuptools==79.0.1", "wheel", "pip"}

// buildoutHome is where, under the software root, the pinned buildout of a
// Python version is kept. bin/buildout of releases refers to it, so that it
// stays as long as they do.
const buildoutHome = ".buildout"

// lockPoll is how often a lock of another agent is tried.
const lockPoll = 200 * time.Millisecond

// probeScript prints the import path if zc.buildout can be imported, and the
// version of Python.
const probeScript = `
import json, sys
try:
    import zc.buildout.buildout
    path = sys.path
except ImportError:
    path = None
print(json.dumps({"path": path, "tag": sys.implementation.cache_tag, "executable": sys.executable}))
`

// mainScript runs buildout with an import path given as JSON in the first
// argument, in an interpreter that has none of its own (-S).
const mainScript = `import json, sys; sys.path[:] = json.loads(sys.argv[1]); sys.argv[0:2] = ["buildout"]; ` +
	`import zc.buildout.buildout; zc.buildout.buildout.main(sys.argv[1:])`

// buildoutTool finds, or installs once, the buildout that bootstraps releases:
//
//   - the configured script, if there is one;
//   - zc.buildout of the configured Python, if that can import it;
//   - else a pinned one, installed with pip under the software root by the
//     owner of the software root, once for each version of Python.
type buildoutTool struct {
	cfg    *Config
	ledger *child.Ledger

	mu   sync.Mutex
	args []string
}

// command returns the beginning of the command line that runs buildout;
// parameters follow.
func (t *buildoutTool) command(ctx context.Context, log logger) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.args != nil {
		return append([]string{}, t.args...), nil
	}
	python, err := lookPath(t.cfg.Environ, t.cfg.Python)
	if err != nil {
		return nil, fmt.Errorf("buildout needs Python: %w (install python3 or set the key python)", err)
	}
	if t.cfg.BuildoutScript != "" {
		t.args = []string{python, "-S", t.cfg.BuildoutScript}
		return append([]string{}, t.args...), nil
	}
	found, err := t.probe(ctx, python)
	if err != nil {
		return nil, err
	}
	if found.Path == nil {
		if found, err = t.install(ctx, found, log); err != nil {
			return nil, err
		}
	}
	path, err := json.Marshal(found.Path)
	if err != nil {
		return nil, err
	}
	t.args = []string{found.Executable, "-S", "-c", mainScript, string(path)}
	return append([]string{}, t.args...), nil
}

// probed is what a Python tells about itself. Path is nil if it has no
// buildout.
type probed struct {
	Path       []string `json:"path"`
	Tag        string   `json:"tag"`
	Executable string   `json:"executable"`
}

// run runs a Python program as the owner of the software root.
func (t *buildoutTool) run(ctx context.Context, log logger, args ...string) (string, error) {
	owner, err := child.OwnerOf(t.cfg.SoftwareRoot)
	if err != nil {
		return "", err
	}
	c := child.Command{
		Args: args, Dir: t.cfg.SoftwareRoot, User: owner, AllowRoot: t.cfg.AllowRoot, Umask: 0o022, Ledger: t.ledger,
		Env: child.CleanEnviron(t.cfg.Environ, owner.Home),
	}
	if log != nil {
		c.Line = func(line string) { log.InfoContext(ctx, line) }
	}
	res, err := child.Run(ctx, c)
	if err != nil {
		return "", fmt.Errorf("%s: %w", args[0], err)
	}
	if res.ExitCode != 0 {
		return "", &BuildError{Message: "Failed to run " + strings.Join(args, " "), Output: res.Output}
	}
	return res.Output, nil
}

func (t *buildoutTool) probe(ctx context.Context, python string) (probed, error) {
	out, err := t.run(ctx, nil, python, "-c", probeScript)
	if err != nil {
		return probed{}, err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var found probed
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &found); err != nil {
		return found, fmt.Errorf("%s told %q about itself: %w", python, out, err)
	}
	if found.Executable == "" {
		found.Executable = python
	}
	return found, nil
}

// install puts the pinned buildout under the software root. Several agents may
// try at once: one installs, the others wait.
func (t *buildoutTool) install(ctx context.Context, found probed, log logger) (probed, error) {
	home := filepath.Join(t.cfg.SoftwareRoot, buildoutHome)
	version, _, _ := strings.Cut(buildoutPins[0], " ")
	target := filepath.Join(home, strings.ReplaceAll(version, "==", "-")+"-"+found.Tag)
	release, err := t.lock(ctx)
	if err != nil {
		return found, err
	}
	defer release()
	if !exists(target) {
		log.InfoContext(ctx, "Installing buildout", "version", version, "directory", target)
		if err := t.pipInstall(ctx, found.Executable, target, log); err != nil {
			return found, err
		}
	}
	out, err := t.run(ctx, nil, found.Executable, "-S", "-c", "import json, sys; print(json.dumps(sys.path))")
	if err != nil {
		return found, err
	}
	var standard []string
	if err := json.Unmarshal([]byte(strings.TrimSpace(out)), &standard); err != nil {
		return found, err
	}
	found.Path = append([]string{target}, standard...)
	return found, nil
}

// pipInstall installs into a temporary directory first: what is in place is
// complete.
func (t *buildoutTool) pipInstall(ctx context.Context, python, target string, log logger) error {
	staging := target + ".new"
	for _, args := range [][]string{
		{"/bin/rm", "-rf", staging, staging + ".venv"},
		{"/bin/mkdir", "-p", filepath.Dir(target)},
	} {
		if _, err := t.run(ctx, nil, args...); err != nil {
			return err
		}
	}
	pip := python
	if _, err := t.run(ctx, nil, python, "-m", "pip", "--version"); err != nil {
		// A Python without pip can still make an environment that has it.
		if _, err := t.run(ctx, log, python, "-m", "venv", staging+".venv"); err != nil {
			return fmt.Errorf("no pip and no venv to install buildout with: install them, set the key buildout, or name a python that has zc.buildout: %w", err)
		}
		pip = filepath.Join(staging+".venv", "bin", "python")
	}
	args := append([]string{pip, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--target", staging}, buildoutPins...)
	if _, err := t.run(ctx, log, args...); err != nil {
		return err
	}
	if _, err := t.run(ctx, nil, "/bin/rm", "-rf", staging+".venv"); err != nil {
		return err
	}
	_, err := t.run(ctx, nil, "/bin/mv", "-T", staging, target)
	return err
}

// lock excludes other agents while buildout is installed. The lock goes with
// the process.
func (t *buildoutTool) lock(ctx context.Context) (func(), error) {
	f, err := os.OpenFile(t.cfg.SoftwareRoot, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing unlocks
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(err, f.Close())
		}
		if err := sleep(ctx, lockPoll); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
}
