package slapgrid_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// agentFiles are the names in a partition that the agent reads or writes.
var agentFiles = []string{
	".timestamp", ".slapgrid", ".slapgrid/log", ".slapgrid/log/instance.log", ".slapgrid/promise",
	".slapgrid/promise/result", ".slapgrid/promise/cache/p", ".slapgrid/promise/log/p.log",
	".slapos-retention-lock-delay", ".slapos-retention-lock-date", ".slapos-report-wait-service-list",
	".slapos-request-transaction-slappart0", ".slapgrid-slappart0-error.log", "buildout.cfg",
	"software_release", "etc", "etc/run", "etc/service", "etc/promise", "etc/plugin", "etc/report",
	"etc/promise/p", "etc/run/x", "var", "var/xml_report", "var/xml_report/r.xml", "sbin", "sbin/destroy", "DATA",
}

// obstacles are what a partition's user can put in the place of a file.
var obstacles = map[string]func(b *bench, path, precious string) error{
	"link": func(_ *bench, path, precious string) error { return os.Symlink(precious, path) },
	"link to a file": func(_ *bench, path, precious string) error {
		return os.Symlink(filepath.Join(precious, "inner", "secret"), path)
	},
	"link upwards": func(_ *bench, path, _ string) error { return os.Symlink("../../precious", path) },
	"loop":         func(_ *bench, path, _ string) error { return os.Symlink(filepath.Base(path), path) },
	"pipe":         func(_ *bench, path, _ string) error { return syscall.Mkfifo(path, 0o666) },
	"directory": func(b *bench, path, _ string) error {
		b.mkdir(path, 0o755)
		b.write(filepath.Join(path, "inside"), "x", 0o644)
		return nil
	},
	"locked directory": func(b *bench, path, _ string) error {
		b.mkdir(path, 0o755)
		b.write(filepath.Join(path, "inside"), "x", 0o644)
		return os.Chmod(path, 0)
	},
}

// Whatever the user of a partition puts in the place of the files that the
// agent works with: nothing outside is read or changed, no pass hangs, and the
// partition can still be stopped and destroyed. Each partition has one obstacle.
func TestObstaclesInAPartition(t *testing.T) {
	for kind, place := range obstacles {
		t.Run(kind, func(t *testing.T) {
			b := deployable(t, len(agentFiles), "true", slap.StateStarted)
			b.cfg.Parallel = 8
			dir, untouched := b.precious()
			for i := range agentFiles {
				b.write(b.partition(i, "etc/run/x"), "", 0o755)
				b.write(b.partition(i, "etc/promise/p"), "#!/bin/sh\n", 0o755)
			}
			b.instances(slapgrid.ExitOK, plain)
			for i, name := range agentFiles {
				path := b.partition(i, strings.ReplaceAll(name, "slappart0", fmt.Sprintf("slappart%d", i)))
				require.True(t, b.supervisor.started(b.partitions[i]))
				require.NoError(t, os.RemoveAll(path))
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				b.giveAll(b.partition(i))
				require.NoError(t, place(b, path, dir))
				b.give(path)
			}
			pass := func(err error) {
				t.Helper()
				require.NoError(t, err)
				untouched()
			}
			for _, force := range []bool{false, true} {
				_, err := b.node().Instances(ctxOf(t), slapgrid.InstanceOptions{Force: force})
				pass(err)
			}
			_, err := b.node().Promises(ctxOf(t), slapgrid.PromiseOptions{})
			pass(err)
			_, err = b.node().Usage(ctxOf(t), slapgrid.UsageOptions{})
			pass(err)

			for i := range agentFiles {
				b.request(sr, fmt.Sprintf("instance%d", i), slap.StateStopped, nil)
			}
			_, err = b.node().Instances(ctxOf(t), plain)
			pass(err)
			for i, name := range agentFiles {
				require.False(t, b.supervisor.started(b.partitions[i]), "stopped in spite of %s\n%s", name, b.log)
				b.request(sr, fmt.Sprintf("instance%d", i), slap.StateDestroyed, nil)
			}
			_, err = b.node().Usage(ctxOf(t), slapgrid.UsageOptions{})
			pass(err)
			for i, name := range agentFiles {
				// A destruction program that cannot be run keeps its partition.
				if !strings.HasPrefix(name, "sbin") {
					require.Empty(t, names(t, b.partition(i)), "%s\n%s", name, b.log)
				}
			}
		})
	}
}

