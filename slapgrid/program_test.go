package slapgrid_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// TestLifeOfAProgramRelease is the whole line: supply, build, request, deploy,
// promise, usage, destroy.
func TestLifeOfAProgramRelease(t *testing.T) {
	b := newBench(t, 2)
	url := b.programRelease("release", `
mkdir -p etc/run etc/service etc/promise etc/report
printf '#!/bin/sh\nexec sleep 100\n' > etc/service/web
printf '#!/bin/sh\necho fine\n' > etc/promise/answers
cat > etc/report/usage <<END
#!/bin/sh
mkdir -p ../../var/xml_report
cat > "\$1" <<XML
<consumption><movement><resource>cpu &amp; more</resource><reference>x</reference><quantity>1.5</quantity><price>0</price><VAT></VAT><category></category></movement></consumption>
XML
END
chmod +x etc/*/*
id -u > who; pwd > where; env | sort > environment; umask > mask
echo deployed with "$SLAPOS_SOFTWARE_TYPE"
`)
	b.write(filepath.Join(url, "software/build"), "#!/bin/sh\necho building in $PWD\ntouch built\n", 0o755)
	b.supply(url, slap.StateAvailable)
	b.software()
	require.Equal(t, []string{"getFullComputerInformation", "buildingSoftwareRelease", "availableSoftwareRelease"}, b.calls.take())
	soft := b.releaseDir(url)
	require.Equal(t, []string{".completed", "built", "software"}, names(t, soft))
	require.Contains(t, b.log.String(), "building in "+soft)

	// A second pass has nothing to do and tells nothing.
	report := b.software()
	require.Equal(t, slapgrid.ActionUpToDate, report.Outcomes[0].Action)
	require.Equal(t, []string{"getFullComputerInformation"}, b.calls.take())

	p := b.request(url, "svc", slap.StateStarted, slap.Parameters{"port": 80})
	id, err := p.ID()
	require.NoError(t, err)
	b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{})
	require.Equal(t, []string{"getFullComputerInformation", "startedComputerPartition"}, b.calls.take())
	dir := filepath.Join(b.inst, id)
	require.Equal(t, dir+"\n", read(t, dir, "where"))
	require.Equal(t, "0027\n", read(t, dir, "mask"))
	if os.Getuid() == 0 {
		require.Equal(t, "65534\n", read(t, dir, "who"))
	}
	require.True(t, b.supervisor.started(id))
	require.Contains(t, read(t, dir, ".slapgrid/promise/result/answers.status.json"), `"failed": false`)
	require.Contains(t, read(t, dir, ".slapgrid/log/instance.log"), "deployed with default")
	checkEnvironment(t, b, dir, url)

	// Up to date: nothing is told, as the master knows that it is started.
	report = b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{})
	require.Equal(t, []string{"getFullComputerInformation"}, b.calls.take())
	require.Equal(t, slapgrid.ActionUpToDate, report.Outcomes[0].Action)
	require.Equal(t, slapgrid.ActionSkipped, report.Outcomes[1].Action)

	// Usage.
	usage, err := b.node().Usage(t.Context(), slapgrid.UsageOptions{})
	require.NoError(t, err)
	require.Equal(t, slapgrid.ExitOK, usage.ExitCode(), b.log)
	require.Equal(t, []string{"getFullComputerInformation", "useComputer"}, b.calls.take())
	require.Contains(t, parseForm(b.calls.bodies["useComputer"])["use_string"],
		"<movement><resource>cpu &amp; more</resource><reference>"+id+"</reference><quantity>1.5</quantity><price>0</price>")
	require.Empty(t, names(t, filepath.Join(dir, "var/xml_report")))

	// Destruction.
	b.request(url, "svc", slap.StateDestroyed, nil)
	b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{})
	require.False(t, b.supervisor.started(id))
	require.Equal(t, []string{"getFullComputerInformation", "stoppedComputerPartition"}, b.calls.take())
	usage, err = b.node().Usage(t.Context(), slapgrid.UsageOptions{})
	require.NoError(t, err)
	require.Equal(t, slapgrid.ActionRemoved, usage.Outcomes[0].Action, b.log)
	require.Equal(t, []string{"getFullComputerInformation", "useComputer", "stoppedComputerPartition", "destroyedComputerPartition"}, b.calls.take())
	require.Empty(t, names(t, dir))
	b.supply(url, slap.StateDestroyed)
	b.software()
	require.Empty(t, names(t, b.soft))
}

func checkEnvironment(t *testing.T, b *bench, dir, url string) {
	t.Helper()
	environment := read(t, dir, "environment")
	for _, line := range []string{
		"SLAPOS_SOFTWARE_RELEASE_URL=" + url, "SLAPOS_SOFTWARE_DIR=" + b.releaseDir(url), "HOME=" + dir,
		"LANG=C.UTF-8", "SLAPOS_MASTER_URL=" + b.cfg.MasterURL, "SLAPOS_COMPUTER_ID=" + computer,
		"SLAPOS_PARTITION_ID=" + filepath.Base(dir), "SLAPOS_KEY_FILE=", "SLAPOS_CERT_FILE=", "SLAPOS_CA_FILE=",
		"SLAPOS_REQUESTED_STATE=started", "SLAPOS_SOFTWARE_TYPE=default", "SLAPOS_INSTANCE_DIR=" + dir,
		"SLAPOS_INSTANCE_FILE=" + dir + "/.slapgrid/instance.json", "SLAPGRID_INSTANCE_ROOT=" + b.inst,
	} {
		require.Contains(t, environment, line+"\n")
	}
	require.NotContains(t, environment, "GOCACHE")
	var file map[string]any
	require.NoError(t, json.Unmarshal([]byte(read(t, dir, ".slapgrid/instance.json")), &file))
	require.Empty(t, cmp.Diff(map[string]any{"port": "80"}, file["parameters"]))
	require.Equal(t, float64(1), file["version"])
	require.Equal(t, "svc", file["instance_title"])
	info, err := os.Stat(filepath.Join(dir, ".slapgrid/instance.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
}
