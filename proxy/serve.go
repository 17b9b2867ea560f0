package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits bound what callers can make a Server hold, and for how long. Zero values
// mean the defaults. WithMaxBody bounds a single body.
type Limits struct {
	// Bodies bounds the bytes of large bodies, those over 64 KiB, that are held at
	// once; it is at least that of WithMaxBody. A call that finds no room waits, ten
	// seconds at most, and is then refused with 503 and a Retry-After.
	Bodies int64
	// Connections bounds the connections that Serve has open at once, idle ones
	// among them, over all listeners: 4096 by default. Those beyond wait, unanswered,
	// until another one is closed; a warning is logged, once an hour at most.
	Connections int
	// Header bounds the header of a call, in bytes.
	Header int
	// HeaderTimeout, ReadTimeout and WriteTimeout bound the parts of a call:
	// reading the header; reading header and body; from the header to the end of
	// the answer. IdleTimeout bounds the time between two calls of a connection.
	HeaderTimeout, ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// Shutdown is how long running calls may take once Serve ends.
	Shutdown time.Duration
	// Drain is how long Serve still accepts calls after its context ended, while
	// /readyz tells balancers to send no more. By default it is zero; Hurry ends it.
	Drain time.Duration
}

func limitsByDefault() Limits {
	return Limits{
		Bodies: 64 << 20, Connections: 4096, Header: 64 << 10,
		HeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, WriteTimeout: 120 * time.Second, IdleTimeout: 120 * time.Second,
		Shutdown: 10 * time.Second,
	}
}

// WithLimits changes the limits that are not zero.
func WithLimits(l Limits) Option {
	return func(c *config) error {
		if min(l.Bodies, int64(l.Connections), int64(l.Header), int64(l.HeaderTimeout), int64(l.ReadTimeout), int64(l.WriteTimeout),
			int64(l.IdleTimeout), int64(l.Shutdown), int64(l.Drain)) < 0 {
			return fmt.Errorf("a limit is negative: %+v", l)
		}
		now := &c.limits
		set(&now.Bodies, l.Bodies)
		set(&now.Connections, l.Connections)
		set(&now.Header, l.Header)
		set(&now.HeaderTimeout, l.HeaderTimeout)
		set(&now.ReadTimeout, l.ReadTimeout)
		set(&now.WriteTimeout, l.WriteTimeout)
		set(&now.IdleTimeout, l.IdleTimeout)
		set(&now.Shutdown, l.Shutdown)
		set(&now.Drain, l.Drain)
		return nil
	}
}

// set changes a limit unless the new one is zero.
func set[T int | int64 | time.Duration](limit *T, to T) {
	if to != 0 {
		*limit = to
	}
}

// Serve accepts connections of one or more listeners until ctx ends; it then
// refuses new ones, lets running calls finish, for as long as Limits.Shutdown, and
// returns nil. If a listener fails, it ends in the same way and returns the error.
// It closes the listeners, not the Server.
//
// With WithTLS connections are TLS, but for those of Unix sockets.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	if len(listeners) == 0 {
		return errors.New("proxy: there is no listener")
	}
	server := s.httpServer()
	var background sync.WaitGroup
	defer background.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	background.Go(func() { s.retainDaily(ctx) })
	background.Go(func() { s.destroyUnlinkedHourly(ctx) })
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		background.Go(func() {
			if err := s.accept(server, l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("proxy: %w", err)
				stop()
			}
		})
	}
	<-ctx.Done()
	s.stopping.Add(1)
	defer s.stopping.Add(-1)
	s.drain(failed)
	s.shutDown(server)
	background.Wait()
	close(failed)
	return <-failed
}

func (s *Server) httpServer() *http.Server {
	l := s.config.limits
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: l.HeaderTimeout,
		ReadTimeout:       l.ReadTimeout,
		WriteTimeout:      l.WriteTimeout,
		IdleTimeout:       l.IdleTimeout,
		MaxHeaderBytes:    l.Header,
		// What arrives here concerns the operator: no connection can be accepted.
		ErrorLog: slog.NewLogLogger(s.config.logger.Handler(), slog.LevelWarn),
	}
	if s.config.certificate != nil {
		server.TLSConfig = s.config.certificate.tlsConfig()
	}
	return server
}

// accept serves one listener until the server is shut down.
func (s *Server) accept(server *http.Server, l net.Listener) error {
	bounded := s.connections.bound(l)
	if s.config.certificate == nil || l.Addr().Network() == "unix" {
		return server.Serve(bounded)
	}
	return server.ServeTLS(bounded, "", "")
}

// Hurry ends, now and later, what is left of Limits.Drain: Serve refuses new
// connections and finishes running calls as soon as its context ends. It is for who
// tells a program twice to end.
func (s *Server) Hurry() { s.hurryOnce.Do(func() { close(s.hurry) }) }

// drain goes on serving for a while, unless a listener failed.
func (s *Server) drain(failed <-chan error) {
	if s.config.limits.Drain == 0 || len(failed) > 0 {
		return
	}
	timer := time.NewTimer(s.config.limits.Drain)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.hurry:
	}
}

// shutDown lets running calls finish and cuts off those that take too long.
func (s *Server) shutDown(server *http.Server) {
	grace, cancel := context.WithTimeout(context.Background(), s.config.limits.Shutdown)
	defer cancel()
	err := server.Shutdown(grace)
	if err == nil {
		return
	}
	s.config.logger.Warn("calls were cut off by the shutdown", "error", err)
	if err := server.Close(); err != nil {
		s.config.logger.Warn("closing connections failed", "error", err)
	}
}
