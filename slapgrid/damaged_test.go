package slapgrid_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// TestDamagedSupervisorFiles has files of the supervisor edited by hand or cut
// in the middle, while it runs and while it does not.
func TestDamagedSupervisorFiles(t *testing.T) {
	for _, kind := range []slapgrid.SupervisorKind{slapgrid.SupervisorEmbedded, slapgrid.SupervisorReal} {
		t.Run(string(kind), func(t *testing.T) {
			b := newBench(t, 2)
			if kind == slapgrid.SupervisorReal {
				b.cfg.SupervisordCommand = []string{testpeer.Get(t, testpeer.Newest).Supervisord()}
			}
			b.damageFiles(b.realNode(kind))
		})
	}
}

func (b *bench) damageFiles(node *slapgrid.Node) {
	t, ctx := b.tb, b.background()
	url := b.programRelease("r", service)
	b.supply(url, slap.StateAvailable)
	b.request(url, "one", slap.StateStarted, nil)
	b.request(url, "two", slap.StateStarted, nil)
	require.NoError(t, allPasses(ctx, node))
	conf, dir := filepath.Join(b.inst, "etc/supervisord.conf"), filepath.Join(b.inst, "etc/supervisord.conf.d")
	group := filepath.Join(dir, "slappart0.conf")
	goodConf, goodGroup := read(t, conf), read(t, group)
	require.Eventually(t, func() bool { return readOr(b.partition(0, "pids")) != "" }, time.Minute, 10*time.Millisecond)
	pid := read(t, b.partition(0), "pids")
	for name, text := range map[string]string{
		"empty": "", "half": goodConf[:len(goodConf)/2], "no ini": "\x00\xff[[[\n", "edited": goodConf + "[program:mine]\ncommand = /bin/false\n",
	} {
		require.NoError(t, os.WriteFile(conf, []byte(text), 0o644))
		require.NoError(t, allPasses(ctx, node), name)
		require.Equal(t, goodConf, read(t, conf), name)
	}
	force := slapgrid.InstanceOptions{Only: []string{"slappart1"}}
	damages := map[string]string{"half": goodGroup[:len(goodGroup)/2], "no ini": "[group:slappart0\nx", "cut": goodGroup[:100]}
	for name, text := range damages {
		require.NoError(t, os.WriteFile(group, []byte(text), 0o600))
		report, err := node.Instances(ctx, force)
		require.NoError(t, err, name)
		require.NoError(t, report.Err(), name)
	}
	require.NoError(t, os.WriteFile(group, []byte(goodGroup), 0o600))
	require.NoError(t, allPasses(ctx, node))

	// A file of somebody else is left alone, and named.
	foreign := filepath.Join(dir, "foreign.conf")
	require.NoError(t, os.WriteFile(foreign, []byte("[program:x\n"), 0o600))
	report, err := node.Instances(ctx, force)
	require.NoError(t, err)
	require.ErrorContains(t, report.Err(), foreign)
	require.ErrorContains(t, report.Err(), "mend or remove that file")
	require.NoError(t, os.Remove(foreign))
	require.Equal(t, pid, read(t, b.partition(0), "pids"), "what runs was left alone")

	// The same without a running supervisor.
	for name, text := range damages {
		require.NoError(t, node.StopSupervisor(ctx))
		require.NoError(t, os.WriteFile(conf, []byte(goodConf[:100]), 0o600))
		require.NoError(t, os.WriteFile(group, []byte(text), 0o600))
		report, err := node.Instances(ctx, slapgrid.InstanceOptions{Force: true})
		require.NoError(t, err, name)
		require.NoError(t, report.Err(), name)
		require.Equal(t, goodGroup, read(t, group), name)
		require.Eventually(t, func() bool { return b.states()["slappart0:web-on-watch"] == "RUNNING" }, time.Minute, 20*time.Millisecond)
	}
}

