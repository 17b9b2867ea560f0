package slapgrid_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

const consumption = `<consumption><movement><resource>r</resource><quantity>1</quantity><price>0</price><VAT>R&amp;D</VAT><category></category></movement></consumption>`

const journal = `<journal><transaction type="t"><title>x</title><start_date></start_date><stop_date></stop_date><reference></reference>` +
	`<currency></currency><payment_mode></payment_mode><category></category><arrow type="a"/>` +
	`<movement><resource>r</resource><quantity>1</quantity><price>0</price><VAT></VAT><category></category></movement></transaction></journal>`

func (b *bench) usage(exit int) *slapgrid.Report {
	b.tb.Helper()
	report, err := b.node().Usage(b.tb.Context(), slapgrid.UsageOptions{})
	require.NoError(b.tb, err)
	require.Equal(b.tb, exit, report.ExitCode(), "%v\n%s", report.Err(), b.log)
	return report
}

func TestUsageOfNodeAndPartitions(t *testing.T) {
	b := deployable(t, 2, "touch worked", slap.StateStopped)
	b.write(b.partition(0, "var/xml_report/one.xml"), consumption, 0o644)
	b.write(b.partition(0, "var/xml_report/bad.xml"), "<consumption/>", 0o644)
	b.write(filepath.Join(b.inst, "var/xml_report/slappart0/two.xml"), consumption, 0o644)
	b.write(filepath.Join(b.inst, "var/xml_report/slappart1/three.xml"), consumption, 0o644)
	b.write(filepath.Join(b.inst, "var/xml_report/computer/2026-01-01.xml"), journal, 0o644)
	b.write(filepath.Join(b.inst, "var/xml_report/computer/bad.xml"), "<journal/>", 0o644)
	left := func() [][]string {
		return [][]string{
			names(t, b.partition(0, "var/xml_report")), names(t, filepath.Join(b.inst, "var/xml_report/slappart0")),
			names(t, filepath.Join(b.inst, "var/xml_report/slappart1")), names(t, filepath.Join(b.inst, "var/xml_report/computer")),
		}
	}
	// Nothing is lost while the master does not take it.
	b.calls.fail = map[string]int{"useComputer": 500}
	b.usage(slapgrid.ExitOK)
	require.Equal(t, [][]string{{"bad.xml", "one.xml"}, {"two.xml"}, {"three.xml"}, {"2026-01-01.xml", "bad.xml"}}, left())
	require.Len(t, b.calls.takeErrors(), 2, "each contributor is told")

	b.calls.fail, b.calls.calls = nil, nil
	b.usage(slapgrid.ExitOK)
	require.Equal(t, []string{"getFullComputerInformation", "useComputer", "useComputer"}, b.calls.take())
	require.Equal(t, [][]string{{"bad.xml"}, {}, {}, {"bad.xml"}}, left())
	require.Contains(t, parseForm(b.calls.bodies["useComputer"])["use_string"], "<VAT>R&amp;D</VAT>")
	reports, err := b.master.Server.UsageReports(t.Context(), computer, 10)
	require.NoError(t, err)
	require.Len(t, reports, 2)
	b.usage(slapgrid.ExitOK)
	require.Equal(t, []string{"getFullComputerInformation"}, b.calls.take())
}

func TestFailingReportProgram(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStopped)
	b.write(b.partition(0, "etc/report/bad"), "#!/bin/sh\nexit 1\n", 0o755)
	b.write(b.partition(0, "etc/report/good"), "#!/bin/sh\npwd > ../../where\n", 0o755)
	b.usage(slapgrid.ExitFailure)
	require.Equal(t, []string{"Script 'bad' failed."}, b.calls.takeErrors())
	require.Equal(t, b.partition(0, "etc/report")+"\n", read(t, b.partition(0), "where"))
}

