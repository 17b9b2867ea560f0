package proxytest_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNodeDoesWhatIsAskedFor(t *testing.T) {
	ctx := t.Context()
	m := proxytest.New(t, proxy.WithComputerID("computer"))
	m.Format(t, "computer", 4)
	m.Supply(t, "computer", release, release+"?old")
	node := m.Node("computer", proxytest.PublishURL)
	order := m.Client.OpenOrder()
	request := func(reference string, state slap.State, shared bool) *slap.ComputerPartition {
		p, err := order.Request(ctx, slap.Request{
			SoftwareRelease: release, Reference: reference, State: state, Shared: shared,
		})
		require.NoError(t, err)
		return p
	}
	text := func(p *slap.ComputerPartition) string {
		status, err := p.Status(ctx)
		require.NoError(t, err)
		return status.Text
	}
	running, stopped := request("running", "", false), request("stopped", slap.StateStopped, false)
	request("share", "", true)
	require.NoError(t, m.Client.Supply().Supply(ctx, release+"?old", "computer", slap.StateDestroyed))
	require.NoError(t, node.Pass(ctx))

	require.Equal(t, "#access Instance correctly started", text(running))
	require.Equal(t, "#access Instance correctly stopped", text(stopped))
	url, err := request("running", "", false).ConnectionParameter("url")
	require.NoError(t, err)
	require.Equal(t, "http://slappart0.computer.example/", url)
	url, err = request("share", "", true).ConnectionParameter("url")
	require.NoError(t, err)
	require.Contains(t, url, "http://slappart0.computer.example/")
	require.NotEqual(t, "http://slappart0.computer.example/", url)
	releases, err := m.Client.Computer("computer").SoftwareReleases(ctx)
	require.NoError(t, err)
	require.Len(t, releases, 1)

	request("running", slap.StateDestroyed, false)
	require.NoError(t, m.Node("computer", nil).Pass(ctx))
	require.NoError(t, running.Refresh(ctx))
	_, err = running.SoftwareRelease()
	require.ErrorIs(t, err, slap.ErrNotFound)
}

func TestNodeThatFails(t *testing.T) {
	m := proxytest.New(t)
	require.ErrorIs(t, m.Node("nobody", nil).Pass(t.Context()), slap.ErrNotFound)
	require.ErrorIs(t, m.Node("nobody", nil).Run(t.Context(), time.Hour), slap.ErrNotFound)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, m.Node("nobody", nil).Run(ctx, time.Hour))
	require.NoError(t, m.Node("nobody", nil).Run(ctx, 0))
}

func TestStart(t *testing.T) {
	_, err := proxytest.Start(proxy.WithComputerID(""))
	require.Error(t, err)
	m, err := proxytest.Start()
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close(), "a second time, as by defer")
	_, err = m.Client.Computer("computer").Partitions(t.Context())
	require.ErrorIs(t, err, slap.ErrConnection)
}