// TestWrongClock has the clock jump ahead and come back: what was noted in the
// future does not keep partitions from being processed.
func TestWrongClock(t *testing.T) {
	b := deployable(t, 1, "echo x >> worked", slap.StateStopped)
	stamp := b.partition(0, ".timestamp")
	worked := func() int { return strings.Count(read(t, b.partition(0), "worked"), "x") }
	b.instances(slapgrid.ExitOK, plain)
	for ahead, times := range map[time.Duration]int{0: 1, time.Hour: 1, -time.Hour: 1} {
		require.NoError(t, os.Chtimes(stamp, time.Time{}, time.Now().Add(ahead)))
		b.instances(slapgrid.ExitOK, plain)
		require.Equal(t, times, worked(), "%v ahead", ahead)
	}
	for i, ahead := range []time.Duration{25 * time.Hour, 100 * 365 * 24 * time.Hour, -25 * time.Hour} {
		require.NoError(t, os.Chtimes(stamp, time.Time{}, time.Now().Add(ahead)))
		b.instances(slapgrid.ExitOK, plain)
		require.Equal(t, i+2, worked(), "%v ahead", ahead)
		b.instances(slapgrid.ExitOK, plain)
		require.Equal(t, i+2, worked(), "only once")
	}
}

// TestOddCertificates: what the master gives is kept as it is and not logged;
// what is no certificate at all costs that partition and leaves the old one.
func TestOddCertificates(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStopped)
	b.cfg.CertificateRepository = filepath.Join(b.root, "pki")
	require.NoError(t, os.Mkdir(b.cfg.CertificateRepository, 0o755))
	key, next := "", b.calls.next
	b.calls.next = certificates{next, &key}
	for _, key = range []string{
		"-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n", "secret\r\nlines\r\n\r\n", "secret \u00e9\u20ac", "[secret]\nkey = %(x)s\n",
		"secret" + strings.Repeat("x", 1<<20),
	} {
		b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{Force: true})
		require.Equal(t, strings.ReplaceAll(key, "\r\n", "\n"), strings.ReplaceAll(read(t, b.cfg.CertificateRepository, "slappart0.key"), "\r\n", "\n"))
		require.NotContains(t, b.log.String(), "secret")
	}
	before := read(t, b.cfg.CertificateRepository, "slappart0.key")
	for name, value := range map[string]any{"nothing": nil, "number": 1, "list": []any{"secret"}} {
		b.calls.next = answerTo{"getComputerPartitionCertificate", map[string]any{"certificate": value, "key": value}, next}
		b.instances(slapgrid.ExitFailure, slapgrid.InstanceOptions{Force: true})
		require.Equal(t, before, read(t, b.cfg.CertificateRepository, "slappart0.key"), name)
		require.NotContains(t, b.log.String(), "secret")
	}
}

// answerTo answers one method of the master.
type answerTo struct {
	method string
	value  any
	next   http.RoundTripper
}

func (a answerTo) RoundTrip(req *http.Request) (*http.Response, error) {
	if filepath.Base(req.URL.Path) != a.method {
		return a.next.RoundTrip(req)
	}
	text, err := marshal.Marshal(a.value)
	return answer(req, http.StatusOK, string(text)), err
}

// TestPIDFilesThatAreNone: garbage is replaced, what is no file is refused, and
// nothing is waited for.
func TestPIDFilesThatAreNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.pid")
	for name, make := range map[string]func() error{
		"garbage": func() error { return os.WriteFile(path, []byte("\x00\xff\n\x1b[2J"), 0o644) },
		"huge":    func() error { return os.WriteFile(path, []byte(strings.Repeat("9", 1<<20)), 0o644) },
		"text":    func() error { return os.WriteFile(path, []byte("pid 12\n"), 0o644) },
	} {
		require.NoError(t, make())
		release, stale, err := slapgrid.AcquireLock(path)
		require.NoError(t, err, name)
		require.True(t, stale, name)
		require.NoError(t, release())
	}
	for name, make := range map[string]func() error{
		"directory":     func() error { return os.Mkdir(path, 0o755) },
		"pipe":          func() error { return syscall.Mkfifo(path, 0o644) },
		"dangling link": func() error { return os.Symlink("nowhere", path) },
	} {
		require.NoError(t, make())
		_, _, err := slapgrid.AcquireLock(path)
		require.ErrorContains(t, err, "slapgrid could not write pidfile "+path, name)
		require.NotErrorIs(t, err, slapgrid.ErrAlreadyRunning)
		require.NoError(t, os.Remove(path))
	}
}

