// Package proxytest starts a real master in memory for tests of programs that
// talk to one.
//
//	master := proxytest.New(t)
//	master.Format(t, "computer", 3)
//	err := master.Client.Supply().Supply(ctx, url, "computer", slap.StateAvailable)
package proxytest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
)

// Master is a running master with an empty database in memory.
type Master struct {
	// URL is its address, with a final slash.
	URL string
	// Client calls it. Its HATEOAS address is set.
	Client *slap.Client
	// Server is the master itself.
	Server *proxy.Server
}

// New starts a master on a loopback port. It is stopped when the test ends. A
// test that cannot have one fails.
func New(tb testing.TB, opts ...proxy.Option) *Master {
	tb.Helper()
	server, err := proxy.Open(context.Background(), proxy.MemoryDatabase, opts...)
	if err != nil {
		tb.Fatalf("start a master: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("start a master: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()

	transport := &http.Transport{}
	url := "http://" + listener.Addr().String() + "/"
	client, err := slap.New(url, slap.WithHateoasURL(url+"hateoas/"), slap.WithTransport(transport))
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			tb.Errorf("master: %v", err)
		}
		if err := server.Close(); err != nil {
			tb.Errorf("close the master: %v", err)
		}
	})
	if err != nil {
		tb.Fatalf("client of the master: %v", err)
	}
	return &Master{URL: url, Client: client, Server: server}
}

// Format declares a computer with n partitions, slappart0 and on, each with an
// IPv4 and an IPv6 address.
func (m *Master) Format(tb testing.TB, computerID string, n int) {
	tb.Helper()
	partitions := make([]any, n)
	for i := range partitions {
		partitions[i] = map[string]any{
			"reference": fmt.Sprintf("slappart%d", i),
			"path":      fmt.Sprintf("/srv/slapgrid/slappart%d", i),
			"tap":       map[string]any{"name": fmt.Sprintf("tap%d", i)},
			"address_list": []any{
				map[string]any{"addr": fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255), "netmask": "255.255.255.255"},
				map[string]any{"addr": fmt.Sprintf("fd00::%x", i+1), "netmask": "ffff:ffff:ffff:ffff::"},
			},
		}
	}
	xml, err := marshal.Marshal(map[string]any{
		"reference": computerID, "address": "127.0.0.1", "netmask": "255.255.255.255", "partition_list": partitions,
	})
	if err != nil {
		tb.Fatalf("format %s: %v", computerID, err)
	}
	if err := m.Client.Computer(computerID).UpdateConfiguration(context.Background(), xml); err != nil {
		tb.Fatalf("format %s: %v", computerID, err)
	}
}
