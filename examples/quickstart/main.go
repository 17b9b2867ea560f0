// Quickstart plays the whole life of a service on this machine, with nothing
// installed but Go: a master, a node, a software release, an instance with a
// child and a shared instance, a page fetched over HTTP, a usage report, and
// the removal of everything.
//
//	go run ./examples/quickstart
//
// It works in a temporary directory that it removes at the end, also when it
// is interrupted.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/slapos/slapos-go/internal/supervise"
)

// superviseWord makes this program the supervisor of the node: the node starts
// it again with this word and the path of a configuration file.
const superviseWord = "supervise"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 2 && args[0] == superviseWord {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		return supervise.Run(ctx, supervise.Options{ConfigFile: args[1], Logger: log})
	}
	if len(args) != 0 {
		return fmt.Errorf("unexpected arguments %q: the quick start takes none", args)
	}
	return quickstart(ctx, os.Stdout)
}