// fillDisk takes all that is left of the file system; the result gives it back.
func (b *bench) fillDisk() (free func()) {
	b.tb.Helper()
	filler := filepath.Join(b.root, "filler")
	out, _ := exec.Command("/bin/sh", "-c", "cat /dev/zero > "+filler).CombinedOutput()
	require.Contains(b.tb, string(out), "No space left on device")
	return func() { require.NoError(b.tb, os.Remove(filler)) }
}

// TestFullDiskDuringSoftware: the disk fills up while releases are fetched and
// built.
func TestFullDiskDuringSoftware(t *testing.T) {
	if !onSmallDisk(t) {
		return
	}
	twoUsers(t)
	b := newBench(t, 0)
	fetched, built := b.programRelease("fetched", "true\n"), b.programRelease("built", "true\n")
	b.write(filepath.Join(fetched, "big"), strings.Repeat("x", 100_000), 0o644)
	b.write(filepath.Join(built, "software/build"), "#!/bin/sh\nhead -c 100000 /dev/zero > big\n", 0o755)
	b.supply(fetched, slap.StateAvailable)
	b.supply(built, slap.StateAvailable)
	b.instances(slapgrid.ExitOK, plain) // the supervisor's files are there
	free := b.fillDisk()
	report := b.softwarePass(slapgrid.SoftwareOptions{})
	require.Equal(t, slapgrid.ExitFailure, report.ExitCode())
	for i, told := range b.calls.takeErrors() {
		require.Contains(t, strings.ToLower(told), "no space left on device", i)
	}
	for _, url := range []string{fetched, built} {
		require.NoFileExists(t, filepath.Join(b.releaseDir(url), ".completed"))
	}
	free()
	b.software()
	for _, url := range []string{fetched, built} {
		require.FileExists(t, filepath.Join(b.releaseDir(url), ".completed"))
		require.NotContains(t, names(t, b.releaseDir(url)), ".unpack")
	}
}

// TestFullDiskDuringUsage: reports that are there are sent although the disk is
// full, and what has to go goes.
func TestFullDiskDuringUsage(t *testing.T) {
	if !onSmallDisk(t) {
		return
	}
	twoUsers(t)
	b := deployable(t, 2, "touch worked", slap.StateStopped)
	b.instances(slapgrid.ExitOK, plain)
	b.write(b.partition(0, "var/xml_report/one.xml"), consumption, 0o644)
	b.write(b.partition(0, "etc/report/more"), "#!/bin/sh\nset -e\nprintf '%s' '"+consumption+"' > \"$1\"\n", 0o755)
	b.request(sr, "instance1", slap.StateDestroyed, nil)
	free := b.fillDisk()
	report := b.usage(slapgrid.ExitFailure)
	require.Equal(t, []string{"Script 'more' failed."}, b.calls.takeErrors())
	require.Equal(t, slapgrid.ActionRemoved, report.Outcomes[1].Action)
	require.Empty(t, names(t, b.partition(1)))
	require.NotContains(t, names(t, b.partition(0, "var/xml_report")), "one.xml", "sent")
	free()
	b.calls.take()
	b.usage(slapgrid.ExitOK)
	require.Contains(t, b.calls.take(), "useComputer")
}
