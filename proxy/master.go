package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// master holds the rules: what requests, reports and look-ups mean. It knows
// nothing of HTTP; its answers are values or marshalled bodies.
type master struct {
	store      store.Store
	cache      *bodyCache
	building   singleflight.Group
	clock      func() time.Time
	log        *slog.Logger
	computerID string
	products   []Product
	others     []*otherMaster
	runID      string
	relays     bool // the HTTP proxy is on
	// destroyInStopped lets instances of stopped trees be destroyed.
	destroyInStopped bool
	// formatAsReal keeps what is busy and not listed, and reads routes.
	formatAsReal bool
	authorizer   Authorizer
	seen         sightings
}

// runIDSetting is where masters that share a database keep their common run ID.
const runIDSetting = "run_id"

// shareRunID takes the run ID of the masters that share the database: by it others
// know that a call that was sent to one of them would come back to them.
func (m *master) shareRunID(t store.Tx) error {
	shared, err := t.Setting(runIDSetting)
	if err != nil {
		return err
	}
	if shared == "" {
		return t.SaveSetting(runIDSetting, m.runID)
	}
	m.runID = shared
	return nil
}

// now is the time in seconds since 1970, to the microsecond.
func (m *master) now() float64 {
	return float64(m.clock().UnixMicro()) / 1e6
}

// advance raises the timestamp of a partition to now, or past its present
// value if the clock stands or went back: nodes compare it as a number
// (1.6.10) or as text (newer).
func advance(t store.Tx, p *store.Partition, now float64) error {
	p.Timestamp = later(p.Timestamp, now)
	return t.SaveTimestamp(p)
}

// later returns now, or the next microsecond after before if that is later.
func later(before, now float64) float64 {
	if now > before {
		return now
	}
	// After the year 2255 microseconds are finer than the numbers.
	return max(math.Round(before*1e6+1)/1e6, math.Nextafter(before, math.Inf(1)))
}

// known returns a computer that was formatted, or the configured one.
func (m *master) known(r store.Reader, reference string) (*store.Computer, error) {
	c, err := r.Computer(reference)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, unknownComputer(reference)
	case err != nil:
		return nil, err
	case !c.Formatted && reference != m.computerID:
		return nil, unknownComputer(reference)
	}
	return c, nil
}

// existing returns a partition with its instance.
func existing(r store.Reader, computer, partition string) (*store.Partition, error) {
	p, err := r.Occupied(computer, partition)
	if errors.Is(err, store.ErrNotFound) {
		return nil, unknownPartition(computer, partition)
	}
	return p, err
}

// onInstance lets those who may change the instance of a partition. A partition that
// is free has nothing to change.
func (m *master) onInstance(ctx context.Context, p Principal, action Action, place Object, change func(store.Tx, *store.Partition) error) error {
	if err := m.authorizer.Authorize(ctx, p, action, place); err != nil {
		return err
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		found, err := existing(t, place.Computer, place.Partition)
		if err != nil || found.Instance == nil {
			return err
		}
		return change(t, found)
	})
}

// computerBody returns the marshalled Computer that nodes read.
func (m *master) computerBody(ctx context.Context, p Principal, reference string) ([]byte, error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{Computer: reference}); err != nil {
		return nil, err
	}
	body, err := m.body(ctx, cacheKey{computer: reference}, func(r store.Reader) (any, error) {
		c, err := m.known(r, reference)
		if err != nil {
			return nil, err
		}
		software, err := r.Software(c)
		if err != nil {
			return nil, err
		}
		partitions, err := r.Shown(c)
		if err != nil {
			return nil, err
		}
		return computerObject(c, software, partitions), nil
	})
	if err == nil {
		m.sighted(reference)
	}
	return body, err
}

// partitionBody returns the marshalled ComputerPartition.
func (m *master) partitionBody(ctx context.Context, p Principal, computer, reference string) ([]byte, error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{computer, reference}); err != nil {
		return nil, err
	}
	if reference == "" { // would be the key of the computer's answer
		return nil, unknownPartition(computer, reference)
	}
	return m.body(ctx, cacheKey{computer, reference}, func(r store.Reader) (any, error) {
		found, err := r.Partition(computer, reference)
		if errors.Is(err, store.ErrNotFound) || err == nil && found.Hidden {
			return nil, unknownPartition(computer, reference)
		}
		if err != nil {
			return nil, err
		}
		return partitionObject(found)
	})
}

// body answers from the cache while nothing that is shown has changed. The
// version is read before the snapshot: a body is then never older than the
// version it is kept under. Calls that miss the same version at the same time
// share one building of it.
func (m *master) body(ctx context.Context, key cacheKey, build func(store.Reader) (any, error)) ([]byte, error) {
	version, err := m.store.Version(ctx, key.computer, key.partition)
	if err != nil {
		return nil, err
	}
	if body, ok := m.cache.get(key, version); ok {
		return body, nil
	}
	// Whoever came first may go away before the others have their answer.
	ctx = context.WithoutCancel(ctx)
	body, err, _ := m.building.Do(key.at(version), func() (any, error) {
		// It may have been completed between the look into the cache and now.
		if body, ok := m.cache.again(key, version); ok {
			return body, nil
		}
		body, err := m.build(ctx, key, build)
		if err == nil {
			m.cache.put(key, version, body)
		}
		return body, err
	})
	if err != nil {
		return nil, err
	}
	return body.([]byte), nil
}

// build marshals what a function reads from a snapshot.
func (m *master) build(ctx context.Context, key cacheKey, read func(store.Reader) (any, error)) ([]byte, error) {
	var value any
	err := m.store.View(ctx, func(r store.Reader) (err error) {
		value, err = read(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	body, err := marshalBody(value)
	if err != nil {
		return nil, fmt.Errorf("answer about computer %q, partition %q: %w", key.computer, key.partition, err)
	}
	return body, nil
}

// products returns the releases of a product, best first.
func (m *master) releasesOf(product string) []string {
	for i := len(m.products) - 1; i >= 0; i-- {
		if m.products[i].Name == product {
			return []string{m.products[i].URL}
		}
	}
	return nil
}
