package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// Server is a stand-alone master: an http.Handler over one database. It is safe
// for concurrent use.
type Server struct {
	config config
	// database is its path.
	database string
	master   *master
	tool     map[string]endpoint
	json     map[string]jsonMethod
}

var _ http.Handler = (*Server)(nil)

// MemoryDatabase is the path of a database that lives in memory.
const MemoryDatabase = store.Memory

// Open opens a master on a database, which is created if it does not exist; the
// empty path means MemoryDatabase. Close must be called.
//
// A database of the reference, schema 10 to 18, is imported first: the database of
// the same name is then ours, and the original stays beside it, with "-backup-" and
// the time of its last change in its name. A database of an older schema of ours is
// copied in the same way before it is changed.
//
// Open fails with ErrNewerDatabase or ErrForeignDatabase, leaving the file as it
// is, if a newer version or another program wrote it; with
// ErrDatabaseInUse if another proxy serves it; and with
// ErrDatabaseUnavailable if it cannot be read or written.
func Open(ctx context.Context, databasePath string, opts ...Option) (*Server, error) {
	c := defaults()
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	db, err := c.openDatabase(ctx, databasePath)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	others, err := newOtherMasters(c.multimaster, c.logger)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("proxy: %w", err), db.Close())
	}
	s := &Server{
		config: c, database: databasePath,
		tool: slapTool(),
		json: jsonMethods(),
		master: &master{
			store: db, cache: newBodyCache(c.cacheSize), clock: c.clock, log: c.logger,
			computerID: c.computerID, products: c.products, authorizer: c.authorizer,
			others: others, runID: rand.Text() + rand.Text()[:6],
		},
	}
	err = db.Update(ctx, func(t store.Tx) error {
		_, err := t.EnsureComputer(c.computerID)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("proxy: %w", err), db.Close())
	}
	s.retain(ctx)
	return s, nil
}

// Close completes the running changes and closes the database. Calls that come
// later are refused.
func (s *Server) Close() error {
	s.master.flushSightings()
	for _, other := range s.master.others {
		other.close()
	}
	return s.master.store.Close()
}

// Limits of a connection.
const (
	shutdownTimeout = 10 * time.Second
	maxHeaderBytes  = 64 << 10
)

// timeouts bound the parts of a call, so that a caller who sends or reads slowly
// keeps its connection for some time only.
type timeouts struct {
	header time.Duration // reading the header
	read   time.Duration // reading header and body
	write  time.Duration // from the header to the end of the answer
	idle   time.Duration // between two calls
}

func timeoutsByDefault() timeouts {
	return timeouts{header: 10 * time.Second, read: 60 * time.Second, write: 120 * time.Second, idle: 120 * time.Second}
}

// Serve accepts connections until ctx ends; it then lets running calls finish,
// for a few seconds, and returns nil. It closes the listener, not the Server.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: s.config.timeouts.header,
		ReadTimeout:       s.config.timeouts.read,
		WriteTimeout:      s.config.timeouts.write,
		IdleTimeout:       s.config.timeouts.idle,
		MaxHeaderBytes:    maxHeaderBytes,
		// What arrives here concerns the operator: no connection can be accepted.
		ErrorLog: slog.NewLogLogger(s.config.logger.Handler(), slog.LevelWarn),
	}
	var background sync.WaitGroup
	defer background.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	background.Go(func() { s.retainDaily(ctx) })
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("proxy: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		s.config.logger.Warn("calls were cut off by the shutdown", "error", err)
		if err := server.Close(); err != nil {
			s.config.logger.Warn("closing connections failed", "error", err)
		}
	}
	<-failed
	return nil
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	recorder := &recorder{ResponseWriter: w}
	defer func() {
		if v := recover(); v != nil {
			s.crashed(recorder, r, v, debug.Stack())
		}
		s.logAccess(r, recorder, time.Since(start))
	}()
	r.Body = http.MaxBytesReader(w, r.Body, s.config.maxBody)
	if err := s.serve(recorder, r); err != nil {
		s.refuse(recorder, r, err)
	}
}

