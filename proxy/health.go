package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/slapos/slapos-go/proxy/internal/promtext"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// Paths for those who watch over the master.
const (
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	metricsPath = "/metrics"
)

// isOperation tells whether serveOperation answers a path.
func isOperation(path string) bool {
	return path == healthPath || path == readyPath || path == metricsPath
}

// serveOperation answers health, readiness and metrics. The first two tell
// nothing, so that any name and any caller will do.
func (s *Server) serveOperation(w http.ResponseWriter, r *http.Request) error {
	if answered, err := allow(w, r, http.MethodGet); answered || err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	switch r.URL.Path {
	case healthPath:
		return writeBody(w, "text/plain; charset=utf-8", []byte("ok\n"))
	case readyPath:
		return s.serveReady(w, r)
	}
	if err := s.checkBrowser(r); err != nil {
		return err
	}
	if !s.mayWatch(r) {
		return &Error{
			Status:  http.StatusForbidden,
			Message: "The metrics are for callers on this machine, or with an address that is configured, and not through a proxy",
		}
	}
	return writeBody(w, promtext.ContentType, s.writeMetrics(r.Context()))
}

func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) error {
	text := "ok\n"
	if err := s.Ready(r.Context()); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = "the database does not answer\n"
		if errors.Is(err, errStopping) {
			text = "shutting down\n"
		}
	}
	return writeBody(w, "text/plain; charset=utf-8", []byte(text))
}

// WithMetricsFrom lets callers with addresses of the given networks read /metrics,
// besides those of this machine. It tells the names of the computers.
func WithMetricsFrom(networks ...netip.Prefix) Option {
	return func(c *config) error {
		c.metricsFrom = append(c.metricsFrom, networks...)
		return nil
	}
}

// forwardingHeaders are those that reverse proxies add: behind one, the address of
// a connection says nothing of the caller.
var forwardingHeaders = []string{
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Real-Ip", "Via",
}

// mayWatch tells whether a caller may read the metrics.
func (s *Server) mayWatch(r *http.Request) bool {
	if r.Context().Value(relayedKey{}) != nil {
		return false
	}
	for _, name := range forwardingHeaders {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	if _, local := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr); local {
		return true
	}
	address, ok := addressOf(r.RemoteAddr)
	return ok && (address.IsLoopback() || within(s.config.metricsFrom, address))
}

const (
	// healthPeriod is how long an answer of the database counts.
	healthPeriod = time.Second
	// healthTimeout is how long it may take.
	healthTimeout = 2 * time.Second
)

// errStopping tells that the server is shutting down.
var errStopping = errors.New("shutting down")

// health remembers whether the database answered.
type health struct {
	asking singleflight.Group
	mu     sync.Mutex
	at     time.Time
	err    error
}

// Ready tells whether calls can be answered: the database answers a read, and no
// Serve is ending. The error is context.DeadlineExceeded if it does not answer in
// two seconds. It is cheap: one answer counts for a second. That the database can
// be written is not checked: changes are refused with 503 while it cannot.
func (s *Server) Ready(ctx context.Context) error {
	if s.stopping.Load() > 0 {
		return errStopping
	}
	h := &s.health
	h.mu.Lock()
	fresh, err := !h.at.IsZero() && time.Since(h.at) < healthPeriod, h.err
	h.mu.Unlock()
	if fresh {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	// A disk that hangs holds one question only, and no caller.
	select {
	case <-ctx.Done():
		return ctx.Err()
	case result := <-h.asking.DoChan("", func() (any, error) { return nil, s.askDatabase() }):
		return result.Err
	}
}

func (s *Server) askDatabase() error {
	// Whoever asks first may go away before the others have their answer.
	err := s.master.store.View(context.Background(), func(r store.Reader) error {
		_, err := r.Computer(s.config.computerID)
		return err
	})
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	s.health.at, s.health.err = time.Now(), err
	return err
}
