package slapgrid_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// removals returns a function that lists what was removed from a directory since.
func removals(t *testing.T, dir string) func() []string { return events(t, dir, unix.IN_DELETE) }

// events returns a function that lists what happened to names in a directory since.
func events(t *testing.T, dir string, kind uint32) func() []string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, unix.Close(fd)) })
	_, err = unix.InotifyAddWatch(fd, dir, kind)
	require.NoError(t, err)
	return func() (removed []string) {
		buffer := make([]byte, 64<<10)
		n, err := unix.Read(fd, buffer)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		require.NoError(t, err)
		for at := 0; at < n; {
			length := int(buffer[at+12]) | int(buffer[at+13])<<8
			name, _, _ := bytes.Cut(buffer[at+unix.SizeofInotifyEvent:at+unix.SizeofInotifyEvent+length], []byte{0})
			removed = append(removed, string(name))
			at += unix.SizeofInotifyEvent + length
		}
		return removed
	}
}

// What an interrupted removal leaves of a release is not taken for the release,
// should it be wanted again.
func TestRemovedReleaseIsNotCompleteFirst(t *testing.T) {
	b := newBench(t, 0)
	url := b.buildoutRelease(sr, "true")
	b.write(filepath.Join(b.releaseDir(url), ".cache/file"), "x", 0o644)
	b.write(filepath.Join(b.releaseDir(url), "buildout.cfg"), "x", 0o644)
	removed := removals(t, b.releaseDir(url))
	b.supply(url, slap.StateDestroyed)
	b.software()
	require.Equal(t, ".completed", removed()[0])

	b.buildoutRelease(sr, "true")
	b.write(filepath.Join(b.releaseDir(url), ".cache/file"), "x", 0o644)
	b.write(filepath.Join(b.releaseDir(url), "buildout.cfg"), "x", 0o644)
	removed = removals(t, b.releaseDir(url))
	b.calls.next = &lyingMaster{releases: []any{}, partitions: []any{}}
	b.softwarePass(slapgrid.SoftwareOptions{GarbageCollect: true})
	require.NoDirExists(t, b.releaseDir(url))
	require.Equal(t, ".completed", removed()[0])
}

// An interrupted destruction does not begin a new time of retention.
func TestRetentionDelayGoesBeforeItsDate(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStarted)
	b.instances(slapgrid.ExitOK, plain)
	b.write(b.partition(0, ".slapos-retention-lock-delay"), "1.0", 0o644)
	b.write(b.partition(0, ".slapos-retention-lock-date"), "1.0", 0o644)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	removed := removals(t, b.partition(0))
	b.usage(slapgrid.ExitOK)
	order := strings.Join(removed(), " ")
	require.Less(t, strings.Index(order, "lock-delay"), strings.Index(order, "lock-date"), order)
}

// The profile of a partition gets its group before its name: what the user puts in
// its place meanwhile must not get it, and an agent that is killed leaves a profile
// that can be read.
func TestProfileIsInPlaceWithItsGroup(t *testing.T) {
	b, _ := ofAnother(t)
	changed := events(t, b.partition(0), unix.IN_ATTRIB)
	b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{Force: true})
	require.NotContains(t, changed(), "buildout.cfg")
	info, err := os.Stat(b.partition(0, "buildout.cfg"))
	require.NoError(t, err)
	owner, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	require.Equal(t, []uint32{0, 1, 0o640}, []uint32{owner.Uid, owner.Gid, uint32(info.Mode())})
}

// Builds that talk to the terminal follow one another.
func TestDebuggersDoNotShareTheTerminal(t *testing.T) {
	b := newBench(t, 0)
	b.cfg.Parallel = 4
	shared := filepath.Join(b.soft, "shared")
	for _, url := range []string{"http://x/a.cfg", "http://x/b.cfg", "http://x/c.cfg"} {
		b.buildoutRelease(url, "echo in >> "+shared+"; sleep 0.2; echo out >> "+shared)
		require.NoError(t, os.Remove(filepath.Join(b.releaseDir(url), ".completed")))
		b.supply(url, slap.StateAvailable)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	client, err := slap.New(b.cfg.MasterURL, slap.WithTransport(b.calls))
	require.NoError(t, err)
	node, err := slapgrid.New(b.cfg, slapgrid.WithClient(client), slapgrid.WithTerminal(null, null, null))
	require.NoError(t, err)
	report, err := node.Software(t.Context(), slapgrid.SoftwareOptions{BuildoutDebug: true})
	require.NoError(t, err)
	require.NoError(t, report.Err())
	require.Equal(t, strings.Repeat("in\nout\n", 3), read(t, shared))
}

// Jobs that an interrupted pass did not run have names.
func TestJobsThatAreNotRunHaveNames(t *testing.T) {
	b := deployable(t, 3, "true", slap.StateStopped)
	b.cfg.Parallel = 1
	for _, url := range []string{"http://x/a.cfg", "http://x/b.cfg"} {
		b.supply(url, slap.StateAvailable)
	}
	next := b.calls.next
	for method, pass := range map[string]func(ctx context.Context, n *slapgrid.Node) (*slapgrid.Report, error){
		"buildingSoftwareRelease": func(ctx context.Context, n *slapgrid.Node) (*slapgrid.Report, error) {
			return n.Software(ctx, slapgrid.SoftwareOptions{})
		},
		"stoppedComputerPartition": func(ctx context.Context, n *slapgrid.Node) (*slapgrid.Report, error) {
			return n.Instances(ctx, plain)
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		b.calls.next = during{method, cancel, next}
		report, err := pass(ctx, b.node())
		require.ErrorIs(t, err, context.Canceled, method)
		last := report.Outcomes[len(report.Outcomes)-1]
		require.Equal(t, slapgrid.ActionNotRun, last.Action)
		for _, o := range report.Outcomes {
			require.NotEmpty(t, o.Name, method)
		}
	}
}

// The supervisor, and thus all programs, get nothing that the agent inherited.
func TestSupervisorGetsNoDescriptors(t *testing.T) {
	b := newBench(t, 0)
	node := b.realNode(slapgrid.SupervisorEmbedded)
	fd, err := syscall.Open(b.root, syscall.O_RDONLY|syscall.O_DIRECTORY, 0) // not close on exec
	require.NoError(t, err)
	defer syscall.Close(fd) //nolint:errcheck // of a test
	require.NoError(t, node.EnsureSupervisor(t.Context()))
	pid := strings.TrimSpace(read(t, b.inst, "var/run/supervisord.pid"))
	for _, name := range names(t, "/proc/"+pid+"/fd") {
		target, err := os.Readlink("/proc/" + pid + "/fd/" + name)
		if err == nil {
			require.NotEqual(t, b.root, target)
		}
	}
}
