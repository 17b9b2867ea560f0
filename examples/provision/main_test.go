package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/slapos/slapos-go/proxy/proxytest"
)

const release = "https://example.org/web/software.cfg"

// cluster is a master with two nodes at work.
func cluster(t *testing.T) *proxytest.Master {
	master := proxytest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	var nodes errgroup.Group
	for _, computer := range []string{"node1", "node2"} {
		node := master.Node(computer, proxytest.PublishURL)
		require.NoError(t, node.Format(ctx, 2))
		nodes.Go(func() error { return node.Run(ctx, 10*time.Millisecond) })
	}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, nodes.Wait())
	})
	return master
}

func TestProvision(t *testing.T) {
	master := cluster(t)
	for range 2 { // the second time all is there already
		var out, problems strings.Builder
		code := run(t.Context(), []string{
			"-master", master.URL, "-release", release, "-instances", "2", "-poll", "20ms", "node1", "node2",
		}, &out, &problems)
		require.Zero(t, code, &problems)
		require.Empty(t, problems.String())
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 5)
		require.Equal(t, []string{"REFERENCE", "COMPUTER", "PARTITION", "URL"}, strings.Fields(lines[0]))
		for i, reference := range []string{"node1-0", "node1-1", "node2-0", "node2-1"} {
			fields := strings.Fields(lines[i+1])
			require.Equal(t, reference, fields[0])
			require.Equal(t, "http://"+fields[2]+"."+fields[1]+".example/", fields[3])
		}
	}
}

func TestNotAllIsReady(t *testing.T) {
	master := cluster(t)
	var out, problems strings.Builder
	code := run(t.Context(), []string{
		"-master", master.URL, "-release", release, "-instances", "3", "-poll", "20ms", "node1",
	}, &out, &problems)
	require.Equal(t, 1, code)
	require.Equal(t, 1, strings.Count(out.String(), "not ready"), "there are two partitions")
	require.Contains(t, problems.String(), "provision: node1-")
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-release", release}, {"node1"}, {"-nonsense"}, {"-release", release, "-master", "ftp://x", "node1"},
	} {
		var out, problems strings.Builder
		require.Equal(t, 2, run(t.Context(), args, &out, &problems), args)
		require.NotEmpty(t, problems.String())
	}
}
