package slapgrid

import (
	"context"
	"fmt"

	"github.com/slapos/slapos-go/slap"
)

// startProcesses tells the supervisor about the programs of the partition and
// starts those that do not run.
type startProcesses struct{}

func (startProcesses) name() string { return "start" }

func (startProcesses) run(ctx context.Context, p *partition) error {
	if err := p.writeGroup(ctx); err != nil {
		return err
	}
	known, err := p.node.supervisor.Start(ctx, p.id)
	switch {
	case err != nil:
		return err
	case !known:
		p.log.InfoContext(ctx, fmt.Sprintf("Nothing to start on %s...", p.id))
	default:
		p.log.InfoContext(ctx, fmt.Sprintf("Requested start of %s...", p.id))
	}
	return nil
}

// stopProcesses takes the programs of the partition away from the supervisor
// and waits until they have ended.
type stopProcesses struct{}

func (stopProcesses) name() string { return "stop" }

func (stopProcesses) run(ctx context.Context, p *partition) error {
	if err := p.removeGroups(ctx); err != nil {
		return err
	}
	p.stopped = true
	return nil
}

// stopAfterFailure stops a partition that must not run, however early its
// processing failed: its user could make that fail, and the master wins.
func (p *partition) stopAfterFailure(ctx context.Context) {
	if p.stopped || ctx.Err() != nil || p.state != slap.StateStopped && p.state != slap.StateDestroyed {
		return
	}
	if err := (stopProcesses{}).run(ctx, p); err != nil {
		p.log.ErrorContext(ctx, "cannot stop the partition", "error", err)
	}
}
