package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/slapos/slapos-go/internal/systemd"
	"github.com/slapos/slapos-go/proxy"
)

// serveAsService serves until ctx ends, and tells the service manager, if there is
// one, when calls are answered and when that ends.
func (a *app) serveAsService(ctx context.Context, server *proxy.Server, listeners []net.Listener) error {
	period, err := systemd.WatchdogPeriod(a.env, os.Getpid())
	if err != nil {
		a.log.Warn("the watchdog is not answered", "error", err)
	}
	ctx, stop := context.WithCancel(ctx)
	var telling sync.WaitGroup
	served := make(chan struct{})
	defer telling.Wait()
	defer stop()
	defer close(served)
	telling.Go(func() { hurry(ctx, server, served) })
	telling.Go(func() {
		a.notify(systemd.Ready)
		a.answerWatchdog(ctx, server, period)
		a.notify(systemd.Stopping)
	})
	return server.Serve(ctx, listeners...)
}

// hurry ends shutdown_delay if, after ctx ended, a second signal comes before all is
// served.
func hurry(ctx context.Context, server *proxy.Server, served <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-served:
		return
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(again)
	select {
	case <-again:
		server.Hurry()
	case <-served:
	}
}

// answerWatchdog tells that the master is alive, until ctx ends. A database that
// answers with an error is no reason to start again; one that does not answer is.
func (a *app) answerWatchdog(ctx context.Context, server *proxy.Server, period time.Duration) {
	if period == 0 {
		<-ctx.Done()
		return
	}
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		if err := server.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
			a.notify(systemd.Watchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// notify sends one message; a manager that does not take it stops nothing.
func (a *app) notify(message string) {
	if err := systemd.Notify(context.Background(), a.env, message); err != nil {
		a.log.Warn("the service manager was not told", "message", message, "error", err)
	}
}
