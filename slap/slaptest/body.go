package slaptest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// answer is an answer that does not come from the master.
func answer(r *http.Request, code int, body string) *http.Response {
	return &http.Response{
		StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		Body:          io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: r,
	}
}

// replaced is a body in the place of another.
type replaced struct {
	io.Reader
	io.Closer
}

// truncated is a body of which the rest is lost.
type truncated struct {
	io.ReadCloser
	left int
}

func (t *truncated) Read(p []byte) (int, error) {
	if t.left <= 0 {
		n, err := t.ReadCloser.Read(make([]byte, 1))
		if n > 0 {
			return 0, io.ErrUnexpectedEOF
		}
		return 0, err
	}
	n, err := t.ReadCloser.Read(p[:min(len(p), t.left)])
	t.left -= n
	return n, err
}

// slow is a body that comes in pieces.
type slow struct {
	io.ReadCloser
	ctx   context.Context
	piece int
	pause time.Duration
}

func (s *slow) Read(p []byte) (int, error) {
	if err := wait(s.ctx, s.pause); err != nil {
		return 0, err
	}
	return s.ReadCloser.Read(p[:min(len(p), s.piece)])
}
