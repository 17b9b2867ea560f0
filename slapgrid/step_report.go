package slapgrid

import (
	"context"
	"errors"
)

// reportStarted tells the master that the instance runs.
type reportStarted struct{}

func (reportStarted) name() string { return "report started" }

func (reportStarted) run(ctx context.Context, p *partition) error { return p.slap.Started(ctx) }

// reportStopped tells the master that the instance is stopped. A master that
// does not take it does not stop the pass.
type reportStopped struct{}

func (reportStopped) name() string { return "report stopped" }

func (reportStopped) run(ctx context.Context, p *partition) error {
	err := p.slap.Stopped(ctx)
	if err != nil && (ctx.Err() != nil || errors.Is(err, context.Canceled)) {
		return err
	}
	if err != nil {
		p.log.ErrorContext(ctx, "cannot report the partition as stopped, continuing", "error", err)
	}
	return nil
}
