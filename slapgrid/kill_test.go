package slapgrid_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// killedAgent runs an agent through all its passes and kills it at a random
// instant before a limit. It tells whether the agent was still at work.
func (b *bench) killedAgent(limit time.Duration) bool {
	b.tb.Helper()
	cfg, err := json.Marshal(b.cfg)
	require.NoError(b.tb, err)
	self, err := os.Executable()
	require.NoError(b.tb, err)
	agent := exec.Command(self, agentRole, string(cfg))
	require.NoError(b.tb, agent.Start())
	time.Sleep(rand.N(limit))
	_ = agent.Process.Kill() // it may have ended
	return agent.Wait() != nil
}

// TestKilledAgent kills an agent at random instants of its passes; the next one
// finishes its work.
func TestKilledAgent(t *testing.T) {
	rounds := 8
	if os.Getenv("SLAPOS_SOAK") == "1" {
		rounds = 200
	}
	b := newBench(t, 3)
	node := b.realNode(slapgrid.SupervisorEmbedded)
	b.cfg.Environ = []string{"PATH=" + os.Getenv("PATH")}
	require.NoError(t, node.EnsureSupervisor(t.Context()))
	url := b.programRelease("r", service+"sleep 0.05\n")
	b.write(filepath.Join(url, "software/build"), "#!/bin/sh\nset -e\nmkdir building\nsleep 0.1\ntouch built\n", 0o755)
	killed := 0
	for round := range rounds {
		reference := fmt.Sprintf("instance%d", round)
		b.supply(url, slap.StateAvailable)
		b.request(url, reference, slap.StateStarted, nil)
		b.request(url, "stopped", slap.StateStopped, slap.Parameters{"round": strconv.Itoa(round)})
		for range 2 {
			if b.killedAgent(700 * time.Millisecond) {
				killed++
			}
		}
		require.NoError(t, allPasses(t.Context(), node), "round %d", round)
		b.requireDeployed(url, round)

		// The other way round: destroy with an agent that is killed.
		b.request(url, reference, slap.StateDestroyed, nil)
		b.supply(url, slap.StateDestroyed)
		if b.killedAgent(400 * time.Millisecond) {
			killed++
		}
		require.NoError(t, allPasses(t.Context(), node), "round %d", round)
		require.Empty(t, b.states())
		require.NoDirExists(t, b.releaseDir(url))
	}
	require.Positive(t, killed, "every agent had ended before it was killed")
	t.Logf("killed %d of %d agents at work", killed, 3*rounds)
}

// requireDeployed checks that one instance runs, once, and its release is whole.
func (b *bench) requireDeployed(url string, round int) {
	b.tb.Helper()
	states := b.states()
	require.Len(b.tb, states, 1, "round %d: only the started one has a process", round)
	require.FileExists(b.tb, filepath.Join(b.releaseDir(url), "built"))
	for group := range states {
		id, _, _ := strings.Cut(group, ":")
		require.FileExists(b.tb, filepath.Join(b.inst, id, ".timestamp"))
		require.Eventually(b.tb, func() bool { return alive(filepath.Join(b.inst, id, "pids")) == 1 }, time.Minute, 20*time.Millisecond,
			"round %d: one process, not two", round)
	}
}

// alive counts the processes of a list that live.
func alive(path string) int {
	n := 0
	for _, pid := range strings.Fields(readOr(path)) {
		if stat := readOr("/proc/" + pid + "/stat"); stat != "" && !strings.Contains(stat, ") Z ") {
			n++
		}
	}
	return n
}
