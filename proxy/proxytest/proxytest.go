// Package proxytest starts a real master in memory for tests of programs that
// talk to one, and plays the nodes:
//
//	master := proxytest.New(t)
//	master.Format(t, "computer", 3)
//	master.Supply(t, "computer", "https://example.org/web/software.cfg")
//
// Here a request gets one of the three partitions. What the node agent would do
// then is done by a [Node]: it builds, starts and publishes, in a moment and
// without any software.
//
//	err := master.Node("computer", proxytest.PublishURL).Pass(ctx)
//
// Each master is empty at first, and knows nothing of others, so that tests may
// run in parallel. Package slap/slaptest breaks the line between a program and
// its master.
package proxytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
)

// Master is a running master with an empty database in memory. It may be used
// by several goroutines.
type Master struct {
	// URL is its address, with a final slash.
	URL string
	// Client calls it. Its HATEOAS address is set.
	Client *slap.Client
	// Server is the master itself, for example for slaptest.Handler.
	Server *proxy.Server

	transport *http.Transport
	stop      context.CancelFunc
	served    chan error
}

// New starts a master on a loopback port. It is stopped when the test ends. A
// test that cannot have one fails.
func New(tb testing.TB, opts ...proxy.Option) *Master {
	tb.Helper()
	m, err := Start(opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	return m
}

// Start is [New] where there is no test, as in examples and in TestMain. Close
// must be called.
func Start(opts ...proxy.Option) (*Master, error) {
	server, err := proxy.Open(context.Background(), proxy.MemoryDatabase, opts...)
	if err != nil {
		return nil, fmt.Errorf("start a master: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a master: %w", err), server.Close())
	}
	m := &Master{
		URL: "http://" + listener.Addr().String() + "/", Server: server,
		transport: &http.Transport{}, served: make(chan error, 1),
	}
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	go func() { m.served <- server.Serve(ctx, listener) }()
	m.Client, err = slap.New(m.URL, slap.WithHateoasURL(m.URL+"hateoas/"), slap.WithTransport(m.transport))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("client of the master: %w", err), m.Close())
	}
	return m, nil
}

// Close stops a master that Start started, and forgets what it knew.
func (m *Master) Close() error {
	m.transport.CloseIdleConnections()
	m.stop()
	return errors.Join(<-m.served, m.Server.Close())
}

// Format declares a computer with n partitions, slappart0 and on, each with an
// IPv4 and an IPv6 address; see [Node.Format].
func (m *Master) Format(tb testing.TB, computerID string, n int) {
	tb.Helper()
	if err := m.Node(computerID, nil).Format(context.Background(), n); err != nil {
		tb.Fatal(err)
	}
}

// Supply offers software releases on a computer, as an operator does, and has
// the master know that they are built there.
func (m *Master) Supply(tb testing.TB, computerID string, releases ...string) {
	tb.Helper()
	ctx := context.Background()
	for _, release := range releases {
		if err := m.Client.Supply().Supply(ctx, release, computerID, slap.StateAvailable); err != nil {
			tb.Fatal(err)
		}
		if err := m.Client.SoftwareRelease(release).OnComputer(computerID).Available(ctx); err != nil {
			tb.Fatal(err)
		}
	}
}
