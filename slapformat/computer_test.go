package slapformat

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

// example is the computer of testdata/computer.xml, which a node of the
// reference wrote.
func example() *Computer {
	text := func(s string) *string { return &s }
	return &Computer{
		Reference: "COMP-1234", Address: text("2001:db8:0:1::1"), Netmask: text("ffff:ffff:ffff:ffff::"),
		SoftwareRoot: "/opt/slapgrid", InstanceRoot: "/srv/slapgrid", SoftwareUser: "slapsoft",
		Interface: &Interface{Name: "eth0", IPv4LocalNetwork: "10.0.0.0/16", IPv6Interface: "eth0", IPv6PrefixShift: 16},
		TapIPv6:   true, PartitionHasRange: true, PublicIPv4Address: text("203.0.113.7"),
		OSType:        `["Linux-6.1.0-13-amd64-x86_64-with-glibc2.36", "debian", "12", "Debian GNU/Linux"]`,
		PythonVersion: "3.11.7", Version: "1.26.1",
		Partitions: []Partition{{
			Reference: "slappart0", Path: "/srv/slapgrid/slappart0", User: "slapuser0",
			Addresses: []Address{{"10.0.135.96", "255.255.255.255"}, {"2001:db8:0:1::2", "ffff:ffff:ffff:ffff::"}},
			Range: &Range{
				Addr: "2001:db8:0:1:4001::", Netmask: "ffff:ffff:ffff:ffff:ffff::", Network: "2001:db8:0:1:4001::/80", PrefixLen: 80,
			},
			Tap: Link{
				Name: "slaptap0", IPv6Addr: "2001:db8:0:1:8001:ffff:ffff:ffff", IPv6Gateway: "2001:db8:0:1:8001::1",
				IPv6Netmask: "ffff:ffff:ffff:ffff:ffff::", IPv6Network: "2001:db8:0:1:8001::1/80",
			},
			Tun: &Link{
				Name: "slaptun0", IPv4Addr: "172.16.0.1", IPv4Netmask: "255.240.0.0", IPv4Network: "172.16.0.1/255.240.0.0",
				IPv6Addr: "2001:db8:0:1:c001::1", IPv6Netmask: "ffff:ffff:ffff:ffff:ffff::", IPv6Network: "2001:db8:0:1:c001::1/80",
			},
		}},
	}
}

func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(text)
}

func TestFileFormIsTheReferences(t *testing.T) {
	text, err := example().MarshalFile()
	require.NoError(t, err)
	require.Equal(t, golden(t, "computer.xml"), string(text))
}

func TestWireForm(t *testing.T) {
	wire, err := example().MarshalWire()
	require.NoError(t, err)
	require.NotContains(t, string(wire), "\n")
	require.Contains(t, string(wire), "<string>ipv4_gateway</string><string></string>")
	fromWire, err := marshal.Unmarshal(wire)
	require.NoError(t, err)
	fromFile, err := marshal.Unmarshal([]byte(golden(t, "computer.xml")))
	require.NoError(t, err)
	a, err := marshal.Native(fromWire)
	require.NoError(t, err)
	b, err := marshal.Native(fromFile)
	require.NoError(t, err)
	require.Equal(t, b, a)
}

func TestFileFormOfOddTexts(t *testing.T) {
	c := example()
	c.SoftwareUser = "a&b <é> \"c\"\n"
	file, err := c.MarshalFile()
	require.NoError(t, err)
	value, err := marshal.Unmarshal(file)
	require.NoError(t, err)
	native, err := marshal.Native(value)
	require.NoError(t, err)
	require.Equal(t, c.SoftwareUser, native.(map[string]any)["software_user"])
}

func TestResourceFileIsTheReferences(t *testing.T) {
	c := example()
	c.Partitions[0].Tun = nil
	text, err := c.Resource(&c.Partitions[0])
	require.NoError(t, err)
	require.Equal(t, strings.TrimSuffix(golden(t, "resource.json"), "\n"), string(text))
}

func TestRestoreKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{
		ComputerID: "COMP-1234", MasterURL: "http://127.0.0.1/", SoftwareRoot: "/elsewhere", InstanceRoot: "/elsewhere",
		ComputerXML: filepath.Join(dir, "slapos.xml"), PartitionAmount: 2, InterfaceName: "eth0", IPv4LocalNetwork: "10.0.0.0/16",
		IPv6PrefixShift: 16, TapIPv6: true, PartitionHasIPv6Range: true,
	}
	require.NoError(t, os.WriteFile(cfg.ComputerXML, []byte(golden(t, "computer.xml")), 0o600))
	c, err := Load(cfg)
	require.NoError(t, err)
	want := example()
	require.Equal(t, want.Partitions[0], c.Partitions[0])
	require.Equal(t, "/srv/slapgrid", c.InstanceRoot, "the state file wins")
	require.Equal(t, "/srv/slapgrid/slappart1", c.Partitions[1].Path)
	require.Equal(t, "slapuser1", c.Partitions[1].User)

	cfg.PartitionAmount = 0
	_, err = Load(cfg)
	require.ErrorContains(t, err, "Requested amount of computer partitions (0) is lower than already configured (1), cannot continue")
}

func TestBrokenStateFile(t *testing.T) {
	for name, text := range map[string]string{
		"not XML":            "hello",
		"no dictionary":      "<marshal><string>a</string></marshal>",
		"no partitions":      `<marshal><dictionary id="i2"><string>address</string><none/><string>netmask</string><none/></dictionary></marshal>`,
		"climbing reference": strings.Replace(golden(t, "computer.xml"), "<string>slappart0</string>", "<string>../x</string>", 1),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{
				ComputerID: "c", MasterURL: "u", SoftwareRoot: "/s", InstanceRoot: "/i",
				ComputerXML: filepath.Join(t.TempDir(), "slapos.xml"), PartitionAmount: 1,
			}
			require.NoError(t, os.WriteFile(cfg.ComputerXML, []byte(text), 0o600))
			_, err := Load(cfg)
			require.ErrorContains(t, err, cfg.ComputerXML)
			left, err := os.ReadFile(cfg.ComputerXML)
			require.NoError(t, err)
			require.Equal(t, text, string(left))
		})
	}
}

func FuzzRestore(f *testing.F) {
	text, err := os.ReadFile("testdata/computer.xml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.ReplaceAll(text, []byte("string"), []byte("unicode")))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Computer
		if c.restore(text) != nil {
			return
		}
		for i := range c.Partitions {
			if err := checkReference(c.Partitions[i].Reference); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkMarshalWire(b *testing.B) {
	c := example()
	for range 9 {
		c.Partitions = append(c.Partitions, c.Partitions...)
	}
	for b.Loop() {
		if _, err := c.MarshalWire(); err != nil {
			b.Fatal(err)
		}
	}
}
