package proxytest_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

// A test has a master in a line: it is stopped when the test ends.
func ExampleNew() {
	_ = func(t *testing.T) {
		master := proxytest.New(t)
		master.Format(t, "computer", 3)
		master.Supply(t, "computer", "https://example.org/web/software.cfg")

		_, err := master.Client.OpenOrder().Request(t.Context(), slap.Request{
			SoftwareRelease: "https://example.org/web/software.cfg", Reference: "my-site",
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// The life of an instance, with a node that is played.
func ExampleNode() {
	ctx := context.Background()
	master, err := proxytest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer master.Close()
	node := master.Node("COMP-1", proxytest.PublishURL)
	if err := node.Format(ctx, 3); err != nil {
		log.Fatal(err)
	}
	order := master.Client.OpenOrder()
	request := slap.Request{
		SoftwareRelease: "https://example.org/web/software.cfg", Reference: "my-site",
		Filter: slap.Parameters{"computer_guid": "COMP-1"},
	}
	if _, err := order.Request(ctx, request); err != nil {
		log.Fatal(err)
	}

	if err := node.Pass(ctx); err != nil {
		log.Fatal(err)
	}
	site, err := order.Request(ctx, request)
	if err != nil {
		log.Fatal(err)
	}
	status, err := site.Status(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(site.ConnectionParameters(), status.Text)

	request.State = slap.StateDestroyed
	if _, err := order.Request(ctx, request); err != nil {
		log.Fatal(err)
	}
	if err := node.Pass(ctx); err != nil {
		log.Fatal(err)
	}
	if err := site.Refresh(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = site.SoftwareRelease()
	fmt.Println(err)
	// Output:
	// map[url:http://slappart0.COMP-1.example/] #access Instance correctly started
	// partition: no software release for partition slappart0
}

// A program that destroys an instance waits until the master knows it no more.
func ExampleNode_Pass() {
	ctx := context.Background()
	master, err := proxytest.Start(proxy.WithComputerID("COMP-1"))
	if err != nil {
		log.Fatal(err)
	}
	defer master.Close()
	node := master.Node("COMP-1", nil)
	if err := node.Format(ctx, 1); err != nil {
		log.Fatal(err)
	}
	order := master.Client.OpenOrder()
	request := slap.Request{SoftwareRelease: "https://example.org/web/software.cfg", Reference: "my-site"}
	for _, state := range []slap.State{slap.StateStarted, slap.StateDestroyed} {
		request.State = state
		if _, err := order.Request(ctx, request); err != nil {
			log.Fatal(err)
		}
	}

	_, err = slap.WaitReady(ctx, func(ctx context.Context) (*slap.Instance, error) {
		instance, err := order.Information(ctx, request.Reference)
		if err == nil {
			err = fmt.Errorf("%s is still there, wanted %s: %w", instance.Reference, instance.State, slap.ErrNotReady)
		}
		return instance, err
	}, slap.Interval(time.Millisecond, time.Second), slap.OnWait(func(missing error, _ time.Duration) {
		fmt.Println(missing)
		if err := node.Pass(ctx); err != nil {
			log.Fatal(err)
		}
	}))
	fmt.Println("gone:", errors.Is(err, slap.ErrNotFound))
	// Output:
	// my-site is still there, wanted destroyed: not ready
	// gone: true
}

// A node that is always at work, for programs that wait until something is
// ready.
func ExampleNode_Run() {
	ctx, cancel := context.WithCancel(context.Background())
	master, err := proxytest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer master.Close()
	node := master.Node("COMP-1", proxytest.PublishURL)
	if err := node.Format(ctx, 3); err != nil {
		log.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx, 10*time.Millisecond) }()

	site, err := slap.WaitConnectionParameters(ctx, master.Client.OpenOrder(), slap.Request{
		SoftwareRelease: "https://example.org/web/software.cfg", Reference: "my-site",
		Filter: slap.Parameters{"computer_guid": "COMP-1"},
	}, []string{"url"}, slap.Interval(time.Millisecond, 100*time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(site.ConnectionParameter("url"))
	cancel()
	fmt.Println(<-done)
	// Output:
	// http://slappart0.COMP-1.example/ <nil>
	// <nil>
}
