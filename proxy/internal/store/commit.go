package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// maxBatch bounds the updates that share one commit.
const maxBatch = 256

// update is one call of Update that waits for its turn.
type update struct {
	ctx  context.Context
	f    func(Tx) error
	err  error
	done chan struct{}
}

// commits runs updates one after the other on a goroutine of its own, and lets
// those that wait at the same time share a commit.
type commits struct {
	// transact runs a batch in one transaction and returns when that is durable.
	// Its error is that of the updates that have none of their own.
	transact func(batch []*update) error

	observer atomic.Pointer[func(Commit)]
	queue    chan *update
	closing  chan struct{}
	closed   chan struct{}
}

func startCommits(transact func([]*update) error) *commits {
	c := &commits{
		transact: transact,
		queue:    make(chan *update, maxBatch),
		closing:  make(chan struct{}),
		closed:   make(chan struct{}),
	}
	go c.run()
	return c
}

// Update implements Store.
func (c *commits) Update(ctx context.Context, f func(Tx) error) error {
	u := &update{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case <-c.closing:
		return ErrClosed
	default:
	}
	select {
	case c.queue <- u:
	case <-c.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-u.done:
		return u.err
	case <-c.closed:
	}
	// The queue was closed around the time of sending: either it was still
	// served, or it never will be.
	select {
	case <-u.done:
		return u.err
	default:
		return ErrClosed
	}
}

// stop completes the updates that wait; later ones are refused. It must be called
// once.
func (c *commits) stop() {
	close(c.closing)
	<-c.closed
}

// run serves updates one batch at a time until stop.
func (c *commits) run() {
	defer close(c.closed)
	for {
		select {
		case u := <-c.queue:
			c.commit(c.batch(u))
		case <-c.closing:
			for {
				select {
				case u := <-c.queue:
					c.commit(c.batch(u))
				default:
					return
				}
			}
		}
	}
}

// batch adds to an update all that wait behind it.
func (c *commits) batch(first *update) []*update {
	batch := []*update{first}
	for len(batch) < maxBatch {
		select {
		case u := <-c.queue:
			batch = append(batch, u)
		default:
			return batch
		}
	}
	return batch
}

// commit answers the updates of a batch when they are durable.
func (c *commits) commit(batch []*update) {
	began := time.Now()
	err := c.transact(batch)
	c.observe(len(batch), began, err)
	for _, u := range batch {
		if u.err == nil && err != nil {
			u.err = err
		}
		close(u.done)
	}
}

// runAll runs the updates of a batch in a transaction, each in a savepoint of its
// own, and returns what they change. Their errors are passed through failure. An
// error means that the transaction as a whole is lost.
func runAll(
	ctx context.Context, tx *sql.Tx, prepared statements, batch []*update, failure func(error) error,
) (map[place]struct{}, error) {
	changed := map[place]struct{}{}
	bound := make(statements, len(prepared))
	for _, u := range batch {
		if u.err = u.ctx.Err(); u.err != nil {
			continue
		}
		w := &writer{reader: reader{ctx: ctx, tx: tx, statements: prepared, bound: bound}}
		broken := w.runInSavepoint(u)
		u.err = failure(u.err)
		if broken != nil {
			return nil, broken
		}
		if u.err == nil {
			for p := range w.changed {
				changed[p] = struct{}{}
			}
		}
	}
	return changed, nil
}

// runInSavepoint runs one update and undoes it if it fails. The error it
// returns means that the transaction as a whole is lost.
func (w *writer) runInSavepoint(u *update) error {
	if _, err := w.exec(qSavepoint); err != nil {
		return err
	}
	if u.err = call(u.f, w); u.err != nil {
		if _, err := w.exec(qRollbackTo); err != nil {
			return errors.Join(u.err, err)
		}
	}
	_, err := w.exec(qRelease)
	return err
}

// call turns a panic of an update into its error: the other updates of the
// batch go on.
func call(f func(Tx) error, w *writer) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
	}()
	return f(w)
}

// PanicError is the error of an update that panicked.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is where.
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// statements are all queries prepared on one pool.
type statements []*sql.Stmt

func prepareAll(ctx context.Context, db *sql.DB) (statements, error) {
	all := make(statements, len(queries))
	for i, text := range queries {
		if text == "" {
			continue
		}
		stmt, err := db.PrepareContext(ctx, text)
		if err != nil {
			return nil, fmt.Errorf("prepare %q: %w", text, err)
		}
		all[i] = stmt
	}
	return all, nil
}
