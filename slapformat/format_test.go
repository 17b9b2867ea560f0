package slapformat_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slapformat"
)

// place is a machine of its own under a temporary directory: under root it
// acts for an account that is not root.
type place struct {
	slapformat.Host
	uid   int
	users map[string]slapformat.User
	owned map[string][2]int
}

func newPlace(uid int) *place {
	return &place{Host: slapformat.Local(), uid: uid, users: map[string]slapformat.User{}, owned: map[string][2]int{}}
}

func (p *place) UID() int { return p.uid }

func (p *place) User(name string) (slapformat.User, error) {
	if u, ok := p.users[name]; ok {
		return u, nil
	}
	return slapformat.User{}, fmt.Errorf("%w: %s", slapformat.ErrNoUser, name)
}

func (p *place) Stat(path string) (slapformat.FileInfo, error) {
	info, err := p.Host.Stat(path)
	if owner, ok := p.owned[path]; ok {
		info.UID, info.GID = owner[0], owner[1]
	}
	return info, err
}

func (p *place) SetOwner(path string, uid, gid int) error {
	p.owned[path] = [2]int{uid, gid}
	return nil
}

func config(t *testing.T, url string) slapformat.Config {
	dir := t.TempDir()
	return slapformat.Config{
		ComputerID: "computer", MasterURL: url, PartitionAmount: 3,
		SoftwareRoot: filepath.Join(dir, "software"), InstanceRoot: filepath.Join(dir, "instances"),
		ComputerXML: filepath.Join(dir, "slapos.xml"), CertificateRepository: filepath.Join(dir, "pki"),
	}
}

func TestFormat(t *testing.T) {
	master := proxytest.New(t)
	cfg := config(t, master.URL)
	host := newPlace(1000)
	options := slapformat.Options{Host: host}

	var dry bytes.Buffer
	require.NoError(t, slapformat.Format(t.Context(), cfg, slapformat.Options{Host: host, DryRun: true, Out: &dry}))
	require.Contains(t, dry.String(), "mkdir -p -m 0750 "+cfg.InstanceRoot+"/slappart2")
	_, err := os.Stat(cfg.InstanceRoot)
	require.ErrorIs(t, err, fs.ErrNotExist, "a dry run does nothing")

	require.NoError(t, slapformat.Format(t.Context(), cfg, options))
	for path, mode := range map[string]fs.FileMode{
		cfg.InstanceRoot: 0o755, cfg.SoftwareRoot: 0o755, cfg.CertificateRepository: 0o700,
		cfg.InstanceRoot + "/slappart0": 0o750, cfg.InstanceRoot + "/slappart0/.slapos-resource": 0o644,
	} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
	partitions, err := master.Client.Computer("computer").Partitions(t.Context())
	require.NoError(t, err)
	require.Len(t, partitions, 3)

	// The second plan is empty.
	computer, err := slapformat.Load(cfg)
	require.NoError(t, err)
	found, err := slapformat.Inspect(t.Context(), host, cfg, computer)
	require.NoError(t, err)
	plan, err := slapformat.NewPlan(cfg, computer, found, timeOf(t))
	require.NoError(t, err)
	require.Empty(t, plan.Steps)

	// What was changed comes back, and more partitions keep what the first have.
	require.NoError(t, os.Chmod(cfg.InstanceRoot, 0o700))
	require.NoError(t, os.RemoveAll(cfg.InstanceRoot+"/slappart1"))
	cfg.PartitionAmount = 4
	require.NoError(t, slapformat.Format(t.Context(), cfg, options))
	info, err := os.Stat(cfg.InstanceRoot)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o755), info.Mode().Perm())
	require.DirExists(t, cfg.InstanceRoot+"/slappart1")
	archive, err := zip.OpenReader(cfg.ComputerXML + ".zip")
	require.NoError(t, err)
	defer archive.Close()
	require.Len(t, archive.File, 1)
	require.Regexp(t, `^slapos\.xml\.\d{8}-\d\d:\d\d$`, archive.File[0].Name)
}

func TestFormatUnderRoot(t *testing.T) {
	master := proxytest.New(t)
	cfg := config(t, master.URL)
	host := newPlace(0)
	host.users["slapuser1"] = slapformat.User{Name: "slapuser1", UID: 2001, GID: 2002}

	err := slapformat.Format(t.Context(), cfg, slapformat.Options{Host: host})
	require.ErrorContains(t, err, "user slapuser0 does not exist and the instance root "+cfg.InstanceRoot+" belongs to root")
	require.ErrorContains(t, err, "partition_user")
	require.NoDirExists(t, cfg.InstanceRoot)

	shared := config(t, master.URL)
	shared.PartitionUser = "slapuser1"
	require.NoError(t, slapformat.Format(t.Context(), shared, slapformat.Options{Host: host}))
	for i := range 3 {
		require.Equal(t, [2]int{2001, 2002}, host.owned[fmt.Sprintf("%s/slappart%d", shared.InstanceRoot, i)])
	}
	require.NotContains(t, host.owned, shared.InstanceRoot, "the instance root stays with root")

	require.NoError(t, os.Mkdir(cfg.InstanceRoot, 0o755))
	host.owned[cfg.InstanceRoot] = [2]int{1500, 1501}
	require.NoError(t, slapformat.Format(t.Context(), cfg, slapformat.Options{Host: host}))
	require.Equal(t, [2]int{1500, 1501}, host.owned[cfg.InstanceRoot+"/slappart0"], "the owner of the instance root")
	require.Equal(t, [2]int{2001, 2002}, host.owned[cfg.InstanceRoot+"/slappart1"], "its own user")
}

