package slapformat

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func sections(changes map[string]string) map[string]map[string]string {
	slapos := map[string]string{
		"computer_id": "COMP-1", "master_url": "http://127.0.0.1:5000/",
		"software_root": "/opt/slapgrid", "instance_root": "/srv/slapgrid",
	}
	format := map[string]string{
		"computer_xml": "/opt/slapos/slapos.xml", "partition_amount": "3",
		"alter_user": "false", "alter_network": "false", "create_tap": "false",
	}
	maps.Copy(slapos, changes)
	return map[string]map[string]string{"slapos": slapos, "slapformat": format}
}

func TestParseConfigMerges(t *testing.T) {
	cfg, err := ParseConfig(sections(map[string]string{"partition_amount": "4", "root_check": "False"}), map[string]string{"partition_amount": "5"})
	require.NoError(t, err)
	require.Equal(t, 5, cfg.PartitionAmount, "the command line wins")
	require.False(t, cfg.RootCheck)
	require.False(t, cfg.AlterUser)
	require.Equal(t, int64(16), cfg.IPv6PrefixShift)

	cfg, err = ParseConfig(sections(map[string]string{"partition_amount": "4"}), nil)
	require.NoError(t, err)
	require.Equal(t, 4, cfg.PartitionAmount, "[slapos] wins over [slapformat]")
	require.True(t, cfg.RootCheck)
}

func TestParseConfigRefuses(t *testing.T) {
	for _, test := range []struct {
		key, value, message string
	}{
		{"alter_user", "yes", `Option 'alter_user' needs to be "True" or "False", wrong value: 'yes'`},
		{"no_bridge", "1", "Option 'no_bridge' is totally deprecated, please update your config file"},
		{"computer_id", "", "Parameter 'computer_id' is not defined."},
		{"key_file", "/nothing", "File '/nothing' does not exist or is not readable."},
		{"partition_amount", "many", "option 'partition_amount' needs to be a number from 0 on, wrong value: 'many'"},
		{"partition_amount", "-1", "option 'partition_amount' needs to be a number from 0 on, wrong value: '-1'"},
		{"ipv6_prefixshift", "3", "ipv6_prefixshift 3 is too small for partition_amount 3"},
		{"root_check", "perhaps", "perhaps is neither True nor False."},
		{"manager_list", "prerm", "option 'manager_list': managers are not supported yet, remove it"},
	} {
		t.Run(test.key+" "+test.value, func(t *testing.T) {
			_, err := ParseConfig(sections(map[string]string{test.key: test.value}), nil)
			require.EqualError(t, err, test.message)
		})
	}
	_, err := ParseConfig(map[string]map[string]string{"slapos": {}}, nil)
	require.EqualError(t, err, "No section: 'slapformat'")
}

func TestWhatIsNotSupportedIsRefused(t *testing.T) {
	for _, key := range []string{"alter_user", "alter_network", "create_tun"} {
		cfg, err := ParseConfig(sections(map[string]string{key: "true"}), nil)
		require.NoError(t, err)
		_, err = Load(cfg)
		require.ErrorContains(t, err, "not supported yet")
	}
}

func TestBaseNameLeadsNowhereElse(t *testing.T) {
	cfg, err := ParseConfig(sections(map[string]string{"partition_base_name": "../part"}), nil)
	require.NoError(t, err)
	_, err = Load(cfg)
	require.EqualError(t, err, `option 'partition_base_name': "../part0" cannot be the name of a partition's directory`)
}

func TestDefinitionFile(t *testing.T) {
	dir := t.TempDir()
	cfg, err := ParseConfig(sections(nil), nil)
	require.NoError(t, err)
	cfg.PartitionAmount = 2
	cfg.InputDefinition = filepath.Join(dir, "definition.cfg")
	require.NoError(t, os.WriteFile(cfg.InputDefinition, []byte(`[computer]
address = 10.0.0.1/255.0.0.0
software_user = builder

[partition_0]
address = 200.11.11.11/255.255.255.0 2001:db8::2/ffff::
user = myuser
network_interface = virtual
pathname = inpart0
ipv6_range = 2001:db8:9:1::/80
capability_list =
  one

  two

[partition_1]
address =
user = anotheruser
network_interface =
pathname = inpart1
`), 0o600))
	c, err := Load(cfg)
	require.NoError(t, err)
	require.Equal(t, "10.0.0.1", *c.Address)
	require.Equal(t, "builder", c.SoftwareUser)
	require.Equal(t, Partition{
		Reference: "inpart0", Path: "/srv/slapgrid/inpart0", User: "myuser", Tap: Link{Name: "virtual"},
		Addresses: []Address{{"200.11.11.11", "255.255.255.0"}, {"2001:db8::2", "ffff::"}},
		Range: &Range{
			Addr: "2001:db8:9:1::", Netmask: "ffff:ffff:ffff:ffff:ffff::", Network: "2001:db8:9:1::/80", PrefixLen: 80,
		},
		Capabilities: []string{"one", "two"},
	}, c.Partitions[0])
	require.Empty(t, c.Partitions[1].Addresses)

	cfg.PartitionAmount = 3
	_, err = Load(cfg)
	require.ErrorContains(t, err, "partition_2")
	require.NoError(t, os.WriteFile(cfg.InputDefinition, []byte("[computer]\n[partition_0]\nuser = u\naddress =\nnetwork_interface =\npathname = ../up\n"), 0o600))
	cfg.PartitionAmount = 1
	_, err = Load(cfg)
	require.ErrorContains(t, err, `"../up" cannot be the name of a partition's directory`)
}
