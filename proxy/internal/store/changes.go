package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"sync"
)

// changes knows the number of the last change of each place, whoever made it.
// Numbers grow in the order of the commits, as all of a database have one lock.
//
// Each question is answered by a look into the database that began after it was
// asked, so that it sees all that was committed before. Questions that come while
// a look is under way share the next one.
type changes struct {
	db     *sql.DB
	ctx    context.Context //nolint:containedctx // that of the looks, until stop
	cancel context.CancelFunc
	looks  sync.WaitGroup

	turn sync.Mutex // held by the look that is under way
	mu   sync.Mutex
	next *look // the one that begins next, if somebody waits for it
	seen int64
	// numbers has the places that changed since start.
	numbers map[string]int64
}

// look is one look into the database.
type look struct {
	done chan struct{}
	err  error
}

func newChanges(db *sql.DB) *changes {
	c := &changes{db: db, numbers: map[string]int64{}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// start forgets the changes that were made until now: nothing is kept from before.
func (c *changes) start(ctx context.Context) error {
	return c.db.QueryRowContext(ctx, "SELECT COALESCE(MAX(number), 0) FROM change").Scan(&c.seen)
}

// stop ends the looks. It may be called more than once.
func (c *changes) stop() {
	c.mu.Lock()
	c.cancel()
	c.mu.Unlock()
	c.looks.Wait()
}

// version returns the number of the last change of a place, zero if there was none
// since start.
func (c *changes) version(ctx context.Context, p place) (uint64, error) {
	l, err := c.join()
	if err != nil {
		return 0, err
	}
	select {
	case <-l.done:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if l.err != nil {
		return 0, l.err
	}
	digest := p.digest()
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(c.numbers[digest]), nil
}

// join returns the look that begins next.
func (c *changes) join() (*look, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if c.next == nil {
		l := &look{done: make(chan struct{})}
		c.next = l
		c.looks.Go(func() { c.run(l) })
	}
	return c.next, nil
}

func (c *changes) run(l *look) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.mu.Lock()
	c.next = nil // who comes from now on may ask for what this one misses
	after := c.seen
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, workTimeout)
	defer cancel()
	numbers, err := readChanges(ctx, c.db, after)
	if c.ctx.Err() != nil {
		err = ErrClosed
	}
	c.mu.Lock()
	for place, number := range numbers {
		c.numbers[place] = number
		c.seen = max(c.seen, number)
	}
	c.mu.Unlock()
	l.err = err
	close(l.done)
}

// readChanges returns the places that changed after a number.
func readChanges(ctx context.Context, db *sql.DB, after int64) (numbers map[string]int64, err error) {
	for range attempts {
		numbers, err = scanChanges(db.QueryContext(ctx, "SELECT place, number FROM change WHERE number > $1", after))
		if err == nil || ctx.Err() != nil || !isLost(err) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return numbers, nil
}

func scanChanges(rows *sql.Rows, err error) (numbers map[string]int64, _ error) {
	err = eachRow(rows, err, func(row scanner) error {
		var place string
		var number int64
		if err := row.Scan(&place, &number); err != nil {
			return err
		}
		if numbers == nil {
			numbers = map[string]int64{}
		}
		numbers[place] = number
		return nil
	})
	return numbers, err
}

// noteChanges gives the places that a transaction changed the next number. The
// transaction has the lock of the database.
func noteChanges(ctx context.Context, tx *sql.Tx, places map[place]struct{}) error {
	if len(places) == 0 {
		return nil
	}
	digests := make([]string, 0, len(places))
	for p := range places {
		digests = append(digests, p.digest())
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO change (place, number) "+
		"SELECT place, (SELECT COALESCE(MAX(number), 0) + 1 FROM change) FROM unnest($1::text[]) AS place "+
		"ON CONFLICT (place) DO UPDATE SET number = excluded.number", digests)
	return err
}

// digest is a short name of a place.
func (p place) digest() string {
	sum := sha256.Sum256([]byte(p.computer + "\x00" + p.partition))
	return hex.EncodeToString(sum[:])
}
