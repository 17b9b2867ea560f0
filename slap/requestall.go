package slap

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
)

// DefaultParallelRequests is how many requests RequestAll makes at a time if it
// is not told.
const DefaultParallelRequests = 4

// RequestAll makes requests, at most limit at a time or, if limit is not
// positive, DefaultParallelRequests, and returns the instances in the order of
// the requests. One that fails does not keep the others back: its instance is
// nil, and the error joins those of all that failed, each with the reference of
// its request. So the error is ErrNotReady if any instance is pending;
// [WaitRequestAll] waits for those.
//
// Requests of one requester with the same reference describe one instance; which
// of them the master hears last is open.
func RequestAll(ctx context.Context, r IRequester, requests []Request, limit int) ([]*ComputerPartition, error) {
	parts, failures := requestAll(ctx, r, requests, limit)
	return parts, joinRequests(requests, failures)
}

// requestAll returns an instance or an error for each request.
func requestAll(ctx context.Context, r IRequester, requests []Request, limit int) ([]*ComputerPartition, []error) {
	if limit <= 0 {
		limit = DefaultParallelRequests
	}
	parts := make([]*ComputerPartition, len(requests))
	failures := make([]error, len(requests))
	var group errgroup.Group
	group.SetLimit(limit)
	for i, request := range requests {
		group.Go(func() error {
			if ended := contextError(ctx); ended != nil {
				failures[i] = &Error{Op: "request", Message: "given up before it was made", Err: ended, Kinds: []error{ErrConnection}}
				return nil
			}
			parts[i], failures[i] = r.Request(ctx, request)
			return nil
		})
	}
	_ = group.Wait() // no function returns an error
	return parts, failures
}

// joinRequests joins the errors of requests.
func joinRequests(requests []Request, failures []error) error {
	var all []error
	for i, err := range failures {
		if err != nil {
			all = append(all, fmt.Errorf("request %q: %w", requests[i].Reference, err))
		}
	}
	return errors.Join(all...)
}

// WaitRequestAll is RequestAll, repeated for the instances that are pending
// until all are allocated. If other requests fail it returns at once, with their
// errors only. It does not wait for what instances publish: who needs that calls
// WaitConnectionParameters for each, in goroutines of its own.
func WaitRequestAll(ctx context.Context, r IRequester, requests []Request, limit int, opts ...WaitOption) ([]*ComputerPartition, error) {
	parts := make([]*ComputerPartition, len(requests))
	_, err := WaitReady(ctx, func(ctx context.Context) (struct{}, error) {
		var todo []int
		var again []Request
		for i, part := range parts {
			if part == nil {
				todo, again = append(todo, i), append(again, requests[i])
			}
		}
		answers, failures := requestAll(ctx, r, again, limit)
		final := make([]error, len(failures))
		for i, err := range failures {
			parts[todo[i]] = answers[i]
			if !errors.Is(err, ErrNotReady) {
				final[i] = err
			}
		}
		if err := joinRequests(again, final); err != nil {
			return struct{}{}, err
		}
		return struct{}{}, joinRequests(again, failures)
	}, opts...)
	return parts, err
}
