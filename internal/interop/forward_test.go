//go:build linux

package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

// TestForwarding has a master of either kind forward requests to one of the other,
// with both releases of the reference: those for releaseA as a person's, those for
// releaseB on behalf of the partition part0 of the other.
func TestForwarding(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, version := range testpeer.Versions() {
		peer := testpeer.Get(t, version)
		t.Run("ours to "+version, func(t *testing.T) {
			t.Parallel()
			forwards(t, peer.StartProxy(t, "other").URL, func(t *testing.T, other, alias string) string {
				return proxytest.New(t, proxy.WithMultimaster(
					proxy.OtherMaster{URL: other, Releases: []string{releaseA}},
					proxy.OtherMaster{URL: alias, Releases: []string{releaseB}, Computer: "other", Partition: "part0"},
				)).URL
			})
		})
		t.Run(version+" to ours", func(t *testing.T) {
			t.Parallel()
			forwards(t, proxytest.New(t, proxy.WithComputerID("other")).URL, func(t *testing.T, other, alias string) string {
				return peer.StartProxyWith(t, "computer", fmt.Sprintf(
					"\n[multimaster/%s]\nsoftware_release_list =\n  %s\n\n[multimaster/%s]\nsoftware_release_list =\n  %s\ncomputer = other\npartition = part0\n",
					other, releaseA, alias, releaseB)).URL
			})
		})
	}
}

// forwards asks a master that forwards to another, and looks at both.
func forwards(t *testing.T, other string, start func(t *testing.T, other, alias string) string) {
	url := start(t, other, strings.TrimSuffix(other, "/"))
	ctx := t.Context()
	there, err := slap.New(other)
	require.NoError(t, err)
	here, err := slap.New(url)
	require.NoError(t, err)
	require.NoError(t, there.Computer("other").UpdateConfiguration(ctx, layout(t, "other", 4)))
	_, err = there.OpenOrder().Request(ctx, slap.Request{SoftwareRelease: releaseB, Reference: "host", SoftwareType: "t"})
	require.NoError(t, err)

	request := slap.Request{SoftwareRelease: releaseA, Reference: "x", SoftwareType: "t", Parameters: slap.Parameters{"a": "é<&"}}
	first, err := here.OpenOrder().Request(ctx, request)
	require.NoError(t, err)
	id, err := first.ID()
	require.NoError(t, err)
	require.Equal(t, "other/part1", first.ComputerID()+"/"+id)
	part, err := there.ComputerPartition(ctx, "other", "part1")
	require.NoError(t, err)
	require.Equal(t, "é<&", part.InstanceParameters()["a"])
	require.NoError(t, part.SetConnectionParameters(ctx, slap.Parameters{"url": "http://it.example/"}))

	again, err := here.OpenOrder().Request(ctx, request)
	require.NoError(t, err)
	got, err := again.ConnectionParameter("url")
	require.NoError(t, err)
	require.Equal(t, "http://it.example/", got)

	asPartition, err := here.OpenOrder().Request(ctx, slap.Request{SoftwareRelease: releaseB, Reference: "y", SoftwareType: "t"})
	require.NoError(t, err)
	id, err = asPartition.ID()
	require.NoError(t, err)
	require.Equal(t, "other/part2", asPartition.ComputerID()+"/"+id)

	byFilter, err := here.OpenOrder().Request(ctx, slap.Request{
		SoftwareRelease: "http://release.example/c/software.cfg", Reference: "z", SoftwareType: "t", Filter: slap.Parameters{"master_url": other},
	})
	require.NoError(t, err)
	id, err = byFilter.ID()
	require.NoError(t, err)
	require.Equal(t, "other/part3", byFilter.ComputerID()+"/"+id)

	request.State = slap.StateDestroyed
	_, err = here.OpenOrder().Request(ctx, request)
	require.NoError(t, err)
	part, err = there.ComputerPartition(ctx, "other", "part1")
	require.NoError(t, err)
	state, err := part.State()
	require.NoError(t, err)
	require.Equal(t, slap.StateDestroyed, state)
}

// layout describes a computer with n partitions, part0 and on.
func layout(t *testing.T, computer string, n int) []byte {
	t.Helper()
	var partitions []any
	for i := range n {
		partitions = append(partitions, map[string]any{
			"reference": fmt.Sprintf("part%d", i), "tap": map[string]any{"name": "tap"},
			"address_list": []any{map[string]any{"addr": fmt.Sprintf("10.0.0.%d", i), "netmask": "255.255.255.255"}},
		})
	}
	document, err := marshal.Marshal(map[string]any{
		"reference": computer, "address": "127.0.0.1", "netmask": "255.255.255.255", "partition_list": partitions,
	})
	require.NoError(t, err)
	return document
}
