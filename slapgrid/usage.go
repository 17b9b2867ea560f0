package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/tio"
)

// UsageOptions tune [Node.Usage].
type UsageOptions struct{}

// usageJob is one partition during the pass.
type usageJob struct {
	p *partition
	// movements are what the partition consumed, files where it said so.
	movements []tio.Movement
	files     []usageFile
	// unsent tells that usage did not get to the master: the partition is not
	// destroyed in this run.
	unsent bool
	err    error
}

// name is empty for what is no job.
func (j *usageJob) name() string {
	if j == nil {
		return ""
	}
	return j.p.id
}

// Usage runs the report programs of the partitions, sends what they and the
// node consumed to the master, and destroys the partitions that the master
// wants destroyed. The error is about the pass as a whole; those of partitions
// are in the report.
func (n *Node) Usage(ctx context.Context, _ UsageOptions) (*Report, error) {
	if err := n.begin(ctx); err != nil {
		return nil, err
	}
	if !n.cfg.ForbidSupervisordLaunch {
		if err := n.supervisor.Ensure(ctx); err != nil {
			return nil, err
		}
	}
	n.log.InfoContext(ctx, "Aggregating and sending usage reports...")
	list, err := n.readPartitions(ctx, nil)
	if err != nil {
		return nil, err
	}
	jobs := make([]*usageJob, len(list))
	report := &Report{Outcomes: make([]Outcome, len(list))}
	for i, s := range list {
		p, done := n.prepare(ctx, s)
		if done != nil {
			report.Outcomes[i] = *done
			continue
		}
		// A node may have more partitions than a process can have files open.
		p.close()
		jobs[i] = &usageJob{p: p}
	}
	n.collectUsage(ctx, jobs)
	n.sendNodeUsage(ctx)
	n.sendUsage(ctx, jobs)
	destroyed := runJobs(ctx, n.cfg.Parallel, jobs, nil, (*usageJob).name, func(ctx context.Context, j *usageJob) Outcome {
		if j == nil {
			return Outcome{}
		}
		return j.finish(ctx)
	})
	for i, o := range destroyed {
		if jobs[i] != nil {
			report.Outcomes[i] = o
			report.Outcomes[i].Name = jobs[i].p.id
		}
	}
	n.log.InfoContext(ctx, "Finished usage reports.")
	return report, context.Cause(ctx)
}

// collectUsage runs the report programs and reads what they wrote.
func (n *Node) collectUsage(ctx context.Context, jobs []*usageJob) {
	runJobs(ctx, n.cfg.Parallel, jobs, nil, (*usageJob).name, func(ctx context.Context, j *usageJob) Outcome {
		if j == nil {
			return Outcome{}
		}
		if err := j.gather(ctx); err != nil {
			j.p.log.ErrorContext(ctx, err.Error())
			j.p.reportError(ctx, err)
			j.err = errors.Join(j.err, err)
		}
		return Outcome{}
	})
}

// gather runs the report programs of the partition and reads what there is. A
// program that fails is told on its own.
func (j *usageJob) gather(ctx context.Context) error {
	if err := j.p.open(); err != nil {
		j.unsent = true
		return err
	}
	defer j.p.close()
	err := j.p.owner.Resolve()
	if err == nil {
		j.err = j.runPrograms(ctx)
	}
	return errors.Join(err, j.collect(ctx))
}

// sendUsage sends the usage of all partitions as one journal, and one by one if
// the master refuses that: one partition must not stand in the way of all. The
// partitions' own reports are removed only once the master has accepted them. A
// failure is charged to every partition that contributed.
func (n *Node) sendUsage(ctx context.Context, jobs []*usageJob) {
	contributors := slices.DeleteFunc(slices.Clone(jobs), func(j *usageJob) bool {
		return j == nil || len(j.movements) == 0
	})
	if len(contributors) == 0 || ctx.Err() != nil {
		return
	}
	err := n.postJournal(ctx, n.aggregate(contributors))
	single := len(contributors) > 1 && isRefusedContent(err)
	for _, j := range contributors {
		if single {
			err = n.postJournal(ctx, n.aggregate([]*usageJob{j}))
		}
		j.sent(ctx, err)
	}
}

// isRefusedContent tells that the master got or took nothing of a document because
// of what is in it, or of its size.
func isRefusedContent(err error) bool {
	if errors.Is(err, errUnwritable) {
		return true
	}
	e, ok := errors.AsType[*slap.Error](err)
	return ok && slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, e.Status)
}

// sent removes the reports that the master has accepted, or tells why not.
func (j *usageJob) sent(ctx context.Context, err error) {
	if err != nil {
		j.unsent = true
		err = compatf("Cannot report usage for '%s': %w", j.p.id, err)
		j.p.log.ErrorContext(ctx, err.Error())
		j.p.reportError(ctx, err)
		return
	}
	for _, f := range j.files {
		if err := f.remove(); err != nil {
			j.p.log.ErrorContext(ctx, "cannot remove a usage report that was sent", "file", f.name, "error", err)
		}
	}
}

// finish destroys the partition if the master wants that.
func (j *usageJob) finish(ctx context.Context) Outcome {
	if j.p.state != slap.StateDestroyed {
		return j.p.outcome(ActionProcessed, j.err)
	}
	action, err := j.destroy(ctx)
	if err != nil {
		j.p.log.ErrorContext(ctx, err.Error())
		j.p.reportError(ctx, err)
	}
	return j.p.outcome(action, errors.Join(j.err, err))
}

// destroy stops the partition for good, empties it if nothing stands in the
// way, and tells the master.
func (j *usageJob) destroy(ctx context.Context) (Action, error) {
	p := j.p
	if err := p.open(); err != nil {
		return ActionKept, err
	}
	defer p.close()
	if err := p.owner.Resolve(); err != nil {
		return ActionKept, err
	}
	for _, step := range []partitionStep{stopProcesses{}, fetchCertificate{}, reportStopped{}} {
		if err := step.run(ctx, p); err != nil {
			return ActionKept, err
		}
	}
	if j.unsent {
		p.log.InfoContext(ctx, fmt.Sprintf("Ignoring destruction of '%s', as no report usage was sent", p.id))
		return ActionKept, nil
	}
	waiting, err := p.waitsForProcesses(ctx)
	if err != nil {
		return ActionKept, err
	}
	if waiting {
		p.log.InfoContext(ctx, "There are running processes into the partition, wait until they finish...")
		return ActionKept, nil
	}
	p.log.InfoContext(ctx, fmt.Sprintf("Destroying Computer Partition %s...", p.id))
	allowed, err := p.retentionOver(ctx)
	if err != nil {
		return ActionKept, err
	}
	if !allowed {
		p.log.InfoContext(ctx, "Impossible to destroy partition yet because of retention lock.")
		return ActionKept, nil
	}
	if err := p.wipe(ctx); err != nil {
		return ActionKept, err
	}
	err = p.slap.Destroyed(ctx)
	if errors.Is(err, slap.ErrNotFound) || errors.Is(err, slap.ErrServer) {
		p.log.DebugContext(ctx, "the master did not take the destruction", "error", err)
		err = nil
	}
	return ActionRemoved, err
}
