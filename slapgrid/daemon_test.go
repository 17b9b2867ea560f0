package slapgrid_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// realNode makes an agent with a real supervisor, which is stopped when the
// test ends.
func (b *bench) realNode(kind slapgrid.SupervisorKind) *slapgrid.Node {
	b.tb.Helper()
	self, err := os.Executable()
	require.NoError(b.tb, err)
	b.cfg.Supervisor = kind
	b.cfg.SupervisorCommand = []string{self, superviseRole}
	node, err := slapgrid.New(b.cfg, slapgrid.WithClient(b.master.Client))
	require.NoError(b.tb, err)
	release, err := testpeer.Guard(b.root)
	require.NoError(b.tb, err)
	b.tb.Cleanup(release)
	b.tb.Cleanup(func() { require.NoError(b.tb, node.StopSupervisor(b.background())) })
	return node
}

func readOr(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(data)
}

// states lists the processes of partitions by name.
func (b *bench) states() map[string]string {
	b.tb.Helper()
	c, err := client.New(filepath.Join(b.inst, "sv.sock"))
	require.NoError(b.tb, err)
	defer c.Close()
	all, err := c.AllProcessInfo(b.background())
	require.NoError(b.tb, err)
	states := map[string]string{}
	for _, info := range all {
		if info.Group != "watchdog" { // the real daemon lists it though it has no command
			states[info.Group+":"+info.Name] = info.StateName
		}
	}
	return states
}

// service is what a release deploys: one service, which leaves its pid.
const service = `
mkdir -p etc/service etc/promise
cat > etc/service/web <<'END'
#!/bin/sh
echo $$ >> pids
echo Working
exec sleep 1000
END
chmod +x etc/service/web
`

// TestSupervisors is the suite that every daemon behind the socket passes.
func TestSupervisors(t *testing.T) {
	for _, kind := range []slapgrid.SupervisorKind{slapgrid.SupervisorEmbedded, slapgrid.SupervisorReal} {
		t.Run(string(kind), func(t *testing.T) {
			b := newBench(t, 2)
			if kind == slapgrid.SupervisorReal {
				b.cfg.SupervisordCommand = []string{testpeer.Get(t, testpeer.Newest).Supervisord()}
			}
			node := b.realNode(kind)
			ctx := t.Context()
			url := b.programRelease("r", service)
			b.supply(url, slap.StateAvailable)
			b.request(url, "one", slap.StateStarted, nil)
			b.request(url, "two", slap.StateStarted, nil)
			require.NoError(t, allPasses(ctx, node))
			running := map[string]string{"slappart0:web-on-watch": "RUNNING", "slappart1:web-on-watch": "RUNNING"}
			require.Eventually(t, func() bool { return fmt.Sprint(b.states()) == fmt.Sprint(running) }, time.Minute, 20*time.Millisecond)
			require.Eventually(t, func() bool { return strings.Contains(readOr(b.partition(0, ".slappart0_web.log")), "Working") }, time.Minute, 20*time.Millisecond)

			// What runs is left alone by the next pass.
			pid := read(t, b.partition(0), "pids")
			require.NoError(t, allPasses(ctx, node))
			report, err := node.Instances(ctx, slapgrid.InstanceOptions{Force: true})
			require.NoError(t, err)
			require.NoError(t, report.Err())
			require.Equal(t, pid, read(t, b.partition(0), "pids"))
			answers, err := node.SupervisorAnswers(ctx)
			require.NoError(t, err)
			require.True(t, answers)

			// Stopped and started again.
			b.request(url, "one", slap.StateStopped, nil)
			require.NoError(t, allPasses(ctx, node))
			require.Equal(t, map[string]string{"slappart1:web-on-watch": "RUNNING"}, b.states())
			b.request(url, "one", slap.StateStarted, nil)
			require.NoError(t, allPasses(ctx, node))
			require.Eventually(t, func() bool { return fmt.Sprint(b.states()) == fmt.Sprint(running) }, time.Minute, 20*time.Millisecond)
			b.request(url, "two", slap.StateDestroyed, nil)
			require.NoError(t, allPasses(ctx, node))
			require.NotContains(t, b.states(), "slappart1:web-on-watch")
			require.Empty(t, names(t, b.partition(1)))
		})
	}
}

func TestLaunchThatFails(t *testing.T) {
	b := newBench(t, 0)
	b.realNode(slapgrid.SupervisorReal)
	b.cfg.Environ = []string{"PATH=/nowhere"}
	node, err := slapgrid.New(b.cfg, slapgrid.WithClient(b.master.Client))
	require.NoError(t, err)
	require.ErrorContains(t, node.EnsureSupervisor(t.Context()), "program supervisord not found in PATH")
	b.cfg.Supervisor, b.cfg.SupervisorCommand = slapgrid.SupervisorAuto, nil
	node, err = slapgrid.New(b.cfg, slapgrid.WithClient(b.master.Client))
	require.NoError(t, err)
	require.ErrorContains(t, node.EnsureSupervisor(t.Context()), "no command to launch one")
	b.cfg.SupervisorCommand = []string{"/bin/false"}
	node, err = slapgrid.New(b.cfg, slapgrid.WithClient(b.master.Client))
	require.NoError(t, err)
	require.ErrorContains(t, node.EnsureSupervisor(t.Context()), "Failed to launch supervisord:")
}
