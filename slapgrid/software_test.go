package slapgrid_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// softwarePass runs a pass and returns its report and what was posted.
func (b *bench) softwarePass(o slapgrid.SoftwareOptions) *slapgrid.Report {
	b.tb.Helper()
	report, err := b.node().Software(b.tb.Context(), o)
	require.NoError(b.tb, err)
	return report
}

func TestFailingReleaseDoesNotStopTheOthers(t *testing.T) {
	b := newBench(t, 0)
	bad := b.programRelease("bad", "true\n")
	b.write(filepath.Join(bad, "software/build"), "#!/bin/sh\necho the compiler is missing\nexit 4\n", 0o755)
	good := b.programRelease("good", "true\n")
	b.supply(bad, slap.StateAvailable)
	b.supply(good, slap.StateAvailable)
	report := b.softwarePass(slapgrid.SoftwareOptions{})
	require.Equal(t, slapgrid.ExitFailure, report.ExitCode())
	require.NoError(t, report.Outcomes[1].Err)
	require.Equal(t, []string{"Failed to run software/build in directory '" + b.releaseDir(bad) + "':\nthe compiler is missing\n\n"}, b.calls.takeErrors())
	require.NoFileExists(t, filepath.Join(b.releaseDir(bad), ".completed"))
	require.FileExists(t, filepath.Join(b.releaseDir(good), ".completed"))

	// Repaired, it is built by the next pass; the other is left alone.
	b.write(filepath.Join(bad, "software/build"), "#!/bin/sh\ntouch ok\n", 0o755)
	b.calls.take()
	b.software()
	require.Equal(t, []string{"getFullComputerInformation", "buildingSoftwareRelease", "availableSoftwareRelease"}, b.calls.take())
}

func TestReportThatFailsIsSentByTheNextPass(t *testing.T) {
	b := newBench(t, 0)
	b.supply(b.programRelease("r", "true\n"), slap.StateAvailable)
	b.calls.fail = map[string]int{"availableSoftwareRelease": 503}
	require.Equal(t, slapgrid.ExitFailure, b.softwarePass(slapgrid.SoftwareOptions{}).ExitCode())
	b.calls.fail, b.calls.calls = nil, nil
	b.software()
	require.Contains(t, b.calls.take(), "availableSoftwareRelease")
}

func TestOnlyAndForceSoftware(t *testing.T) {
	b := newBench(t, 0)
	one, two := b.programRelease("one", "true\n"), b.programRelease("two", "true\n")
	for _, url := range []string{one, two} {
		b.write(filepath.Join(url, "software/build"), "#!/bin/sh\necho x >> "+b.root+"/$(basename $SLAPOS_SOFTWARE_RELEASE_URL).log\n", 0o755)
		b.write(filepath.Join(b.root, filepath.Base(url)+".log"), "", 0o666)
		b.supply(url, slap.StateAvailable)
	}
	builds := func(name string) int { return strings.Count(read(t, b.root, name+".log"), "x") }
	require.NoError(t, b.softwarePass(slapgrid.SoftwareOptions{Only: []string{one}}).Err())
	require.Equal(t, []int{1, 0}, []int{builds("one"), builds("two")})
	require.NoError(t, b.softwarePass(slapgrid.SoftwareOptions{Only: []string{filepath.Base(b.releaseDir(one))}}).Err())
	require.Equal(t, []int{2, 0}, []int{builds("one"), builds("two")}, "naming forces, as documented")
	require.NoError(t, b.softwarePass(slapgrid.SoftwareOptions{Force: true}).Err())
	require.Equal(t, []int{3, 1}, []int{builds("one"), builds("two")})
}

func TestDestroyedRelease(t *testing.T) {
	b := newBench(t, 0)
	url := b.programRelease("r", "true\n")
	b.supply(url, slap.StateAvailable)
	b.software()
	locked := filepath.Join(b.releaseDir(url), "locked")
	b.write(filepath.Join(locked, "file"), "x", 0o000)
	require.NoError(t, os.Chmod(locked, 0o000))
	b.supply(url, slap.StateDestroyed)
	b.calls.take()
	b.software()
	require.Equal(t, []string{"getFullComputerInformation", "destroyedSoftwareRelease"}, b.calls.take())
	require.NoDirExists(t, b.releaseDir(url))
}

func TestGarbageCollect(t *testing.T) {
	b := newBench(t, 0)
	url := b.programRelease("r", "true\n")
	b.supply(url, slap.StateAvailable)
	garbage := filepath.Join(b.soft, strings.Repeat("a", 32))
	b.write(filepath.Join(garbage, "buildout.cfg"), "", 0o644)
	b.write(filepath.Join(b.soft, strings.Repeat("b", 32), "other"), "", 0o644)
	b.write(filepath.Join(b.soft, "short/buildout.cfg"), "", 0o644)
	b.softwarePass(slapgrid.SoftwareOptions{})
	require.DirExists(t, garbage, "only with the flag")
	// Releases that are only not selected stay.
	b.write(filepath.Join(b.releaseDir(url), "buildout.cfg"), "", 0o644)
	b.softwarePass(slapgrid.SoftwareOptions{GarbageCollect: true, Only: []string{"another"}})
	require.NoDirExists(t, garbage)
	require.DirExists(t, b.releaseDir(url))
	require.DirExists(t, filepath.Join(b.soft, "short"))
	require.DirExists(t, filepath.Join(b.soft, strings.Repeat("b", 32)))
}