func TestMasterDown(t *testing.T) {
	cfg := config(t, "http://127.0.0.1:1/")
	err := slapformat.Format(t.Context(), cfg, slapformat.Options{Host: newPlace(1000)})
	require.ErrorIs(t, err, slapformat.ErrOffline)
	require.FileExists(t, cfg.ComputerXML)
	require.DirExists(t, cfg.InstanceRoot+"/slappart0")
}

// TestMasterThatCannotBe refuses a wrong address before anything is touched.
func TestMasterThatCannotBe(t *testing.T) {
	cfg := config(t, "nonsense")
	err := slapformat.Format(t.Context(), cfg, slapformat.Options{Host: newPlace(1000)})
	require.ErrorContains(t, err, "nonsense")
	require.NotErrorIs(t, err, slapformat.ErrOffline)
	require.NoDirExists(t, cfg.InstanceRoot)
}

// full is a machine that breaks at a step.
type full struct{ *place }

var errFull = errors.New("no space left on device")

func (full) WriteFile(string, []byte, fs.FileMode) error { return errFull }

func TestFailedStep(t *testing.T) {
	master := proxytest.New(t)
	cfg := config(t, master.URL)
	err := slapformat.Format(t.Context(), cfg, slapformat.Options{Host: full{newPlace(1000)}})
	require.ErrorIs(t, err, errFull)
	step, ok := errors.AsType[*slapformat.StepError](err)
	require.True(t, ok)
	require.Equal(t, slapformat.WriteFile, step.Step.Kind)
	require.NoFileExists(t, cfg.ComputerXML)
	require.NoError(t, slapformat.Format(t.Context(), cfg, slapformat.Options{Host: newPlace(1000)}), "it can be repeated")
}

func TestPartitionThatIsAFile(t *testing.T) {
	master := proxytest.New(t)
	cfg := config(t, master.URL)
	require.NoError(t, os.MkdirAll(cfg.InstanceRoot, 0o755))
	require.NoError(t, os.WriteFile(cfg.InstanceRoot+"/slappart0", nil, 0o600))
	err := slapformat.Format(t.Context(), cfg, slapformat.Options{Host: newPlace(1000)})
	require.ErrorContains(t, err, "slappart0 is not a directory: move it away")
}

// TestHostileResourceFile: what the user of a partition puts in the place of its
// resource file is replaced, never followed, and stops nothing.
func TestHostileResourceFile(t *testing.T) {
	master := proxytest.New(t)
	cfg := config(t, master.URL)
	host := newPlace(1000)
	require.NoError(t, slapformat.Format(t.Context(), cfg, slapformat.Options{Host: host}))
	resource := func(i int) string { return fmt.Sprintf("%s/slappart%d/.slapos-resource", cfg.InstanceRoot, i) }
	victim := filepath.Join(t.TempDir(), "victim")
	require.NoError(t, os.WriteFile(victim, []byte("precious"), 0o600))
	var want [3][]byte
	for i, plant := range []func(path string) error{
		func(path string) error { return os.Symlink(victim, path) },
		func(path string) error { return os.Symlink("/dev/zero", path) },
		func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		var err error
		want[i], err = os.ReadFile(resource(i))
		require.NoError(t, err)
		require.NoError(t, os.Remove(resource(i)))
		require.NoError(t, plant(resource(i)))
	}
	require.NoError(t, slapformat.Format(t.Context(), cfg, slapformat.Options{Host: host}))
	for i := range want {
		info, err := os.Lstat(resource(i))
		require.NoError(t, err)
		require.True(t, info.Mode().IsRegular())
		text, err := os.ReadFile(resource(i))
		require.NoError(t, err)
		require.Equal(t, string(want[i]), string(text))
	}
	text, err := os.ReadFile(victim)
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
}

// TestDefinitionRoundTrip reads an output definition as an input definition.
func TestDefinitionRoundTrip(t *testing.T) {
	master := proxytest.New(t)
	cfg := config(t, master.URL)
	cfg.OutputDefinition = filepath.Join(filepath.Dir(cfg.ComputerXML), "out.cfg")
	cfg.ComputerJSON = filepath.Join(filepath.Dir(cfg.ComputerXML), "computer.json")
	host := newPlace(1000)
	require.NoError(t, slapformat.Format(t.Context(), cfg, slapformat.Options{Host: host}))
	require.FileExists(t, cfg.ComputerJSON)
	want, err := slapformat.Load(cfg)
	require.NoError(t, err)
	cfg.InputDefinition = cfg.OutputDefinition
	got, err := slapformat.Load(cfg)
	require.NoError(t, err)
	require.Equal(t, want.Partitions, got.Partitions)
}
