package slapformat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/internal/configparser"
	"github.com/slapos/slapos-go/internal/marshal"
)

// maxStateFile bounds the state file, in bytes.
const maxStateFile = 64 << 20

// defaultSoftwareUser owns the software where no file says otherwise.
const defaultSoftwareUser = "slapsoft"

// Load returns the computer that is wanted: the one of the input definition
// file if the configuration names one, else the one of the state file with the
// partitions that are missing from it.
func Load(cfg Config) (*Computer, error) {
	cfg, err := cfg.check()
	if err != nil {
		return nil, err
	}
	c := &Computer{
		Reference: cfg.ComputerID, SoftwareUser: cfg.SoftwareUser,
		SoftwareRoot: cfg.SoftwareRoot, InstanceRoot: cfg.InstanceRoot,
		InstanceStorageHome: some(cfg.InstanceStorageHome), IPv6Interface: some(cfg.IPv6Interface),
		TapGatewayInterface: cfg.TapGatewayInterface, TapIPv6: cfg.TapIPv6, PartitionHasRange: cfg.PartitionHasIPv6Range,
		OSType: osType(), PythonVersion: runtime.Version(), Version: "slapos-go",
	}
	if cfg.InterfaceName != "" && cfg.InputDefinition == "" {
		c.Interface = &Interface{
			Name: cfg.InterfaceName, IPv4LocalNetwork: cfg.IPv4LocalNetwork,
			IPv6Interface: cfg.IPv6Interface, IPv6PrefixShift: cfg.IPv6PrefixShift,
		}
		if c.Interface.IPv6Interface == "" {
			c.Interface.IPv6Interface = cfg.InterfaceName
		}
	}
	if cfg.InputDefinition != "" {
		err = c.readDefinition(cfg)
	} else {
		err = c.readState(cfg)
	}
	if err != nil {
		return nil, err
	}
	return c, c.finish(cfg)
}

func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// readState takes over what the state file holds and adds what is missing.
func (c *Computer) readState(cfg Config) error {
	text, err := readBounded(cfg.ComputerXML)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil {
		if err := c.restore(text); err != nil {
			return fmt.Errorf("state file %s: %w (repair it, or remove it to begin anew)", cfg.ComputerXML, err)
		}
	}
	if stored := len(c.Partitions); cfg.PartitionAmount < stored {
		return compatf("Requested amount of computer partitions (%d) is lower than already configured (%d), cannot continue",
			cfg.PartitionAmount, stored)
	}
	for i := len(c.Partitions); i < cfg.PartitionAmount; i++ {
		number := strconv.Itoa(i)
		user := cfg.PartitionUser
		if user == "" {
			user = cfg.UserBaseName + number
		}
		c.Partitions = append(c.Partitions, Partition{
			Reference: cfg.PartitionBaseName + number,
			User:      user,
			Tap:       Link{Name: cfg.TapBaseName + number},
			Addresses: slices.Clone(cfg.Addresses),
		})
	}
	return nil
}

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxStateFile {
		return nil, fmt.Errorf("%s is not a regular file of at most %d bytes", path, maxStateFile)
	}
	return os.ReadFile(path)
}

// restore reads the dictionary of a state file.
func (c *Computer) restore(text []byte) error {
	value, err := marshal.Unmarshal(text)
	if err != nil {
		return err
	}
	native, err := marshal.Native(value)
	if err != nil {
		return err
	}
	d, ok := native.(map[string]any)
	if !ok {
		return errors.New("it does not hold a dictionary")
	}
	for _, key := range []string{"address", "netmask", "partition_list"} {
		if _, ok := d[key]; !ok {
			return fmt.Errorf("key %q is missing", key)
		}
	}
	c.Address, c.Netmask = textOrNil(d["address"]), textOrNil(d["netmask"])
	c.SoftwareUser = textOr(d["software_user"], defaultSoftwareUser)
	c.SoftwareRoot = textOr(d["software_root"], c.SoftwareRoot)
	c.InstanceRoot = textOr(d["instance_root"], c.InstanceRoot)
	list, ok := d["partition_list"].([]any)
	if !ok {
		return errors.New(`"partition_list" is not a list`)
	}
	for i, item := range list {
		p, err := restorePartition(item)
		if err != nil {
			return fmt.Errorf("partition %d: %w", i, err)
		}
		c.Partitions = append(c.Partitions, p)
	}
	return nil
}

func restorePartition(item any) (Partition, error) {
	d, ok := item.(map[string]any)
	if !ok {
		return Partition{}, errors.New("it is not a dictionary")
	}
	for _, key := range []string{"reference", "path", "user", "tap", "address_list"} {
		if _, ok := d[key]; !ok {
			return Partition{}, fmt.Errorf("key %q is missing", key)
		}
	}
	p := Partition{Reference: textOr(d["reference"], ""), User: "root"}
	if err := checkReference(p.Reference); err != nil {
		return p, err
	}
	if user, ok := d["user"].(map[string]any); ok {
		p.User = textOr(user["name"], "root")
	}
	p.Tap = Link{Name: p.Reference}
	if tap, ok := d["tap"].(map[string]any); ok {
		p.Tap = restoreLink(tap)
	}
	if tun, ok := d["tun"].(map[string]any); ok {
		link := restoreLink(tun)
		p.Tun = &link
	}
	addresses, ok := d["address_list"].([]any)
	if !ok {
		return p, errors.New(`"address_list" is not a list`)
	}
	for _, item := range addresses {
		a, ok := item.(map[string]any)
		if !ok {
			return p, errors.New("an address is not a dictionary")
		}
		mask, _, _ := strings.Cut(textOr(a["netmask"], ""), "/")
		p.Addresses = append(p.Addresses, Address{Addr: textOr(a["addr"], ""), Netmask: mask})
	}
	if r, ok := d["ipv6_range"].(map[string]any); ok && len(r) > 0 {
		length, _ := r["prefixlen"].(int64)
		p.Range = &Range{
			Addr: textOr(r["addr"], ""), Netmask: textOr(r["netmask"], ""), Network: textOr(r["network"], ""), PrefixLen: length,
		}
	}
	return p, nil
}

