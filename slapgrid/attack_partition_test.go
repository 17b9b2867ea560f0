package slapgrid_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// ofAnother makes a deployed partition whose user is not the software user.
func ofAnother(t *testing.T) (b *bench, forge func(name, text string)) {
	if os.Getuid() != 0 {
		t.Skip("without root every file belongs to the same user")
	}
	const daemon = 1 // every system has that account
	b = deployable(t, 1, "true", slap.StateStarted)
	b.write(b.partition(0, "etc/run/x"), "", 0o755)
	require.NoError(t, os.Lchown(b.partition(0), daemon, daemon))
	b.instances(slapgrid.ExitOK, plain)
	return b, func(name, text string) {
		require.NoError(t, os.RemoveAll(b.partition(0, name)))
		require.NoError(t, os.WriteFile(b.partition(0, name), []byte(text), 0o644))
		require.NoError(t, os.Lchown(b.partition(0, name), daemon, daemon))
	}
}

// A user that notes a partition as processed does not keep it from being stopped.
func TestForgedTimestamp(t *testing.T) {
	b, forge := ofAnother(t)
	require.True(t, b.supervisor.started("slappart0"))
	b.request(sr, "instance0", slap.StateStopped, nil)
	p, err := b.master.Client.ComputerPartition(t.Context(), computer, "slappart0")
	require.NoError(t, err)
	forge(".timestamp", p.Timestamp())
	b.instances(slapgrid.ExitOK, plain)
	require.False(t, b.supervisor.started("slappart0"))
}

// A user that lists processes of others to be waited for does not keep the
// partition from its destruction.
func TestForgedWaitList(t *testing.T) {
	b, forge := ofAnother(t)
	b.supervisor.running["watchdog"] = true
	forge(".slapos-report-wait-service-list", "watchdog\n")
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	require.Equal(t, slapgrid.ActionRemoved, b.usage(slapgrid.ExitOK).Outcomes[0].Action)
}

// A link in the place of the log does not make the agent write into its own
// files.
func TestLogThatIsALink(t *testing.T) {
	for _, target := range []string{".slapos-retention-lock-delay", ".slapos-retention-lock-date"} {
		b, _ := ofAnother(t)
		log := b.partition(0, ".slapgrid/log/instance.log")
		before := readOr(b.partition(0, target))
		require.NoError(t, os.Remove(log))
		require.NoError(t, os.Symlink("../../"+target, log))
		_, err := b.node().Instances(t.Context(), slapgrid.InstanceOptions{Force: true})
		require.NoError(t, err)
		require.Equal(t, before, readOr(b.partition(0, target)))
		if before == "" {
			require.NoFileExists(t, b.partition(0, target))
		}
	}
}

// The key of a partition belongs to its user, who can make it as large as the
// disk: the agent does not read all that.
func TestHugeKeyFile(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStopped)
	b.cfg.CertificateRepository = filepath.Join(b.root, "pki")
	require.NoError(t, os.Mkdir(b.cfg.CertificateRepository, 0o755))
	key := "secret"
	b.calls.next = certificates{b.calls.next, &key}
	b.instances(slapgrid.ExitOK, plain)
	path := filepath.Join(b.cfg.CertificateRepository, "slappart0.key")
	const huge = 256 << 20
	require.NoError(t, os.Truncate(path, huge))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{Force: true})
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(huge/2))
	require.Equal(t, key, read(t, path))

	// A key that others can read is mended.
	require.NoError(t, os.Chmod(path, 0o644))
	b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{Force: true})
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o400), info.Mode())
}

// deafSupervisor cannot be told anything.
type deafSupervisor struct{ *fakeSupervisor }

func (deafSupervisor) Update(context.Context) error { return errors.New("CANT_REREAD") }

// The file of the partition is gone already, but the supervisor was not told:
// as long as it cannot be, the partition is not reported as stopped.
func TestStopThatTheSupervisorDoesNotHear(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStarted)
	b.write(b.partition(0, "etc/run/x"), "", 0o755)
	b.instances(slapgrid.ExitOK, plain)
	require.NoError(t, os.Remove(filepath.Join(b.inst, "etc/supervisord.conf.d/slappart0.conf"))) // and killed
	b.request(sr, "instance0", slap.StateStopped, nil)
	b.calls.take()
	client, err := slap.New(b.cfg.MasterURL, slap.WithTransport(b.calls), slap.WithRetry(0))
	require.NoError(t, err)
	node, err := slapgrid.New(b.cfg, slapgrid.WithClient(client), slapgrid.WithSupervisor(deafSupervisor{b.supervisor}))
	require.NoError(t, err)
	report, err := node.Instances(t.Context(), plain)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "CANT_REREAD")
	require.NotContains(t, b.calls.take(), "stoppedComputerPartition")
	b.instances(slapgrid.ExitOK, plain)
	require.False(t, b.supervisor.started("slappart0"))
}

