package slapgrid_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// forking is a program whose descendants work on without it. It notes them,
// and who of earlier runs lives beside it.
const forking = `
for pid in $(cat LIST); do
	grep -qs ') [^ZX] ' /proc/$pid/stat && echo $pid >> BESIDE
done
sh -c 'echo $$ >> LIST; sleep 0.2; touch slow' &
setsid sh -c 'echo $$ >> LIST; sleep 0.2; touch slow' &
(exec > /dev/null 2>&1; sh -c 'echo $$ >> LIST; exec sleep 600') &
helper=$!
while [ ! -e slow ]; do sleep 0.02; done
kill $helper; sleep 0.1
touch done
`

// TestKilledBuilds kills agents while they build and deploy with programs that
// fork: the next pass never works beside what they left, and ends in the right
// state.
func TestKilledBuilds(t *testing.T) {
	rounds := 4
	if os.Getenv("SLAPOS_SOAK") == "1" {
		rounds = 200
	}
	b := newBench(t, 1)
	node := b.realNode(slapgrid.SupervisorEmbedded)
	b.cfg.Environ = []string{"PATH=" + os.Getenv("PATH")}
	require.NoError(t, node.EnsureSupervisor(t.Context()))
	list, beside := filepath.Join(b.root, "list"), filepath.Join(b.root, "beside")
	b.write(list, "", 0o666)
	b.write(beside, "", 0o666)
	for _, path := range []string{list, beside} {
		require.NoError(t, os.Chmod(path, 0o666))
	}
	script := strings.NewReplacer("LIST", list, "BESIDE", beside).Replace(forking)
	url := b.programRelease("r", script)
	b.write(filepath.Join(url, "software/build"), "#!/bin/sh\n"+script, 0o755)
	killed := 0
	for round := range rounds {
		b.supply(url, slap.StateAvailable)
		b.request(url, "one", slap.StateStarted, nil)
		for range 2 {
			if b.killedAgent(900 * time.Millisecond) {
				killed++
			}
		}
		require.NoError(t, allPasses(t.Context(), node), "round %d", round)
		require.Empty(t, read(t, beside), "round %d: programs worked beside what a killed pass had left", round)
		for _, dir := range []string{b.releaseDir(url), b.partition(0)} {
			require.FileExists(t, filepath.Join(dir, "done"))
		}
		require.Eventually(t, func() bool { return alive(list) == 0 }, time.Minute, 10*time.Millisecond, "round %d", round)
		require.Empty(t, names(t, filepath.Join(b.inst, "var/run/slapgrid")))

		b.request(url, "one", slap.StateDestroyed, nil)
		b.supply(url, slap.StateDestroyed)
		require.NoError(t, allPasses(t.Context(), node), "round %d", round)
		require.NoDirExists(t, b.releaseDir(url))
	}
	require.Positive(t, killed, "every agent had ended before it was killed")
	t.Logf("killed %d of %d agents at work", killed, 2*rounds)
}
