package slapformat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
)

// Address is an address with its mask, both as text.
type Address struct {
	Addr    string `json:"addr"`
	Netmask string `json:"netmask"`
}

// Range is the IPv6 range of a partition.
type Range struct {
	Addr, Netmask, Network string
	PrefixLen              int64
}

// Link is a tap or tun interface. Unknown texts are empty.
type Link struct {
	Name                                            string
	IPv4Addr, IPv4Gateway, IPv4Netmask, IPv4Network string
	IPv6Addr, IPv6Gateway, IPv6Netmask, IPv6Network string
}

// Partition is a computer partition as the master hears of it.
type Partition struct {
	// Reference is the id of the partition and the name of its directory.
	Reference string
	// Path is the directory.
	Path string
	// User is the name of the user that its processes run as.
	User string
	// Addresses are its own.
	Addresses []Address
	// Range is its IPv6 range; nil means none.
	Range *Range
	// Tap is always sent; stand-alone masters need it.
	Tap Link
	// Tun is nil if there is none.
	Tun *Link
	// Capabilities come from a definition file only; nil leaves the key out.
	Capabilities []string
	// Storage are its directories on other volumes.
	Storage []string
}

// Interface is what the configuration says of the network; nil if nothing.
type Interface struct {
	Name, IPv4LocalNetwork, IPv6Interface string
	IPv6PrefixShift                       int64
}

// Computer is all that the master is told (section 11.2 of the message's
// description).
type Computer struct {
	Reference           string
	Address, Netmask    *string // nil: none
	SoftwareRoot        string
	InstanceRoot        string
	InstanceStorageHome *string
	SoftwareUser        string
	Interface           *Interface
	IPv6Interface       *string
	TapGatewayInterface string
	TapIPv6             bool
	PartitionHasRange   bool
	Partitions          []Partition
	PublicIPv4Address   *string
	OSType              string
	PythonVersion       string
	Version             string
}

// optional is a text or none.
func optional(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

// fields is the dictionary that is sent.
func (c *Computer) fields() map[string]any {
	partitions := make([]any, len(c.Partitions))
	for i := range c.Partitions {
		partitions[i] = c.Partitions[i].fields(c.SoftwareUser)
	}
	fields := map[string]any{
		"address": optional(c.Address), "netmask": optional(c.Netmask),
		"instance_root": c.InstanceRoot, "software_root": c.SoftwareRoot,
		"instance_storage_home": optional(c.InstanceStorageHome),
		"interface":             nil,
		"ipv6_interface":        optional(c.IPv6Interface),
		"os_type":               c.OSType, "python_version": c.PythonVersion, "slapos_version": c.Version,
		"partition_has_ipv6_range": c.PartitionHasRange,
		"partition_list":           partitions,
		"public_ipv4_address":      optional(c.PublicIPv4Address),
		"reference":                c.Reference, "software_user": c.SoftwareUser,
		"tap_gateway_interface": c.TapGatewayInterface, "tap_ipv6": c.TapIPv6,
	}
	if i := c.Interface; i != nil {
		fields["interface"] = map[string]any{
			"name": i.Name, "ipv4_local_network": i.IPv4LocalNetwork,
			"ipv6_interface": i.IPv6Interface, "ipv6_prefixshift": i.IPv6PrefixShift,
		}
	}
	return fields
}

func (p *Partition) fields(softwareUser string) map[string]any {
	addresses := make([]any, len(p.Addresses))
	for i, a := range p.Addresses {
		addresses[i] = map[string]any{"addr": a.Addr, "netmask": a.Netmask}
	}
	storage := make([]any, len(p.Storage))
	for i, path := range p.Storage {
		storage[i] = path
	}
	fields := map[string]any{
		"address_list":          addresses,
		"external_storage_list": storage,
		"ipv6_range":            map[string]any{},
		"path":                  p.Path,
		"reference":             p.Reference,
		"tap":                   p.Tap.fields(),
		"tun":                   nil,
		"user": map[string]any{
			"name": p.User, "path": p.Path, "shell": "/bin/sh",
			"additional_group_list": []any{softwareUser},
		},
	}
	if r := p.Range; r != nil {
		fields["ipv6_range"] = map[string]any{
			"addr": r.Addr, "netmask": r.Netmask, "network": r.Network, "prefixlen": r.PrefixLen,
		}
	}
	if p.Tun != nil {
		fields["tun"] = p.Tun.fields()
	}
	if p.Capabilities != nil {
		list := make([]any, len(p.Capabilities))
		for i, capability := range p.Capabilities {
			list[i] = capability
		}
		fields["capability_list"] = list
	}
	return fields
}

func (l *Link) fields() map[string]any {
	return map[string]any{
		"name":      l.Name,
		"ipv4_addr": l.IPv4Addr, "ipv4_gateway": l.IPv4Gateway, "ipv4_netmask": l.IPv4Netmask, "ipv4_network": l.IPv4Network,
		"ipv6_addr": l.IPv6Addr, "ipv6_gateway": l.IPv6Gateway, "ipv6_netmask": l.IPv6Netmask, "ipv6_network": l.IPv6Network,
	}
}

// MarshalWire returns the computer as it is posted: a marshalled dictionary.
func (c *Computer) MarshalWire() ([]byte, error) {
	xml, err := marshal.Marshal(c.fields())
	if err != nil {
		return nil, fmt.Errorf("computer %s: %w", c.Reference, err)
	}
	return xml, nil
}

// MarshalFile returns the computer as it is kept in the state file: the same,
// one element a line.
func (c *Computer) MarshalFile() ([]byte, error) {
	wire, err := c.MarshalWire()
	if err != nil {
		return nil, err
	}
	return indent(wire), nil
}

// element matches a tag of marshalled XML and the text behind it.
var element = regexp.MustCompile(`<(/?)([a-z]+)([^<>]*?)(/?)>([^<]*)`)

// indent writes marshalled XML, which has no white space of its own, with one
// element a line.
func indent(wire []byte) []byte {
	var out bytes.Buffer
	depth, leaf := 0, ""
	line := func(text string) { fmt.Fprintf(&out, "%s%s\n", strings.Repeat("  ", depth), text) }
	for _, m := range element.FindAllStringSubmatch(string(wire), -1) {
		closing, name, attributes, empty, text := m[1] != "", m[2], m[3], m[4] != "", m[5]
		switch {
		case empty:
			line("<" + name + attributes + "/>")
		case closing && leaf != "":
			line(leaf)
			leaf = ""
		case closing:
			depth--
			line("</" + name + ">")
		case name == "marshal" || name == "dictionary" || name == "list" || name == "tuple" || name == "object":
			line("<" + name + attributes + ">")
			depth++
		case text == "":
			leaf = "<" + name + "/>"
		default:
			leaf = "<" + name + attributes + ">" + text + "</" + name + ">"
		}
	}
	return out.Bytes()
}

// JSON returns the dictionary as JSON, keys sorted, without a final newline.
func (c *Computer) JSON() ([]byte, error) { return encodeJSON(c.fields(), "  ") }

// Resource returns what the resource file of a partition holds.
func (c *Computer) Resource(p *Partition) ([]byte, error) {
	return encodeJSON(p.fields(c.SoftwareUser), "    ")
}

func encodeJSON(v any, indentation string) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indentation)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return ascii(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

// ascii escapes what is not ASCII, as Python's json does.
func ascii(text []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(text) {
		switch {
		case r < 0x80:
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}
