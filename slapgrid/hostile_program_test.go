package slapgrid_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// Programs of releases that misbehave cost their partition, not the node.
func TestHostileInstantiate(t *testing.T) {
	tests := map[string]struct {
		script, message string
		exit            int
	}{
		"daemon that keeps the output": {"(sleep 300 & echo $! > pid) ; exit 0", "", 0},
		"deaf to signals":              {"trap '' TERM INT HUP; while :; do sleep 1; done", "timed out after", 1},
		"family tree":                  {"sh -c 'sh -c \"sleep 300 & echo \\$! > pid; wait\" & wait'", "timed out after", 1},
		"ended by a signal":            {"echo last words; kill -9 $$", "last words\n(ended by a signal)", 1},
		"much output":                  {"head -c 60000000 /dev/zero | tr '\\0' 'x'; exit 3", "bytes left out]", 1},
		"many lines":                   {"yes 'a line that is repeated' | head -n 400000; exit 3", "bytes left out]", 1},
		"binary output":                {"head -c 100000 /dev/urandom; exit 3", "", 1},
		"removes everything":           {"cd /; rm -rf $SLAPOS_INSTANCE_DIR/* $SLAPOS_INSTANCE_DIR/.s*; exit 0", "", 0},
		"its directory becomes open":   {"chmod 777 .; exit 0", "", 0},
		"no descriptor":                {"exec 0<&- 1>&- 2>&-; exit 5", "exit status 5", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 1)
			b.cfg.PartitionTimeout = time.Minute
			if tt.message == "timed out after" {
				b.cfg.PartitionTimeout = time.Second
			}
			url := b.programRelease("release", tt.script+"\n")
			b.supply(url, slap.StateAvailable)
			b.software()
			b.request(url, "one", slap.StateStarted, nil)
			b.instances(tt.exit, plain)
			if tt.message != "" {
				posted := b.calls.takeErrors()
				require.NotEmpty(t, posted)
				require.Contains(t, posted[len(posted)-1], tt.message)
				require.Less(t, len(posted[0]), 3<<20)
			}
			if info, err := os.Stat(b.partition(0, ".slapgrid/log/instance.log")); err == nil {
				require.Less(t, info.Size(), int64(41<<20), "the log is bounded")
			}
			if pid, err := os.ReadFile(b.partition(0, "pid")); err == nil && tt.exit != 0 {
				var number int
				_, err := fmt.Sscan(string(pid), &number)
				require.NoError(t, err)
				require.Eventually(t, func() bool {
					_, err := os.Stat(fmt.Sprintf("/proc/%d/fd/0", number))
					return err != nil
				}, time.Minute, 10*time.Millisecond, "grandchildren end at the time limit")
			} else if err == nil {
				var number int
				_, err := fmt.Sscan(string(pid), &number)
				require.NoError(t, err)
				process, err := os.FindProcess(number)
				require.NoError(t, err)
				require.NoError(t, process.Kill())
			}
		})
	}
}

// Promises that hang, fork or shout fail, and the pass goes on.
func TestHostilePromises(t *testing.T) {
	for name, script := range map[string]string{
		"hangs":   "trap '' TERM; while :; do sleep 1; done",
		"shouts":  "head -c 50000000 /dev/zero; exit 1",
		"binary":  "head -c 5000 /dev/urandom; exit 1",
		"orphans": "(setsid sleep 3 &) ; exit 1",
		"signal":  "kill -11 $$",
		"stops":   "kill -STOP $$",
	} {
		t.Run(name, func(t *testing.T) {
			b := deployable(t, 1, "true", slap.StateStarted)
			b.cfg.PromiseTimeout = 500 * time.Millisecond
			if name == "shouts" || name == "binary" || name == "orphans" || name == "signal" {
				b.cfg.PromiseTimeout = time.Minute
			}
			b.write(b.partition(0, "etc/promise/p"), "#!/bin/sh\n"+script+"\n", 0o755)
			b.write(b.partition(0, "etc/promise/q"), "#!/bin/sh\ntouch reached\n", 0o755)
			b.instances(slapgrid.ExitPromise, plain)
			require.FileExists(t, b.partition(0, "reached"))
			require.Contains(t, read(t, b.partition(0), ".slapgrid/promise/result/p.status.json"), `"failed": true`)
		})
	}
}

// More reports than one pass reads wait for the next.
func TestFloodOfReports(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStopped)
	b.instances(slapgrid.ExitOK, plain)
	const movement = "<movement><resource>r</resource><reference>x</reference><quantity>1</quantity><price>0</price><VAT></VAT><category></category></movement>"
	big := "<consumption>" + movement + strings.Repeat(" ", 10<<20) + "</consumption>"
	for i := range 5 {
		b.write(b.partition(0, "var/xml_report", fmt.Sprintf("%d.xml", i)), big, 0o644)
	}
	b.write(b.partition(0, "var/xml_report/endless.xml"), "", 0o644)
	require.NoError(t, os.Truncate(b.partition(0, "var/xml_report/endless.xml"), 1<<40))
	b.usage(slapgrid.ExitOK)
	require.Contains(t, b.log.String(), "the rest waits for the next pass")
	require.Equal(t, []string{"4.xml", "endless.xml"}, names(t, b.partition(0, "var/xml_report")))
	b.usage(slapgrid.ExitOK)
	require.Equal(t, []string{"endless.xml"}, names(t, b.partition(0, "var/xml_report")), "invalid ones stay")
}
