package slapgrid

import (
	"context"
	"fmt"
	"slices"

	"github.com/slapos/slapos-go/slap"
)

// partitionStep is one thing that is done to a partition. A step is
// idempotent: after a crash or a failure the whole list runs again. Steps of
// one partition follow one another; those of different partitions run at the
// same time.
type partitionStep interface {
	// name is used in logs.
	name() string
	// run does it. The steps after a failed one are not run.
	run(ctx context.Context, p *partition) error
}

// installSteps deploy the release in the partition.
func installSteps() []partitionStep {
	return []partitionStep{
		checkFreeSpace{},
		linkRelease{},
		checkPermissions{},
		buildInstance{},
		recordRetention{},
	}
}

// steps lists what is done to the partition, by the state the master wants.
// Reading this is reading the agent.
func (p *partition) steps(forceStop bool) ([]partitionStep, error) {
	begin := []partitionStep{removeErrorFile{}, fetchCertificate{}}
	switch {
	case p.state == slap.StateStarted && forceStop:
		return concat(begin, installSteps(), stopProcesses{}), nil
	case p.state == slap.StateStarted:
		return concat(begin, installSteps(),
			startProcesses{}, keepPromises{}, reportStarted{}, reportRequests{}), nil
	case p.state == slap.StateStopped:
		return concat(begin,
			[]partitionStep{inAnyCase{steps: installSteps(), last: stopProcesses{}}},
			reportStopped{}, reportRequests{}), nil
	case p.state == slap.StateDestroyed:
		return concat(begin, nil, stopProcesses{}, reportStopped{}), nil
	}
	return nil, compatf("Computer Partition '%s' has unsupported state: %s", p.id, p.state)
}

func concat(first, second []partitionStep, more ...partitionStep) []partitionStep {
	return slices.Concat(first, second, more)
}

// runSteps runs steps in order up to the first failure.
func (p *partition) runSteps(ctx context.Context, steps []partitionStep) error {
	for _, step := range steps {
		if err := context.Cause(ctx); err != nil {
			return fmt.Errorf("interrupted before %s: %w", step.name(), err)
		}
		begun := p.node.now()
		err := step.run(ctx, p)
		p.log.DebugContext(ctx, "step", "name", step.name(), "took", p.node.now().Sub(begun), "failed", err != nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// inAnyCase runs steps and then a last one, even if they fail: a partition
// that must not run is stopped although it cannot be deployed.
type inAnyCase struct {
	steps []partitionStep
	last  partitionStep
}

func (s inAnyCase) name() string { return s.last.name() + " in any case" }

func (s inAnyCase) run(ctx context.Context, p *partition) error {
	err := p.runSteps(ctx, s.steps)
	if last := s.last.run(ctx, p); err == nil {
		err = last
	}
	return err
}
