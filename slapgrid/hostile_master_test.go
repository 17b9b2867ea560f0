package slapgrid_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// lyingMaster answers with whatever a test wants the node to run, and takes
// everything that is posted.
type lyingMaster struct {
	releases, partitions []any
	// body replaces the answer, if not empty.
	body string
}

func (m *lyingMaster) RoundTrip(req *http.Request) (*http.Response, error) {
	if filepath.Base(req.URL.Path) != "getFullComputerInformation" {
		return answer(req, http.StatusOK, ""), nil
	}
	if m.body != "" {
		return answer(req, http.StatusOK, m.body), nil
	}
	object := marshal.NewObject(marshal.ClassComputer, computer)
	object.State.Set("_software_release_list", m.releases).Set("_computer_partition_list", m.partitions)
	text, err := marshal.Marshal(object)
	return answer(req, http.StatusOK, string(text)), err
}

func wantedRelease(url, state string) *marshal.Object {
	o := marshal.NewObject(marshal.ClassSoftwareRelease, url, computer)
	o.State.Set("_software_release", url).Set("_computer_guid", computer).Set("_requested_state", state)
	return o
}

func wantedPartition(id, url, state string) *marshal.Object {
	o := marshal.NewObject(marshal.ClassComputerPartition, computer, id)
	o.State.Set("_computer_id", computer).Set("_partition_id", id).Set("_requested_state", state)
	o.State.Set("_need_modification", 1).Set("_parameter_dict", marshal.NewDict().Set("timestamp", "1"))
	o.State.Set("_software_release_document", nil)
	if url != "" {
		o.State.Set("_software_release_document", wantedRelease(url, "available"))
	}
	return o
}

func (b *bench) lying() *lyingMaster {
	m := &lyingMaster{releases: []any{}, partitions: []any{}}
	b.calls.next = m
	return m
}