func restoreLink(d map[string]any) Link {
	text := func(key string) string { return textOr(d[key], "") }
	return Link{
		Name:     text("name"),
		IPv4Addr: text("ipv4_addr"), IPv4Gateway: text("ipv4_gateway"), IPv4Netmask: text("ipv4_netmask"), IPv4Network: text("ipv4_network"),
		IPv6Addr: text("ipv6_addr"), IPv6Gateway: text("ipv6_gateway"), IPv6Netmask: text("ipv6_netmask"), IPv6Network: text("ipv6_network"),
	}
}

func textOr(v any, fallback string) string {
	if s, ok := v.(string); ok && s != "" {
		return s
	}
	return fallback
}

func textOrNil(v any) *string {
	s, ok := v.(string)
	if !ok {
		return nil
	}
	return &s
}

// checkReference refuses names that would lead out of the instance root.
func checkReference(reference string) error {
	if reference == "" || reference == "." || reference == ".." || strings.ContainsAny(reference, "/\x00") {
		return fmt.Errorf("%q cannot be the name of a partition's directory", reference)
	}
	return nil
}

// readDefinition takes the computer from an input definition file.
func (c *Computer) readDefinition(cfg Config) error {
	file, err := configparser.LoadRaw(cfg.InputDefinition)
	if err != nil {
		return err
	}
	if !file.HasSection("computer") {
		return fmt.Errorf("%s: No section: 'computer'", cfg.InputDefinition)
	}
	c.SoftwareUser = defaultSoftwareUser
	if file.Has("computer", "software_user") {
		if c.SoftwareUser, err = file.Get("computer", "software_user"); err != nil {
			return err
		}
	}
	if file.Has("computer", "address") {
		text, err := file.Get("computer", "address")
		if err != nil {
			return err
		}
		a, err := parseAddress(text)
		if err != nil {
			return fmt.Errorf("%s, [computer] address: %w", cfg.InputDefinition, err)
		}
		c.Address, c.Netmask = &a.Addr, &a.Netmask
	}
	for i := range cfg.PartitionAmount {
		section := fmt.Sprintf("partition_%d", i)
		p, err := definedPartition(file, section)
		if err != nil {
			return fmt.Errorf("%s, [%s]: %w", cfg.InputDefinition, section, err)
		}
		c.Partitions = append(c.Partitions, p)
	}
	return nil
}

func definedPartition(file *configparser.File, section string) (Partition, error) {
	var values [4]string
	for i, key := range []string{"user", "address", "network_interface", "pathname"} {
		var err error
		if values[i], err = file.Get(section, key); err != nil {
			return Partition{}, err
		}
	}
	p := Partition{User: values[0], Tap: Link{Name: values[2]}, Reference: values[3]}
	if err := checkReference(p.Reference); err != nil {
		return p, err
	}
	for _, text := range strings.Fields(values[1]) {
		a, err := parseAddress(text)
		if err != nil {
			return p, err
		}
		p.Addresses = append(p.Addresses, a)
	}
	if file.Has(section, "ipv6_range") {
		text, err := file.Get(section, "ipv6_range")
		if err != nil {
			return p, err
		}
		if p.Range, err = parseRange(text); err != nil {
			return p, err
		}
	}
	if file.Has(section, "capability_list") {
		text, err := file.Get(section, "capability_list")
		if err != nil {
			return p, err
		}
		p.Capabilities = []string{}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" {
				p.Capabilities = append(p.Capabilities, line)
			}
		}
	}
	return p, nil
}

func parseAddress(text string) (Address, error) {
	addr, mask, ok := strings.Cut(text, "/")
	if !ok || strings.Contains(mask, "/") {
		return Address{}, fmt.Errorf("%q is not ADDRESS/NETMASK", text)
	}
	return Address{Addr: addr, Netmask: mask}, nil
}

// finish computes what follows from the rest.
func (c *Computer) finish(cfg Config) error {
	storage, err := dataDirectories(cfg.InstanceStorageHome)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range c.Partitions {
		p := &c.Partitions[i]
		if seen[p.Reference] {
			return fmt.Errorf("two partitions are called %s", p.Reference)
		}
		seen[p.Reference] = true
		p.Path = filepath.Join(c.InstanceRoot, p.Reference)
		for _, dir := range storage {
			p.Storage = append(p.Storage, filepath.Join(dir, p.Reference))
		}
	}
	if c.Address == nil && len(c.Partitions) > 0 && len(c.Partitions[0].Addresses) > 0 {
		own := c.Partitions[0].Addresses[0]
		c.Address, c.Netmask = &own.Addr, &own.Netmask
	}
	return nil
}

// osType describes the system: a JSON list of the kernel's name and release,
// and the id, version and name of the distribution.
func osType() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	kernel := runtime.GOOS + "-" + runtime.GOARCH
	if err == nil {
		kernel = "Linux-" + strings.TrimSpace(string(release)) + "-" + runtime.GOARCH
	}
	about := map[string]string{}
	if text, err := os.ReadFile("/etc/os-release"); err == nil {
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				about[key] = strings.Trim(value, `"'`)
			}
		}
	}
	list, err := json.Marshal([]string{kernel, about["ID"], about["VERSION_ID"], about["NAME"]})
	if err != nil {
		return kernel
	}
	return strings.ReplaceAll(string(list), `","`, `", "`)
}