func archive(t *testing.T, prefix string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	script := "#!/bin/sh\ntrue\n"
	require.NoError(t, w.WriteHeader(&tar.Header{Name: prefix + "software/instantiate", Mode: 0o755, Size: int64(len(script))}))
	_, err := w.Write([]byte(script))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return out.Bytes()
}

func TestArchives(t *testing.T) {
	data := archive(t, "top-1.0/")
	sum := sha256.Sum256(data)
	good := "#sha256=" + hex.EncodeToString(sum[:])
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/r.tar.gz" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(data)
	}))
	defer server.Close()
	b := newBench(t, 0)
	local := filepath.Join(b.root, "r.tgz")
	b.write(local, string(data), 0o644)
	b.write(filepath.Join(b.root, "r.txt"), "", 0o644)
	tests := map[string]string{ // URL, what the error says
		server.URL + "/r.tar.gz" + good: "",
		local:                           "",
		"file://" + local + good:        "",
		server.URL + "/r.tar.gz":        "needs a fragment #sha256=",
		server.URL + "/r.tar.gz#sha256=" + strings.Repeat("0", 64):     "instead of 0000",
		server.URL + "/r.tar.gz#md5=1":                                 "is not sha256=",
		server.URL + "/missing.tar.gz" + good:                          "404",
		server.URL + "/r.iso" + good:                                   "only .tar.gz, .tgz and .zip",
		filepath.Join(b.root, "r.txt"):                                 "neither a directory nor",
		filepath.Join(b.root, "nowhere"):                               "no such file",
		b.programRelease("dir", "true\n") + good:                       "a directory has no checksum",
		"relative/path":                                                "absolute path",
		"ftp://example.com/r.zip":                                      `scheme "ftp"`,
		filepath.Dir(b.programRelease("empty/x", "")) + "/x/software/": "has no executable software/instantiate",
	}
	for url := range tests {
		b.supply(url, slap.StateAvailable)
	}
	report := b.softwarePass(slapgrid.SoftwareOptions{})
	require.Len(t, report.Outcomes, len(tests))
	for _, o := range report.Outcomes {
		want := tests[o.Name]
		if want == "" {
			require.NoError(t, o.Err, o.Name)
			require.FileExists(t, filepath.Join(b.releaseDir(o.Name), "software/instantiate"))
			continue
		}
		require.ErrorContains(t, o.Err, want, o.Name)
		require.NotContains(t, names(t, b.releaseDir(o.Name)), ".unpack")
	}
}

// TestBuildoutRelease uses a shell script as Python and as buildout, to see
// what they are given.
func TestBuildoutRelease(t *testing.T) {
	b := newBench(t, 0)
	python := filepath.Join(b.root, "python")
	b.write(python, `#!/bin/sh
case "$2" in
-c) mkdir -p bin; printf '#!/bin/sh\necho run "$@" >> runs; echo HOME=$HOME >> runs; [ ! -e fail ]\n' > bin/buildout; chmod +x bin/buildout; echo bootstrap >> runs; echo "$5 $6 $7 $8 $9" >> boots;;
*) echo '{"path": ["/lib"], "tag": "x", "executable": "`+python+`"}';;
esac
`, 0o755)
	b.cfg.Python = python
	b.cfg.SharedPartList = "/a\n/b"
	b.cfg.NetworkCache = map[string]string{"upload-cache-url": "http://cache/", "shadir-ca-file": "/ca"}
	b.supply(sr, slap.StateAvailable)
	dir := b.releaseDir(sr)
	b.mkdir(dir, 0o755)
	b.write(filepath.Join(dir, "fail"), "", 0o644)
	runs := func() []string { return strings.Split(strings.TrimSpace(read(t, dir, "runs")), "\n") }
	parameters := "buildout:extends-cache=" + dir + "/extends-cache buildout:directory=" + dir +
		" buildout:networkcache-section=networkcache networkcache:upload-cache-url=http://cache/ networkcache:shadir-ca-file=/ca -N -c " + dir + "/buildout.cfg"

	// First bootstrap, then try what is there, then bootstrap again.
	require.Error(t, b.softwarePass(slapgrid.SoftwareOptions{}).Err())
	require.Equal(t, []string{"bootstrap", "run -U " + parameters, "HOME=" + dir}, runs())
	require.Error(t, b.softwarePass(slapgrid.SoftwareOptions{}).Err())
	require.Len(t, runs(), 5)
	require.FileExists(t, filepath.Join(dir, "bin/buildout-bootstrap-skipped"))
	require.NoError(t, os.Remove(filepath.Join(dir, "fail")))
	require.NoError(t, b.softwarePass(slapgrid.SoftwareOptions{}).Err())
	require.Len(t, runs(), 8)
	require.NoFileExists(t, filepath.Join(dir, "bin/buildout-bootstrap-skipped"))
	require.Equal(t, "[buildout]\nextends = "+sr+"\nshared-part-list = /a\n\t/b\nbuild-time-part-list = \n\n", read(t, dir, "buildout.cfg"))
	require.Regexp(t, `^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$`, read(t, dir, ".completed"))
	require.Contains(t, read(t, dir, "boots"), "buildout:extends-cache="+dir+"/extends-cache")
}

func TestForcedBinaryCache(t *testing.T) {
	b := newBench(t, 0)
	b.cfg.NetworkCache = map[string]string{"download-from-binary-cache-force-url-list": "\nhttp://sr.example/\n"}
	b.supply(sr, slap.StateAvailable)
	require.ErrorContains(t, b.softwarePass(slapgrid.SoftwareOptions{}).Err(), "Binary cache forced for '"+sr+"'")
}
