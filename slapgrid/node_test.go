package slapgrid_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

func TestSupervisorConfiguration(t *testing.T) {
	b := newBench(t, 0)
	b.cfg.WatchdogProgram = "/opt/watch dog"
	b.cfg.CertificateRepository = "/certs"
	b.instances(slapgrid.ExitOK, plain)
	conf := filepath.Join(b.inst, "etc/supervisord.conf")
	want := fmt.Sprintf(`[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[include]
files = %[1]s/etc/supervisord.conf.d/*.conf

[supervisorctl]
serverurl = unix://%[1]s/sv.sock

[supervisord]
loglevel = info
logfile = %[1]s/var/log/supervisord.log
logfile_maxbytes = 50MB
nodaemon = false
pidfile = %[1]s/var/run/supervisord.pid
logfile-backups = 10

[unix_http_server]
file = %[1]s/sv.sock
chmod = 0700

[eventlistener:watchdog]
command = /opt/watch dog --master-url '%[2]s'  --certificate-repository-path '/certs' --computer-id 'computer' --instance-root '%[1]s'
events = PROCESS_STATE_EXITED, PROCESS_STATE_FATAL

`, b.inst, b.cfg.MasterURL)
	require.Equal(t, want, read(t, conf))

	// What is right is not written again; a wrong mode is.
	before, err := os.Stat(conf)
	require.NoError(t, err)
	b.instances(slapgrid.ExitOK, plain)
	after, err := os.Stat(conf)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	require.NoError(t, os.Chmod(conf, 0o644))
	b.instances(slapgrid.ExitOK, plain)
	after, err = os.Stat(conf)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), after.Mode())

	// An old installation keeps its socket.
	require.NoError(t, os.WriteFile(filepath.Join(b.inst, "supervisord.socket"), nil, 0o600))
	require.NoError(t, b.node().WriteSupervisorConf(t.Context()))
	require.Contains(t, read(t, conf), "serverurl = unix://"+b.inst+"/supervisord.socket\n")
	require.Contains(t, read(t, conf), "[eventlistener:watchdog]\ncommand = \n")
}

func TestBang(t *testing.T) {
	b := deployable(t, 1, "echo x >> worked", slap.StateStopped)
	require.NoError(t, b.node().Bang(t.Context(), "look here"))
	require.Equal(t, []string{"computerBang"}, b.calls.take())
	require.Equal(t, map[string]string{"computer_id": computer, "message": "look here"}, parseForm(b.calls.bodies["computerBang"]))

	// An instance that bangs is processed again.
	b.instances(slapgrid.ExitOK, plain)
	p, err := b.master.Client.ComputerPartition(t.Context(), computer, "slappart0")
	require.NoError(t, err)
	require.NoError(t, p.Bang(t.Context(), "look here"))
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, "x\nx\n", read(t, b.partition(0), "worked"))
}

func TestCertificates(t *testing.T) {
	b := deployable(t, 1, "touch worked", slap.StateStarted)
	repository := filepath.Join(b.root, "pki")
	require.NoError(t, os.Mkdir(repository, 0o755))
	b.cfg.CertificateRepository = repository
	key := "secret one"
	b.calls.next = certificates{b.calls.next, &key}
	b.instances(slapgrid.ExitOK, plain)
	require.Equal(t, []string{"getFullComputerInformation", "getComputerPartitionCertificate", "startedComputerPartition"}, b.calls.take())
	require.Equal(t, key, read(t, repository, "slappart0.key"))
	require.Equal(t, "public", read(t, repository, "slappart0.crt"))
	info, err := os.Stat(filepath.Join(repository, "slappart0.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o400), info.Mode())
	require.Contains(t, read(t, b.partition(0), "buildout.cfg"), "key-file = "+repository+"/slappart0.key\n")
	require.Contains(t, b.log.String(), "Missing key file. Creating '"+repository+"/slappart0.key'")
	key = "secret two"
	b.instances(slapgrid.ExitOK, slapgrid.InstanceOptions{Force: true})
	require.Equal(t, key, read(t, repository, "slappart0.key"))
	require.NotContains(t, b.log.String(), "secret")

	b.request(sr, "instance0", slap.StateDestroyed, nil)
	b.usage(slapgrid.ExitOK)
	require.Empty(t, names(t, repository))
}

// certificates answers for masters that give certificates to partitions.
type certificates struct {
	next http.RoundTripper
	key  *string
}

func (c certificates) RoundTrip(req *http.Request) (*http.Response, error) {
	if filepath.Base(req.URL.Path) != "getComputerPartitionCertificate" {
		return c.next.RoundTrip(req)
	}
	body, err := marshal.Marshal(map[string]any{"certificate": "public", "key": *c.key})
	if err != nil {
		return nil, err
	}
	return answer(req, http.StatusOK, string(body)), nil
}

// Example shows a whole agent run by hand. Commands take the pid file first.
func Example() {
	node, err := slapgrid.New(slapgrid.Config{
		MasterURL: "http://127.0.0.1:5000", ComputerID: "computer",
		SoftwareRoot: "/opt/slapgrid", InstanceRoot: "/srv/slapgrid",
	}, slapgrid.WithLogger(slog.New(slog.DiscardHandler)))
	fmt.Println(node != nil, err)
	// Output: true <nil>
}
