//go:build linux

package interop

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
)

// schemas are what each release of the reference reads.
var schemas = map[string]int{testpeer.Documented: proxy.Schema14, testpeer.Newest: proxy.Schema18}

// serveOurs serves a database by our master until the test ends or stop is called.
func serveOurs(t *testing.T, database string, opts ...proxy.Option) (url string, stop func()) {
	t.Helper()
	server, err := proxy.Open(t.Context(), database, append(opts, proxy.WithComputerID(computerID))...)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-served)
			require.NoError(t, server.Close())
		}
	}
	t.Cleanup(stop)
	return "http://" + listener.Addr().String() + "/", stop
}

// site are two computers with a tree on both, another tree, and shared instances.
// What it returns are the places of the instances by their titles.
func site(t *testing.T, url string) map[string]string {
	t.Helper()
	ctx := t.Context()
	client, err := slap.New(url)
	require.NoError(t, err)
	for computer, address := range map[string]string{computerID: "10.0.0", "COMP-2": "10.0.1"} {
		var partitions []any
		for i := range 6 {
			partitions = append(partitions, map[string]any{
				"reference": fmt.Sprintf("%s-part%d", strings.ToLower(computer), i), "tap": map[string]any{"name": fmt.Sprint("tap", i)},
				"address_list": []any{map[string]any{"addr": fmt.Sprint(address, ".", i), "netmask": "255.255.255.255"}},
			})
		}
		document, err := marshal.Marshal(map[string]any{
			"reference": computer, "address": "127.0.0.1", "netmask": "255.0.0.0", "partition_list": partitions,
		})
		require.NoError(t, err)
		require.NoError(t, client.Computer(computer).UpdateConfiguration(ctx, document))
		require.NoError(t, client.Supply().Supply(ctx, "http://example.org/é.cfg", computer, slap.StateAvailable))
	}
	require.NoError(t, client.Supply().Supply(ctx, "http://example.org/gone.cfg", computerID, slap.StateDestroyed))
	return requestSite(t, url)
}

// requestSite requests all instances of the site, in order.
func requestSite(t *testing.T, url string) map[string]string {
	t.Helper()
	ctx := t.Context()
	client, err := slap.New(url)
	require.NoError(t, err)
	places := map[string]string{}
	for _, r := range []struct {
		by, title, state, computer, value string
		shared                            bool
	}{
		{title: "root", value: "<é&\">"},
		{by: "root", title: "child", value: "x"},
		{by: "child", title: "grandchild", state: "stopped"},
		{by: "root", title: "far", computer: "COMP-2"},
		{title: "other", state: "stopped"},
		{by: "other", title: "other child"},
		{title: "slave of a person", shared: true, value: "1"},
		{by: "root", title: "slave", shared: true, value: "2"},
		{by: "child", title: "slave of child", shared: true, value: "3"},
	} {
		request := slap.Request{
			SoftwareRelease: "http://example.org/é.cfg", SoftwareType: "default", Reference: r.title, Shared: r.shared,
			Parameters: slap.Parameters{"value": r.value}, State: slap.State(r.state), Filter: slap.Parameters{},
		}
		if r.computer != "" {
			request.Filter["computer_guid"] = r.computer
		}
		var got *slap.ComputerPartition
		if r.by == "" {
			got, err = client.OpenOrder().Request(ctx, request)
		} else {
			by := strings.SplitN(places[r.by], " ", 2)
			asker, askerErr := client.ComputerPartition(ctx, by[0], by[1])
			require.NoError(t, askerErr)
			got, err = asker.Request(ctx, request)
		}
		require.NoError(t, err, r.title)
		id, err := got.ID()
		require.NoError(t, err)
		places[r.title] = got.ComputerID() + " " + id
		if !r.shared && r.title != "far" {
			require.NoError(t, got.SetConnectionParameters(ctx, slap.Parameters{"url": "http://" + id}))
		}
	}
	return places
}

// answer is what a master tells about a computer, without what only ours tells.
func answer(t *testing.T, url, computer string) any {
	t.Helper()
	response, err := http.Get(url + "getFullComputerInformation?computer_id=" + computer)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, 200, response.StatusCode, "%s", body)
	v, err := marshal.Unmarshal(body)
	require.NoError(t, err)
	return plain(v)
}

// onlyOurs are attributes that the reference, or its older release, does not have.
var onlyOurs = map[string]bool{
	"_access_status": true, "_known_state": true, "_filter_dict": true,
	"slap_computer_id": true, "slap_computer_partition_id": true, "slap_software_release_url": true,
}

