package slap

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPartitionFromEnvironment(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "slappart0"), 0o755))
	master := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/registerComputerPartition" {
			require.Equal(t, "computer_reference=COMP-7&computer_partition_reference=slappart0", r.URL.RawQuery)
			fmt.Fprint(w, fixture(t, "partition.xml"))
			return
		}
		fmt.Fprint(w, instance(map[string]any{"slap_computer_id": "C", "slap_computer_partition_id": "P"}))
	})
	c, p, err := PartitionFromEnvironment(context60(t), []string{
		"SLAPOS_MASTER_URL=overridden", "SLAPOS_MASTER_URL=" + master, "SLAPOS_COMPUTER_ID=COMP-7", "SLAPOS_PARTITION_ID=slappart0",
		"SLAPOS_KEY_FILE=", "SLAPOS_CERT_FILE=", "SLAPOS_CA_FILE=", "SLAPGRID_INSTANCE_ROOT=" + root, "nonsense",
	})
	require.NoError(t, err)
	t.Cleanup(c.CloseIdleConnections)
	checkAllocated(t, p)
	_, err = p.Request(context60(t), Request{SoftwareRelease: "sr", Reference: "child"})
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(root, "slappart0", ".slapos-request-transaction-slappart0"))
	require.NoError(t, err)
	require.Equal(t, "child\n", string(data))
}

func TestEnvironmentThatIsIncomplete(t *testing.T) {
	_, _, err := PartitionFromEnvironment(context60(t), []string{"SLAPOS_MASTER_URL=http://m/", "SLAPOS_COMPUTER_ID=c"})
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, "SLAPOS_PARTITION_ID is not set")
	require.ErrorContains(t, err, "node agent")
	_, _, err = PartitionFromEnvironment(context60(t), []string{"SLAPOS_MASTER_URL=m", "SLAPOS_COMPUTER_ID=c", "SLAPOS_PARTITION_ID=p"})
	require.ErrorContains(t, err, "http://")
	_, _, err = PartitionFromEnvironment(context60(t), []string{
		"SLAPOS_MASTER_URL=https://m/", "SLAPOS_COMPUTER_ID=c", "SLAPOS_PARTITION_ID=p", "SLAPOS_CERT_FILE=/c",
	})
	require.ErrorContains(t, err, "needs both files")
	_, _, err = PartitionFromEnvironment(context60(t), []string{
		"SLAPOS_MASTER_URL=" + serve(t, http.NotFound), "SLAPOS_COMPUTER_ID=c", "SLAPOS_PARTITION_ID=p",
	})
	require.ErrorIs(t, err, ErrNotFound)
}

func TestParseEnvironment(t *testing.T) {
	e := ParseEnvironment([]string{
		"SLAPOS_REQUESTED_STATE=started", "SLAPOS_SOFTWARE_TYPE=db", "SLAPOS_SOFTWARE_RELEASE_URL=u=v",
		"SLAPOS_SOFTWARE_DIR=/s", "SLAPOS_INSTANCE_DIR=/i", "SLAPOS_INSTANCE_FILE=/i/f",
		"SLAPOS_KEY_FILE=k", "SLAPOS_CERT_FILE=c", "SLAPOS_CA_FILE=a", "SLAPGRID_INSTANCE_ROOT=/r",
	})
	require.Equal(t, Environment{
		RequestedState: StateStarted, SoftwareType: "db", SoftwareReleaseURL: "u=v", SoftwareDir: "/s", InstanceDir: "/i",
		InstanceFile: "/i/f", KeyFile: "k", CertFile: "c", CAFile: "a", InstanceRoot: "/r",
	}, e)
	c, err := New("https://m/", e.Options()...)
	require.NoError(t, err)
	require.Equal(t, []string{"c", "k", "a", "/r"}, []string{c.keyring.certFile, c.keyring.keyFile, c.keyring.caFile, c.journalRoot})
}

func TestReadInstanceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "instance.json")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write(`{"version":1,"master_url":"http://m/","computer_id":"c","partition_id":"p","instance_guid":"g","instance_title":"t",
		"root_instance_title":"r","software_release_url":"sr","software_type":"default","requested_state":"stopped",
		"timestamp":"1.5","parameters":{"a":"b"},"ipv4":["10.0.0.2"],"ipv6":["fd00::2"],"ip_list":[["tap0","10.0.0.2"]],
		"shared_instances":[{"reference":"S-1","title":"s","parameters":{"k":1}}],"some_new_key":{}}`)
	f, err := ReadInstanceFile(path)
	require.NoError(t, err)
	require.Equal(t, &InstanceFile{
		Version: 1, MasterURL: "http://m/", ComputerID: "c", PartitionID: "p", InstanceGUID: "g", InstanceTitle: "t",
		RootInstanceTitle: "r", SoftwareReleaseURL: "sr", SoftwareType: "default", RequestedState: StateStopped,
		Timestamp: "1.5", Parameters: Parameters{"a": "b"}, IPv4: []string{"10.0.0.2"}, IPv6: []string{"fd00::2"},
		IPList:          [][2]string{{"tap0", "10.0.0.2"}},
		SharedInstances: []InstanceFileShared{{Reference: "S-1", Title: "s", Parameters: Parameters{"k": int64(1)}}},
	}, f)
	write(`{"version":2}`)
	_, err = ReadInstanceFile(path)
	require.ErrorContains(t, err, "version 2")
	write(`{`)
	_, err = ReadInstanceFile(path)
	require.ErrorContains(t, err, path)
	_, err = ReadInstanceFile(path + ".absent")
	require.ErrorIs(t, err, os.ErrNotExist)
}
