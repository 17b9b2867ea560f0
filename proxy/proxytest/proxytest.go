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
// As any stand-alone master it has one computer of its own, to which requests go
// that name none in their filter (computer_guid). It is called "computer";
// [proxy.WithComputerID] names another.
//
// Each master is empty at first, and knows nothing of others, so that tests may
// run in parallel. Package slap/slaptest breaks the line between a program and
// its master. In a bubble of testing/synctest use [NewInProcess].
package proxytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/slaptest"
)

// Master is a running master with an empty database in memory. It may be used
// by several goroutines.
//
// A test that starts its master in another way may make one around a client of
// it, &Master{Client: client}: Format, Supply and Node need no more.
type Master struct {
	// URL is its address, with a final slash; see NewInProcess.
	URL string
	// Client calls it. Its HATEOAS address is set.
	Client *slap.Client
	// Server is the master itself, for example for slaptest.Handler.
	Server *proxy.Server

	// stop ends what Start started, and is nil if it did not.
	stop func() error
}

// New starts a master on a loopback port. It is stopped when the test ends. A
// test that cannot have one fails.
func New(tb testing.TB, opts ...proxy.Option) *Master {
	tb.Helper()
	m, err := Start(opts...)
	if err != nil {
		tb.Fatal(err)
	}
	m.closeWith(tb)
	return m
}

// NewInProcess is [New] without a socket: Client calls Server, and URL is for other
// clients with the transport slaptest.Handler(Server). A test in a bubble of
// testing/synctest starts its master so, in the bubble: with New it hangs, because
// time does not pass there while a goroutine waits for a socket, and a master from
// outside must not be called at all.
func NewInProcess(tb testing.TB, opts ...proxy.Option) *Master {
	tb.Helper()
	server, err := proxy.Open(context.Background(), proxy.MemoryDatabase, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	m := &Master{URL: "http://localhost/", Server: server, stop: sync.OnceValue(server.Close)}
	m.closeWith(tb)
	m.Client, err = slap.New(m.URL, slap.WithHateoasURL(m.URL+"hateoas/"), slap.WithTransport(slaptest.Handler(server)))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// closeWith closes the master when a test ends.
func (m *Master) closeWith(tb testing.TB) {
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
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
	m := &Master{URL: "http://" + listener.Addr().String() + "/", Server: server}
	transport := &http.Transport{}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	m.stop = sync.OnceValue(func() error {
		transport.CloseIdleConnections()
		cancel()
		return errors.Join(<-served, server.Close())
	})
	m.Client, err = slap.New(m.URL, slap.WithHateoasURL(m.URL+"hateoas/"), slap.WithTransport(transport))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("client of the master: %w", err), m.Close())
	}
	return m, nil
}

// Close stops the master, and forgets what it knew. A test may call it to see a
// program lose its master: one that [New] started is not stopped again when the
// test ends. Later calls return what the first did.
func (m *Master) Close() error {
	if m.stop == nil {
		return nil
	}
	return m.stop()
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
