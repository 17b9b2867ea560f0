package proxy

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// How long things are kept by default.
const (
	// DefaultReportRetention is how long usage reports are kept: a year and a
	// month, so that a year can be billed after its end.
	DefaultReportRetention = 396 * 24 * time.Hour
	// DefaultErrorRetention is how long the texts of errors and bangs are kept.
	DefaultErrorRetention = 90 * 24 * time.Hour
	// DefaultBackups is how many backups stay beside the database.
	DefaultBackups = 10
)

// Retention tells how long a master keeps what only grows. Zero means the default,
// a negative number for ever.
type Retention struct {
	// Reports is the age at which usage reports are removed.
	Reports time.Duration
	// Errors is the age at which the texts of errors and bangs are removed. That
	// something failed stays known.
	Errors time.Duration
	// Backups is how many backups stay beside the database: those that were made
	// before its schema or the local software release root changed, and those of
	// Backup without a path. The originals of imported databases always stay.
	Backups int
}

// WithRetention sets how long the master keeps what only grows. It looks for what
// is too old when it opens, and daily while Serve runs.
func WithRetention(r Retention) Option {
	return func(c *config) error {
		c.retention = r
		return nil
	}
}

// retentionPeriod is how often the master looks for what is too old.
const retentionPeriod = 24 * time.Hour

// retain removes what is too old. A failure is logged: the next time will do.
func (s *Server) retain(ctx context.Context) {
	r, now := s.config.retention, s.config.clock()
	reports, failures := before(now, r.Reports, DefaultReportRetention), before(now, r.Errors, DefaultErrorRetention)
	var removed int64
	err := s.master.store.Update(ctx, func(t store.Tx) (err error) {
		removed, err = t.Prune(reports, failures)
		return err
	})
	switch {
	case err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrClosed):
		s.config.logger.Warn("old reports and errors could not be removed", "error", err)
	case removed > 0:
		s.config.logger.Info("old reports and errors were removed", "number", removed)
	}
	s.retainBackups(r.Backups)
}

func (s *Server) retainBackups(keep int) {
	if keep == 0 {
		keep = DefaultBackups
	}
	if info, err := os.Stat(s.database); keep < 0 || err != nil || !info.Mode().IsRegular() {
		return // nothing is removed, or it is no file: in memory, or on a server
	}
	gone, err := store.PruneBackups(s.database, keep)
	if err != nil {
		s.config.logger.Warn("old backups could not be removed", "error", err)
	}
	for _, path := range gone {
		s.config.logger.Info("an old backup was removed", "path", path)
	}
}

// before is the time before which things are too old, zero if they never are.
func before(now time.Time, age, byDefault time.Duration) float64 {
	if age == 0 {
		age = byDefault
	}
	if age < 0 {
		return 0
	}
	return max(0, seconds(now.Add(-age)))
}

// retainDaily removes what gets too old until ctx ends.
func (s *Server) retainDaily(ctx context.Context) { every(ctx, retentionPeriod, s.retain) }

// every calls f after each period until ctx ends.
func every(ctx context.Context, period time.Duration, f func(context.Context)) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			f(ctx)
		}
	}
}
