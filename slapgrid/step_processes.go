package slapgrid

import (
	"context"
	"fmt"
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

func (stopProcesses) run(ctx context.Context, p *partition) error { return p.removeGroups(ctx) }
