//go:build linux

package interop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
)

// view looks at a master, whichever it is, through the client of this project.
type view struct{ client *slap.Client }

func newView(t *testing.T, url string) view {
	t.Helper()
	client, err := slap.New(url)
	require.NoError(t, err)
	t.Cleanup(client.CloseIdleConnections)
	return view{client}
}

// releases returns the states of the computer's software releases by URL.
func (v view) releases(t *testing.T) map[string]slap.State {
	t.Helper()
	releases, err := v.client.Computer(computerID).SoftwareReleases(t.Context())
	require.NoError(t, err)
	states := map[string]slap.State{}
	for _, release := range releases {
		states[release.URI()] = release.State()
	}
	return states
}

// partitions returns the computer's partitions.
func (v view) partitions(t *testing.T) []*slap.ComputerPartition {
	t.Helper()
	partitions, err := v.client.Computer(computerID).Partitions(t.Context())
	require.NoError(t, err)
	return partitions
}

// instance returns the partition that holds the instance of a title, or nil.
func (v view) instance(t *testing.T, title string) *slap.ComputerPartition {
	t.Helper()
	for _, p := range v.partitions(t) {
		if got, _ := p.InstanceParameters().String("instance_title"); got == title {
			return p
		}
	}
	return nil
}

// id returns the partition that an instance was put on.
func (v view) id(t *testing.T, title string) string {
	t.Helper()
	p := v.instance(t, title)
	require.NotNil(t, p, "no instance %s", title)
	id, err := p.ID()
	require.NoError(t, err)
	return id
}

// published returns the connection parameters of an instance.
func (v view) published(t *testing.T, title string) slap.Parameters {
	t.Helper()
	p := v.instance(t, title)
	require.NotNil(t, p, "no instance %s", title)
	return p.ConnectionParameters()
}
