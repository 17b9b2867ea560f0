package slapgrid

import (
	"context"
	"fmt"

	"github.com/slapos/slapos-go/internal/descriptors"
	"github.com/slapos/slapos-go/slap"
)

// PromiseOptions tune [Node.Promises].
type PromiseOptions struct {
	// Only limits the pass to these partitions; empty means all.
	Only []string
}

// Promises checks the started partitions; nothing is posted about promises
// and nothing is started. The error is about the pass as a whole; those of
// partitions are in the report, each as a *PromiseError.
func (n *Node) Promises(ctx context.Context, o PromiseOptions) (*Report, error) {
	n.log.InfoContext(ctx, "Processing promises...")
	if err := descriptors.Seal(); err != nil {
		return nil, err
	}
	if err := n.endSurvivors(ctx); err != nil {
		return nil, err
	}
	list, err := n.readPartitions(ctx, o.Only)
	if err != nil {
		return nil, err
	}
	report := &Report{Outcomes: runJobs(ctx, n.cfg.Parallel, list, nil, nameOf, n.promiseJob)}
	if report.ExitCode() != ExitOK {
		n.log.InfoContext(ctx, "Finished computer partitions.")
		report.summarise(ctx, n.log)
	}
	return report, context.Cause(ctx)
}

// promiseJob checks one partition. Whatever goes wrong counts as a promise.
func (n *Node) promiseJob(ctx context.Context, s *slap.ComputerPartition) Outcome {
	p, done := n.prepare(ctx, s)
	if done != nil {
		if done.Err != nil && !done.Harmless {
			done.Err = asPromise(done.Err)
		}
		return *done
	}
	defer p.close()
	for _, line := range []string{
		fmt.Sprintf("Processing Promises for Computer Partition %s.", p.id),
		"  Software URL: " + p.releaseURL,
		"  Software path: " + p.releaseDir,
		"  Instance path: " + p.dir,
	} {
		p.log.InfoContext(ctx, line)
	}
	if p.state != slap.StateStarted {
		return p.outcome(ActionSkipped, nil)
	}
	err := p.checkPromises(ctx, promiseMode{force: true})
	if err != nil && !isPromiseError(err) {
		p.log.ErrorContext(ctx, err.Error())
		err = asPromise(err)
	}
	return p.outcome(ActionProcessed, err)
}

// asPromise makes any failure one of the promises: the pass knows no other.
func asPromise(err error) error { return &PromiseError{Name: "(launcher)", Message: err.Error()} }
