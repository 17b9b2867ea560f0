package slapgrid_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

const computer = "computer"

// nobody owns the test's roots when the test is root.
const nobody = 65534

func TestMain(m *testing.M) {
	runAgentIfAsked()
	goleak.VerifyTestMain(testpeer.Settled{M: m})
}

// bench is a master with one node to run passes on.
type bench struct {
	tb         testing.TB
	root       string
	soft, inst string
	master     *proxytest.Master
	calls      *recorder
	supervisor *fakeSupervisor
	log        *syncBuffer
	cfg        slapgrid.Config
	partitions []string
}

// newBench makes a node with n formatted partitions. Everything belongs to
// nobody if the test is root, so that privileges are really dropped.
func newBench(tb testing.TB, n int) *bench {
	tb.Helper()
	root := publicDir(tb)
	b := &bench{
		tb: tb, root: root, soft: filepath.Join(root, "soft"), inst: filepath.Join(root, "inst"),
		master: proxytest.New(tb), log: &syncBuffer{},
	}
	b.supervisor = newFakeSupervisor(b.inst)
	transport := &http.Transport{}
	b.calls = &recorder{next: transport}
	tb.Cleanup(transport.CloseIdleConnections)
	b.mkdir(b.soft, 0o755)
	require.NoError(tb, os.Mkdir(b.inst, 0o755))
	for i := range n {
		id := fmt.Sprintf("slappart%d", i)
		b.mkdir(filepath.Join(b.inst, id), 0o750)
		b.partitions = append(b.partitions, id)
	}
	b.master.Format(tb, computer, n)
	b.cfg = slapgrid.Config{
		MasterURL: b.master.URL, ComputerID: computer, SoftwareRoot: b.soft, InstanceRoot: b.inst,
		Environ: os.Environ(), SoftwareMinFreeSpace: -1, InstanceMinFreeSpace: -1,
	}
	return b
}

// publicDir is a temporary directory that every user may enter.
func publicDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "slapgrid-test-")
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, os.RemoveAll(dir)) })
	require.NoError(tb, os.Chmod(dir, 0o755))
	return dir
}

// mkdir makes a directory of the unprivileged user.
func (b *bench) mkdir(path string, mode os.FileMode) {
	b.tb.Helper()
	require.NoError(b.tb, os.MkdirAll(path, mode))
	require.NoError(b.tb, os.Chmod(path, mode))
	b.give(path)
}

func (b *bench) give(path string) {
	if os.Getuid() == 0 {
		require.NoError(b.tb, os.Lchown(path, nobody, nobody))
	}
}

// write writes a file of the unprivileged user, making its directories.
func (b *bench) write(path, content string, mode os.FileMode) {
	b.tb.Helper()
	var missing []string
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		missing = append(missing, dir)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		b.mkdir(missing[i], 0o755)
	}
	require.NoError(b.tb, os.WriteFile(path, []byte(content), mode))
	require.NoError(b.tb, os.Chmod(path, mode))
	b.give(path)
}

