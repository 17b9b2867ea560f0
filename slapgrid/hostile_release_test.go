package slapgrid_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// precious makes a directory that no release nor partition may touch, and
// returns a check that nobody did.
func (b *bench) precious() (dir string, untouched func()) {
	b.tb.Helper()
	dir = filepath.Join(b.root, "precious")
	require.NoError(b.tb, os.MkdirAll(filepath.Join(dir, "inner"), 0o755))
	require.NoError(b.tb, os.WriteFile(filepath.Join(dir, "inner", "secret"), []byte("secret"), 0o600))
	require.NoError(b.tb, os.WriteFile(filepath.Join(dir, "periodicity"), []byte("no number"), 0o644))
	require.NoError(b.tb, os.Chmod(dir, 0o711))
	return dir, func() {
		b.tb.Helper()
		require.Equal(b.tb, []string{"inner", "periodicity"}, names(b.tb, dir))
		require.Equal(b.tb, "secret", read(b.tb, dir, "inner", "secret"))
		info, err := os.Stat(dir)
		require.NoError(b.tb, err)
		require.Equal(b.tb, os.FileMode(0o711), info.Mode().Perm())
		require.Equal(b.tb, os.Getuid(), int(info.Sys().(*syscall.Stat_t).Uid))
	}
}

// The software user owns the software root: what it puts in the place of a
// release must not make the agent work elsewhere.
func TestLinkInThePlaceOfARelease(t *testing.T) {
	for name, suffix := range map[string]string{"program": "", "buildout": "/software.cfg"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1)
			url := b.programRelease("release", "true\n") + suffix
			dir, untouched := b.precious()
			require.NoError(t, os.Symlink(dir, b.releaseDir(url)))
			b.give(b.releaseDir(url))
			b.supply(url, slap.StateAvailable)
			report := b.softwarePass(slapgrid.SoftwareOptions{Force: true})
			require.ErrorContains(t, report.Err(), b.releaseDir(url))
			untouched()

			// A partition of it does not touch it either.
			b.request(url, "one", slap.StateStarted, nil)
			b.instances(slapgrid.ExitFailure, plain)
			untouched()

			// Destroying the release removes the link.
			b.supply(url, slap.StateDestroyed)
			b.software()
			require.Empty(t, names(t, b.soft))
			untouched()
		})
	}
}

func TestReleaseThatMovesItsDirectoryAway(t *testing.T) {
	b := newBench(t, 0)
	dir, untouched := b.precious()
	url := b.programRelease("release", "true\n")
	b.write(filepath.Join(url, "software/build"), `#!/bin/sh
mv "$SLAPOS_SOFTWARE_DIR" "$SLAPOS_SOFTWARE_DIR-old" && ln -s `+dir+` "$SLAPOS_SOFTWARE_DIR"
`, 0o755)
	b.supply(url, slap.StateAvailable)
	report := b.softwarePass(slapgrid.SoftwareOptions{})
	require.ErrorContains(t, report.Err(), "remove it and run the pass again")
	untouched()
}

// Whatever a release makes of its files, the agent never waits for a pipe.
func TestPipesInARelease(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStarted)
	b.write(b.partition(0, "etc/plugin/check.py"), "", 0o644)
	b.cfg.Python = "/no/such/python"
	for _, name := range []string{"periodicity", "instance.cfg", "bin/buildout"} {
		path := filepath.Join(b.releaseDir(sr), name)
		require.NoError(t, os.RemoveAll(path))
		require.NoError(t, syscall.Mkfifo(path, 0o644))
		b.give(path)
	}
	b.instances(slapgrid.ExitFailure, plain)
	b.write(filepath.Join(b.releaseDir(sr), "software.cfg"), "", 0o644)
	b.softwarePass(slapgrid.SoftwareOptions{Force: true})
}
