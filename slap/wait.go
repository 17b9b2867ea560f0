package slap

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// WaitOption changes how the waiting functions wait.
type WaitOption func(*waiting)

type waiting struct{ least, most time.Duration }

// Interval sets the first and the longest pause between two attempts, instead
// of one second and thirty seconds. The pause doubles each time, and each is
// shortened at random so that many who wait do not ask together.
func Interval(least, most time.Duration) WaitOption {
	return func(w *waiting) { w.least, w.most = least, most }
}

// WaitReady calls try until it gives something else than an ErrNotReady, and
// returns that. It ends with the context, in an error that is both the cause
// of the context's end and the last error of try. It replaces polling loops:
//
//	part, err := slap.WaitReady(ctx, func(ctx context.Context) (*slap.ComputerPartition, error) {
//		return order.Request(ctx, request)
//	})
func WaitReady[T any](ctx context.Context, try func(context.Context) (T, error), opts ...WaitOption) (T, error) {
	w := waiting{least: time.Second, most: 30 * time.Second}
	for _, option := range opts {
		option(&w)
	}
	w.least = max(w.least, time.Millisecond)
	w.most = max(w.most, w.least)
	for attempt := 0; ; attempt++ {
		result, err := try(ctx)
		if !errors.Is(err, ErrNotReady) {
			return result, err
		}
		timer := time.NewTimer(backoff(w.least, w.most, attempt))
		select {
		case <-ctx.Done():
			timer.Stop()
			var none T
			return none, fmt.Errorf("waiting until ready: %w; last answer: %w", context.Cause(ctx), err)
		case <-timer.C:
		}
	}
}

// WaitConnectionParameters repeats a request until the instance is allocated
// and has published all the connection parameters named, and returns it.
func WaitConnectionParameters(ctx context.Context, r IRequester, request Request, keys []string, opts ...WaitOption) (*ComputerPartition, error) {
	return WaitReady(ctx, func(ctx context.Context) (*ComputerPartition, error) {
		p, err := r.Request(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if _, err := p.ConnectionParameter(key); err != nil {
				return nil, err
			}
		}
		return p, nil
	}, opts...)
}
