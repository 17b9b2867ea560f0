package slapgrid_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

const sr = "http://sr.example/software.cfg"

var (
	ctxOf = func(t *testing.T) context.Context { return t.Context() }
	plain = slapgrid.InstanceOptions{}
)

// deployable makes a node with n partitions that all hold an instance of one
// buildout release whose buildout is a script.
func deployable(tb testing.TB, n int, script string, state slap.State) *bench {
	tb.Helper()
	b := newBench(tb, n)
	b.buildoutRelease(sr, script)
	for i := range n {
		b.request(sr, fmt.Sprintf("instance%d", i), state, nil)
	}
	return b
}

func (b *bench) partition(i int, path ...string) string {
	return filepath.Join(append([]string{b.inst, b.partitions[i]}, path...)...)
}

func TestNothingToDo(t *testing.T) {
	b := newBench(t, 0)
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, []string{"etc", "var"}, names(t, b.inst))
	for path, mode := range map[string]os.FileMode{
		"etc": 0o700, "etc/supervisord.conf.d": 0o700, "var": 0o755, "var/log": 0o700, "var/run": 0o700,
	} {
		info, err := os.Stat(filepath.Join(b.inst, path))
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
	info, err := os.Stat(filepath.Join(b.inst, "etc/supervisord.conf"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}

func TestMissingRoots(t *testing.T) {
	for _, root := range []string{"soft", "inst"} {
		b := newBench(t, 0)
		require.NoError(t, os.RemoveAll(filepath.Join(b.root, root)))
		_, err := b.node().Instances(ctxOf(t), plain)
		require.EqualError(t, err, filepath.Join(b.root, root)+" does not exist.")
		_, err = b.node().Software(ctxOf(t), slapgrid.SoftwareOptions{})
		require.Error(t, err)
	}
}

func TestOneStoppedPartition(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStopped)
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, []string{"getFullComputerInformation", "stoppedComputerPartition"}, b.calls.take())
	require.Equal(t, []string{".slapgrid", ".slapos-retention-lock-delay", ".timestamp", "buildout.cfg", "software_release", "worked"},
		names(t, b.partition(0)))
	require.Equal(t, "0.0", read(t, b.partition(0), ".slapos-retention-lock-delay"))
	target, err := os.Readlink(b.partition(0, "software_release"))
	require.NoError(t, err)
	require.Equal(t, b.releaseDir(sr), target)
	info, err := os.Stat(b.partition(0, "buildout.cfg"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
	profile := read(t, b.partition(0), "buildout.cfg")
	require.True(t, strings.HasPrefix(profile, "[buildout]\nparts =\n\n\n"), profile)
	for _, line := range []string{
		"bin-directory = ${buildout:directory}/sbin", "offline = true", "computer-id = computer", "partition_id = slappart0",
		"server-url = " + b.cfg.MasterURL, "software-release-url = " + sr, "requested-state = stopped",
	} {
		require.Contains(t, profile, line+"\n")
	}
}

func TestOldTemplateName(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStopped)
	require.NoError(t, os.Rename(filepath.Join(b.releaseDir(sr), "instance.cfg"), filepath.Join(b.releaseDir(sr), "template.cfg")))
	b.instances(slapgrid.ExitOK, plain)
	require.FileExists(t, b.partition(0, "worked"))
}

func TestFreePartition(t *testing.T) {
	b := newBench(t, 1)
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, []string{"getFullComputerInformation"}, b.calls.take())
	require.Empty(t, names(t, b.partition(0)))

	b.write(b.partition(0, ".slapgrid/x"), "", 0o644)
	b.write(b.partition(0, ".timestamp"), "1", 0o644)
	b.write(b.partition(0, ".slapos-resource"), "1", 0o644)
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, []string{".slapos-resource"}, names(t, b.partition(0)))
	require.NotContains(t, b.log.String(), "contains file(s)")
	b.write(b.partition(0, "left"), "", 0o644)
	b.instances(slapgrid.ExitOK, plain)
	require.Contains(t, b.log.String(), "Free partition slappart0 contains file(s) in "+b.partition(0)+".")
}

func TestOnly(t *testing.T) {
	b := deployable(t, 3, "echo x >> worked", slap.StateStopped)
	for only, message := range map[string]string{
		"foobar": "Unknown partition: foobar", "foobar,barbaz": "Unknown partitions: barbaz, foobar",
	} {
		_, err := b.node().Instances(ctxOf(t), slapgrid.InstanceOptions{Only: strings.Split(only, ",")})
		require.EqualError(t, err, message)
	}
	require.Empty(t, names(t, b.partition(0)))
	only := slapgrid.InstanceOptions{Only: []string{"slappart1"}}
	b.instances(slapgrid.ExitOK, only)
	require.Empty(t, names(t, b.partition(0)))
	require.FileExists(t, b.partition(1, "worked"))
	// Naming a partition forces it, as documented.
	b.instances(slapgrid.ExitOK, only)
	require.Equal(t, "x\nx\n", read(t, b.partition(1), "worked"))
}

