package proxy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// Server is a stand-alone master: an http.Handler over one database. It is safe
// for concurrent use.
type Server struct {
	config config
	// database is its path or address.
	database string
	master   *master
	tool     map[string]endpoint
	json     map[string]jsonMethod
	metrics  *metrics
	bodies   *bodyBudget
	// connections are those of Serve.
	connections *connectionBudget
	health      health
	// stopping counts the Serve that wait for the last calls.
	stopping atomic.Int32
	// hurry is closed once nobody is to wait for balancers.
	hurry     chan struct{}
	hurryOnce sync.Once
	relays    *http.Transport
	shacache  *shacache
}

var _ http.Handler = (*Server)(nil)

// MemoryDatabase is the path of a database that lives in memory.
const MemoryDatabase = store.Memory

// Open opens a master on a database: a file, which is created if it does not exist,
// or a database on a PostgreSQL server, if the path is an address that begins with
// postgres:// or postgresql://; see "PostgreSQL" in the package comment. The empty
// path means MemoryDatabase. Close must be called.
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
	if c.certificate != nil {
		c.certificate.log = c.logger
	}
	db, err := c.openDatabase(ctx, databasePath)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if err := c.followSoftwareRoot(ctx, db, databasePath); err != nil {
		return nil, errors.Join(fmt.Errorf("proxy: %w", err), db.Close())
	}
	others, err := newOtherMasters(c.multimaster, c.logger)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("proxy: %w", err), db.Close())
	}
	s := &Server{
		config: c, database: databasePath, hurry: make(chan struct{}),
		tool: slapTool(), json: jsonMethods(), relays: newRelayTransport(), shacache: newShacache(c.shacache, c.logger),
		metrics: newMetrics(), bodies: newBodyBudget(max(c.limits.Bodies, c.maxBody)),
		connections: newConnectionBudget(c.limits.Connections, c.logger),
		master: &master{
			store: db, cache: newBodyCache(c.cacheSize), clock: c.clock, log: c.logger,
			computerID: c.computerID, products: c.products, authorizer: c.authorizer,
			others: others, runID: rand.Text() + rand.Text()[:6], relays: !c.noHTTPProxy,
			destroyInStopped: c.destroyInStopped, formatAsReal: c.formatAsReal,
		},
	}
	err = db.Update(ctx, func(t store.Tx) error {
		if _, err := t.EnsureComputer(c.computerID); err != nil || !store.IsPostgres(databasePath) {
			return err
		}
		return s.master.shareRunID(t)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("proxy: %w", err), db.Close())
	}
	if o, ok := s.master.store.(store.Observable); ok {
		o.Observe(s.metrics.committed)
	}
	s.retain(ctx)
	return s, nil
}

// Close completes the running changes and closes the database. Calls that come
// later are refused.
func (s *Server) Close() error {
	s.shacache.close()
	s.master.flushSightings()
	for _, other := range s.master.others {
		other.close()
	}
	return s.master.store.Close()
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	// The server of HTTP must see its own body afterwards: of another one it does not find
	// out that it was not read, and takes the rest for the next call.
	r = s.behind(singleSlash(r.WithContext(r.Context())))
	recorder := &recorder{ResponseWriter: w}
	s.metrics.inFlight.Add(1)
	whole := r.Body
	body := s.bodies.bound(w, r, s.config.maxBody)
	if uploads(r) {
		r.Body = whole // it goes to the disk as it comes, and is bounded there
	}
	defer func() {
		body.release()
		took := time.Since(start)
		s.metrics.inFlight.Add(-1)
		s.metrics.called(s.callOf(r), recorder.status, took)
		s.logAccess(r, recorder, took)
	}()
	defer func() {
		if v := recover(); v != nil {
			s.crashed(recorder, r, v, debug.Stack())
		}
	}()
	if err := s.serve(recorder, r); err != nil {
		s.refuse(recorder, r, err)
	}
}

// serve checks the caller and finds the surface.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) error {
	if s.cameRound(r) {
		return &Error{Status: http.StatusForbidden, Message: "A front end shows this master itself, which it may not"}
	}
	if isOperation(r.URL.Path) {
		return s.serveOperation(w, r)
	}
	if err := s.checkBrowser(r); err != nil {
		return err
	}
	p, err := s.config.authenticator.Authenticate(r)
	if err != nil {
		return withStatus(err, http.StatusUnauthorized)
	}
	if redirectToSingleSlashes(w, r) {
		return nil
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
	if strings.HasPrefix(path, relayPrefix) && !s.config.noHTTPProxy {
		return s.serveHTTPProxy(w, r, p)
	}
	if strings.HasPrefix(path, shacachePrefix) {
		return s.serveShacache(w, r, p)
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
	setBody(w, kind, len(body))
	// A caller that goes away while it is answered is not an error of ours.
	_, _ = w.Write(body) //nolint:errcheck // see above
	return nil
}

// setBody tells the type and the size of a body that follows.
func setBody(w http.ResponseWriter, kind string, size int) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(size))
}

// refuse writes an error page, small and in HTML as the reference's.
func (s *Server) refuse(w *recorder, r *http.Request, err error) {
	status, message := statusOf(err)
	if status >= http.StatusInternalServerError {
		level := slog.LevelError
		if errors.Is(err, context.Canceled) || errors.Is(err, store.ErrClosed) {
			level = slog.LevelInfo
		}
		attributes := []any{"method", r.Method, "path", r.URL.Path, "error", forLog(err)}
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