// A partition does not take away the files of one whose name goes on with a dash.
func TestPartitionWithADash(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStarted)
	b.write(b.partition(0, "etc/run/x"), "", 0o755)
	b.mkdir(filepath.Join(b.inst, "slappart0-1"), 0o750)
	b.instances(slapgrid.ExitOK, plain)
	other := filepath.Join(b.inst, "etc/supervisord.conf.d/slappart0-1.conf")
	mine := filepath.Join(b.inst, "etc/supervisord.conf.d/slappart0-prerm.conf")
	for _, path := range []string{other, mine} {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{Force: true})
	require.FileExists(t, other)
	require.NoFileExists(t, mine)
	b.request(sr, "instance0", slap.StateStopped, nil)
	b.instances(slapgrid.ExitOK, plain)
	require.FileExists(t, other)
}

// Promises do not get what the agent inherited.
func TestPromisesGetNoDescriptors(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStarted)
	b.instances(slapgrid.ExitOK, plain)
	b.write(b.partition(0, "etc/promise/p"), "#!/bin/sh\nls -l /proc/self/fd\nexit 1\n", 0o755)
	fd, err := syscall.Open(filepath.Join(b.inst, "etc/supervisord.conf"), syscall.O_RDONLY, 0) // not close on exec
	require.NoError(t, err)
	defer syscall.Close(fd) //nolint:errcheck // of a test
	report, err := b.node().Promises(t.Context(), slapgrid.PromiseOptions{})
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), "pipe:")
	require.NotContains(t, report.Err().Error(), "supervisord.conf")
}

// The user owns the directory and can give the agent's own files other names: a
// time is not taken for a delay.
func TestTimestampAsRetentionDelay(t *testing.T) {
	b, _ := ofAnother(t)
	require.NoError(t, os.Rename(b.partition(0, ".timestamp"), b.partition(0, ".slapos-retention-lock-delay")))
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	require.Equal(t, slapgrid.ActionRemoved, b.usage(slapgrid.ExitOK).Outcomes[0].Action)
}

// A periodicity that does not fit is as long as can be, not short or endless.
func TestPeriodicityThatDoesNotFit(t *testing.T) {
	for _, seconds := range []string{"18446744074", "9223372037", "9223372036854775807"} {
		b := deployable(t, 1, "echo x >> worked", slap.StateStopped)
		b.write(filepath.Join(b.releaseDir(sr), "periodicity"), seconds, 0o644)
		stamp := b.partition(0, ".timestamp")
		b.instances(slapgrid.ExitOK, plain)
		require.NoError(t, os.Chtimes(stamp, time.Time{}, time.Now().Add(-time.Hour)))
		b.instances(slapgrid.ExitOK, plain)
		require.Equal(t, "x\n", read(t, b.partition(0), "worked"), seconds)
		require.NoError(t, os.Chtimes(stamp, time.Time{}, time.Now().Add(-101*365*24*time.Hour)))
		b.instances(slapgrid.ExitOK, plain)
		require.Equal(t, "x\nx\n", read(t, b.partition(0), "worked"), seconds)
	}
}

// A partition that the agent refuses to work in is stopped all the same when the
// master wants that.
func TestRefusedPartitionIsStopped(t *testing.T) {
	for _, state := range []slap.State{slap.StateStopped, slap.StateDestroyed} {
		b, _ := ofAnother(t)
		require.True(t, b.supervisor.started("slappart0"))
		require.NoError(t, os.Lchown(b.partition(0), 0, 0))
		b.instances(slapgrid.ExitFailure, slapgrid.InstanceOptions{Force: true})
		require.True(t, b.supervisor.started("slappart0"), "wanted, and left as it is")
		b.request(sr, "instance0", state, nil)
		_, err := b.node().Promises(t.Context(), slapgrid.PromiseOptions{})
		require.NoError(t, err)
		require.True(t, b.supervisor.started("slappart0"), "not the business of promises")
		b.instances(slapgrid.ExitFailure, plain)
		require.False(t, b.supervisor.started("slappart0"))
	}
}
