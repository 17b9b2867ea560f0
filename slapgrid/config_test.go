package slapgrid_test

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slapgrid"
)

type sections = map[string]map[string]string

func TestParseConfig(t *testing.T) {
	cfg, err := slapgrid.ParseConfig(sections{
		"slapos": {
			"computer_id": "c", "master_url": "http://m/", "software_root": "/s", "instance_root": "/i",
			"promise_timeout": "30", "partition-timeout": "40", "maximum_periodicity": "-1", "root_check": "FALSE",
			"software_min_free_space": "0.5kilo", "instance_min_free_space": "0", "manager_list": "prerm, portredir\n devperm",
			"pidfile_software": "/run/sr.pid", "only-cp": "a, b", "develop": "yes", "parallel": "3", "supervisor": "supervisord",
			"shared_part_list": "\n/a\n/b",
		},
		"networkcache": {"software_root": "/cache", "signature_private_key_file": "/key"},
		"firewall":     {},
	}, map[string]string{"computer_id": "given", "pidfile": "/run/any.pid"})
	require.NoError(t, err)
	want := slapgrid.Config{
		ComputerID: "given", MasterURL: "http://m/", SoftwareRoot: "/cache", InstanceRoot: "/i",
		PromiseTimeout: 30 * time.Second, PartitionTimeout: 40 * time.Second, MaximumPeriodicity: -time.Second,
		SoftwareMinFreeSpace: 512, InstanceMinFreeSpace: -1, Managers: []string{"prerm", "portredir", "devperm"},
		PIDFileSoftware: "/run/sr.pid", PIDFileInstance: "/run/any.pid", PIDFileReport: "/run/any.pid",
		OnlyPartitions: []string{"a", " b"}, Develop: true, Parallel: 3, Supervisor: slapgrid.SupervisorReal,
		SharedPartList: "\n/a\n/b", Firewall: true, WatchdogProgram: "/opt/slapos/bin/slapos-watchdog",
		NetworkCache: map[string]string{"signature-private-key-file": "/key"},
	}
	require.Empty(t, cmp.Diff(want, cfg))
}

func TestParseConfigDefaults(t *testing.T) {
	cfg, err := slapgrid.ParseConfig(sections{"slapos": mandatory(nil)}, nil)
	require.NoError(t, err)
	require.Equal(t, 20*time.Second, cfg.PromiseTimeout)
	require.Equal(t, 24*time.Hour, cfg.MaximumPeriodicity)
	require.Equal(t, int64(1000<<20), cfg.SoftwareMinFreeSpace)
	require.True(t, cfg.RootCheck)
	require.False(t, cfg.Develop)
	cfg, err = slapgrid.ParseConfig(sections{"slapos": mandatory(map[string]string{"develop": "false"})}, nil)
	require.NoError(t, err)
	require.False(t, cfg.Develop, "the reference takes any text for true")
	require.Equal(t, "/opt/slapos/slapgrid-cp.pid", cfg.PIDFileInstance)
}

func mandatory(more map[string]string) map[string]string {
	all := map[string]string{"computer_id": "c", "master_url": "u", "software_root": "s", "instance_root": "i"}
	for key, value := range more {
		all[key] = value
	}
	return all
}

func TestBadConfig(t *testing.T) {
	tests := map[string]struct {
		slapos map[string]string
		want   string
	}{
		"nothing":     {nil, "Missing mandatory parameters: computer_id, instance_root, master_url, software_root"},
		"empty":       {mandatory(map[string]string{"computer_id": "", "master_url": ""}), "Mandatory parameters present but empty: computer_id, master_url"},
		"half a pair": {mandatory(map[string]string{"key_file": "k"}), "Missing mandatory parameters: cert_file, certificate_repository_path"},
		"size":        {mandatory(map[string]string{"software_min_free_space": "12 parsec"}), "software_min_free_space: can't interpret '12 parsec'"},
		"boolean":     {mandatory(map[string]string{"root_check": "maybe"}), "root_check: maybe is neither True nor False."},
		"number":      {mandatory(map[string]string{"promise_timeout": "soon"}), "promise_timeout: 'soon' is not a whole number of seconds"},
		"far":         {mandatory(map[string]string{"promise_timeout": "99999999999999"}), "promise_timeout: '99999999999999' is more than 3153600000 seconds"},
		"past":        {mandatory(map[string]string{"maximal_delay": "-1"}), "maximal_delay: '-1' is negative"},
		"develop":     {mandatory(map[string]string{"develop": "perhaps"}), "develop: perhaps is neither True nor False."},
		"jobs":        {mandatory(map[string]string{"parallel": "-1"}), "parallel: '-1' is not a number of jobs"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := slapgrid.ParseConfig(sections{"slapos": tt.slapos}, nil)
			require.EqualError(t, err, tt.want)
		})
	}
}

func TestValidate(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cfg := slapgrid.Config{ComputerID: "c", MasterURL: "http://m/", SoftwareRoot: dir, InstanceRoot: dir}
	require.NoError(t, cfg.Validate())
	cfg.KeyFile, cfg.CertFile, cfg.CertificateRepository = file, filepath.Join(dir, "none"), dir
	require.EqualError(t, cfg.Validate(), "File '"+dir+"/none' does not exist.")
	cfg.CertFile, cfg.CertificateRepository = file, file
	require.EqualError(t, cfg.Validate(), "Directory '"+file+"' does not exist")
	cfg.CertificateRepository = ""
	require.EqualError(t, cfg.Validate(), "Missing mandatory parameters: certificate_repository_path")
	_, err := slapgrid.New(slapgrid.Config{})
	require.ErrorContains(t, err, "Missing mandatory parameters")
	_, err = slapgrid.New(slapgrid.Config{ComputerID: "c", MasterURL: "http://m/", SoftwareRoot: "s", InstanceRoot: "i", Supervisor: "other"})
	require.EqualError(t, err, "supervisor: 'other' is none of auto, embedded, supervisord")
	require.Positive(t, runtime.NumCPU())
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1000M": 1000 << 20, "1 GB": 1 << 30, "0.5kilo": 512, "2Ki": 2048, "3B": 3, " 7 mebi ": 7 << 20, "1.9": 1, "9999Y": math.MaxInt64,
	} {
		got, err := slapgrid.ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "M", "-1", "1 parsec", "1.2.3", "1e3"} {
		_, err := slapgrid.ParseSize(text)
		require.Error(t, err, text)
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("1000M")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := slapgrid.ParseSize(text); err == nil {
			require.GreaterOrEqual(t, n, int64(0))
		}
	})
}

func TestLock(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "slapgrid.pid")
	require.NoError(t, os.WriteFile(pid, []byte("4194304"), 0o644))
	release, stale, err := slapgrid.AcquireLock(pid)
	require.NoError(t, err)
	require.True(t, stale)
	_, _, err = slapgrid.AcquireLock(pid)
	require.ErrorIs(t, err, slapgrid.ErrAlreadyRunning)
	require.NoError(t, release())
	require.NoFileExists(t, pid)
	_, _, err = slapgrid.AcquireLock(filepath.Join(pid, "no/such/dir"))
	require.ErrorContains(t, err, "slapgrid could not write pidfile")
}