// giveAll gives a tree to the unprivileged user.
func (b *bench) giveAll(root string) {
	b.tb.Helper()
	require.NoError(b.tb, filepath.Walk(root, func(path string, _ os.FileInfo, err error) error {
		if err == nil && !strings.HasPrefix(filepath.Base(path), ".slapos-retention") {
			b.give(path)
		}
		return err
	}))
}

// A partition cannot lengthen its own retention.
func TestForgedRetention(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("without root every file belongs to the same user")
	}
	for _, name := range []string{".slapos-retention-lock-delay", ".slapos-retention-lock-date"} {
		for _, text := range []string{"1e300", "NaN", "+Inf", "garbage", strings.Repeat("9", 1000)} {
			b := deployable(t, 1, "true", slap.StateStarted)
			const daemon = 1 // every system has that account
			require.NoError(t, os.Lchown(b.partition(0), daemon, daemon))
			b.instances(slapgrid.ExitOK, plain)
			require.NoError(t, os.RemoveAll(b.partition(0, name)))
			b.write(b.partition(0, name), text, 0o644)
			require.NoError(t, os.Lchown(b.partition(0, name), daemon, daemon))
			b.request(sr, "instance0", slap.StateDestroyed, nil)
			b.usage(slapgrid.ExitOK)
			require.Empty(t, names(t, b.partition(0)))
		}
	}
}

// No report nor destruction program holds up the node.
func TestProgramsThatDoNotEnd(t *testing.T) {
	b := deployable(t, 2, `
mkdir -p etc/report sbin
if [ $(basename $PWD) = slappart0 ]; then
	printf '#!/bin/sh\ntrap "" TERM HUP INT\nsleep 1000 & while :; do wait; done\n' | tee etc/report/r > sbin/destroy
	chmod +x etc/report/r sbin/destroy
fi`, slap.StateStarted)
	b.instances(slapgrid.ExitOK, plain)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	b.request(sr, "instance1", slap.StateDestroyed, nil)
	b.cfg.PartitionTimeout = 300 * time.Millisecond
	b.calls.takeErrors()
	b.usage(slapgrid.ExitFailure)
	posted := b.calls.takeErrors()
	require.Len(t, posted, 2)
	require.Contains(t, posted[0], "Script 'r' failed: ")
	require.Contains(t, posted[0], "timed out after 0.3 seconds")
	require.Contains(t, posted[1], "Failed to destroy Computer Partition in '"+b.partition(0)+"'.")
	require.Empty(t, names(t, b.partition(1)), "the other partition is destroyed")
}

// Names of programs never break the supervisor's files: odd ones are refused,
// for the partition alone, and a percent sign is no expansion.
func TestOddProgramNames(t *testing.T) {
	for name, usable := range map[string]bool{
		"a%b": false, "%(here)s": false, "-rf": true, "é": true, "#x": false, "#": false, "x#": true, "=": true, "a=b": true,
		"a\u00a0": false, "a\v": false, "a\x7f": false, "a\u2028": false, "\xff": false, "a;b": false, "a,b": false, "a\rb": false, "]": false,
	} {
		b := deployable(t, 2, "mkdir -p etc/service; echo > etc/service/fine", slap.StateStarted)
		b.write(b.partition(0, "etc/service", name), "", 0o755)
		if usable {
			b.instances(slapgrid.ExitOK, plain)
			conf := read(t, b.inst, "etc/supervisord.conf.d/slappart0.conf")
			require.Contains(t, conf, "/etc/service/"+name+"\n")
			continue
		}
		b.instances(slapgrid.ExitFailure, plain)
		require.Contains(t, b.calls.takeErrors()[0], "(rename the file)")
		require.NoFileExists(t, filepath.Join(b.inst, "etc/supervisord.conf.d/slappart0.conf"))
		require.True(t, b.supervisor.started("slappart1"))
	}
}
