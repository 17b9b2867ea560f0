package testpeer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// buildTimeout bounds the whole making of one environment.
	buildTimeout = 10 * time.Minute
	// failureMemory is how long a failed build is remembered, so that the
	// packages of one "go test" run do not all try it again.
	failureMemory = 10 * time.Minute
	// completeMarker is written last: a directory without it is a leftover.
	completeMarker = "complete"
	// systemPython is preferred, because partition users can execute it when the
	// interpreter of PATH lives in somebody's home directory.
	systemPython = "/usr/bin/python3"
)

// build returns the directory of the environment of version, making it if needed.
// With retry, a remembered failure is tried again.
func build(version string, retry bool) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	r, err := recipeOf(version)
	if err != nil {
		return "", err
	}
	python, interpreter, err := findPython(ctx)
	if err != nil {
		return "", err
	}
	root, err := cacheRoot(interpreter)
	if err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(root, "lock"))
	if err != nil {
		return "", fmt.Errorf("lock the cache of reference environments: %w", err)
	}
	defer unlock()

	dir := filepath.Join(root, version)
	if _, err := os.Stat(filepath.Join(dir, completeMarker)); err == nil {
		return dir, nil
	}
	failure := filepath.Join(root, version+".failed")
	if text := rememberedFailure(failure); text != "" && !retry {
		return "", fmt.Errorf("tried a moment ago: %s", text)
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := install(ctx, python, dir, r); err != nil {
		// Best effort: without the note the next package only tries again.
		_ = os.WriteFile(failure, []byte(err.Error()), 0o644)
		return "", err
	}
	if err := os.Remove(failure); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, completeMarker), nil, 0o644)
}

// rememberedFailure returns the text of a recent failed build, or nothing.
func rememberedFailure(path string) string {
	info, err := os.Stat(path)
	if err != nil || time.Since(info.ModTime()) > failureMemory {
		return ""
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// findPython returns an interpreter and a text that identifies it.
func findPython(ctx context.Context) (path, identity string, err error) {
	path = systemPython
	if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath("python3"); err != nil {
			return "", "", fmt.Errorf("no Python: %w", err)
		}
	}
	out, err := exec.CommandContext(ctx, path, "-c", "import sys; print(sys.executable, sys.version)").Output()
	if err != nil {
		return "", "", fmt.Errorf("%s does not run: %w", path, err)
	}
	return path, string(out), nil
}

// cacheRoot makes and returns the directory that holds the environments. For root
// it is one that the users of partitions can reach, unlike root's home.
func cacheRoot(interpreter string) (string, error) {
	id, err := fingerprint(interpreter)
	if err != nil {
		return "", err
	}
	parent := os.Getenv("SLAPOS_PEER_CACHE")
	switch {
	case parent != "":
	case os.Getuid() == 0:
		parent = "/var/tmp"
	default:
		if parent, err = os.UserCacheDir(); err != nil {
			return "", err
		}
	}
	if parent, err = filepath.Abs(parent); err != nil {
		return "", err
	}
	root := filepath.Join(parent, "slapos-go-peer-"+id)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	return root, checkOwned(root)
}

// install fills dir with a virtual environment.
func install(ctx context.Context, python, dir string, r recipe) error {
	if err := run(ctx, python, "-m", "venv", dir); err != nil {
		return fmt.Errorf("make a virtual environment (Debian: package python3-venv): %w", err)
	}
	constraints, err := files.ReadFile(constraintsFile)
	if err != nil {
		return err
	}
	constraintsPath := filepath.Join(dir, "constraints.txt")
	if err := os.WriteFile(constraintsPath, constraints, 0o644); err != nil {
		return err
	}
	bin := filepath.Join(dir, "bin")
	for i, step := range r.steps {
		args := []string{"-m", "pip", "install", "--quiet", "--no-input", "--retries", "2", "--constraint", constraintsPath}
		if i > 0 {
			args = append(args, "--no-build-isolation")
		}
		if err := run(ctx, filepath.Join(bin, "python"), append(args, step...)...); err != nil {
			return fmt.Errorf("pip install %s: %w", strings.Join(step, " "), err)
		}
	}
	if err := installShim(dir); err != nil {
		return err
	}
	if err := run(ctx, filepath.Join(bin, "python"), "-c", r.check); err != nil {
		return fmt.Errorf("the reference does not import on this Python: %w", err)
	}
	return nil
}

// installShim puts the module that repairs the reference on this Python where the
// interpreter loads it at every start.
func installShim(dir string) error {
	sites, err := filepath.Glob(filepath.Join(dir, "lib", "python3*", "site-packages"))
	if err != nil || len(sites) != 1 {
		return fmt.Errorf("site-packages of %s: found %v (%w)", dir, sites, err)
	}
	shim, err := files.ReadFile(shimFile)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(sites[0], "peer_shim.py"), shim, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(sites[0], "peer_shim.pth"), []byte("import peer_shim\n"), 0o644)
}

// run runs a command and puts the end of its output into the error.
func run(ctx context.Context, name string, args ...string) error {
	const keep = 4000
	// The environment must be readable by every user, whatever the caller's umask.
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", `umask 022; exec "$0" "$@"`, name}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = cleanEnvironment(os.Environ())
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		text := out.Bytes()
		if len(text) > keep {
			text = text[len(text)-keep:]
		}
		return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, bytes.TrimSpace(text))
	}
	return nil
}

// cleanEnvironment drops the variables that would bring other Python modules or
// another configuration of the reference in.
func cleanEnvironment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return strings.HasPrefix(name, "PYTHON") || strings.HasPrefix(name, "SLAPOS_") ||
			strings.HasPrefix(name, "SLAPGRID_") || name == "VIRTUAL_ENV"
	})
}
