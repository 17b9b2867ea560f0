package slapformat

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Config says which computer is wanted. The zero value of a field that is not
// required stands for what its comment says.
type Config struct {
	// ComputerID is the reference of the computer at the master. Required.
	ComputerID string
	// MasterURL is the address of the master. Required.
	MasterURL string
	// KeyFile and CertFile are the TLS client identity, both or none;
	// MasterCAFile holds the authorities that the master is checked against.
	KeyFile, CertFile, MasterCAFile string
	// SkipMasterVerification accepts any certificate of the master.
	SkipMasterVerification bool

	// SoftwareRoot and InstanceRoot hold releases and partitions; they are
	// made if missing. Required.
	SoftwareRoot, InstanceRoot string
	// ComputerXML is the state file. Required.
	ComputerXML string
	// ComputerJSON is written too if it is set.
	ComputerJSON string
	// InputDefinition is the file that the computer is taken from instead of
	// the state file; OutputDefinition is one to write.
	InputDefinition, OutputDefinition string
	// CertificateRepository is made with mode 0700 if it is set.
	CertificateRepository string
	// InstanceStorageHome holds the data directories of other volumes.
	InstanceStorageHome string

	// PartitionAmount is the number of partitions.
	PartitionAmount int
	// PartitionBaseName, UserBaseName and TapBaseName, followed by a number,
	// name the partitions, their users and their interfaces; empty means
	// slappart, slapuser and slaptap.
	PartitionBaseName, UserBaseName, TapBaseName string
	// PartitionUser, if set, is the account of every new partition, in place
	// of one for each. The reference does not know it.
	PartitionUser string
	// SoftwareUser owns the software; empty means slapsoft.
	SoftwareUser string
	// Addresses are those of every new partition; nil means 127.0.0.1 and
	// ::1.
	Addresses []Address

	// AlterUser and AlterNetwork ask for users and networks to be made, which
	// this version cannot: true is an error.
	AlterUser, AlterNetwork bool
	// CreateTap has no effect without AlterNetwork; CreateTun is an error in
	// this version.
	CreateTap, CreateTun bool
	// InterfaceName, IPv6Interface, IPv4LocalNetwork, TapGatewayInterface,
	// TapIPv6, PartitionHasIPv6Range and IPv6PrefixShift are told to the master
	// as they are.
	InterfaceName, IPv6Interface, IPv4LocalNetwork, TapGatewayInterface string
	TapIPv6, PartitionHasIPv6Range                                      bool
	IPv6PrefixShift                                                     int64

	// RootCheck tells the command to refuse to run as another user than root.
	RootCheck bool
	// LogFile is for the command.
	LogFile string
}

// defaultPrefixShift is how many bits longer than the interface's prefix the
// partitions' ranges are.
const defaultPrefixShift = 16

// ParseConfig makes a configuration from the sections of a configuration file
// (section, then key in lower case) and from the options that were given on a
// command line, under their names in the file. Options win over [slapos], which
// wins over [slapformat]. As in the reference, alter_user, alter_network and
// create_tap are true unless they are set.
func ParseConfig(sections map[string]map[string]string, options map[string]string) (Config, error) {
	values := map[string]string{}
	for _, name := range []string{"slapformat", "slapos"} {
		section, ok := sections[name]
		if !ok {
			return Config{}, compatf("No section: '%s'", name)
		}
		for key, value := range section {
			values[key] = value
		}
	}
	for key, value := range options {
		values[key] = value
	}
	p := &configParser{values: values}
	cfg := p.parse()
	return cfg, p.err
}

// configParser converts values and keeps the first error.
type configParser struct {
	values map[string]string
	err    error
}

func (p *configParser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *configParser) bool(key string, fallback bool) bool {
	value, ok := p.values[key]
	switch {
	case !ok:
		return fallback
	case strings.EqualFold(value, "true"):
		return true
	case strings.EqualFold(value, "false"):
		return false
	}
	p.fail(compatf(`Option '%s' needs to be "True" or "False", wrong value: '%s'`, key, value))
	return false
}

func (p *configParser) int(key string, fallback int64) int64 {
	value, ok := p.values[key]
	if !ok {
		return fallback
	}
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 32)
	if err != nil || n < 0 {
		p.fail(fmt.Errorf("option '%s' needs to be a number from 0 on, wrong value: '%s'", key, value))
		return 0
	}
	return n
}

// path makes a path absolute.
func (p *configParser) path(key string) string {
	value := p.values[key]
	if value == "" {
		return ""
	}
	path, err := filepath.Abs(value)
	if err != nil {
		p.fail(fmt.Errorf("%s: %w", key, err))
	}
	return path
}

