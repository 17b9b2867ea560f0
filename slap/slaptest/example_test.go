package slaptest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/slaptest"
)

// A program asks a real master in memory for an instance. The connection breaks
// after the master acted, so that the program cannot know whether it did. It
// asks again, which is safe: the instance is there once.
func Example() {
	ctx := context.Background()
	master, err := proxytest.Start(proxy.WithComputerID("COMP-1"))
	if err != nil {
		log.Fatal(err)
	}
	defer master.Close()
	if err := master.Node("COMP-1", nil).Format(ctx, 3); err != nil {
		log.Fatal(err)
	}

	line := slaptest.New(slaptest.Handler(master.Server),
		slaptest.CutAfter().OnPath("requestComputerPartition").Once())
	client, err := slap.New("http://localhost/", slap.WithTransport(line))
	if err != nil {
		log.Fatal(err)
	}
	request := slap.Request{SoftwareRelease: "https://example.org/web/software.cfg", Reference: "my-site"}
	_, err = client.OpenOrder().Request(ctx, request)
	fmt.Println("connection error:", errors.Is(err, slap.ErrConnection))
	site, err := client.OpenOrder().Request(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(site.ID())

	for _, call := range line.Calls() {
		fmt.Println(call)
	}
	// Output:
	// connection error: true
	// slappart0 <nil>
	// POST /requestComputerPartition (cut after): read tcp: read: connection reset by peer
	// POST /requestComputerPartition: 200
}

// A handler of one's own stands for the master where the test is about its
// answers.
func ExampleHandler() {
	line := slaptest.New(slaptest.Handler(http.NotFoundHandler()))
	client, err := slap.New("http://localhost/", slap.WithTransport(line))
	if err != nil {
		log.Fatal(err)
	}
	err = client.Supply().Supply(context.Background(), "https://example.org/web/software.cfg", "COMP-1", slap.StateAvailable)
	fmt.Println(errors.Is(err, slap.ErrNotFound))
	fmt.Println(line.CallsTo("supplySupply")[0].Field("computer_id"))
	// Output:
	// true
	// COMP-1
}
