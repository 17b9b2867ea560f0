package slapformat

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// parseRange reads the IPv6 range of a definition file: ADDRESS/LENGTH.
func parseRange(text string) (*Range, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || !prefix.Addr().Is6() {
		return nil, fmt.Errorf("ipv6_range %q is not IPV6ADDRESS/LENGTH", text)
	}
	mask, _ := netip.AddrFromSlice(net.CIDRMask(prefix.Bits(), 128))
	return &Range{
		Addr: prefix.Addr().String(), Netmask: mask.String(),
		Network: prefix.Masked().String(), PrefixLen: int64(prefix.Bits()),
	}, nil
}

var dataName = regexp.MustCompile(`^data(?:.*data)?(\d+)$`)

// dataDirectories lists the directories data1, data2... of a storage home in
// the order of their numbers.
func dataDirectories(home string) ([]string, error) {
	if home == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(home)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("instance_storage_home: %w", err)
	}
	numbers := map[string]int{}
	var dirs []string
	for _, entry := range entries {
		m := dataName.FindStringSubmatch(entry.Name())
		if m == nil || !entry.IsDir() {
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			continue // a number that long is nobody's
		}
		path := filepath.Join(home, entry.Name())
		numbers[path] = n
		dirs = append(dirs, path)
	}
	slices.SortStableFunc(dirs, func(a, b string) int { return numbers[a] - numbers[b] })
	return dirs, nil
}
