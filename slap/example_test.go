package slap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/tio"
)

// connect returns a client of a master of its own, and what ends both.
func connect() (client *slap.Client, done func()) {
	server := master()
	client, err := slap.New(server.URL)
	if err != nil {
		log.Fatal(err)
	}
	return client, func() {
		client.CloseIdleConnections()
		server.Close()
	}
}

// master starts a master that knows one computer and allocates an instance at
// the second time it is asked. A real one is in package proxy.
func master() *httptest.Server {
	const (
		allocated = `<marshal><object module="slapos.slap.slap" class="SoftwareInstance"><tuple/><dictionary>` +
			`<string>slap_computer_id</string><string>COMP-7</string>` +
			`<string>slap_computer_partition_id</string><string>slappart0</string>` +
			`<string>_connection_dict</string><dictionary><string>url</string><string>http://[fd00::2]:8080/</string></dictionary>` +
			`</dictionary></object></marshal>`
		products = `<marshal><list><string>https://example.org/kvm/software-2.cfg</string>` +
			`<string>https://example.org/kvm/software-1.cfg</string></list></marshal>`
	)
	requests := 0
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/requestComputerPartition":
			if requests++; requests == 1 {
				w.WriteHeader(http.StatusRequestTimeout)
				return
			}
			_, _ = io.WriteString(w, allocated)
		case "/supplySupply":
			if r.PostFormValue("computer_id") != "COMP-7" {
				http.NotFound(w, r)
			}
		case "/getFullComputerInformation":
			http.ServeFile(w, r, filepath.Join("testdata", "computer.xml"))
		case "/registerComputerPartition":
			http.ServeFile(w, r, filepath.Join("testdata", "partition.xml"))
		case "/getSoftwareReleaseListFromSoftwareProduct":
			_, _ = io.WriteString(w, products)
		}
	}))
}

func Example() {
	server := master()
	defer server.Close()
	ctx := context.Background()

	client, err := slap.New(server.URL, slap.WithTimeout(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	request := slap.Request{
		SoftwareRelease: "https://example.org/web/software.cfg",
		Reference:       "my-site",
		Parameters:      slap.Parameters{"title": "Hello"},
	}
	part, err := slap.WaitConnectionParameters(ctx, client.OpenOrder(), request, []string{"url"},
		slap.Interval(time.Millisecond, time.Second))
	if err != nil {
		log.Fatal(err)
	}
	url, err := part.ConnectionParameter("url")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(url)
	// Output: http://[fd00::2]:8080/
}

func ExampleNew() {
	client, err := slap.New("http://fd00::1/slapos",
		slap.WithKeyPair("/etc/slapos/certificate", "/etc/slapos/key"),
		slap.WithTimeout(30*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(client.URL())
	// Output: http://[fd00::1]/slapos/
}

func ExampleOpenOrder_Request() {
	client, done := connect()
	defer done()

	_, err := client.OpenOrder().Request(context.Background(), slap.Request{
		SoftwareRelease: "https://example.org/web/software.cfg", Reference: "my-site",
	})
	if pending, ok := errors.AsType[*slap.NotReadyError](err); ok {
		fmt.Println("not ready:", pending.Request.Reference)
	}
	// Output: not ready: my-site
}

func ExampleSupply_Supply() {
	client, done := connect()
	defer done()

	const release = "https://example.org/web/software.cfg"
	ctx := context.Background()
	fmt.Println(client.Supply().Supply(ctx, release, "COMP-7", slap.StateAvailable))
	err := client.Supply().Supply(ctx, release, "COMP-8", slap.StateAvailable)
	fmt.Println(errors.Is(err, slap.ErrNotFound))
	// Output:
	// <nil>
	// true
}

func ExampleComputer_Partitions() {
	client, done := connect()
	defer done()

	partitions, err := client.Computer("COMP-7").Partitions(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, part := range partitions {
		id, _ := part.ID()
		state, _ := part.State()
		fmt.Println(id, state, part.IPList())
	}
	// Output:
	// slappart0 started [{tap0 10.0.0.2} {tap0 fd00::2}]
	// slappart1 destroyed []
}

func ExampleClient_SoftwareProduct() {
	client, done := connect()
	defer done()

	release, err := client.SoftwareProduct(context.Background(), "kvm")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(release)
	// Output: https://example.org/kvm/software-2.cfg
}

func ExamplePartitionFromEnvironment() {
	server := master()
	defer server.Close()
	// The node agent sets these; a program passes os.Environ().
	environ := append(os.Environ(),
		"SLAPOS_MASTER_URL="+server.URL, "SLAPOS_COMPUTER_ID=COMP-7", "SLAPOS_PARTITION_ID=slappart0",
	)

	ctx := context.Background()
	client, part, err := slap.PartitionFromEnvironment(ctx, environ)
	if err != nil {
		log.Fatal(err)
	}
	defer client.CloseIdleConnections()
	quota, _ := part.InstanceParameters().String("quota")
	kind, _ := part.Type()
	fmt.Println("quota", quota, "type", kind)
	fmt.Println(part.SetConnectionParameters(ctx, slap.Parameters{"url": "postgres://[fd00::2]/"}))
	// Output:
	// quota 1.5 type postgres
	// <nil>
}

func ExampleWaitReady() {
	tries := 0
	answer, err := slap.WaitReady(context.Background(), func(context.Context) (string, error) {
		if tries++; tries < 3 {
			return "", slap.ErrNotReady
		}
		return fmt.Sprint("ready after ", tries), nil
	}, slap.Interval(time.Millisecond, time.Millisecond))
	fmt.Println(answer, err)
	// Output: ready after 3 <nil>
}

// A node reports what its partitions used: each report is checked, and all of them
// become one journal.
func ExampleComputer_ReportUsage() {
	client, done := connect()
	defer done()

	ctx := context.Background()
	computer := client.Computer("COMP-7")
	partitions, err := computer.Partitions(ctx)
	if err != nil {
		log.Fatal(err)
	}
	// An agent reads this from a file in the partition.
	partitions[0].SetUsage(`<consumption><movement><resource>disk</resource><reference>me</reference>` +
		`<quantity>12.5</quantity><price>0.0</price><VAT/></movement></consumption>`)
	partitions[1].SetUsage(`<consumption><movement><resource>disk</resource></movement></consumption>`)

	var usages []tio.Usage
	for _, p := range partitions {
		id, err := p.ID()
		if err != nil {
			log.Fatal(err)
		}
		report, err := tio.ParseConsumption(strings.NewReader(p.Usage()))
		if err != nil {
			fmt.Printf("%s: %v\n", id, err)
			continue
		}
		usages = append(usages, tio.Usage{Partition: id, Report: report})
	}
	journal := tio.Aggregate(computer.ID(), time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC), usages)
	var document bytes.Buffer
	if err := tio.Encode(&document, journal); err != nil {
		log.Fatal(err)
	}
	fmt.Println(computer.ReportUsage(ctx, document.Bytes()))
	// Output:
	// slappart1: line 1, column 14: /consumption/movement[1]: movement lacks quantity, price, VAT (missing-element)
	// <nil>
}
