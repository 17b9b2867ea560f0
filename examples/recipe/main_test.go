package main

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

const release = "https://example.org/database/software.cfg"

// instantiate runs the program as the agent does.
func instantiate(t *testing.T, master *proxytest.Master, partition string) (string, error) {
	var out strings.Builder
	err := run(t.Context(), []string{
		"SLAPOS_MASTER_URL=" + master.URL, "SLAPOS_COMPUTER_ID=COMP-1", "SLAPOS_PARTITION_ID=" + partition,
	}, &out)
	return out.String(), err
}

func TestRecipe(t *testing.T) {
	master := proxytest.New(t, proxy.WithComputerID("COMP-1"))
	master.Format(t, "COMP-1", 2)
	request := slap.Request{SoftwareRelease: release, Reference: "my-data", Parameters: slap.Parameters{"database": "wiki"}}
	_, err := master.Client.OpenOrder().Request(t.Context(), request)
	require.NoError(t, err)

	out, err := instantiate(t, master, "slappart0")
	require.NoError(t, err)
	require.Contains(t, out, "not ready yet")
	_, err = instantiate(t, master, "slappart1")
	require.NoError(t, err)
	out, err = instantiate(t, master, "slappart0")
	require.NoError(t, err)
	require.Contains(t, out, "publishing postgres://10.0.0.1:5432/wiki")

	root, err := master.Client.OpenOrder().Request(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, slap.Parameters{"url": "postgres://10.0.0.1:5432/wiki"}, root.ConnectionParameters())
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	require.ErrorContains(t, run(context.Background(), nil, nil), "SLAPOS_MASTER_URL is not set")

	master := proxytest.New(t, proxy.WithComputerID("COMP-1"))
	master.Format(t, "COMP-1", 1)
	_, err := instantiate(t, master, "slappart7")
	require.ErrorIs(t, err, slap.ErrNotFound)
	_, err = master.Client.OpenOrder().Request(t.Context(), slap.Request{SoftwareRelease: release, Reference: "alone"})
	require.NoError(t, err)
	_, err = instantiate(t, master, "slappart0")
	require.ErrorContains(t, err, "requesting the database")
}
