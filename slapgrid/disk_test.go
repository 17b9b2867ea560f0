package slapgrid_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// smallDisk names the variable that tells a test that it is the copy that runs
// on a small file system of its own.
const smallDisk = "SLAPGRID_TEST_SMALL_DISK"

// onSmallDisk runs the calling test again in a mount namespace where the
// temporary directory is a small tmpfs. It is true in that copy.
func onSmallDisk(t *testing.T) bool {
	t.Helper()
	if os.Getenv(smallDisk) != "" {
		return true
	}
	self, err := os.Executable()
	require.NoError(t, err)
	dir := publicDir(t)
	cmd := exec.Command("/bin/sh", "-c",
		`mount --make-rprivate / && mount -t tmpfs -o size=4m,mode=755 tmpfs "$0" || exit 77; exec "$@"`,
		dir, self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"=1", "TMPDIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == 77 {
		t.Skipf("no small file system can be mounted here: %v %s", err, out)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip("the copy on the small file system was skipped")
	}
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "--- PASS: "+t.Name())
	return false
}

func TestFullDisk(t *testing.T) {
	if !onSmallDisk(t) {
		return
	}
	uidMap := strings.Fields(readOr("/proc/self/uid_map"))
	if len(uidMap) == 3 && uidMap[2] == "1" {
		t.Skip("partitions need a second user")
	}
	b := deployable(t, 1, `head -c 100000 /dev/zero > data && echo done > worked`, slap.StateStopped)
	// The check comes first.
	b.cfg.InstanceMinFreeSpace = 0
	b.instances(slapgrid.ExitFailure, plain)
	require.Regexp(t, `^Not enough space for .*slappart0: available \d\.\d MB, required 1000\.0 MB \(option 'instance_min_free_space'\)$`, b.calls.takeErrors()[0])

	// Without it the disk fills up in the middle.
	b.cfg.InstanceMinFreeSpace = -1
	filler := filepath.Join(b.root, "filler")
	out, _ := exec.Command("/bin/sh", "-c", "cat /dev/zero > "+filler).CombinedOutput()
	require.Contains(t, string(out), "No space left on device")
	b.instances(slapgrid.ExitFailure, plain)
	require.Contains(t, strings.ToLower(b.calls.takeErrors()[0]), "no space left on device")
	require.NoFileExists(t, b.partition(0, ".timestamp"))

	// Room again: the next pass finishes.
	require.NoError(t, os.Remove(filler))
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, "done\n", read(t, b.partition(0), "worked"))
}

func TestReadOnlyInstanceRoot(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("modes do not stop root")
	}
	b := newBench(t, 0)
	require.NoError(t, os.Chmod(b.inst, 0o555))
	t.Cleanup(func() { require.NoError(t, os.Chmod(b.inst, 0o755)) })
	_, err := b.node().Instances(t.Context(), plain)
	require.ErrorIs(t, err, os.ErrPermission)
	require.ErrorContains(t, err, filepath.Join(b.inst, "etc"))
}
