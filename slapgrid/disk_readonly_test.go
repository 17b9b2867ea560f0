package slapgrid_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// twoUsers skips the calling test where it is root of a namespace with one user.
func twoUsers(t *testing.T) {
	t.Helper()
	if fields := strings.Fields(readOr("/proc/self/uid_map")); len(fields) == 3 && fields[2] == "1" {
		t.Skip("partitions need a second user")
	}
}

// setReadOnly makes a mounted directory read-only or writable again.
func setReadOnly(t *testing.T, dir string, readOnly bool) {
	t.Helper()
	flags := uintptr(syscall.MS_BIND | syscall.MS_REMOUNT)
	if readOnly {
		flags |= syscall.MS_RDONLY
	}
	require.NoError(t, syscall.Mount("", dir, "", flags, ""))
}

// TestReadOnlyFileSystems has the roots of a node become read-only between its
// passes, as a disk with errors does: a pass says so, changes nothing, and when
// they can be written again the next one goes on.
func TestReadOnlyFileSystems(t *testing.T) {
	if !onSmallDisk(t) {
		return
	}
	twoUsers(t)
	b := newBench(t, 1)
	for _, root := range []string{b.soft, b.inst} {
		require.NoError(t, syscall.Mount(root, root, "", syscall.MS_BIND, ""))
		t.Cleanup(func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) })
	}
	ctx := t.Context()
	url := b.programRelease("release", "date >> deployed\n")
	b.supply(url, slap.StateAvailable)

	setReadOnly(t, b.soft, true)
	report, err := b.node().Software(ctx, slapgrid.SoftwareOptions{})
	require.NoError(t, err)
	require.Equal(t, slapgrid.ExitFailure, report.ExitCode())
	require.ErrorContains(t, report.Err(), "read-only file system")
	require.ErrorContains(t, report.Err(), b.soft)
	told := b.calls.takeErrors()
	require.Len(t, told, 1)
	require.Contains(t, told[0], "read-only file system")
	setReadOnly(t, b.soft, false)
	b.software()

	b.request(url, "instance", slap.StateStopped, nil)
	b.instances(slapgrid.ExitOK, plain)
	deployed := read(t, b.partition(0), "deployed")
	b.request(url, "instance", slap.StateStopped, slap.Parameters{"changed": "yes"})
	setReadOnly(t, b.inst, true)
	b.instances(slapgrid.ExitFailure, plain)
	told = b.calls.takeErrors()
	require.Len(t, told, 1)
	require.Contains(t, told[0], "read-only file system")
	require.Contains(t, told[0], b.partition(0))
	require.Equal(t, deployed, read(t, b.partition(0), "deployed"))
	_, _, err = slapgrid.AcquireLock(filepath.Join(b.inst, "agent.pid"))
	require.ErrorContains(t, err, "slapgrid could not write pidfile "+filepath.Join(b.inst, "agent.pid"))
	require.ErrorIs(t, err, syscall.EROFS)
	setReadOnly(t, b.inst, false)
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, 2, strings.Count(read(t, b.partition(0), "deployed"), "\n"))
}