// node makes an agent; configure may change its configuration.
func (b *bench) node(configure ...func(*slapgrid.Config)) *slapgrid.Node {
	b.tb.Helper()
	cfg := b.cfg
	for _, f := range configure {
		f(&cfg)
	}
	client, err := slap.New(cfg.MasterURL, slap.WithTransport(b.calls), slap.WithRetry(0))
	require.NoError(b.tb, err)
	node, err := slapgrid.New(cfg, slapgrid.WithClient(client), slapgrid.WithSupervisor(b.supervisor),
		slapgrid.WithLogger(slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	require.NoError(b.tb, err)
	return node
}

// supply asks for a release.
func (b *bench) supply(url string, state slap.State) {
	b.tb.Helper()
	require.NoError(b.tb, b.master.Client.Supply().Supply(b.tb.Context(), url, computer, state))
}

// request asks for an instance and returns the partition it got.
func (b *bench) request(url, reference string, state slap.State, parameters slap.Parameters) *slap.ComputerPartition {
	b.tb.Helper()
	p, err := b.master.Client.OpenOrder().Request(b.tb.Context(), slap.Request{
		SoftwareRelease: url, Reference: reference, State: state, Parameters: parameters,
	})
	require.NoError(b.tb, err)
	return p
}

// software runs a software pass that has to succeed.
func (b *bench) software() *slapgrid.Report {
	b.tb.Helper()
	report, err := b.node().Software(b.tb.Context(), slapgrid.SoftwareOptions{})
	require.NoError(b.tb, err)
	require.NoError(b.tb, report.Err())
	return report
}

// instances runs an instance pass and checks its exit code.
func (b *bench) instances(exit int, o slapgrid.InstanceOptions) *slapgrid.Report {
	b.tb.Helper()
	report, err := b.node().Instances(b.tb.Context(), o)
	require.NoError(b.tb, err)
	require.Equal(b.tb, exit, report.ExitCode(), "%v\n%s", report.Err(), b.log)
	return report
}

// programRelease makes a program release on the disk and returns its URL.
func (b *bench) programRelease(name, instantiate string) string {
	b.tb.Helper()
	dir := filepath.Join(b.root, name)
	b.write(filepath.Join(dir, "software/instantiate"), "#!/bin/sh\nset -e\n"+instantiate, 0o755)
	return dir
}

// buildoutRelease makes a release that looks built by buildout: its buildout
// is a shell script, run for releases and partitions alike.
func (b *bench) buildoutRelease(url, script string) string {
	b.tb.Helper()
	dir := b.releaseDir(url)
	b.mkdir(dir, 0o755)
	b.write(filepath.Join(dir, "bin/buildout"), "#!/bin/sh\n"+script, 0o755)
	b.write(filepath.Join(dir, "instance.cfg"), "[buildout]\nparts =\n", 0o644)
	b.write(filepath.Join(dir, ".completed"), "then", 0o644)
	return url
}

func (b *bench) releaseDir(url string) string {
	sum := md5.Sum([]byte(url))
	return filepath.Join(b.soft, hex.EncodeToString(sum[:]))
}

// names lists a directory, leaving out nothing.
func names(tb testing.TB, dir string) []string {
	tb.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(tb, err)
	list := []string{}
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func read(tb testing.TB, path ...string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	require.NoError(tb, err)
	return string(data)
}

// recorder notes the calls to the master, with the text of errors, and fails
// those it is told to fail.
type recorder struct {
	next http.RoundTripper

	mu     sync.Mutex
	calls  []string
	errors []string
	fail   map[string]int // method of the master, status
	bodies map[string]string
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	name := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	r.mu.Lock()
	r.calls = append(r.calls, name)
	status := r.fail[name]
	r.mu.Unlock()
	if req.Body != nil {
		var body bytes.Buffer
		if _, err := body.ReadFrom(req.Body); err != nil {
			return nil, err
		}
		clone := req.Clone(req.Context())
		clone.Body = readCloser{bytes.NewReader(body.Bytes())}
		req = clone
		form := parseForm(body.String())
		r.mu.Lock()
		if r.bodies == nil {
			r.bodies = map[string]string{}
		}
		r.bodies[name] = body.String()
		if text, ok := form["error_log"]; ok {
			r.errors = append(r.errors, text)
		}
		r.mu.Unlock()
	}
	if status != 0 {
		return answer(req, status, ""), nil
	}
	return r.next.RoundTrip(req)
}

// answer makes the answer of a master.
func answer(req *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: readCloser{strings.NewReader(body)}, Request: req,
	}
}

// take returns the calls since the last time.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

func (r *recorder) takeErrors() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	errors := r.errors
	r.errors = nil
	return errors
}

// fakeSupervisor keeps groups as the daemons do, without processes: a fake of
// the state, fed by the agent's files.
type fakeSupervisor struct {
	conf string

	mu      sync.Mutex
	groups  map[string]bool // loaded; true when started
	running map[string]bool // extra processes for wait lists
	updates int
	ensured int
}

func newFakeSupervisor(inst string) *fakeSupervisor {
	return &fakeSupervisor{conf: filepath.Join(inst, "etc/supervisord.conf.d"), groups: map[string]bool{}, running: map[string]bool{}}
}

func (f *fakeSupervisor) Ensure(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ensured++
	return nil
}

func (f *fakeSupervisor) Update(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.updates++
	entries, err := os.ReadDir(f.conf)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, entry := range entries {
		group := strings.TrimSuffix(entry.Name(), ".conf")
		found[group] = f.groups[group]
	}
	f.groups = found
	return nil
}

func (f *fakeSupervisor) Start(_ context.Context, group string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.groups[group]; !known {
		return false, nil
	}
	f.groups[group] = true
	return true, nil
}

func (f *fakeSupervisor) StartAll(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for group := range f.groups {
		f.groups[group] = true
	}
	return nil
}

func (f *fakeSupervisor) Running(_ context.Context, process string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.running[process], nil
}

func (f *fakeSupervisor) started(group string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.groups[group]
}

// syncBuffer is a log that several goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

type readCloser struct{ reader }

type reader interface{ Read([]byte) (int, error) }

func (readCloser) Close() error { return nil }

// background is a context that outlives the test, for cleaning up.
func (b *bench) background() context.Context { return context.WithoutCancel(b.tb.Context()) }
