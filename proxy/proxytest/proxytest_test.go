package proxytest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/slaptest"
)

const release = "http://sr.example/software.cfg"

func TestLifeOfAService(t *testing.T) {
	ctx := t.Context()
	m := proxytest.New(t)
	m.Format(t, "computer", 3)
	require.NoError(t, m.Client.Supply().Supply(ctx, release, "computer", slap.StateAvailable))
	node := m.Client.Computer("computer")
	releases, err := node.SoftwareReleases(ctx)
	require.NoError(t, err)
	require.Len(t, releases, 1)
	require.NoError(t, releases[0].Building(ctx))
	require.NoError(t, releases[0].Available(ctx))

	_, err = m.Client.OpenOrder().Request(ctx, slap.Request{
		SoftwareRelease: release, Reference: "svc", Parameters: slap.Parameters{"port": 80, "name": "é"},
	})
	require.NoError(t, err)
	p, err := m.Client.ComputerPartition(ctx, "computer", "slappart0")
	require.NoError(t, err)
	state, err := p.State()
	require.NoError(t, err)
	require.Equal(t, slap.StateStarted, state)
	v, err := p.InstanceParameter("port")
	require.NoError(t, err)
	require.Equal(t, "80", v)

	child, err := p.Request(ctx, slap.Request{SoftwareRelease: release, Reference: "child"})
	require.NoError(t, err)
	id, err := child.ID()
	require.NoError(t, err)
	require.Equal(t, "slappart1", id)
	require.NoError(t, child.SetConnectionParameters(ctx, slap.Parameters{"url": "http://x/"}))
	require.NoError(t, child.Started(ctx))
	child, err = p.Request(ctx, slap.Request{SoftwareRelease: release, Reference: "child"})
	require.NoError(t, err)
	url, err := child.ConnectionParameter("url")
	require.NoError(t, err)
	require.Equal(t, "http://x/", url)

	_, err = m.Client.OpenOrder().Request(ctx, slap.Request{SoftwareRelease: release, Reference: "svc", State: slap.StateDestroyed})
	require.NoError(t, err)
	require.NoError(t, p.Destroyed(ctx))
	require.NoError(t, child.Destroyed(ctx))
	require.NoError(t, p.Destroyed(ctx))
	require.NoError(t, node.Refresh(ctx))
	partitions, err := node.Partitions(ctx)
	require.NoError(t, err)
	for _, p := range partitions {
		_, err := p.SoftwareRelease()
		require.ErrorIs(t, err, slap.ErrNotFound)
	}
}

func TestCloseMayComeTwice(t *testing.T) {
	m := proxytest.New(t) // closes once more at the end
	m.Format(t, "computer", 1)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	_, err := m.Client.Computer("computer").Partitions(t.Context())
	require.ErrorIs(t, err, slap.ErrConnection)
}

func TestMasterAroundAClient(t *testing.T) {
	m := &proxytest.Master{Client: proxytest.New(t).Client}
	m.Format(t, "computer", 1)
	m.Supply(t, "computer", release)
	require.NoError(t, m.Node("computer", nil).Pass(t.Context()))
	require.ErrorContains(t, m.Node("computer", nil).Format(t.Context(), -1), "-1 partitions")
	require.NoError(t, m.Close())
}

// Who starts with a computer of another name is told why nothing is found.
func TestWhatIsMissingIsTold(t *testing.T) {
	m := proxytest.New(t)
	m.Format(t, "node1", 1)
	request := slap.Request{SoftwareRelease: release, Reference: "svc"}
	_, err := m.Client.OpenOrder().Request(t.Context(), request)
	require.ErrorIs(t, err, slap.ErrNotFound)
	require.ErrorContains(t, err, "computer_guid")
	request.Filter = slap.Parameters{"computer_guid": "node1"}
	_, err = m.Client.OpenOrder().Request(t.Context(), request)
	require.NoError(t, err)
	request.Reference = "another"
	_, err = m.Client.OpenOrder().Request(t.Context(), request)
	require.ErrorIs(t, err, slap.ErrNotFound)
	require.NotContains(t, err.Error(), "computer_guid")

	_, err = m.Client.TreeInstances(t.Context(), "svc")
	require.ErrorIs(t, err, slap.ErrServer)
	require.ErrorContains(t, err, "stand-alone masters have no such list")
	_, err = m.Client.SoftwareInstallations(t.Context(), "node1")
	require.ErrorContains(t, err, "stand-alone masters have no such list")
}

func TestInABubbleTimeTakesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := proxytest.NewInProcess(t)
		m.Format(t, "computer", 1)
		_, err := m.Client.OpenOrders(t.Context())
		require.NoError(t, err)
		line := slaptest.New(slaptest.Handler(m.Server), slaptest.Delay(30*time.Second))
		client, err := slap.New(m.URL, slap.WithTransport(line))
		require.NoError(t, err)
		start := time.Now()
		_, err = client.Computer("computer").Partitions(t.Context())
		require.NoError(t, err)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}