// serve checks the caller and finds the surface.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	if err := s.checkBrowser(r); err != nil {
		return err
	}
	p, err := s.config.authenticator.Authenticate(r)
	if err != nil {
		return withStatus(err, http.StatusUnauthorized)
	}
	path := r.URL.Path
	if e, ok := s.tool[path]; ok {
		if answered, err := allow(w, r, e.verb); answered || err != nil {
			return err
		}
		return s.serveSlapTool(w, r, p, e)
	}
	if path == "/hateoas" || strings.HasPrefix(path, "/hateoas/") {
		if answered, err := allow(w, r, http.MethodGet); answered || err != nil {
			return err
		}
		return s.serveHateoas(w, r, p)
	}
	if isPanel(path) {
		return s.servePanel(w, r, p)
	}
	if found, err := s.serveJSONAPI(w, r, p); found || err != nil {
		return err
	}
	if path == "/getRunId" {
		if answered, err := allow(w, r, http.MethodGet); answered || err != nil {
			return err
		}
		return writeBody(w, "text/html; charset=utf-8", []byte(s.master.runID))
	}
	return notFound("There is nothing at %s", path)
}

// allow answers OPTIONS and refuses methods that a path does not have.
func allow(w http.ResponseWriter, r *http.Request, verb string) (answered bool, err error) {
	verbs := []string{verb, http.MethodOptions}
	if verb == http.MethodGet {
		verbs = []string{verb, http.MethodHead, http.MethodOptions}
	}
	if !slices.Contains(verbs, r.Method) {
		w.Header().Set("Allow", strings.Join(verbs, ", "))
		return false, &Error{Status: http.StatusMethodNotAllowed, Message: r.URL.Path + " has no method " + r.Method}
	}
	if r.Method != http.MethodOptions {
		return false, nil
	}
	w.Header().Set("Allow", strings.Join(verbs, ", "))
	return true, writeBody(w, "text/html; charset=utf-8", nil)
}

// withStatus gives an error a status unless it has one.
func withStatus(err error, status int) error {
	if errors.As(err, new(*Error)) {
		return err
	}
	return &Error{Status: status, Message: err.Error()}
}

func writeBody(w http.ResponseWriter, kind string, body []byte) error {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	// A caller that goes away while it is answered is not an error of ours.
	_, _ = w.Write(body) //nolint:errcheck // see above
	return nil
}

// refuse writes an error page, small and in HTML as the reference's.
func (s *Server) refuse(w *recorder, r *http.Request, err error) {
	status, message := statusOf(err)
	if status >= http.StatusInternalServerError {
		level := slog.LevelError
		if errors.Is(err, context.Canceled) || errors.Is(err, store.ErrClosed) {
			level = slog.LevelInfo
		}
		attributes := []any{"method", r.Method, "path", r.URL.Path, "error", err}
		if p := new(store.PanicError); errors.As(err, &p) {
			attributes = append(attributes, "stack", string(p.Stack))
		}
		s.config.logger.Log(r.Context(), level, "call failed", attributes...)
	}
	if w.status != 0 {
		return
	}
	if jsonRefusal(r) {
		refuseJSON(w, err)
		return
	}
	title := fmt.Sprintf("%d %s", status, statusName(status))
	page := "<!doctype html>\n<html lang=en>\n<title>" + title + "</title>\n<h1>" + statusName(status) + "</h1>\n<p>" +
		html.EscapeString(excerpt(message)) + "</p>\n"
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(page)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, page) //nolint:errcheck // the caller may be gone
}

// maxMessage bounds the text of an error page, in bytes: it names what the
// caller sent.
const maxMessage = 4 << 10

// excerpt cuts a long text.
func excerpt(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + " …"
}

func statusName(status int) string {
	if name := http.StatusText(status); name != "" {
		return name
	}
	return "Unknown Error"
}

// crashed answers a call whose handler panicked.
func (s *Server) crashed(w *recorder, r *http.Request, v any, stack []byte) {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	s.refuse(w, r, &store.PanicError{Value: v, Stack: stack})
}

// logAccess writes one line for each call.
func (s *Server) logAccess(r *http.Request, w *recorder, took time.Duration) {
	if !s.config.logger.Enabled(r.Context(), slog.LevelInfo) {
		return
	}
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		remote = r.RemoteAddr
	}
	s.config.logger.LogAttrs(r.Context(), slog.LevelInfo,
		fmt.Sprintf("%s %q %d", remote, r.Method+" "+r.URL.RequestURI()+" "+r.Proto, w.status),
		slog.String("logger", "werkzeug"), slog.Int64("bytes", w.bytes), slog.Duration("took", took))
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
