// Embed is a program with a master inside: the master is an http.Handler, so
// that it can be part of any server of net/http, beside pages of one's own. It
// keeps what it knows in a file, and forgets nothing when it is started again.
//
//	go run ./examples/embed -listen localhost:5000 -database /tmp/master.db
//
// Then, from elsewhere, use it as any master (http://localhost:5000), look at
// http://localhost:5000/status, and end it with Ctrl-C.
//
// It teaches how to open a master, how to give it its place in a server, how
// to call it from the same program, and how to end both in an orderly way. A
// master that is all there is to serve needs less: its method Serve.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, messages io.Writer) error {
	flags := flag.NewFlagSet("embed", flag.ContinueOnError)
	flags.SetOutput(messages)
	listen := flags.String("listen", "localhost:5000", "`address` to listen on; anybody who reaches it may do everything")
	database := flags.String("database", proxy.MemoryDatabase, "`file` to keep everything in")
	computer := flags.String("computer", "local_computer", "`identifier` of the computer that requests go to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(messages, nil))

	master, err := proxy.Open(ctx, *database, proxy.WithComputerID(*computer), proxy.WithLogger(log))
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, *listen, master, *computer, log), master.Close())
}

// serve serves the master and a page about it, until the context ends; then it
// completes what has begun.
func serve(ctx context.Context, address string, master *proxy.Server, computer string, log *slog.Logger) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String() + "/"
	client, err := slap.New(url) // a program calls its own master as others do
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer client.CloseIdleConnections()
	log.Info("listening", "url", url)

	mux := http.NewServeMux()
	mux.Handle("/", master)
	mux.Handle("GET /status", status(client.Computer(computer)))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	client.CloseIdleConnections()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return server.Shutdown(grace)
}

// status is the page.
func status(computer *slap.Computer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := computer.Refresh(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		partitions, err := computer.Partitions(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		free := 0
		for _, p := range partitions {
			if _, err := p.SoftwareRelease(); errors.Is(err, slap.ErrNotFound) {
				free++
			}
		}
		fmt.Fprintf(w, "%s: %d partitions, %d of them free\n", computer.ID(), len(partitions), free)
	}
}
