// Command slapos drives a SlapOS node and talks to a SlapOS master: the
// documented command lines, configuration files, messages and exit statuses,
// over the packages of this module.
//
// Each command is a file of its own and a thin call into a package; main.go and
// app.go are what they share. The exit statuses are in exit.go.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(run())
}

// run calls Main with what the operating system gave this process; an interrupt
// or a termination signal cancels the context.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Main(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
}
