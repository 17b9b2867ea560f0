// Webrelease is a software release written in Go: the software/instantiate
// program of the quick start. A root instance requests a web server and a page
// on it; the web server instance writes a service, a promise and a usage
// report into its partition, as any recipe would, and publishes its address.
//
// The services and promises it writes call this same program with a word:
//
//	instantiate               deploy the partition described by the environment
//	instantiate serve DIR ADDRESS   serve the pages of DIR
//	instantiate check URL     exit 0 if URL answers
//	instantiate usage DIR FILE      write how many pages were served to FILE
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Environ())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "webrelease:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args, environ []string) error {
	switch {
	case len(args) == 0:
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		return instantiate(ctx, environ)
	case len(args) == 3 && args[0] == "serve":
		return serve(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "check":
		return check(ctx, args[1])
	case len(args) == 3 && args[0] == "usage":
		return usage(args[1], args[2])
	}
	return fmt.Errorf("do not know how to %q: run it without arguments in a partition, or with serve, check or usage", args)
}
