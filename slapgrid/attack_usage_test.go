package slapgrid_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// during runs something while a method of the master is called.
type during struct {
	method string
	do     func()
	next   http.RoundTripper
}

func (d during) RoundTrip(req *http.Request) (*http.Response, error) {
	if filepath.Base(req.URL.Path) == d.method {
		d.do()
	}
	return d.next.RoundTrip(req)
}

// A node has thousands of partitions: their directories are not open all at once.
func TestUsageOfManyPartitions(t *testing.T) {
	const many = 60
	b := deployable(t, many, "true", slap.StateStopped)
	b.cfg.Parallel = 2
	for i := range many {
		b.write(b.partition(i, "var/xml_report/r.xml"), consumption, 0o644)
	}
	open := 0
	b.calls.next = during{"useComputer", func() { open = len(names(t, "/proc/self/fd")) }, b.calls.next}
	before := len(names(t, "/proc/self/fd"))
	b.usage(slapgrid.ExitOK)
	require.NotZero(t, open)
	require.Less(t, open, before+many/2)
	for i := range many {
		require.Empty(t, names(t, b.partition(i, "var/xml_report")))
	}
}

// What one pass does not send of a destroyed partition is sent by the next,
// before the partition is emptied.
func TestUsageThatIsTooMuchForOnePass(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStopped)
	b.instances(slapgrid.ExitOK, plain)
	for i := range 5 {
		b.write(b.partition(0, fmt.Sprintf("var/xml_report/%d.xml", i)), consumption+strings.Repeat("\n", 9<<20), 0o644)
	}
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	require.Equal(t, slapgrid.ActionKept, b.usage(slapgrid.ExitOK).Outcomes[0].Action)
	require.Equal(t, []string{"4.xml"}, names(t, b.partition(0, "var/xml_report")))
	require.Equal(t, slapgrid.ActionRemoved, b.usage(slapgrid.ExitOK).Outcomes[0].Action)
	reports, err := b.master.Server.UsageReports(t.Context(), computer, 10)
	require.NoError(t, err)
	require.Len(t, reports, 2)
}

// Reports that cannot be listed are not destroyed with their partition.
func TestUsageThatCannotBeRead(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStopped)
	b.instances(slapgrid.ExitOK, plain)
	reports := filepath.Join(b.inst, "var/xml_report/slappart0")
	require.NoError(t, os.MkdirAll(filepath.Dir(reports), 0o755))
	require.NoError(t, os.Symlink("/etc", reports)) // an administrator's mistake
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	require.Equal(t, slapgrid.ActionKept, b.usage(slapgrid.ExitFailure).Outcomes[0].Action)
	require.Len(t, b.calls.takeErrors(), 1)
	require.NoError(t, os.Remove(reports))
	require.Equal(t, slapgrid.ActionRemoved, b.usage(slapgrid.ExitOK).Outcomes[0].Action)
}

// A report that is written anew while the master gets the old one is not lost.
func TestReportWrittenWhileItIsSent(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStopped)
	one := b.partition(0, "var/xml_report/one.xml")
	node := filepath.Join(b.inst, "var/xml_report/computer/day.xml")
	b.write(one, consumption, 0o644)
	b.write(node, journal, 0o644)
	again := func(path, content string) {
		require.NoError(t, os.WriteFile(path+".new", []byte(content), 0o644))
		require.NoError(t, os.Rename(path+".new", path))
	}
	b.calls.next = during{"useComputer", func() { again(one, consumption+"\n"); again(node, journal+"\n") }, b.calls.next}
	b.usage(slapgrid.ExitOK)
	require.FileExists(t, one)
	require.FileExists(t, node)
	b.calls.next = b.calls.next.(during).next
	b.usage(slapgrid.ExitOK)
	require.NoFileExists(t, one)
	require.NoFileExists(t, node)
}

