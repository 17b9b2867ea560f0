//go:build linux

package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

// TestRepeatedCalls makes each call that changes something twice, at the masters
// of both releases of the reference and at ours: what is there after the second
// has to be what was there after the first, as the section "Repeating calls" of
// package slap promises.
func TestRepeatedCalls(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, version := range []string{testpeer.Documented, testpeer.Newest, ""} {
		t.Run(cmp.Or(version, "ours"), func(t *testing.T) {
			t.Parallel()
			master := ""
			if version == "" {
				master = proxytest.New(t).URL
			} else {
				master = testpeer.Get(t, version).StartProxy(t, computerID).URL
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			c, err := slap.New(master)
			require.NoError(t, err)
			defer c.CloseIdleConnections()
			repeat(ctx, t, c)
		})
	}
}

// repeated is a call, in the order in which they are made.
type repeated struct {
	name string
	do   func(ctx context.Context) error
	// adds tells that the second leaves something, and refused that it may be
	// answered with ErrNotFound.
	adds, refused bool
}

func repeat(ctx context.Context, t *testing.T, c *slap.Client) {
	(&proxytest.Master{Client: c}).Format(t, computerID, 4)
	(&proxytest.Master{Client: c}).Supply(t, computerID, releaseA)
	filter := slap.Parameters{"computer_guid": computerID}
	root, err := c.OpenOrder().Request(ctx, slap.Request{SoftwareRelease: releaseA, Reference: "root", Filter: filter})
	require.NoError(t, err)
	_, err = root.Request(ctx, slap.Request{SoftwareRelease: releaseA, Reference: "share", Shared: true, Filter: filter})
	require.NoError(t, err)
	require.NoError(t, root.Refresh(ctx))
	require.Len(t, root.SharedInstances(), 1)
	share := root.SharedInstances()[0].Reference
	child := slap.Request{SoftwareRelease: releaseA, Reference: "child", Filter: filter, Parameters: slap.Parameters{"a": "b"}}
	release := c.SoftwareRelease(releaseB).OnComputer(computerID)
	published := slap.Parameters{"url": "http://[fd00::1]/"}

	for _, call := range repeatedCalls(c, root, release, child, share, published) {
		first := call.do(ctx)
		if errors.Is(first, slap.ErrNotFound) && call.name != "Request" {
			t.Logf("%s: this master does not know it", call.name)
			continue
		}
		require.NoError(t, first, call.name)
		once := everything(ctx, t, c)
		time.Sleep(10 * time.Millisecond) // timestamps have fractions
		second := call.do(ctx)
		if !call.refused || !errors.Is(second, slap.ErrNotFound) {
			require.NoError(t, second, "%s again", call.name)
		}
		if diff := gocmp.Diff(once, everything(ctx, t, c)); (diff != "") != call.adds {
			t.Errorf("%s: what the second changed is %q", call.name, diff)
		}
	}
}

func repeatedCalls(c *slap.Client, root *slap.ComputerPartition, release *slap.SoftwareRelease, child slap.Request, share string, published slap.Parameters) []repeated {
	type do = func(context.Context) error
	supply := func(state slap.State) do {
		return func(ctx context.Context) error { return c.Supply().Supply(ctx, releaseB, computerID, state) }
	}
	order := func(state slap.State) do {
		return func(ctx context.Context) error {
			r := child
			r.Reference, r.State = "other", state
			_, err := c.OpenOrder().Request(ctx, r)
			return err
		}
	}
	with := func(f func(ctx context.Context, text string) error, text string) do {
		return func(ctx context.Context) error { return f(ctx, text) }
	}
	return []repeated{
		{name: "Supply", do: supply(slap.StateAvailable)},
		{name: "Building", do: release.Building},
		{name: "Available", do: release.Available},
		{name: "ReportError of a release", do: with(release.ReportError, "no space left")},
		{name: "Request", do: order("")},
		{name: "Request to stop", do: order(slap.StateStopped)},
		{name: "Request of a partition", do: func(ctx context.Context) error { _, err := root.Request(ctx, child); return err }},
		{name: "Started", do: root.Started},
		{name: "Stopped", do: root.Stopped},
		{name: "ReportError", do: with(root.ReportError, "it does not work")},
		{name: "ReportSharedError", do: func(ctx context.Context) error { return root.ReportSharedError(ctx, share, "no") }},
		{name: "SetConnectionParameters", do: func(ctx context.Context) error { return root.SetConnectionParameters(ctx, published) }},
		{name: "SetSharedConnectionParameters", do: func(ctx context.Context) error { return root.SetSharedConnectionParameters(ctx, share, published) }},
		{name: "SetRelatedInstances", do: func(ctx context.Context) error { return root.SetRelatedInstances(ctx, []string{"child", "share"}) }},
		{name: "Computer.Bang", do: with(c.Computer(computerID).Bang, "help")},
		{name: "Bang", do: with(root.Bang, "help"), adds: true},
		{name: "ReportUsage", do: func(ctx context.Context) error { return c.Computer(computerID).ReportUsage(ctx, []byte(usageReport)) }},
		{name: "Rename", do: with(root.Rename, "renamed"), refused: true},
		{name: "Request to destroy", do: order(slap.StateDestroyed)},
		{name: "Destroyed", do: c.PartitionReference(computerID, "slappart1").Destroyed},
		{name: "Supply to destroy", do: supply(slap.StateDestroyed)},
		{name: "Destroyed of a release", do: release.Destroyed, refused: true},
	}
}

// everything is what the master tells of the computer and its partitions.
func everything(ctx context.Context, t *testing.T, c *slap.Client) string {
	t.Helper()
	var b strings.Builder
	read := func(path string, query url.Values) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL()+path+"?"+query.Encode(), nil)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		fmt.Fprintln(&b, path, query, answer.StatusCode, string(body))
	}
	read("getFullComputerInformation", url.Values{"computer_id": {computerID}})
	for i := range 4 {
		read("registerComputerPartition", url.Values{
			"computer_reference": {computerID}, "computer_partition_reference": {fmt.Sprint("slappart", i)},
		})
	}
	return b.String()
}

const usageReport = `<?xml version="1.0" encoding="utf-8"?><journal><transaction type="Sale Packing List"><title>t</title>` +
	`<start_date>2026-01-01 00:00:00</start_date><stop_date>2026-01-02 00:00:00</stop_date><reference>r</reference>` +
	`<currency>EUR</currency><payment_mode/><category/><arrow type="Administration"><source/><destination/></arrow>` +
	`<movement><resource>service_module/x</resource><title>x</title><reference>COMP-1</reference><quantity>1.0</quantity>` +
	`<price>0.0</price><VAT/><category>None</category></movement></transaction></journal>`