func plain(v any) any {
	switch v := v.(type) {
	case *marshal.Object:
		return plain(v.Attributes())
	case *marshal.Dict:
		m := map[any]any{}
		for key, value := range v.All() {
			if name, _ := key.(string); !onlyOurs[name] {
				m[key] = plain(value)
			}
		}
		return m
	case *marshal.List:
		return plainAll(v.Items)
	case marshal.Tuple:
		return plainAll(v)
	}
	return v
}

func plainAll(items []any) []any {
	out := []any{}
	for _, item := range items {
		out = append(out, plain(item))
	}
	return out
}

// The reference serves what we export with the same answers, and finds the same
// instances; and we serve what it leaves.
func TestTheyServeOurExport(t *testing.T) {
	for version, schema := range schemas {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			peer := testpeer.Get(t, version)
			dir := t.TempDir()
			database, exported := filepath.Join(dir, "ours.db"), filepath.Join(dir, "theirs.db")
			url, stop := serveOurs(t, database)
			places := site(t, url)
			require.Equal(t, places, requestSite(t, url))
			notes, err := proxy.Export(t.Context(), database, exported, proxy.ExportOptions{Schema: schema, ComputerID: computerID})
			require.NoError(t, err)
			require.Empty(t, notes)

			theirs := peer.ServeDatabase(t, computerID, exported)
			want := map[string]any{}
			for _, computer := range []string{computerID, "COMP-2"} {
				want[computer] = answer(t, url, computer)
				got := answer(t, theirs.URL, computer)
				if schema == proxy.Schema14 {
					// Keys of shared instances begin with the partition that asked.
					got = replaced(got, strings.NewReplacer(strings.Split(places["root"], " ")[1]+"_slave", "root_slave",
						strings.Split(places["child"], " ")[1]+"_slave", "root_slave"))
				}
				require.Empty(t, cmp.Diff(want[computer], got), theirs.Output())
			}
			if schema == proxy.Schema18 {
				require.Equal(t, shownBy(t, peer, theirs), shownByUs(t, exported))
			}
			require.Equal(t, places, requestSite(t, theirs.URL), theirs.Output())
			stop()
			left := map[string]any{}
			for _, computer := range []string{computerID, "COMP-2"} {
				left[computer] = answer(t, theirs.URL, computer)
			}
			theirs.Stop()

			url, _ = serveOurs(t, exported)
			for _, computer := range []string{computerID, "COMP-2"} {
				if schema == proxy.Schema18 {
					require.Empty(t, cmp.Diff(left[computer], answer(t, url, computer)))
				}
			}
			require.Equal(t, places, requestSite(t, url))
		})
	}
}

// replaced replaces texts anywhere in a value.
func replaced(v any, r *strings.Replacer) any {
	switch v := v.(type) {
	case string:
		return r.Replace(v)
	case []any:
		for i := range v {
			v[i] = replaced(v[i], r)
		}
	case map[any]any:
		for key := range v {
			v[key] = replaced(v[key], r)
		}
	}
	return v
}

// shownBy is what the reference's command prints of a database.
func shownBy(t *testing.T, peer *testpeer.Peer, p *testpeer.Proxy) string {
	t.Helper()
	out, err := peer.Command(t.Context(), "slapos", "proxy", "show", "--cfg", p.ConfigFile).Output()
	require.NoError(t, err)
	return string(out)
}

func shownByUs(t *testing.T, database string) string {
	t.Helper()
	var out strings.Builder
	require.NoError(t, proxy.Show(t.Context(), &out, database, proxy.ShowOptions{}))
	return out.String()
}

// Pointed at a database of ours, the reference answers nothing and destroys
// nothing.
func TestTheyLeaveOurDatabase(t *testing.T) {
	for version := range schemas {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			peer := testpeer.Get(t, version)
			database := filepath.Join(t.TempDir(), "ours.db")
			url, stop := serveOurs(t, database)
			places := site(t, url)
			stop()
			before, err := os.ReadFile(database)
			require.NoError(t, err)
			theirs := peer.ServeDatabase(t, computerID, database)
			for _, path := range []string{"getFullComputerInformation?computer_id=" + computerID, "hateoas/", ""} {
				for range 2 {
					response, err := http.Get(theirs.URL + path)
					require.NoError(t, err)
					require.NoError(t, response.Body.Close())
					require.GreaterOrEqual(t, response.StatusCode, 400)
				}
			}
			theirs.Stop()
			after, err := os.ReadFile(database)
			require.NoError(t, err)
			require.Equal(t, before, after)
			url, _ = serveOurs(t, database)
			require.Equal(t, places, requestSite(t, url))
		})
	}
}
