package proxy

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
	"github.com/slapos/slapos-go/slap"
)

// A master that is told so keeps busy partitions that are no longer listed: nodes are
// not told of them and nothing new gets there, until they are listed again.
func TestBusyPartitionsAreKept(t *testing.T) {
	m := newMaster(t, WithFormatAsRealMaster())
	ctx := t.Context()
	m.layout("computer", 4)
	m.place(asking{title: "A"})
	m.place(asking{title: "B"})
	require.Equal(t, "computer/p0", m.place(asking{title: "s", shared: true}))
	told := func() string {
		body, err := m.computerBody(ctx, Principal{}, "computer")
		require.NoError(t, err)
		return string(body)
	}
	node := func(call func() error) int {
		status, _ := statusOf(call())
		return status
	}
	read := func() error { _, err := m.partitionBody(ctx, Principal{}, "computer", "p0"); return err }
	require.Contains(t, told(), "<string>p0</string>")
	require.NoError(t, read())

	list := func(references ...string) {
		c := computerConfiguration{reference: "computer"}
		for _, r := range references {
			c.partitions = append(c.partitions, partitionConfiguration{reference: r})
		}
		require.NoError(t, m.format(ctx, Principal{}, c))
	}
	require.Empty(t, m.changes([]string{"computer/p0", "computer/p1"}, func() { list("p1") }))
	kept := m.at("computer/p0")
	require.True(t, kept.Hidden)
	require.Equal(t, "A", kept.Instance.Title)
	require.NotContains(t, told(), "<string>p0</string>")
	require.Equal(t, 404, node(read))
	panel := view[shownComputer](t, m.server, "computer?computer=computer&q=hidden")
	require.Len(t, panel.Partitions.Rows, 1)
	require.True(t, panel.Partitions.Rows[0].Instance.Hidden)
	require.Equal(t, 404, node(func() error { return m.rename(ctx, Principal{}, "computer", "p2", "x") }), "it was free")
	_, err := m.ask(asking{title: "C"})
	require.Error(t, err, "what is hidden is not free")
	require.Equal(t, "computer/p0", m.place(asking{title: "A"}), "the instance is there")
	require.Equal(t, "computer/p0", m.place(asking{title: "s", shared: true}), "nor does a shared one move")
	require.Equal(t, "computer/p1", m.place(asking{title: "new", shared: true}))
	_, err = m.ask(asking{title: "newer", shared: true, filter: map[string]any{"instance_guid": "computer-p0"}})
	require.Error(t, err)
	require.NoError(t, m.store.Check(ctx))

	list("p1") // nothing new
	require.Empty(t, m.changes([]string{"computer/p0", "computer/p1"}, func() { list("p1", "p0") }))
	require.False(t, m.at("computer/p0").Hidden)
	require.Contains(t, told(), "<string>p0</string>")
	require.NoError(t, read())

	list("p1")
	m.place(asking{title: "A", state: "destroyed"})
	answer, err := m.destroyed(ctx, Principal{}, "computer", "p0")
	require.NoError(t, err)
	require.Equal(t, "OK", answer)
	require.Equal(t, 404, node(read), "it goes with its instance")
	require.NoError(t, m.store.Check(ctx))
}

// Without the option, what was kept by another start is deleted or shown again.
func TestHiddenPartitionsWithoutTheOption(t *testing.T) {
	m := newMaster(t, WithFormatAsRealMaster())
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	m.place(asking{title: "B"})
	m.layout("computer", 0)
	require.True(t, m.at("computer/p0").Hidden)
	m.formatAsReal = false
	m.layout("computer", 1)
	require.False(t, m.at("computer/p0").Hidden)
	_, err := m.destroyed(t.Context(), Principal{}, "computer", "p1")
	require.Error(t, err)
}

// configuration is what a node posts: one partition, whose tap has a route.
func configuration(t *testing.T) []byte {
	xml, err := marshal.Marshal(map[string]any{
		"reference": "computer", "address": "10.0.0.1", "netmask": "255.0.0.0",
		"partition_list": []any{map[string]any{
			"reference": "slappart0",
			"tap": map[string]any{
				"name": "slaptap0", "ipv4_addr": "10.42.0.7", "ipv4_gateway": "10.42.0.1",
				"ipv4_netmask": "255.255.0.0", "ipv4_network": "10.42.0.0",
			},
			"address_list": []any{map[string]any{"addr": "10.0.0.2", "netmask": "255.255.255.255"}},
		}},
	})
	require.NoError(t, err)
	return xml
}

