package slapgrid

import (
	"context"
	"errors"
	"slices"

	"github.com/slapos/slapos-go/slap"
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
	if report.OfflineErr = n.supervisor.StartAll(ctx); report.OfflineErr != nil {
		n.log.ErrorContext(ctx, "Error in offline mode while starting partitions:", "error", report.OfflineErr)
	}
	return report
}
