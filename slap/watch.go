package slap

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"
)

// Times of Watch, unless options set others.
const (
	watchInterval  = time.Minute
	watchRetryFrom = 5 * time.Second
	watchRetryTo   = 5 * time.Minute
)

// WatchOption changes how Watch looks.
type WatchOption func(*watching)

type watching struct {
	interval    time.Duration
	least, most time.Duration
	since       *Snapshot
	skipFirst   bool
}

// WatchEvery sets the time from one look to the next, instead of a minute. It is
// varied by a tenth at random, so that many who watch do not look together.
func WatchEvery(interval time.Duration) WatchOption {
	return func(w *watching) { w.interval = interval }
}

// WatchBackoff sets the pause after a failed look, which doubles with each that
// fails after it, and its bound, instead of five seconds and five minutes. Each
// pause is shortened at random.
func WatchBackoff(least, most time.Duration) WatchOption {
	return func(w *watching) { w.least, w.most = least, most }
}

// WatchSince makes the first look tell what changed since a snapshot, which is
// left as it is, instead of everything there is.
func WatchSince(s *Snapshot) WatchOption { return func(w *watching) { w.since = s } }

// WatchFromNow makes the first look tell nothing.
func WatchFromNow() WatchOption { return func(w *watching) { w.skipFirst = true } }

// Watch returns an iterator over what changes on the computer. It looks at once,
// and then again and again until the loop is left or the context ends, and tells
// what changed since the look before; the first tells all there is as added,
// unless an option says otherwise:
//
//	for change, err := range computer.Watch(ctx) {
//		if err != nil {
//			log.Print(err) // the next look comes later
//			continue
//		}
//		if change.Aspects.Has(slap.AspectParameters) { ... }
//	}
//
// A failed look is told as an error, with a nil change; the loop may be left or
// go on, and what changed meanwhile is told by the next look that succeeds. The
// end of the context is not told. The time to the next look begins when the loop
// has taken the last change, so that slow loops never pile up looks. Changes that
// undo one another between two looks are not seen.
//
// Each loop over the iterator starts anew. Loops may run in many goroutines, over
// the same Computer or Client; none changes what [Computer.Partitions] knows.
func (c *Computer) Watch(ctx context.Context, opts ...WatchOption) iter.Seq2[*Change, error] {
	w := watching{interval: watchInterval, least: watchRetryFrom, most: watchRetryTo}
	for _, option := range opts {
		option(&w)
	}
	w.interval = min(max(w.interval, time.Millisecond), longest)
	w.least = max(w.least, time.Millisecond)
	w.most = max(w.most, w.least)
	return func(yield func(*Change, error) bool) { w.run(ctx, c, yield) }
}

// run looks until the loop or the context ends.
func (w watching) run(ctx context.Context, c *Computer, yield func(*Change, error) bool) {
	last, skip := w.since, w.skipFirst && w.since == nil
	for failed := 0; ctx.Err() == nil; {
		now, err := c.Snapshot(ctx)
		pause := w.interval - w.interval/10 + rand.N(w.interval/5+1)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !yield(nil, err) {
				return
			}
			pause = backoff(w.least, w.most, failed)
			failed++
		default:
			if !skip && !tell(Changes(last, now), yield) {
				return
			}
			last, skip, failed = now, false, 0
		}
		if !sleep(ctx, pause) {
			return
		}
	}
}

// tell yields changes. It is false if the loop was left.
func tell(changes []*Change, yield func(*Change, error) bool) bool {
	for _, change := range changes {
		if !yield(change, nil) {
			return false
		}
	}
	return true
}
