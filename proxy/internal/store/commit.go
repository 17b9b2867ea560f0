package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
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

// Update implements Store.
func (s *SQLite) Update(ctx context.Context, f func(Tx) error) error {
	u := &update{ctx: ctx, f: f, done: make(chan struct{})}
	select {
	case <-s.closing:
		return ErrClosed
	default:
	}
	select {
	case s.queue <- u:
	case <-s.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-u.done:
		return u.err
	case <-s.closed:
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

// run serves updates one batch at a time until Close.
func (s *SQLite) run() {
	defer close(s.closed)
	for {
		select {
		case u := <-s.queue:
			s.commit(s.batch(u))
		case <-s.closing:
			for {
				select {
				case u := <-s.queue:
					s.commit(s.batch(u))
				default:
					return
				}
			}
		}
	}
}

// batch adds to an update all that wait behind it.
func (s *SQLite) batch(first *update) []*update {
	batch := []*update{first}
	for len(batch) < maxBatch {
		select {
		case u := <-s.queue:
			batch = append(batch, u)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction, each update in a savepoint of its
// own, and answers when the transaction is durable.
func (s *SQLite) commit(batch []*update) {
	began := time.Now()
	changed, err := s.transact(batch)
	if err == nil {
		s.versions.raise(changed)
	}
	s.observe(len(batch), began, err)
	for _, u := range batch {
		if u.err == nil && err != nil {
			u.err = err
		}
		close(u.done)
	}
}

func (s *SQLite) transact(batch []*update) (map[place]struct{}, error) {
	// Statements run under no caller's context: one caller that goes away
	// must not interrupt the updates of the others.
	ctx := context.Background()
	if err := s.files.inPlace(); err != nil {
		return nil, s.failure(err)
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, s.failure(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has no effect
	changed := map[place]struct{}{}
	for _, u := range batch {
		if u.err = u.ctx.Err(); u.err != nil {
			continue
		}
		w := &writer{reader: reader{ctx: ctx, tx: tx, statements: s.writing}}
		broken := w.runInSavepoint(u)
		u.err = s.failure(u.err)
		if broken != nil {
			return nil, s.failure(broken)
		}
		if u.err == nil {
			for p := range w.changed {
				changed[p] = struct{}{}
			}
		}
	}
	if err := tx.Commit(); err != nil {
		return nil, s.failure(err)
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
