package slapgrid

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// awayStatuses are the answers that mean that the master does not work at the
// moment, not that it refuses.
var awayStatuses = []int{500, 502, 503, 520, 523, 524, 526}

// isAway tells whether an error means that the master cannot be reached.
func isAway(err error) bool {
	if errors.Is(err, slap.ErrConnection) {
		return true
	}
	e, ok := errors.AsType[*slap.Error](err)
	return ok && slices.Contains(awayStatuses, e.Status)
}

// offline starts whatever the supervisor knows: the entries of stopped
// partitions are gone, so that these stay down.
func (n *Node) offline(ctx context.Context, report *Report) *Report {
	n.log.InfoContext(ctx, "Processing computer partitions offline...")
	report.Offline = true
	report.OfflineErr = n.stopLegacy(ctx)
	if err := n.supervisor.StartAll(ctx); err != nil {
		report.OfflineErr = errors.Join(report.OfflineErr, err)
	}
	if report.OfflineErr != nil {
		n.log.ErrorContext(ctx, "Error in offline mode while starting partitions:", "error", report.OfflineErr)
	}
	return report
}

// requestedState is where older agents noted the state of a partition, whose
// supervisor entry they left in place.
const requestedState = ".requested_state"

// stopLegacy stops the partitions that an older agent knew to be stopped, and
// forgets what it noted.
func (n *Node) stopLegacy(ctx context.Context) error {
	entries, err := os.ReadDir(n.cfg.InstanceRoot)
	if err != nil {
		return err
	}
	var all []error
	for _, entry := range entries {
		path := filepath.Join(n.cfg.InstanceRoot, entry.Name(), requestedState)
		data, err := confined.ReadForeign(path, os.Getuid())
		if err != nil {
			continue // usually absent
		}
		all = append(all, os.Remove(path))
		if strings.TrimSpace(string(data)) == string(slap.StateStopped) {
			p := &partition{node: n, log: n.log, id: entry.Name()}
			all = append(all, p.removeGroups(ctx))
		}
	}
	return errors.Join(all...)
}
