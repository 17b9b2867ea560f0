package slaptest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
)

// Handler returns a transport that has a handler answer, without a socket: a
// master of package proxy, or a handler that a test makes. The host of the
// address that calls go to does not matter, but for the handler itself; a
// master of package proxy wants localhost. Answers are passed on when they are
// complete. A handler that panics breaks the connection, as it does in a
// server. The transport may be used by several goroutines if the handler may.
func Handler(h http.Handler) http.RoundTripper { return handler{h} }

type handler struct{ http.Handler }

// RoundTrip has the handler answer. It does not wait for a handler that goes on
// after the context of the call ended.
func (h handler) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	tellSent(r)
	// What the client keeps in the context of a call is not for the master.
	ctx, cancel := context.WithCancel(context.Background())
	defer context.AfterFunc(r.Context(), cancel)()

	received := r.Clone(ctx)
	received.RequestURI = r.URL.RequestURI()
	received.RemoteAddr = "127.0.0.1:1"
	received.Proto, received.ProtoMajor, received.ProtoMinor = "HTTP/1.1", 1, 1
	if received.Host == "" {
		received.Host = r.URL.Host
	}
	received.Body, received.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))

	type outcome struct {
		response *http.Response
		err      error
	}
	answered := make(chan outcome, 1)
	go func() {
		defer cancel()
		recorder := httptest.NewRecorder()
		err := h.serve(recorder, received)
		answered <- outcome{recorder.Result(), err}
	}()
	select {
	case <-r.Context().Done():
		// The end of AfterFunc may come before its beginning.
		cancel()
		return nil, r.Context().Err()
	case o := <-answered:
		if o.err != nil {
			return nil, o.err
		}
		o.response.Request = r
		return o.response, nil
	}
}

// serve calls the handler. A panic becomes an error.
func (h handler) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch v := recover(); {
		case v == nil:
		case v == any(http.ErrAbortHandler):
			err = reset()
		default:
			err = errors.Join(reset(), fmt.Errorf("the handler panicked: %v", v))
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// tellSent tells the client that the request went out, as a transport with a
// connection does: package slap does not repeat changes after that.
func tellSent(r *http.Request) {
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil {
		return
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
}
