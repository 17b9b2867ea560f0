package slapgrid

import "context"

// keepPromises checks all promises of a partition that was just started.
type keepPromises struct{}

func (keepPromises) name() string { return "check promises" }

func (keepPromises) run(ctx context.Context, p *partition) error {
	return p.checkPromises(ctx, promiseMode{force: true})
}
