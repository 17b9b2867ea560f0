package proxy_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
)

// A master inside a program: any server of net/http can carry it.
func ExampleOpen() {
	ctx := context.Background()
	master, err := proxy.Open(ctx, proxy.MemoryDatabase, proxy.WithComputerID("node1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer master.Close()
	server := httptest.NewServer(master)
	defer server.Close()

	client, err := slap.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = client.Supply().Supply(ctx, "http://example.com/software.cfg", "node1", slap.StateAvailable)
	if err != nil {
		fmt.Println(err)
		return
	}
	releases, err := client.Computer("node1").SoftwareReleases(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, release := range releases {
		fmt.Println(release.URI(), release.State())
	}
	// Output: http://example.com/software.cfg available
}