func TestDestruction(t *testing.T) {
	b := deployable(t, 2, "touch worked", slap.StateStarted)
	b.instances(0, plain)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	b.write(b.partition(0, "sbin/destroy"), "#!/bin/sh\ntouch "+b.root+"/soft/destroy-was-run\n", 0o755)
	b.write(b.partition(0, "locked/file"), "x", 0o440)
	require.NoError(t, os.Chmod(b.partition(0, "locked"), 0o550))
	require.NoError(t, os.Symlink("/etc", b.partition(0, "etc-link")))
	b.instances(0, plain)
	require.FileExists(t, b.partition(0, "worked"), "only stopped")
	b.calls.take()
	report := b.usage(slapgrid.ExitOK)
	require.Equal(t, slapgrid.ActionRemoved, report.Outcomes[0].Action)
	require.Equal(t, []string{"getFullComputerInformation", "stoppedComputerPartition", "destroyedComputerPartition"}, b.calls.take())
	require.Empty(t, names(t, b.partition(0)))
	require.FileExists(t, filepath.Join(b.soft, "destroy-was-run"))
	require.FileExists(t, b.partition(1, "worked"), "the other is not touched")
	// Free now.
	b.usage(slapgrid.ExitOK)
	require.Equal(t, []string{"getFullComputerInformation"}, b.calls.take())
}

func TestDestructionThatFails(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStarted)
	b.instances(0, plain)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	b.write(b.partition(0, "sbin/destroy"), "#!/bin/sh\necho no way\nexit 1\n", 0o755)
	report := b.usage(slapgrid.ExitFailure)
	require.Equal(t, slapgrid.ActionKept, report.Outcomes[0].Action)
	require.Contains(t, b.calls.takeErrors()[0], "no way")
	require.FileExists(t, b.partition(0, "worked"))
}

func TestDestructionWaitsForProcesses(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStarted)
	b.instances(0, plain)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	b.write(b.partition(0, ".slapos-report-wait-service-list"), "slappart0-prerm:unknown\nslappart0-prerm:x\n", 0o644)
	b.supervisor.running["slappart0-prerm:x"] = true
	require.Equal(t, slapgrid.ActionKept, b.usage(0).Outcomes[0].Action)
	b.supervisor.running["slappart0-prerm:x"] = false
	require.Equal(t, slapgrid.ActionRemoved, b.usage(0).Outcomes[0].Action)
}

func TestRetention(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStarted)
	b.instances(0, plain)
	b.write(b.partition(0, ".slapos-retention-lock-delay"), "1.0", 0o644)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	now := time.Now()
	clock := func() time.Time { return now }
	pass := func() slapgrid.Action {
		client, err := slap.New(b.cfg.MasterURL, slap.WithTransport(b.calls))
		require.NoError(t, err)
		node, err := slapgrid.New(b.cfg, slapgrid.WithClient(client), slapgrid.WithSupervisor(b.supervisor), slapgrid.WithClock(clock))
		require.NoError(t, err)
		report, err := node.Usage(t.Context(), slapgrid.UsageOptions{})
		require.NoError(t, err)
		return report.Outcomes[0].Action
	}
	require.Equal(t, slapgrid.ActionKept, pass())
	date := read(t, b.partition(0), ".slapos-retention-lock-date")
	now = now.Add(23 * time.Hour)
	require.Equal(t, slapgrid.ActionKept, pass())
	require.Equal(t, date, read(t, b.partition(0), ".slapos-retention-lock-date"), "the date never changes")
	now = now.Add(2 * time.Hour)
	require.Equal(t, slapgrid.ActionRemoved, pass())
}

func TestStorageHome(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStarted)
	home := filepath.Join(b.root, "storage")
	b.cfg.InstanceStorageHome = home
	b.write(filepath.Join(home, "disk1/slappart0/data"), "x", 0o644)
	b.write(filepath.Join(home, "disk1/slappart1/data"), "x", 0o644)
	b.mkdir(b.partition(0, "DATA"), 0o755)
	require.NoError(t, os.Symlink(filepath.Join(home, "disk1/slappart0"), b.partition(0, "DATA/disk1")))
	b.instances(0, plain)
	b.request(sr, "instance0", slap.StateDestroyed, nil)
	b.usage(0)
	require.Empty(t, names(t, filepath.Join(home, "disk1/slappart0")))
	require.FileExists(t, filepath.Join(home, "disk1/slappart1/data"))
}
