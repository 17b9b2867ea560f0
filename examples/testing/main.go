// Testing shows how to test a program that uses a master. The program is small:
// it moves an instance to another software release, and waits until it is
// started again.
//
//	go run ./examples/testing -release https://example.org/web/software-2.cfg my-site
//
// What it teaches is in its tests, main_test.go, which need no network, no
// privileges and no time:
//
//   - a real master in memory, in one line, with nodes that are played
//     (package proxytest);
//
//   - a line to it that breaks (package slaptest), to see that the program does
//     the right thing when it cannot know whether the master acted;
//
//   - waiting without waiting (package testing/synctest).
//
//     go test -v ./examples/testing
//
// To be testable that way, a program takes its client as an argument, and reads
// arguments and environment in one place only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/slapos/slapos-go/slap"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testing:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("testing", flag.ContinueOnError)
	master := flags.String("master", "http://localhost:5000", "`URL` of the master")
	release := flags.String("release", "", "`URL` of the new software release")
	timeout := flags.Duration("timeout", time.Hour, "how long to wait in all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *release == "" || flags.NArg() != 1 {
		return errors.New("name the new software release with -release, and the instance")
	}
	client, err := slap.New(*master)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	return upgrade(ctx, client, flags.Arg(0), *release)
}

// attempts is how often a change is made whose outcome is not known.
const attempts = 5

// upgrade asks for another software release for an instance that exists, and
// waits until it has started with it.
func upgrade(ctx context.Context, client *slap.Client, reference, release string) error {
	now, err := client.OpenOrder().Information(ctx, reference)
	if err != nil {
		return err
	}
	wanted := slap.Request{
		SoftwareRelease: release, SoftwareType: now.SoftwareType, Reference: reference, Parameters: now.Parameters,
	}
	part, err := request(ctx, client, wanted)
	if err != nil {
		return fmt.Errorf("requesting %s: %w", reference, err)
	}
	_, err = slap.WaitReady(ctx, func(ctx context.Context) (slap.Status, error) {
		status, err := part.Status(ctx)
		if err == nil && !strings.HasPrefix(status.Text, "#access") {
			err = fmt.Errorf("%s: %w", status.Text, slap.ErrNotReady)
		}
		return status, err
	})
	return err
}

// request makes a request again as long as it is not known whether the master
// got it. That is safe: see the section on repeating calls in package slap.
func request(ctx context.Context, client *slap.Client, r slap.Request) (*slap.ComputerPartition, error) {
	for attempt := 1; ; attempt++ {
		part, err := slap.WaitReady(ctx, func(ctx context.Context) (*slap.ComputerPartition, error) {
			return client.OpenOrder().Request(ctx, r)
		})
		if !errors.Is(err, slap.ErrConnection) || attempt == attempts || ctx.Err() != nil {
			return part, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(time.Duration(attempt) * time.Second):
		}
	}
}
