package slap

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

// Observer is told of each request to the master, for tracing and metrics: one
// for each attempt of a call and for each redirect that is followed. It is set
// with [WithObserver], and its methods may be called by several goroutines at
// once. What it is told holds no credentials and no arguments of calls.
type Observer interface {
	// Before is called before a request is sent. It returns the context to go
	// on with, which must be derived from the given one (for example with a
	// span), and may fill the header, which is empty, with headers to add to
	// the request (for example traceparent). Those that the client sets
	// itself, and those that would change who asks or how the answer is
	// encoded or chosen, are not added; see [WithObserver].
	Before(ctx context.Context, call Call, header http.Header) context.Context
	// After is called once for each call of Before, with the context that it
	// returned, when the answer was read to its end or given up.
	After(ctx context.Context, call Call, result Result)
}

// Call is a request to the master, as an [Observer] sees it.
type Call struct {
	// Op is the operation, as in [Error].
	Op string
	// Method is that of HTTP, and URL is the address without credentials,
	// query and fragment.
	Method, URL string
	// Attempt counts the attempts of a call from 1. It is 0 if the answer
	// comes from the cache and no request is made; see [WithCache].
	Attempt int
}

// Result is what became of a [Call].
type Result struct {
	// Status is that of the answer, 0 if there was none. An answer from the
	// cache has 200.
	Status int
	// Err tells why no answer came, or not the whole of it; nil if one came,
	// whatever its status is.
	Err error
	// Duration is the time from sending the request to the end of the answer.
	Duration time.Duration
	// BytesSent and BytesReceived are the sizes of the bodies, in bytes; the
	// latter counts what was read, after decompression.
	BytesSent, BytesReceived int64
	// Cached tells that the answer of the call came from the cache: it was
	// fresh (Attempt is 0), or the master said that it did not change (Status
	// is 304), or the master failed and a stale one is allowed (Attempt is 0,
	// after the attempts that failed).
	Cached bool
}

// WithObserver tells an observer of each request. Several are called one inside
// the other, the first given being the outermost. The headers Accept,
// Accept-Encoding, Authorization, Cache-Control, Connection, Content-Encoding,
// Content-Length, Content-Type, Cookie, Host, Proxy-Authorization, Range,
// Transfer-Encoding, User-Agent, X-SlapPartition and the conditional ones are
// the client's own: an observer cannot set them.
func WithObserver(o Observer) Option {
	return func(c *config) error {
		if o != nil {
			c.observers = append(c.observers, o)
		}
		return nil
	}
}

// reserved are the headers that observers cannot set.
var reserved = []string{
	"Accept", "Accept-Encoding", "Authorization", "Cache-Control", "Connection", "Content-Encoding", "Content-Length",
	"Content-Type", "Cookie", "Host", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since",
	"Proxy-Authorization", "Range", "Transfer-Encoding", "User-Agent", "X-Slappartition",
}

// observed is a transport that tells observers and the log of each request.
type observed struct {
	next      http.RoundTripper
	observers []Observer
	log       *slog.Logger
}

// RoundTrip sends a request.
func (o *observed) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(o.observers) == 0 && !o.log.Enabled(r.Context(), slog.LevelDebug) {
		response, err := o.next.RoundTrip(r)
		if response != nil && response.Request == nil {
			response.Request = r
		}
		return response, err
	}
	watch := o.begin(r.Context(), Call{Method: r.Method, URL: public(r.URL)})
	watch.result.BytesSent = max(0, r.ContentLength)
	if len(o.observers) > 0 {
		r = r.Clone(watch.context())
		for name, values := range watch.header {
			name = http.CanonicalHeaderKey(name)
			if !slices.Contains(reserved, name) {
				r.Header[name] = values
			}
		}
	}
	response, err := o.next.RoundTrip(r)
	if err != nil {
		watch.end(err)
		return response, err
	}
	if response.Request == nil {
		response.Request = r
	}
	watch.result.Status = response.StatusCode
	watch.result.Cached = response.StatusCode == http.StatusNotModified && r.Header.Get("If-None-Match")+r.Header.Get("If-Modified-Since") != ""
	response.Body = &watched{ReadCloser: response.Body, watch: watch}
	return response, nil
}

// watch is one request that is told of.
type watch struct {
	observed *observed
	call     Call
	result   Result
	start    time.Time
	header   http.Header
	contexts []context.Context
	ended    bool
}

// begin tells that a request is about to be sent.
func (o *observed) begin(ctx context.Context, call Call) *watch {
	if p := policyOf(ctx); p != nil {
		call.Op, call.Attempt = p.op, p.attempt
	}
	w := &watch{observed: o, call: call, start: time.Now(), header: http.Header{}, contexts: []context.Context{ctx}}
	for _, observer := range o.observers {
		next := observer.Before(w.context(), call, w.header)
		if next == nil {
			next = w.context()
		}
		w.contexts = append(w.contexts, next)
	}
	return w
}

// context returns the context that the observers derived.
func (w *watch) context() context.Context { return w.contexts[len(w.contexts)-1] }

// end tells how a request ended, once.
func (w *watch) end(err error) {
	if w.ended {
		return
	}
	w.ended = true
	w.result.Err, w.result.Duration = err, time.Since(w.start)
	for i, observer := range slices.Backward(w.observed.observers) {
		observer.After(w.contexts[i+1], w.call, w.result)
	}
	attributes := []slog.Attr{
		slog.String("op", w.call.Op), slog.String("method", w.call.Method), slog.String("url", w.call.URL),
		slog.Int("attempt", w.call.Attempt), slog.Int("status", w.result.Status),
		slog.Duration("duration", w.result.Duration), slog.Int64("sent", w.result.BytesSent),
		slog.Int64("received", w.result.BytesReceived), slog.Bool("cached", w.result.Cached),
	}
	if err != nil {
		attributes = append(attributes, slog.Any("error", err))
	}
	w.observed.log.LogAttrs(w.context(), slog.LevelDebug, "call to master", attributes...)
}

// watched is the body of an answer that is told of when it ends.
type watched struct {
	io.ReadCloser
	watch *watch
}

func (b *watched) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watch.result.BytesReceived += int64(n)
	switch err {
	case nil:
	case io.EOF:
		b.watch.end(nil)
	default:
		b.watch.end(err)
	}
	return n, err
}

func (b *watched) Close() error {
	err := b.ReadCloser.Close()
	b.watch.end(nil)
	return err
}

// fromCache tells observers and the log of an answer that came from the cache.
func (c *Client) fromCache(ctx context.Context, op, url string, size int) {
	o := &observed{observers: c.observers, log: c.log}
	if len(o.observers) == 0 && !o.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	w := o.begin(ctx, Call{Op: op, Method: http.MethodGet, URL: url})
	w.result.Status, w.result.Cached, w.result.BytesReceived = http.StatusOK, true, int64(size)
	w.end(nil)
}
