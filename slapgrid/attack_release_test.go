package slapgrid_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// Whoever may ask for a release names a directory: the agent must not copy what
// the software user cannot read itself.
func TestReleaseThatOnlyRootCanRead(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("without root there is nobody else to protect from")
	}
	for name, hide := range map[string]func(dir string) error{
		"directory": func(dir string) error { return os.Chmod(dir, 0o700) },
		"parent":    func(dir string) error { return os.Chmod(filepath.Dir(dir), 0o700) },
		"file":      func(dir string) error { return os.Chmod(filepath.Join(dir, "shadow"), 0o600) },
		"group of root": func(dir string) error {
			return os.Chmod(filepath.Join(dir, "shadow"), 0o640)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 0)
			url := filepath.Join(b.root, "above", "secrets")
			require.NoError(t, os.MkdirAll(filepath.Join(url, "software"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(url, "software/instantiate"), []byte("#!/bin/sh\n"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(url, "shadow"), []byte("secret"), 0o644))
			require.NoError(t, hide(url))
			b.supply(url, slap.StateAvailable)
			report := b.softwarePass(slapgrid.SoftwareOptions{})
			require.ErrorContains(t, report.Err(), "permission denied")
			require.NoFileExists(t, filepath.Join(b.releaseDir(url), "shadow"))
		})
	}
	t.Run("archive", func(t *testing.T) {
		b := newBench(t, 0)
		url := filepath.Join(b.root, "secret.tar.gz")
		require.NoError(t, os.WriteFile(url, []byte("no archive"), 0o600))
		b.supply(url, slap.StateAvailable)
		require.ErrorContains(t, b.softwarePass(slapgrid.SoftwareOptions{}).Err(), "permission denied")
	})
}

// These two texts are a known collision of md5.
const (
	collision1 = "TEXTCOLLBYfGiJUETHQ4hAcKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak"
	collision2 = "TEXTCOLLBYfGiJUETHQ4hEcKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak"
)

// noBuilder builds anything without doing a thing, and notes what.
type noBuilder struct {
	mu    sync.Mutex
	built []string
}

func (b *noBuilder) Handles(string) bool { return true }

func (b *noBuilder) Software(_ context.Context, j slapgrid.SoftwareJob) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.built = append(b.built, j.URL)
	return nil
}

func (b *noBuilder) Instance(context.Context, slapgrid.InstanceJob) error { return nil }

// Two releases with one directory: the second is refused, and the master told.
func TestReleasesWithOneDirectory(t *testing.T) {
	b := newBench(t, 0)
	require.Equal(t, b.releaseDir(collision1), b.releaseDir(collision2))
	b.supply(collision1, slap.StateAvailable)
	b.supply(collision2, slap.StateAvailable)
	builder := &noBuilder{}
	client, err := slap.New(b.cfg.MasterURL, slap.WithTransport(b.calls))
	require.NoError(t, err)
	node, err := slapgrid.New(b.cfg, slapgrid.WithClient(client), slapgrid.WithSupervisor(b.supervisor), slapgrid.WithBuilder(builder))
	require.NoError(t, err)
	for range 2 {
		report, err := node.Software(t.Context(), slapgrid.SoftwareOptions{})
		require.NoError(t, err)
		require.NoError(t, report.Outcomes[0].Err)
		require.ErrorContains(t, report.Outcomes[1].Err, report.Outcomes[0].Name)
		require.Equal(t, []string{report.Outcomes[0].Name}, builder.built)
		require.Len(t, b.calls.takeErrors(), 1)
	}
}

// A forced build that fails is tried again by the next pass, and the release is
// not taken for built meanwhile.
func TestForcedBuildThatFails(t *testing.T) {
	b := newBench(t, 0)
	url := b.buildoutRelease(sr, "echo x >> worked; exit 1")
	b.supply(url, slap.StateAvailable)
	require.Error(t, b.softwarePass(slapgrid.SoftwareOptions{Force: true}).Err())
	require.NoFileExists(t, filepath.Join(b.releaseDir(url), ".completed"))
	b.write(filepath.Join(b.releaseDir(url), "bin/buildout"), "#!/bin/sh\necho y >> worked\n", 0o755)
	require.NoError(t, os.RemoveAll(filepath.Join(b.releaseDir(url), "bin/buildout-bootstrap-skipped")))
	require.Equal(t, slapgrid.ActionProcessed, b.software().Outcomes[0].Action)
	require.Equal(t, "x\ny\n", read(t, b.releaseDir(url), "worked"))
}
