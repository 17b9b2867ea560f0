package slapgrid_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// Options that give nothing leave the default, and what makes no sense is
// refused instead of run into.
func TestOptionsThatMakeNoSense(t *testing.T) {
	b := newBench(t, 0)
	url := b.programRelease("r", "true\n")
	b.supply(url, slap.StateAvailable)
	node, err := slapgrid.New(b.cfg, slapgrid.WithLogger(nil), slapgrid.WithClock(nil), slapgrid.WithHTTPClient(nil),
		slapgrid.WithClient(nil), slapgrid.WithSupervisor(nil), slapgrid.WithPromiseRunner(nil))
	require.NoError(t, err)
	report, err := node.Software(t.Context(), slapgrid.SoftwareOptions{})
	require.NoError(t, err)
	require.NoError(t, report.Err())
	_, err = slapgrid.New(b.cfg, slapgrid.WithBuilder(nil))
	require.ErrorContains(t, err, "builder is nil")
	for name, change := range map[string]func(c *slapgrid.Config){
		"parallel":          func(c *slapgrid.Config) { c.Parallel = -1 },
		"promise_timeout":   func(c *slapgrid.Config) { c.PromiseTimeout = -1 },
		"partition_timeout": func(c *slapgrid.Config) { c.PartitionTimeout = -1 },
	} {
		wrong := b.cfg
		change(&wrong)
		_, err := slapgrid.New(wrong)
		require.ErrorContains(t, err, name)
	}
}

// What the caller does with the configuration later is the caller's business.
func TestConfigurationIsCopied(t *testing.T) {
	b := newBench(t, 0)
	url := b.buildoutRelease(sr, "echo \"$@\" > args; env > env")
	require.NoError(t, os.Remove(filepath.Join(b.releaseDir(url), ".completed")))
	b.supply(url, slap.StateAvailable)
	b.cfg.NetworkCache = map[string]string{"upload-cache-url": "http://good"}
	b.cfg.Environ = append(os.Environ(), "COLOUR=red")
	node := b.node()
	b.cfg.NetworkCache["upload-cache-url"] = "http://bad"
	b.cfg.Environ[len(b.cfg.Environ)-1] = "COLOUR=blue"
	report, err := node.Software(t.Context(), slapgrid.SoftwareOptions{})
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Contains(t, read(t, b.releaseDir(url), "args"), "http://good")
	require.Contains(t, read(t, b.releaseDir(url), "env"), "COLOUR=red")
}

// An executable whose name begins with a dot is a promise like others.
func TestPromiseWithADot(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStarted)
	b.write(b.partition(0, "etc/promise/.hidden"), "#!/bin/sh\necho look; exit 1\n", 0o755)
	b.write(b.partition(0, "etc/promise/.other"), "#!/bin/sh\necho fine\n", 0o755)
	b.instances(slapgrid.ExitPromise, plain)
	require.Equal(t, []string{"Promise '.hidden' failed with output: look"}, b.calls.takeErrors())
	require.Equal(t, []string{".hidden.status.json", ".other.status.json"}, names(t, b.partition(0, ".slapgrid/promise/result")))
}

// One program in etc/run and etc/service at once: the second runs, and no other
// partition suffers.
func TestProgramOfBothKinds(t *testing.T) {
	b := newBench(t, 2)
	url := b.programRelease("both", service+"mkdir -p etc/run; cp etc/service/web etc/run/web; cp etc/service/web etc/run/other\n")
	b.supply(url, slap.StateAvailable)
	b.request(url, "one", slap.StateStarted, nil)
	b.request(url, "two", slap.StateStarted, nil)
	require.NoError(t, allPasses(b.background(), b.realNode(slapgrid.SupervisorEmbedded)))
	running := map[string]string{}
	for _, id := range b.partitions {
		running[id+":other"], running[id+":web-on-watch"] = "RUNNING", "RUNNING"
	}
	require.Eventually(t, func() bool { return maps.Equal(running, b.states()) }, time.Minute, 20*time.Millisecond)
}
