package slapgrid_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// BenchmarkIdleInstances is a pass over 100 started partitions, each with a
// promise, that are all up to date; the master is asked over a socket.
func BenchmarkIdleInstances(b *testing.B) {
	bench := deployable(b, 100, `mkdir -p etc/promise etc/run; echo > etc/run/x; printf '#!/bin/sh\ntrue' > etc/promise/p; chmod +x etc/promise/p`, slap.StateStarted)
	bench.cfg.Environ = []string{"PATH=/bin:/usr/bin"}
	bench.instances(slapgrid.ExitOK, plain)
	node, err := slapgrid.New(bench.cfg, slapgrid.WithClient(bench.master.Client), slapgrid.WithSupervisor(bench.supervisor))
	require.NoError(b, err)
	b.ResetTimer()
	for b.Loop() {
		report, err := node.Instances(b.Context(), plain)
		if err != nil || report.ExitCode() != slapgrid.ExitOK {
			b.Fatal(err, report.Err())
		}
	}
	b.StopTimer()
	require.Equal(b, slapgrid.ActionUpToDate, bench.instances(slapgrid.ExitOK, plain).Outcomes[99].Action)
}
