package proxy

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// smallBody is what a call may send without asking for room, in bytes: many
	// small calls at once are no danger.
	smallBody = 64 << 10
	// roomTimeout is how long a large body waits for room.
	roomTimeout = 10 * time.Second
	// retryAfter is what a call that found no room is told, in seconds.
	retryAfter = "5"
)

// bodyBudget bounds the bytes of large bodies that are held at once.
type bodyBudget struct {
	room    *semaphore.Weighted
	wait    time.Duration
	refused atomic.Int64
}

func newBodyBudget(bytes int64) *bodyBudget {
	return &bodyBudget{room: semaphore.NewWeighted(bytes), wait: roomTimeout}
}

// boundedBody is a body that asks for room before it grows large: once for all
// that it may still become, so that no two wait for each other. Who announces
// much and sends nothing takes no room.
type boundedBody struct {
	io.ReadCloser // bounded by http.MaxBytesReader
	budget        *bodyBudget
	header        http.Header
	ctx           context.Context //nolint:containedctx // of the call, which the body is part of
	most          int64
	read          int64

	// Who passes the body on may still read it when the call has ended.
	mu    sync.Mutex
	taken int64
	over  bool
}

// bound replaces the body of a call. release must be called at its end.
func (b *bodyBudget) bound(w http.ResponseWriter, r *http.Request, limit int64) *boundedBody {
	most := limit
	if r.ContentLength >= 0 {
		most = min(most, r.ContentLength)
	}
	body := &boundedBody{
		ReadCloser: http.MaxBytesReader(w, r.Body, limit), budget: b, header: w.Header(), ctx: r.Context(), most: most,
	}
	r.Body = body
	return body
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.most > smallBody && !b.hasRoom() {
		if b.read >= smallBody {
			if err := b.take(); err != nil {
				return 0, err
			}
		} else {
			p = p[:min(int64(len(p)), smallBody-b.read)]
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	return n, err
}

// take waits for room.
func (b *boundedBody) take() error {
	ctx, cancel := context.WithTimeout(b.ctx, b.budget.wait)
	defer cancel()
	if err := b.budget.room.Acquire(ctx, b.most); err != nil {
		b.budget.refused.Add(1)
		b.header.Set("Retry-After", retryAfter)
		return &Error{
			Status: http.StatusServiceUnavailable, Err: err,
			Message: "The master reads too many large bodies at once, nothing was changed. Try again in a few seconds",
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		b.budget.room.Release(b.most)
		return http.ErrBodyReadAfterClose
	}
	b.taken = b.most
	return nil
}

func (b *boundedBody) hasRoom() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken > 0
}

// release gives the room back. Afterwards none is taken.
func (b *boundedBody) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
	b.budget.room.Release(b.taken)
	b.taken = 0
}
