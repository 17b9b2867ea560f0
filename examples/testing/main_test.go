package main

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/slaptest"
)

const (
	oldRelease = "https://example.org/web/software-1.cfg"
	newRelease = "https://example.org/web/software-2.cfg"
)

// The simplest test: a real master on a socket, for the program as a whole.
func TestProgram(t *testing.T) {
	master := proxytest.New(t, proxy.WithComputerID("node1"))
	master.Format(t, "node1", 1)
	_, err := master.Client.OpenOrder().Request(t.Context(), slap.Request{SoftwareRelease: oldRelease, Reference: "my-site"})
	require.NoError(t, err)
	require.NoError(t, master.Node("node1", proxytest.PublishURL).Pass(t.Context()))

	require.NoError(t, run(t.Context(), []string{"-master", master.URL, "-release", newRelease, "my-site"}))

	site, err := master.Client.ComputerPartition(t.Context(), "node1", "slappart0")
	require.NoError(t, err)
	release, err := site.SoftwareRelease()
	require.NoError(t, err)
	require.Equal(t, newRelease, release.URI())
}

// site is a master without a socket that has an instance, a line to it that can
// be broken, and a client on that line. The client may be used in a bubble of
// synctest, where pauses take no time.
func site(t *testing.T) (*slaptest.Transport, *slap.Client) {
	master := proxytest.NewInProcess(t, proxy.WithComputerID("node1"))
	line := slaptest.New(slaptest.Handler(master.Server))
	client, err := slap.New(master.URL, slap.WithTransport(line))
	require.NoError(t, err)

	master.Format(t, "node1", 1)
	_, err = client.OpenOrder().Request(t.Context(), slap.Request{
		SoftwareRelease: oldRelease, Reference: "my-site", Parameters: slap.Parameters{"title": "Hello"},
	})
	require.NoError(t, err)
	require.NoError(t, master.Node("node1", nil).Pass(t.Context()))
	line.Reset() // what was called so far is not what the test is about
	return line, client
}

// What goes wrong here must change nothing in the end, nor in what was asked
// for.
func TestUpgradeUnderFaults(t *testing.T) {
	for name, fault := range map[string]slaptest.Fault{
		"slow line":                   slaptest.Delay(30 * time.Second),
		"connection refused":          slaptest.Refuse().First(2),
		"request lost":                slaptest.CutBefore().OnPath("requestComputerPartition").First(2),
		"answer lost":                 slaptest.CutAfter().OnPath("requestComputerPartition").First(2),
		"half of the answer":          slaptest.Truncate(100).OnPath("requestComputerPartition").Once(),
		"no place yet":                slaptest.Status(http.StatusRequestTimeout, "").OnPath("requestComputerPartition").First(10),
		"front end without a master":  slaptest.Status(http.StatusBadGateway, "").OnMethod(http.MethodGet).First(2),
		"instance that takes a while": slaptest.Garble("<marshal><string>#building</string></marshal>").OnPath("getComputerPartitionStatus").First(3),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, client := site(t)
				line.Inject(fault)
				require.NoError(t, upgrade(t.Context(), client, "my-site", newRelease))
				require.Empty(t, line.Unused(), "the fault struck nothing")

				line.Reset()
				part, err := client.ComputerPartition(t.Context(), "node1", "slappart0")
				require.NoError(t, err)
				release, err := part.SoftwareRelease()
				require.NoError(t, err)
				require.Equal(t, newRelease, release.URI())
				title, _ := part.InstanceParameters().String("title")
				require.Equal(t, "Hello", title)
			})
		})
	}
}

// A master that refuses is not asked again.
func TestRefusal(t *testing.T) {
	line, client := site(t)
	line.Inject(slaptest.Status(http.StatusForbidden, "not yours").OnPath("requestComputerPartition"))
	err := upgrade(t.Context(), client, "my-site", newRelease)
	require.ErrorIs(t, err, slap.ErrAuthentication)
	require.ErrorContains(t, err, "not yours")
	require.Len(t, line.CallsTo("requestComputerPartition"), 1)

	line.Reset()
	require.ErrorIs(t, upgrade(t.Context(), client, "unknown", newRelease), slap.ErrNotFound)
	require.Empty(t, line.CallsTo("requestComputerPartition"), "an instance was made by mistake")
}

// A program ends when it is told to, and says what it waited for.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line, client := site(t)
		line.Inject(slaptest.Status(http.StatusRequestTimeout, "").OnPath("requestComputerPartition"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		err := upgrade(ctx, client, "my-site", newRelease)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, slap.ErrNotReady)
	})
}

func TestCommandLine(t *testing.T) {
	for _, args := range [][]string{{"-nonsense"}, {"my-site"}, {"-release", newRelease}} {
		require.Error(t, run(t.Context(), args))
	}
}
