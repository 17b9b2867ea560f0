package slapgrid

import (
	"context"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// terminalLimit is how many jobs run at a time: one if they talk to the terminal.
func (n *Node) terminalLimit(debug bool) int {
	if debug {
		return 1
	}
	return n.cfg.Parallel
}

// runJobs runs one job for each item, at most limit at a time, and returns
// what became of them in the order of the items. No job stops the others,
// unless stop is set: those that have not begun are then not run, and name tells
// which these are.
func runJobs[T any](ctx context.Context, limit int, items []T, stop *atomic.Bool, name func(T) string, job func(context.Context, T) Outcome) []Outcome {
	outcomes := make([]Outcome, len(items))
	var group errgroup.Group
	group.SetLimit(limit)
	for i, item := range items {
		group.Go(func() error {
			if stop != nil && stop.Load() || ctx.Err() != nil {
				outcomes[i] = Outcome{Name: name(item), Action: ActionNotRun, Err: context.Cause(ctx)}
				return nil
			}
			outcomes[i] = job(ctx, item)
			return nil
		})
	}
	_ = group.Wait() // jobs put their errors into their outcome
	return outcomes
}
