package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/slapos/slapos-go/slap"
)

// InstanceOptions tune [Node.Instances].
type InstanceOptions struct {
	// Force processes partitions that are up to date.
	Force bool
	// Only limits the pass to these partitions and forces them; unknown ids
	// are an error and nothing is processed. Empty means all.
	Only []string
	// ForceStop stops started partitions and leaves them unreported; the next
	// pass starts them again.
	ForceStop bool
	// BuildoutDebug runs buildout with its debugger on the agent's terminal.
	BuildoutDebug bool
}

// Instances makes the partitions match what the master asks for. The error is
// about the pass as a whole; those of partitions are in the report. When the
// master cannot be reached, everything that was started before is started
// again and the report is offline.
func (n *Node) Instances(ctx context.Context, o InstanceOptions) (*Report, error) {
	n.log.InfoContext(ctx, "Processing computer partitions...")
	if err := n.begin(ctx); err != nil {
		return nil, err
	}
	if !n.cfg.ForbidSupervisordLaunch {
		if err := n.supervisor.Ensure(ctx); err != nil {
			return nil, err
		}
	}
	if o.BuildoutDebug && n.terminal == nil {
		return nil, errors.New("debug mode needs a terminal")
	}
	list, err := n.readPartitions(ctx, o.Only)
	if isAway(err) && ctx.Err() == nil {
		n.log.ErrorContext(ctx, "the master cannot be reached", "error", err)
		return n.offline(ctx, &Report{}), nil
	}
	if err != nil {
		return nil, err
	}
	var away atomic.Bool
	report := &Report{Outcomes: runJobs(ctx, n.terminalLimit(o.BuildoutDebug), list, &away, nameOf, func(ctx context.Context, s *slap.ComputerPartition) Outcome {
		outcome := n.instanceJob(ctx, s, o)
		if isAway(outcome.Err) && ctx.Err() == nil {
			away.Store(true)
		}
		return outcome
	})}
	if away.Load() {
		return n.offline(ctx, report), nil
	}
	n.log.InfoContext(ctx, "Finished computer partitions.")
	n.log.InfoContext(ctx, strings.Repeat("=", 80))
	report.summarise(ctx, n.log)
	return report, context.Cause(ctx)
}

// instanceJob processes one partition and tells the master if that fails.
func (n *Node) instanceJob(ctx context.Context, s *slap.ComputerPartition, o InstanceOptions) Outcome {
	p, done := n.prepare(ctx, s)
	if done != nil {
		if p != nil {
			p.stopAfterFailure(ctx)
		}
		return *done
	}
	defer p.close()
	action, err := p.process(ctx, o)
	if err == nil {
		return p.outcome(action, nil)
	}
	p.stopAfterFailure(ctx)
	if _, shown := errors.AsType[*BuildError](err); !shown {
		p.log.ErrorContext(ctx, err.Error())
	}
	if !isAway(err) || ctx.Err() != nil {
		p.reportError(ctx, err)
	}
	return p.outcome(action, err)
}

// process is one partition: the up-to-date test, then the steps of its state.
func (p *partition) process(ctx context.Context, o InstanceOptions) (Action, error) {
	p.log.DebugContext(ctx, fmt.Sprintf("Check if %s requires processing...", p.id))
	p.debug = o.BuildoutDebug
	if err := p.forgetRequests(); err != nil {
		return ActionProcessed, err
	}
	forceStop := o.ForceStop && p.state == slap.StateStarted
	force := o.Force || p.node.cfg.Develop || len(o.Only) > 0 || forceStop
	current, err := p.checkUpToDate(force)
	if err != nil {
		return ActionProcessed, err
	}
	if current {
		return ActionUpToDate, p.keepUp(ctx)
	}
	if err := p.owner.Resolve(); err != nil {
		return ActionProcessed, err
	}
	steps, err := p.steps(forceStop)
	if err != nil {
		return ActionProcessed, err
	}
	log, err := p.openLog()
	if err != nil {
		return ActionProcessed, err
	}
	defer log.close()
	p.announce(ctx)
	if err := p.runSteps(ctx, steps); err != nil {
		p.afterFailure(ctx, err)
		return ActionProcessed, err
	}
	if p.timestamp == "" || forceStop {
		return ActionProcessed, nil
	}
	return ActionProcessed, p.files.Write(timestampFile, []byte(p.timestamp), 0o644, false)
}

func (p *partition) announce(ctx context.Context) {
	for _, line := range []string{
		fmt.Sprintf("Processing Computer Partition %s.", p.id),
		"  Software URL: " + p.releaseURL,
		"  Software path: " + p.releaseDir,
		"  Instance path: " + p.dir,
		"  Instance status: " + string(p.state),
	} {
		p.log.InfoContext(ctx, line)
	}
}

// afterFailure leaves the error in the partition and lets the promises of a
// started one tell their state; what they say does not matter here.
func (p *partition) afterFailure(ctx context.Context, err error) {
	if !isPromiseError(err) {
		if err := p.files.Write(p.errorFile(), []byte(err.Error()), 0o644, false); err != nil {
			p.log.ErrorContext(ctx, "cannot write the error file", "error", err)
		}
	}
	if p.state != slap.StateStarted || isPromiseError(err) || ctx.Err() != nil {
		return
	}
	if err := p.checkPromises(ctx, promiseMode{force: true}); err != nil {
		p.log.DebugContext(ctx, "promises after the failure", "error", err)
	}
}

func (p *partition) errorFile() string { return fmt.Sprintf(".slapgrid-%s-error.log", p.id) }

// keepUp looks after a partition that is up to date: the promises of a started
// one may have become broken, or kept again.
func (p *partition) keepUp(ctx context.Context) error {
	if p.state != slap.StateStarted {
		p.log.DebugContext(ctx, "Partition already up-to-date. skipping.")
		return nil
	}
	p.log.DebugContext(ctx, "Partition already up-to-date.")
	err := p.checkPromises(ctx, promiseMode{anomaly: true})
	status := p.slap.AccessStatus()
	bad := strings.HasPrefix(status, "#error")
	switch {
	case err != nil && !isPromiseError(err):
		return err
	case err != nil:
		p.log.ErrorContext(ctx, err.Error())
		if status == "" || !bad {
			p.reportError(ctx, err)
		}
		return nil
	case status == "" || bad:
		return p.slap.Started(ctx)
	}
	return nil
}