// The client reads the route of a tap as from a real master, if the master is told
// to tell it, and never in the list of the others.
func TestRoutes(t *testing.T) {
	plain := slap.NetworkAddress{Name: "slaptap0", Address: "10.0.0.2"}
	route := slap.NetworkAddress{Name: "route_slaptap0", Address: "10.42.0.7"}
	for _, test := range []struct {
		name    string
		opts    []Option
		routed  []slap.RoutedAddress
		hosting []slap.NetworkAddress
	}{
		{"as the reference's proxy", nil, nil, []slap.NetworkAddress{plain}},
		{
			"as a real master", []Option{WithFormatAsRealMaster()},
			[]slap.RoutedAddress{{NetworkAddress: route, Gateway: "10.42.0.1", Netmask: "255.255.0.0", Network: "10.42.0.0"}},
			[]slap.NetworkAddress{plain, route},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := t.Context()
			s := httptest.NewServer(newMaster(t, test.opts...).server)
			defer s.Close()
			c, err := slap.New(s.URL)
			require.NoError(t, err)
			require.NoError(t, c.Computer("computer").UpdateConfiguration(ctx, configuration(t)))
			asked, err := c.OpenOrder().Request(ctx, slap.Request{SoftwareRelease: releaseA, Reference: "A"})
			require.NoError(t, err)
			p, err := c.ComputerPartition(ctx, "computer", "slappart0")
			require.NoError(t, err)
			for _, p := range []*slap.ComputerPartition{asked, p} {
				require.Equal(t, []slap.NetworkAddress{plain}, p.IPList())
				require.Equal(t, test.routed, p.FullIPList())
			}
			hosting, err := p.HostingIPAddresses(ctx)
			require.NoError(t, err)
			require.Equal(t, test.hosting, hosting)
		})
	}
}

// In the JSON API an address brings its gateway itself.
func TestRoutesOfTheJSONAPI(t *testing.T) {
	for _, kept := range []bool{false, true} {
		m := newMaster(t)
		m.formatAsReal = kept
		in := `{"computer_guid": "computer", "compute_partition_list": [{"partition_id": "p0", "ip_list": [` +
			`{"ip-address": "10.0.0.2", "netmask": "255.255.255.255", "network-interface": "tap"},` +
			`{"ip-address": "10.42.0.7", "netmask": "255.255.0.0", "network-interface": "route_tap", "gateway-ip-address": "10.42.0.1", "network-address": "10.42.0.0"}]}]}`
		w := sendJSON(m.server, "put.v0.compute_node_format", in)
		require.Equal(t, 200, w.Code, w.Body)
		m.place(asking{title: "A"})
		shown, err := placed(m.at("computer/p0"))
		require.NoError(t, err)
		full, _ := shown.Get("full_ip_list")
		want := marshal.NewList()
		if kept {
			want.Items = append(want.Items, marshal.Tuple{"route_tap", "10.42.0.7", "10.42.0.1", "255.255.0.0", "10.42.0.0"})
		}
		require.Equal(t, want, full)
	}
}

// What the reference has no place for is named when it is exported.
func TestExportOfHiddenPartitionsAndRoutes(t *testing.T) {
	dir := t.TempDir()
	path, exported := filepath.Join(dir, "ours.db"), filepath.Join(dir, "theirs.db")
	s, err := Open(t.Context(), path, WithFormatAsRealMaster())
	require.NoError(t, err)
	m := &testMaster{t: t, master: s.master}
	require.NoError(t, m.format(t.Context(), Principal{}, computerConfiguration{reference: "computer", partitions: []partitionConfiguration{
		{reference: "p0", addresses: []store.Address{{Interface: "route_tap", Address: "10.42.0.7", Netmask: "255.255.0.0", Gateway: "10.42.0.1"}}},
	}}))
	m.place(asking{title: "A"})
	m.layout("computer", 0)
	require.NoError(t, s.Close())
	var shown strings.Builder
	require.NoError(t, Show(t.Context(), &shown, path, ShowOptions{Partitions: true}))
	require.Regexp(t, `p0 +computer +hidden`, strings.ReplaceAll(shown.String(), "|", " "))

	notes, err := Export(t.Context(), path, exported, ExportOptions{})
	require.NoError(t, err)
	require.Len(t, notes, 2)
	require.Contains(t, fmt.Sprint(notes), "is hidden")
	require.Contains(t, fmt.Sprint(notes), "without gateway and network")
	d := readRows(t, exported)
	require.Equal(t, "busy", d.Partitions[0].SlapState)
	require.Equal(t, "10.42.0.7", d.Addresses[0].Address)
}
