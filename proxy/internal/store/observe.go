package store

import "time"

// Commit tells of one transaction that changed the database, or failed to.
type Commit struct {
	// Updates is how many updates shared it.
	Updates int
	// Took is the time from its begin until it was durable.
	Took time.Duration
	// Err is why the whole of it was lost.
	Err error
}

// Observable is a Store that tells of its commits.
type Observable interface {
	// Observe sets who is told of each commit, before those who wait for it are
	// answered. f must be quick; it may be called by several goroutines.
	Observe(f func(Commit))
}

var _ Observable = (*SQLite)(nil)

// Observe implements Observable.
func (c *commits) Observe(f func(Commit)) { c.observer.Store(&f) }

// observe tells of a commit that began at a time.
func (c *commits) observe(updates int, began time.Time, err error) {
	if f := c.observer.Load(); f != nil {
		(*f)(Commit{Updates: updates, Took: time.Since(began), Err: err})
	}
}