// Ids of partitions never lead the agent out of the instance root, nor to its
// own directories there, whatever the master wants done with them.
func TestPartitionIDsOfALyingMaster(t *testing.T) {
	b := newBench(t, 1)
	b.instances(slapgrid.ExitOK, plain)
	_, untouched := b.precious()
	conf := filepath.Join(b.inst, "etc/supervisord.conf.d/slappart0.conf")
	require.NoError(t, os.WriteFile(conf, []byte("[group:slappart0]\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(b.inst, "root-owned"), 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(b.inst, "root-owned/file"), nil, 0o600))
	m := b.lying()
	ids := []string{
		"..", ".", "../precious", "../inst/slappart0", "/", "/etc", b.root + "/precious", "etc", "var", ".buildout",
		"slappart0/..", "slappart0\n[program:x]", "slappart0]", "a\tb", "a b", "a,b", "a:b", "a;b", "a\\b", "%(x)s", "-rf", "*",
		strings.Repeat("x", 201), strings.Repeat("x", 300), strings.Repeat("x", 1<<20), "\u202e", "root-owned",
	}
	if os.Getuid() != 0 {
		ids = ids[:len(ids)-1]
	}
	for _, state := range []string{"started", "stopped", "destroyed", "no such state", ""} {
		m.partitions = nil
		for _, id := range ids {
			m.partitions = append(m.partitions, wantedPartition(id, sr, state), wantedPartition(id, "", state))
		}
		for range 2 {
			_, err := b.node().Instances(ctxOf(t), plain)
			require.NoError(t, err)
			_, err = b.node().Promises(ctxOf(t), slapgrid.PromiseOptions{})
			require.NoError(t, err)
			_, err = b.node().Usage(ctxOf(t), slapgrid.UsageOptions{})
			require.NoError(t, err)
		}
		untouched()
		require.FileExists(t, conf, state)
		require.FileExists(t, filepath.Join(b.inst, "etc/supervisord.conf"), state)
		require.Equal(t, []string{"etc", "root-owned", "slappart0", "var"}, names(t, b.inst))
		require.Equal(t, []string{"file"}, names(t, filepath.Join(b.inst, "root-owned")))
	}
	for _, text := range b.calls.takeErrors() {
		require.Less(t, len(text), 1000)
		require.NotContains(t, text, "goroutine")
	}
}

// URLs of releases are a key and a text, never a command line nor a file of
// the agent's: each is refused with a reason, and the others are built.
func TestReleaseURLsOfALyingMaster(t *testing.T) {
	b := newBench(t, 1)
	good := b.programRelease("good", "true\n")
	dir, untouched := b.precious()
	urls := map[string]string{
		"file://" + dir + "/missing.tar.gz": "no such file", "ftp://x/y.tgz": `scheme "ftp" is not supported`,
		"a release": "needs an absolute path", "--upload-pack=touch x": "needs an absolute path", "-c": "needs an absolute path",
		"/" + strings.Repeat("x", 10<<10): "bytes is not usable", "http://x/%00.tgz#sha256=00": "",
		"%00": "", "/a\nb": "control characters", "/a\rb.cfg": "control characters", "http://[::1": "",
		"javascript:alert(1)": "not supported", "file:///dev/zero": "neither a directory nor", "/dev/zero.tar.gz": "no such file",
		"file://elsewhere/x": "absolute path", "git+ssh://-oProxyCommand=x/y": "not supported", "http://x/y.zip": "#sha256=", "/": "",
		dir + "#sha256=zz": "sha256= and 64", "/proc/self/root": "", "${buildout:directory}": "", "~root": "needs an absolute path",
	}
	m := b.lying()
	m.releases = []any{wantedRelease(good, "available"), wantedRelease(good, "destroyed"), wantedRelease("/x", "no such state")}
	delete(urls, "/") // copying the whole system is the operator's own affair
	delete(urls, "/proc/self/root")
	for url := range urls {
		m.releases = append(m.releases, wantedRelease(url, "available"))
	}
	report := b.softwarePass(slapgrid.SoftwareOptions{})
	untouched()
	require.Len(t, report.Outcomes, len(urls)+2, "a release that is listed twice counts once")
	for _, o := range report.Outcomes {
		switch reason, bad := urls[o.Name]; {
		case bad:
			require.ErrorContains(t, o.Err, reason, o.Name)
		case o.Name == good:
			require.NoError(t, o.Err)
		default:
			require.ErrorContains(t, o.Err, "unsupported state: no such state")
		}
	}
	require.FileExists(t, filepath.Join(b.releaseDir(good), ".completed"))

	// The same URLs on a partition.
	m.partitions = nil
	for url := range urls {
		m.partitions = []any{wantedPartition("slappart0", url, "started"), wantedPartition("slappart0", good, "started")}
		report := b.instances(slapgrid.ExitFailure, plain)
		require.Len(t, report.Outcomes, 1, "a partition that is listed twice counts once")
		untouched()
	}
}

// Answers that are no answer: an error that can be read, and nothing changes.
func TestBrokenAnswers(t *testing.T) {
	b := deployable(t, 1, "true", slap.StateStarted)
	b.write(b.partition(0, "etc/run/x"), "", 0o755)
	b.instances(slapgrid.ExitOK, plain)
	before := names(t, b.partition(0))
	m := b.lying()
	whole := marshal.NewObject(marshal.ClassComputer, computer)
	whole.State.Set("_software_release_list", []any{}).Set("_computer_partition_list", []any{wantedPartition("slappart0", sr, "destroyed")})
	text, err := marshal.Marshal(whole)
	require.NoError(t, err)
	bodies := []string{"<", "\x00", "<html>no</html>", "<marshal><none/></marshal>", strings.Repeat("<list>", 100_000)}
	for cut := 1; cut < len(text); cut += len(text)/20 + 1 {
		bodies = append(bodies, string(text[:cut]))
	}
	for _, m.body = range bodies {
		_, err := b.node().Instances(ctxOf(t), plain)
		require.Error(t, err, m.body)
		require.Less(t, len(err.Error()), 2000)
		_, err = b.node().Usage(ctxOf(t), slapgrid.UsageOptions{})
		require.Error(t, err)
		_, err = b.node().Software(ctxOf(t), slapgrid.SoftwareOptions{GarbageCollect: true})
		require.Error(t, err)
	}
	require.Equal(t, before, names(t, b.partition(0)))
	require.DirExists(t, b.releaseDir(sr))
	require.True(t, b.supervisor.started("slappart0"))
}

// A computer of very many partitions is a matter of time only.
func TestHugeComputer(t *testing.T) {
	count := 2000
	if os.Getenv("SLAPOS_SOAK") != "" {
		count = 10_000
	}
	b := newBench(t, 0)
	m := b.lying()
	for i := range count {
		m.partitions = append(m.partitions, wantedPartition(fmt.Sprintf("slappart%d", i), "", "destroyed"))
	}
	report, err := b.node(func(c *slapgrid.Config) { c.Parallel = 8 }).Instances(ctxOf(t), plain)
	require.NoError(t, err)
	require.Len(t, report.Outcomes, count)
}