func TestProgramsOfAPartition(t *testing.T) {
	b := deployable(t, 1, `mkdir -p etc/run etc/service; for p in run/b run/a service/s; do echo > etc/$p; chmod +x etc/$p; done`, slap.StateStarted)
	b.instances(slapgrid.ExitOK, plain)
	require.True(t, b.supervisor.started("slappart0"))
	conf := read(t, b.inst, "etc/supervisord.conf.d/slappart0.conf")
	require.Contains(t, conf, "[group:slappart0]\nprograms = slappart0_a,slappart0_b,slappart0_s\n")
	require.Contains(t, conf, "[program:slappart0_s]\ndirectory = "+b.partition(0)+"\ncommand = "+b.partition(0, "etc/service/s")+
		"\nprocess_name = s-on-watch\nautostart = false\n")
	require.Contains(t, conf, "stdout_logfile = "+b.partition(0, ".slappart0_a.log")+"\n")
	info, err := os.Stat(filepath.Join(b.inst, "etc/supervisord.conf.d/slappart0.conf"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	// Neighbours whose names begin alike are never touched.
	for _, name := range []string{"slappart0a.conf", "slappart0-old.conf"} {
		require.NoError(t, os.WriteFile(filepath.Join(b.inst, "etc/supervisord.conf.d", name), nil, 0o600))
	}
	b.request(sr, "instance0", slap.StateStopped, nil)
	b.calls.take()
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, []string{"slappart0a.conf"}, names(t, filepath.Join(b.inst, "etc/supervisord.conf.d")))
	require.Equal(t, []string{"getFullComputerInformation", "stoppedComputerPartition"}, b.calls.take())
	b.request(sr, "instance0", slap.StateStarted, nil)
	b.instances(slapgrid.ExitOK, plain)
	require.True(t, b.supervisor.started("slappart0"))
}

func TestUnusableProgramName(t *testing.T) {
	b := deployable(t, 1, "mkdir -p etc/run; echo > 'etc/run/a\n[program:x]'", slap.StateStarted)
	b.instances(slapgrid.ExitFailure, plain)
	require.Contains(t, b.calls.takeErrors()[0], "is no usable name")
	require.NoFileExists(t, filepath.Join(b.inst, "etc/supervisord.conf.d/slappart0.conf"))
}

func TestFailingBuildout(t *testing.T) {
	b := deployable(t, 2, `if [ $(basename $PWD) = slappart0 ]; then echo "it is broken"; exit 1; fi; touch worked`, slap.StateStarted)
	b.instances(slapgrid.ExitFailure, plain)
	text := fmt.Sprintf("Failed to run buildout profile in directory '%s':\nit is broken\n\n", b.partition(0))
	require.Equal(t, []string{text}, b.calls.takeErrors())
	require.Equal(t, text, read(t, b.partition(0), ".slapgrid-slappart0-error.log"))
	require.Equal(t, []string{".slapgrid", ".slapgrid-slappart0-error.log", "buildout.cfg", "software_release"}, names(t, b.partition(0)))
	require.FileExists(t, b.partition(1, "worked"))
	log := b.log.String()
	require.Contains(t, log, "Error while processing the following partitions:")
	require.Contains(t, log, `  slappart0[default]: Failed to run buildout profile in directory`)
	require.Less(t, strings.Index(log, "Finished computer partitions."), strings.Index(log, "Error while processing the following"))

	// Repaired: the error file goes away.
	b.buildoutRelease(sr, "touch worked")
	b.instances(slapgrid.ExitOK, plain)
	require.NoFileExists(t, b.partition(0, ".slapgrid-slappart0-error.log"))
}

func TestStopRequestedWhileBuildoutFails(t *testing.T) {
	b := deployable(t, 1, "mkdir -p etc/run; echo > etc/run/x; chmod +x etc/run/x", slap.StateStarted)
	b.instances(slapgrid.ExitOK, plain)
	require.True(t, b.supervisor.started("slappart0"))
	b.buildoutRelease(sr, "exit 1")
	b.request(sr, "instance0", slap.StateStopped, nil)
	b.calls.take()
	b.instances(slapgrid.ExitFailure, plain)
	require.False(t, b.supervisor.started("slappart0"))
	require.Equal(t, []string{"getFullComputerInformation", "softwareInstanceError"}, b.calls.take())
}

func TestBrokenPartitions(t *testing.T) {
	tests := map[string]struct {
		damage  func(b *bench)
		message string
		exit    int
	}{
		"no release":         {func(b *bench) { must(os.RemoveAll(b.releaseDir(sr))) }, "Software Release " + sr + " is not present on system.\nCannot deploy instance.", 1},
		"no profile":         {func(b *bench) { must(os.Remove(filepath.Join(b.releaseDir(sr), "instance.cfg"))) }, "is not correctly installed.\nMissing file: ", 1},
		"wrong permissions":  {func(b *bench) { must(os.Chmod(b.partition(0), 0o755)) }, "actual permissions are: 0755, wanted are 0750", 1},
		"no directory":       {func(b *bench) { must(os.Remove(b.partition(0))) }, "Partition directory ", 0},
		"no space":           {func(b *bench) { b.cfg.InstanceMinFreeSpace = 1 << 62 }, "(option 'instance_min_free_space')", 1},
		"not a number delay": {func(b *bench) {}, "", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := deployable(t, 1, "touch worked", slap.StateStopped)
			tt.damage(b)
			b.instances(tt.exit, plain)
			if tt.message != "" {
				errors := b.calls.takeErrors()
				require.Len(t, errors, 1)
				require.Contains(t, errors[0], tt.message)
			}
		})
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func TestRootOwnedPartitionIsRefused(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root has partitions of root")
	}
	b := deployable(t, 1, "touch worked", slap.StateStopped)
	require.NoError(t, os.Chown(b.partition(0), 0, 0))
	b.instances(slapgrid.ExitFailure, plain)
	require.Contains(t, b.calls.takeErrors()[0], "Dropping privileges to uid = 0 or gid = 0 is too dangerous")
	require.NoFileExists(t, b.partition(0, "worked"))
	b.cfg.AllowRoot = true
	b.instances(slapgrid.ExitOK, plain)
	require.FileExists(t, b.partition(0, "worked"))
}

func TestTimestamps(t *testing.T) {
	b := deployable(t, 1, "echo x >> worked", slap.StateStopped)
	runs := func() int { return strings.Count(read(t, b.partition(0), "worked"), "x") }
	b.instances(0, plain)
	stamp := read(t, b.partition(0), ".timestamp")
	require.NotEmpty(t, stamp)
	b.instances(0, plain)
	require.Equal(t, 1, runs(), "unchanged: not processed")
	b.instances(0, slapgrid.InstanceOptions{Force: true})
	require.Equal(t, 2, runs(), "forced")
	b.instances(0, plain)
	require.Equal(t, 2, runs(), "not again after a forced run")
	b.request(sr, "instance0", slap.StateStopped, slap.Parameters{"new": "1"})
	b.instances(0, plain)
	require.Equal(t, 3, runs(), "changed parameters")
	require.NotEqual(t, stamp, read(t, b.partition(0), ".timestamp"))

	// A forced run that fails is tried again by the next one.
	b.buildoutRelease(sr, "exit 1")
	b.instances(1, slapgrid.InstanceOptions{Force: true})
	b.buildoutRelease(sr, "echo x >> worked")
	b.instances(0, plain)
	require.Equal(t, 4, runs())
}

func TestPeriodicity(t *testing.T) {
	old := time.Now().Add(-time.Hour)
	for text, again := range map[string]bool{"1": true, "-1": false, "0": true, "36000": false, "nonsense": false} {
		b := deployable(t, 1, "echo x >> worked", slap.StateStopped)
		b.write(filepath.Join(b.releaseDir(sr), "periodicity"), text, 0o640)
		b.instances(0, plain)
		require.NoError(t, os.Chtimes(b.partition(0, ".timestamp"), old, old))
		b.instances(0, plain)
		want := "x\n"
		if again {
			want = "x\nx\n"
		}
		require.Equal(t, want, read(t, b.partition(0), "worked"), text)
		if text == "nonsense" {
			require.NoFileExists(t, filepath.Join(b.releaseDir(sr), "periodicity"))
		}
	}
}

func TestForceStop(t *testing.T) {
	b := deployable(t, 1, `mkdir -p etc/run etc/promise; echo > etc/run/x; printf '#!/bin/sh\ntouch checked' > etc/promise/p; chmod +x etc/*/*`, slap.StateStarted)
	b.instances(0, plain)
	require.NoError(t, os.Remove(b.partition(0, "checked")))
	b.calls.take()
	b.instances(0, slapgrid.InstanceOptions{ForceStop: true})
	require.Equal(t, []string{"getFullComputerInformation"}, b.calls.take())
	require.False(t, b.supervisor.started("slappart0"))
	require.NoFileExists(t, b.partition(0, ".timestamp"))
	require.NoFileExists(t, b.partition(0, "checked"))
	b.instances(0, plain)
	require.True(t, b.supervisor.started("slappart0"), "the next pass starts it again")
}

func TestPartitionTimeout(t *testing.T) {
	b := deployable(t, 1, "echo begun; sleep 60 & wait", slap.StateStarted)
	b.cfg.PartitionTimeout = 500 * time.Millisecond
	started := time.Now()
	b.instances(slapgrid.ExitFailure, plain)
	require.Less(t, time.Since(started), 30*time.Second)
	text := b.calls.takeErrors()[0]
	require.Contains(t, text, "begun")
	require.Contains(t, text, "timed out after 0.5 seconds")
}

func TestEnvironmentOfBuildout(t *testing.T) {
	b := deployable(t, 1, "env | sort > environment; umask > mask", slap.StateStopped)
	b.cfg.Environ = append(os.Environ(), "PYTHONPATH=/evil", "LANG=xx", "KEPT=yes")
	b.instances(0, plain)
	environment := read(t, b.partition(0), "environment")
	for _, line := range []string{"HOME=" + b.partition(0), "PYTHONNOUSERSITE=true", "SLAPGRID_INSTANCE_ROOT=" + b.inst, "KEPT=yes"} {
		require.Contains(t, environment, line+"\n")
	}
	require.NotContains(t, environment, "PYTHONPATH")
	require.NotContains(t, environment, "LANG=")
	require.Equal(t, "0027\n", read(t, b.partition(0), "mask"))
}

func TestMasterAway(t *testing.T) {
	b := deployable(t, 2, "mkdir -p etc/run; echo > etc/run/x", slap.StateStarted)
	b.instances(0, plain)
	b.supervisor.groups["slappart0"] = false
	b.calls.fail = map[string]int{"getFullComputerInformation": 503}
	report := b.instances(slapgrid.ExitOffline, plain)
	require.True(t, report.Offline)
	require.True(t, b.supervisor.started("slappart0"))
	// The others have nothing to do without a master.
	_, err := b.node().Software(ctxOf(t), slapgrid.SoftwareOptions{})
	require.ErrorIs(t, err, slap.ErrServer)
	_, err = b.node().Usage(ctxOf(t), slapgrid.UsageOptions{})
	require.ErrorIs(t, err, slap.ErrServer)
	_, err = b.node().Promises(ctxOf(t), slapgrid.PromiseOptions{})
	require.ErrorIs(t, err, slap.ErrServer)

	// An older agent's note about a stopped partition is respected.
	b.write(b.partition(0, ".requested_state"), "stopped", 0o644)
	b.instances(slapgrid.ExitOffline, plain)
	require.False(t, b.supervisor.started("slappart0"))
	require.True(t, b.supervisor.started("slappart1"))
	require.NoFileExists(t, b.partition(0, ".requested_state"))

	// Lost in the middle of a pass.
	b.calls.fail = map[string]int{"startedComputerPartition": 502}
	b.instances(slapgrid.ExitOffline, slapgrid.InstanceOptions{Force: true})
	require.NoFileExists(t, b.partition(0, ".timestamp"), "tried again by the next pass")
	b.calls.fail = nil
	b.instances(0, plain)
}

func TestRelatedInstances(t *testing.T) {
	b := deployable(t, 1, `printf 'child\n\nother\n' > .slapos-request-transaction-slappart0`, slap.StateStarted)
	b.write(b.partition(0, ".slapos-request-transaction-slappart0"), "old\n", 0o644)
	b.instances(0, plain)
	require.Equal(t, []string{"getFullComputerInformation", "startedComputerPartition", "updateComputerPartitionRelatedInstanceList"}, b.calls.take())
	require.Contains(t, b.calls.bodies["updateComputerPartitionRelatedInstanceList"], "child")
	require.NotContains(t, b.calls.bodies["updateComputerPartitionRelatedInstanceList"], "old")
	// The file goes with the next pass, up to date or not.
	b.instances(0, plain)
	require.NoFileExists(t, b.partition(0, ".slapos-request-transaction-slappart0"))
}

func TestParallelReportsInTheOrderOfTheMaster(t *testing.T) {
	b := deployable(t, 6, "sleep 0.$(( 6 - ${PWD##*slappart} ))", slap.StateStopped)
	b.cfg.Parallel = 6
	report := b.instances(0, plain)
	var order []string
	for _, o := range report.Outcomes {
		order = append(order, o.Name)
	}
	require.Empty(t, cmp.Diff(b.partitions, order))
}

func TestCancel(t *testing.T) {
	b := deployable(t, 2, "echo $$ > pid; exec sleep 60", slap.StateStopped)
	b.cfg.Parallel = 1
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(b.partition(0, "pid")); err == nil {
				cancel()
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	report, err := b.node().Instances(ctx, plain)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, report.Outcomes[0].Err, context.Canceled)
	require.Equal(t, slapgrid.ActionNotRun, report.Outcomes[1].Action)
	require.Len(t, b.calls.takeErrors(), 1, "the master is told before the end")
}
