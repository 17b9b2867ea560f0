package slapformat_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapformat"

	"net/http/httptest"
)

func timeOf(t *testing.T) time.Time {
	t.Helper()
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
}

func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "slapformat-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	master, err := proxy.Open(ctx, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer master.Close()
	server := httptest.NewServer(master)
	defer server.Close()

	cfg := slapformat.Config{
		ComputerID: "computer", MasterURL: server.URL, PartitionAmount: 2,
		SoftwareRoot: filepath.Join(dir, "software"), InstanceRoot: filepath.Join(dir, "instances"),
		ComputerXML: filepath.Join(dir, "slapos.xml"),
	}
	if err := slapformat.Format(ctx, cfg, slapformat.Options{Host: newPlace(1000)}); err != nil {
		fmt.Println(err)
		return
	}
	client, err := slap.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	partitions, err := client.Computer("computer").Partitions(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, partition := range partitions {
		id, err := partition.ID()
		fmt.Println(id, err)
	}
	// Output:
	// slappart0 <nil>
	// slappart1 <nil>
}
