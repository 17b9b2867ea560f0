package slapgrid

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// withoutDamage does something that makes the daemon read its files. Those of
// partitions that it cannot read, as a full disk or an editor leave them, are
// written anew, and it is done again: one file must not hold up the whole node.
func (n *Node) withoutDamage(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || ctx.Err() != nil || !n.mendGroups(ctx, err) {
			return err
		}
	}
}

// mendGroups writes the files of the partitions that an error of the daemon
// names, and tells whether one has changed.
func (n *Node) mendGroups(ctx context.Context, cause error) (changed bool) {
	entries, err := os.ReadDir(filepath.Dir(n.groupConf("")))
	if err != nil {
		return false
	}
	for _, entry := range entries {
		id, isConf := strings.CutSuffix(entry.Name(), ".conf")
		if !isConf || !strings.Contains(cause.Error(), n.groupConf(id)) || checkPartitionID(id) != nil {
			continue
		}
		p := &partition{node: n, id: id, dir: filepath.Join(n.cfg.InstanceRoot, id), log: n.log.With("partition", id)}
		if !p.exists() {
			continue // not of a partition: the error names it
		}
		written, err := p.rewriteGroup()
		if err != nil {
			p.log.ErrorContext(ctx, "a damaged file of the supervisor cannot be written anew", "file", n.groupConf(id), "error", err)
			continue
		}
		if written {
			p.log.WarnContext(ctx, "a damaged file of the supervisor was written anew", "file", n.groupConf(id), "damage", cause)
			changed = true
		}
	}
	return changed
}

// rewriteGroup makes the supervisor's file of the partition match its programs,
// without telling the daemon.
func (p *partition) rewriteGroup() (written bool, err error) {
	defer p.close()
	if err := errors.Join(p.open(), p.owner.Resolve()); err != nil {
		return false, err
	}
	programs, err := p.programs()
	if err != nil {
		return false, err
	}
	if len(programs) == 0 {
		return true, os.Remove(p.node.groupConf(p.id))
	}
	return atomicfile.WriteIfChanged(p.node.groupConf(p.id), p.groupSections(programs), 0o600)
}