// Data that could not be removed are tried again: the next tenant must not get
// them.
func TestStorageThatCannotBeEmptied(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStarted)
	home := filepath.Join(b.root, "storage")
	b.cfg.InstanceStorageHome = home
	data := filepath.Join(home, "disk1/slappart0")
	b.write(filepath.Join(data, "data"), "x", 0o644)
	b.mkdir(b.partition(0, "DATA"), 0o755)
	require.NoError(t, os.Symlink(data, b.partition(0, "DATA/disk1")))
	b.instances(slapgrid.ExitOK, plain)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	require.NoError(t, os.Rename(data, data+".away"))
	require.NoError(t, os.Symlink("/etc", data)) // stands for a broken disk
	b.usage(slapgrid.ExitFailure)
	require.NoError(t, os.Remove(data))
	require.NoError(t, os.Rename(data+".away", data))
	b.usage(slapgrid.ExitOK)
	require.Empty(t, names(t, data))
}

// A partition in which something still writes is not reported as destroyed.
func TestDestructionWhileSomethingWrites(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStarted)
	b.instances(slapgrid.ExitOK, plain)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	for i := range 5000 { // their removal takes a while, in which the other goes on
		b.write(b.partition(0, fmt.Sprintf("z/%d", i)), "", 0o644)
	}
	b.write(b.partition(0, "sbin/destroy"), "#!/bin/sh\n"+
		"( i=0; while [ $i -lt 1000000 ] && [ ! -e "+b.soft+"/stop ]; do i=$((i+1)); : > x$((i%100)); done ) > /dev/null 2>&1 &\n"+
		"while [ ! -e x99 ]; do sleep 0.01; done\n", 0o755)
	report := b.usage(slapgrid.ExitFailure)
	b.write(filepath.Join(b.soft, "stop"), "", 0o644)
	require.Equal(t, slapgrid.ActionKept, report.Outcomes[0].Action)
	require.NotContains(t, b.calls.take(), "destroyedComputerPartition")
	require.Eventually(t, func() bool {
		report, err := b.node().Usage(t.Context(), slapgrid.UsageOptions{})
		return err == nil && report.Outcomes[0].Action == slapgrid.ActionRemoved
	}, 10*time.Second, 100*time.Millisecond)
}

// pickyMaster refuses usage in which a text occurs.
type pickyMaster struct {
	status int
	text   string
	next   http.RoundTripper
}

func (m pickyMaster) RoundTrip(req *http.Request) (*http.Response, error) {
	if filepath.Base(req.URL.Path) != "useComputer" {
		return m.next.RoundTrip(req)
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(req.Body); err != nil {
		return nil, err
	}
	if strings.Contains(parseForm(body.String())["use_string"], m.text) {
		return answer(req, m.status, ""), nil
	}
	clone := req.Clone(req.Context())
	clone.Body = readCloser{&body}
	return m.next.RoundTrip(clone)
}

// A partition whose usage the master refuses does not keep that of the others
// from it, nor them from their destruction.
func TestUsageThatTheMasterRefuses(t *testing.T) {
	for status, each := range map[int]bool{
		http.StatusBadRequest: true, http.StatusRequestEntityTooLarge: true, http.StatusServiceUnavailable: false, http.StatusForbidden: false,
	} {
		b := deployable(t, 3, "true", slap.StateStopped)
		b.instances(slapgrid.ExitOK, plain)
		for i := range 3 {
			b.write(b.partition(i, "var/xml_report/r.xml"), strings.Replace(consumption, "R&amp;D", fmt.Sprintf("of %d", i), 1), 0o644)
			b.request(sr, fmt.Sprintf("instance%d", i), slap.StateDestroyed, nil)
		}
		b.calls.next = pickyMaster{status, "of 1", b.calls.next}
		outcomes := b.usage(slapgrid.ExitOK).Outcomes
		require.Equal(t, slapgrid.ActionKept, outcomes[1].Action)
		require.FileExists(t, b.partition(1, "var/xml_report/r.xml"))
		reports, err := b.master.Server.UsageReports(t.Context(), computer, 10)
		require.NoError(t, err)
		if !each {
			require.Equal(t, slapgrid.ActionKept, outcomes[0].Action)
			require.Empty(t, reports)
			require.Len(t, b.calls.takeErrors(), 3)
			continue
		}
		require.Equal(t, slapgrid.ActionRemoved, outcomes[0].Action, status)
		require.Equal(t, slapgrid.ActionRemoved, outcomes[2].Action)
		require.Len(t, reports, 2)
		require.Len(t, b.calls.takeErrors(), 1)
	}
}