func (p *configParser) parse() Config {
	for _, key := range []string{"bridge_name", "no_bridge"} {
		if p.values[key] != "" {
			p.fail(compatf("Option '%s' is totally deprecated, please update your config file", key))
		}
	}
	v := p.values
	cfg := Config{
		AlterNetwork: p.bool("alter_network", true), AlterUser: p.bool("alter_user", true),
		CreateTap: p.bool("create_tap", true), CreateTun: p.bool("create_tun", false),
		TapIPv6: p.bool("tap_ipv6", true), PartitionHasIPv6Range: p.bool("partition_has_ipv6_range", true),
		ComputerID: v["computer_id"], MasterURL: v["master_url"],
		KeyFile: v["key_file"], CertFile: v["cert_file"], MasterCAFile: v["master_ca_file"],
		SoftwareRoot: p.path("software_root"), InstanceRoot: p.path("instance_root"),
		ComputerXML: p.path("computer_xml"), ComputerJSON: p.path("computer_json"),
		InputDefinition: p.path("input_definition_file"), OutputDefinition: p.path("output_definition_file"),
		CertificateRepository: v["certificate_repository_path"], InstanceStorageHome: v["instance_storage_home"],
		PartitionAmount:   int(p.int("partition_amount", -1)),
		PartitionBaseName: v["partition_base_name"], UserBaseName: v["user_base_name"], TapBaseName: v["tap_base_name"],
		PartitionUser: v["partition_user"],
		SoftwareUser:  v["software_user"], InterfaceName: v["interface_name"], IPv6Interface: v["ipv6_interface"],
		IPv4LocalNetwork: v["ipv4_local_network"], TapGatewayInterface: v["tap_gateway_interface"],
		IPv6PrefixShift: p.int("ipv6_prefixshift", defaultPrefixShift),
		LogFile:         v["log_file"],
	}
	cfg.SkipMasterVerification = !p.bool("master_verify", true)
	cfg.RootCheck = p.rootCheck()
	for _, key := range []string{"computer_id", "instance_root", "master_url", "software_root", "computer_xml"} {
		if v[key] == "" {
			p.fail(compatf("Parameter '%s' is not defined.", key))
		}
	}
	for _, key := range []string{"key_file", "cert_file", "master_ca_file"} {
		if file, ok := v[key]; ok {
			if _, err := os.Stat(file); err != nil {
				p.fail(compatf("File '%s' does not exist or is not readable.", file))
			}
		}
	}
	if shift := cfg.IPv6PrefixShift; shift < 63 && 1<<shift < 4*int64(cfg.PartitionAmount) {
		p.fail(fmt.Errorf("ipv6_prefixshift %d is too small for partition_amount %d", shift, cfg.PartitionAmount))
	}
	if cfg.PartitionAmount < 0 {
		p.fail(errors.New("option 'partition_amount' is not defined: write how many partitions the computer has"))
	}
	if v["manager_list"] != "" {
		p.fail(errors.New("option 'manager_list': managers are not supported yet, remove it"))
	}
	return cfg
}

// rootCheck has its own text for a wrong value.
func (p *configParser) rootCheck() bool {
	value, ok := p.values["root_check"]
	switch {
	case !ok || strings.EqualFold(value, "true"):
		return true
	case strings.EqualFold(value, "false"):
		return false
	}
	p.fail(compatf("%s is neither True nor False.", value))
	return true
}

// check refuses what is missing and what this version cannot do, and fills in
// defaults.
func (c Config) check() (Config, error) {
	for _, required := range [][2]string{
		{"computer_id", c.ComputerID}, {"instance_root", c.InstanceRoot}, {"master_url", c.MasterURL},
		{"software_root", c.SoftwareRoot}, {"computer_xml", c.ComputerXML},
	} {
		if required[1] == "" {
			return c, compatf("Parameter '%s' is not defined.", required[0])
		}
	}
	switch {
	case c.AlterUser || c.AlterNetwork:
		return c, errors.New("making users and networks is not supported yet: set alter_user = false and alter_network = false, and create_tap = false and create_tun = false")
	case c.CreateTun:
		return c, errors.New("making tun interfaces is not supported yet: set create_tun = false")
	case c.PartitionAmount < 0:
		return c, fmt.Errorf("option 'partition_amount' is %d", c.PartitionAmount)
	case (c.KeyFile == "") != (c.CertFile == ""):
		return c, errors.New("key_file and cert_file must be given together")
	}
	for _, field := range []struct {
		value    *string
		fallback string
	}{
		{&c.PartitionBaseName, "slappart"}, {&c.UserBaseName, "slapuser"}, {&c.TapBaseName, "slaptap"},
		{&c.SoftwareUser, "slapsoft"},
	} {
		if *field.value == "" {
			*field.value = field.fallback
		}
	}
	if err := checkReference(c.PartitionBaseName + "0"); err != nil {
		return c, fmt.Errorf("option 'partition_base_name': %w", err)
	}
	if c.Addresses == nil {
		c.Addresses = []Address{
			{Addr: "127.0.0.1", Netmask: "255.255.255.255"},
			{Addr: "::1", Netmask: "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		}
	}
	return c, nil
}
