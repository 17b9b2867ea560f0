package slap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Pauses between two attempts of the waiting functions, unless Interval sets
// others.
const (
	waitLeast = time.Second
	waitMost  = 30 * time.Second
)

// WaitOption changes how the waiting functions wait.
type WaitOption func(*waiting)

type waiting struct {
	least, most time.Duration
	failures    bool
	onWait      func(err error, pause time.Duration)
}

// Interval sets the first and the longest pause between two attempts, instead
// of one second and thirty seconds. The pause doubles each time, and each is
// shortened at random so that many who wait do not ask together.
func Interval(least, most time.Duration) WaitOption {
	return func(w *waiting) { w.least, w.most = least, most }
}

// ThroughFailures waits also while the master cannot be reached or fails
// (ErrConnection, ErrServer), as a program wants that outlives a restart of its
// master. Failures to authenticate, and ErrNotFound, still end the waiting.
func ThroughFailures() WaitOption { return func(w *waiting) { w.failures = true } }

// OnWait has a function called before each pause, with the reason and the length
// of the pause, for example to tell a person what is being waited for. It is
// called by the goroutine that waits.
func OnWait(f func(err error, pause time.Duration)) WaitOption {
	return func(w *waiting) { w.onWait = f }
}

// WaitReady calls try until it gives something else than an ErrNotReady, and
// returns that. It ends with the context, in an error that is both the cause
// of the context's end and the last error of try, which tells what was missing.
// It replaces polling loops; WaitRequest and those after it are made of it:
//
//	part, err := slap.WaitReady(ctx, func(ctx context.Context) (*slap.ComputerPartition, error) {
//		return order.Request(ctx, request)
//	})
func WaitReady[T any](ctx context.Context, try func(context.Context) (T, error), opts ...WaitOption) (T, error) {
	w := waiting{least: waitLeast, most: waitMost}
	for _, option := range opts {
		option(&w)
	}
	w.least = max(w.least, time.Millisecond)
	w.most = max(w.most, w.least)
	var none T
	var missing error
	for attempt := 0; ; attempt++ {
		result, err := try(ctx)
		switch {
		case err != nil && ctx.Err() != nil && missing != nil && !errors.Is(err, ErrNotReady):
			// The context ended during this call: the one before tells more.
			return none, ended(ctx, missing)
		case !w.goesOn(err):
			return result, err
		}
		missing = err
		pause := backoff(w.least, w.most, attempt)
		if w.onWait != nil {
			w.onWait(err, pause)
		}
		if !sleep(ctx, pause) {
			return none, ended(ctx, missing)
		}
	}
}

// goesOn tells whether an error is waited through.
func (w waiting) goesOn(err error) bool {
	if errors.Is(err, ErrNotReady) {
		return true
	}
	return w.failures && (errors.Is(err, ErrConnection) || errors.Is(err, ErrServer)) &&
		!errors.Is(err, ErrAuthentication) && !errors.Is(err, ErrNotFound)
}

// ended is the error of waiting that a context has ended.
func ended(ctx context.Context, missing error) error {
	return fmt.Errorf("waiting until ready: %w; last answer: %w", contextError(ctx), missing)
}

// sleep waits for a time. It is false if the context ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// WaitRequest repeats a request until the instance is allocated, and returns
// it.
func WaitRequest(ctx context.Context, r IRequester, request Request, opts ...WaitOption) (*ComputerPartition, error) {
	return WaitRequestUntil(ctx, r, request, func(*ComputerPartition) error { return nil }, opts...)
}

// WaitRequestUntil repeats a request until the instance is allocated and a
// condition holds, and returns the instance. The condition is a function that
// returns nil if it holds, an error that is ErrNotReady while it does not yet,
// and any other error to give up:
//
//	func(p *slap.ComputerPartition) error {
//		if url, _ := p.ConnectionParameters().String("url"); !strings.HasPrefix(url, "https://") {
//			return fmt.Errorf("the certificate of the site: %w", slap.ErrNotReady)
//		}
//		return nil
//	}
func WaitRequestUntil(ctx context.Context, r IRequester, request Request, condition func(*ComputerPartition) error, opts ...WaitOption) (*ComputerPartition, error) {
	return WaitReady(ctx, func(ctx context.Context) (*ComputerPartition, error) {
		p, err := r.Request(ctx, request)
		if err == nil {
			err = condition(p)
		}
		if err != nil {
			return nil, err
		}
		return p, nil
	}, opts...)
}

// WaitConnectionParameters repeats a request until the instance is allocated
// and has published all the connection parameters named, and returns it. Of an
// instance that publishes as JSON in "_" the names are those in it. An error at
// the end of the context names what is missing.
func WaitConnectionParameters(ctx context.Context, r IRequester, request Request, keys []string, opts ...WaitOption) (*ComputerPartition, error) {
	return WaitRequestUntil(ctx, r, request, func(p *ComputerPartition) error {
		return published(p.told().connection, request.Reference, keys)
	}, opts...)
}

// published is an ErrNotReady that names the keys that are not published.
func published(p Parameters, reference string, keys []string) error {
	if !slices.Contains(keys, serialised) {
		p = p.unwrapped()
	}
	var missing []string
	for _, key := range keys {
		if p[key] == nil {
			missing = append(missing, quoteKey(key))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return &Error{
		Op: "request", Message: fmt.Sprintf("instance %q has not published %s yet", reference, strings.Join(missing, ", ")),
		Kinds: []error{ErrNotReady, ErrNotFound},
	}
}
