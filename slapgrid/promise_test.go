package slapgrid_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// promising is the script of a buildout that makes one promise a partition;
// slappart0's fails.
const promising = `mkdir -p etc/promise etc/run; echo > etc/run/x
printf '#!/bin/sh\necho "hél\\303\\251 $(basename $PWD)"; [ ! -e broken ]' > etc/promise/works; chmod +x etc/promise/works
[ $(basename $PWD) = slappart0 ] && touch broken; true`

func TestFailingPromise(t *testing.T) {
	b := deployable(t, 2, promising, slap.StateStarted)
	report := b.instances(slapgrid.ExitPromise, plain)
	want := "Promise 'works' failed with output: hélé slappart0"
	require.EqualError(t, report.Outcomes[0].Err, want)
	require.NoError(t, report.Outcomes[1].Err)
	require.Equal(t, []string{want}, b.calls.takeErrors())
	require.NoFileExists(t, b.partition(0, ".timestamp"), "processed again by the next pass")
	require.NoFileExists(t, b.partition(0, ".slapgrid-slappart0-error.log"))
	require.FileExists(t, b.partition(1, ".timestamp"))
	log := b.log.String()
	require.Contains(t, log, "Error with promises for the following partitions:")
	require.Contains(t, log, "  slappart0[default]: "+want)
	require.True(t, b.supervisor.started("slappart0"))

	// node promise tells the same and posts nothing.
	b.calls.take()
	report, err := b.node().Promises(t.Context(), slapgrid.PromiseOptions{})
	require.NoError(t, err)
	require.Equal(t, slapgrid.ExitPromise, report.ExitCode())
	require.Equal(t, []string{"getFullComputerInformation"}, b.calls.take())
	report, err = b.node().Promises(t.Context(), slapgrid.PromiseOptions{Only: []string{"slappart1"}})
	require.NoError(t, err)
	require.Equal(t, slapgrid.ExitOK, report.ExitCode())
	_, err = b.node().Promises(t.Context(), slapgrid.PromiseOptions{Only: []string{"other"}})
	require.EqualError(t, err, "Unknown partition: other")
}

func TestPromisesOfStoppedPartitionsAreNotChecked(t *testing.T) {
	b := deployable(t, 1, promising, slap.StateStopped)
	b.instances(slapgrid.ExitOK, plain)
	report, err := b.node().Promises(t.Context(), slapgrid.PromiseOptions{})
	require.NoError(t, err)
	require.Equal(t, slapgrid.ActionSkipped, report.Outcomes[0].Action)
	require.NoDirExists(t, b.partition(0, ".slapgrid/promise"))
}

func TestPromisesAfterAFailedBuild(t *testing.T) {
	b := deployable(t, 1, promising+"; rm -f broken; exit 1", slap.StateStarted)
	b.instances(slapgrid.ExitFailure, plain)
	require.Contains(t, read(t, b.partition(0), ".slapgrid/promise/result/works.status.json"), `"failed": false`)
	require.Len(t, b.calls.takeErrors(), 1)
}

// TestAnomaly follows a service that gets worse and better while nothing is
// asked of the node.
func TestAnomaly(t *testing.T) {
	b := deployable(t, 1, promising+"; rm -f broken", slap.StateStarted)
	b.instances(0, plain)
	b.write(b.partition(0, "broken"), "", 0o644)
	again := func() []string {
		require.NoError(t, os.Remove(b.partition(0, ".slapgrid/promise/cache/works")), "as if it were due")
		b.calls.take()
		b.instances(0, plain)
		return b.calls.take()
	}
	require.Equal(t, []string{"getFullComputerInformation"}, again(), "a first failure is taken")
	require.Equal(t, []string{"getFullComputerInformation"}, again())
	require.Equal(t, []string{"getFullComputerInformation", "softwareInstanceError"}, again())
	require.Equal(t, []string{"getFullComputerInformation"}, again(), "told once")
	require.NoError(t, os.Remove(b.partition(0, "broken")))
	require.Equal(t, []string{"getFullComputerInformation", "startedComputerPartition"}, again())
	require.Equal(t, 1, strings.Count(strings.Join(b.calls.takeErrors(), "\n"), "Promise 'works' failed"))
}
