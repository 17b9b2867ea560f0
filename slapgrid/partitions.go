package slapgrid

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slapos/slapos-go/slap"
)

// lastWords is how long an error is still reported after an interruption.
const lastWords = 10 * time.Second

// readPartitions asks the master for the partitions of the node.
func (n *Node) readPartitions(ctx context.Context, only []string) ([]*slap.ComputerPartition, error) {
	all, err := n.client.Computer(n.cfg.ComputerID).Partitions(ctx)
	if err != nil {
		return nil, err
	}
	all = n.distinct(ctx, all)
	if len(only) == 0 {
		return all, nil
	}
	var known []string
	selected := slices.DeleteFunc(slices.Clone(all), func(s *slap.ComputerPartition) bool {
		id, _ := s.ID() // an empty id is never selected
		known = append(known, id)
		return !slices.Contains(only, id)
	})
	var unknown []string
	for _, id := range only {
		if !slices.Contains(known, id) {
			unknown = append(unknown, id)
		}
	}
	slices.Sort(unknown)
	switch len(unknown) {
	case 0:
		return selected, nil
	case 1:
		return nil, compatf("Unknown partition: %s", unknown[0])
	}
	return nil, compatf("Unknown partitions: %s", strings.Join(unknown, ", "))
}

// distinct drops partitions that the master lists again: two jobs on one
// directory would destroy each other's work.
func (n *Node) distinct(ctx context.Context, all []*slap.ComputerPartition) []*slap.ComputerPartition {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(s *slap.ComputerPartition) bool {
		id, err := s.ID()
		again := err == nil && seen[id]
		seen[id] = true
		if again {
			n.log.WarnContext(ctx, "the master lists a partition twice, only the first counts", "partition", id)
		}
		return again
	})
}

// nameOf is how a partition is called in a report; empty if the master gives no
// name.
func nameOf(s *slap.ComputerPartition) string {
	id, _ := s.ID()
	return id
}

// prepare is what comes before a job on a partition: it is sorted out when it
// is free, or when its directory is missing or of the wrong user. An outcome that
// is not nil tells so, and the partition, if there is one, is closed; otherwise
// the caller closes it.
func (n *Node) prepare(ctx context.Context, s *slap.ComputerPartition) (*partition, *Outcome) {
	p, err := n.newPartition(s)
	if err != nil {
		id := nameOf(s)
		n.log.ErrorContext(ctx, err.Error(), "partition", id)
		if reportErr := s.ReportError(ctx, err.Error()); reportErr != nil {
			n.log.ErrorContext(ctx, "Problem while reporting error, continuing:", "error", reportErr)
		}
		return nil, &Outcome{Name: id, Type: "(not ready)", Action: ActionSkipped, Err: err}
	}
	if !p.exists() {
		err := compatf("Partition directory %s does not exist.", p.dir)
		p.log.ErrorContext(ctx, err.Error())
		p.reportError(ctx, err)
		o := p.outcome(ActionSkipped, err)
		o.Harmless = true
		return nil, &o
	}
	err = n.checkAlone(p.dir)
	if err == nil {
		err = p.open()
	}
	if err != nil {
		p.close()
		p.log.ErrorContext(ctx, err.Error())
		p.reportError(ctx, err)
		o := p.outcome(ActionSkipped, err)
		return p, &o
	}
	if p.free() {
		defer p.close()
		o := p.outcome(ActionSkipped, p.tidyFree(ctx))
		return nil, &o
	}
	if err := p.owner.Check(n.cfg.AllowRoot); err != nil {
		p.close()
		err = fmt.Errorf("partition directory %s: %w (give it to the user of the partition)", p.dir, err)
		p.log.ErrorContext(ctx, err.Error())
		p.reportError(ctx, err)
		o := p.outcome(ActionSkipped, err)
		return p, &o
	}
	return p, nil
}

// tidyFree removes what the agent left in a partition that became free and
// tells when something else is there.
func (p *partition) tidyFree(ctx context.Context) error {
	if err := p.files.RemoveTree(agentDirectory); err != nil {
		return err
	}
	if err := p.files.RemoveTree(timestampFile); err != nil {
		return err
	}
	names, err := p.files.Names(".")
	if err != nil {
		return err
	}
	if len(names) > 0 && !slices.Equal(names, []string{resourceFile}) {
		p.log.WarnContext(ctx, fmt.Sprintf("Free partition %s contains file(s) in %s.", p.id, p.dir))
	}
	return nil
}
