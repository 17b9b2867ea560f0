package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// relate keeps, among what an instance has requested, only the titles of a
// list. The others lose their link to it: they stay, for WithUnlinkedAge at least,
// another instance of the tree may adopt them by requesting them, and nobody is
// told when they publish.
func (m *master) relate(ctx context.Context, p Principal, computer, partition string, titles []string) error {
	return m.onInstance(ctx, p, ActionRequest, Object{computer, partition}, func(t store.Tx, found *store.Partition) error {
		return m.unlink(t, found.Instance.ID, titles)
	})
}

// unlink takes its link from what an instance has requested, but for some titles.
func (m *master) unlink(t store.Tx, requester int64, except []string) error {
	children, err := t.Children(requester)
	if err != nil {
		return err
	}
	now := m.now()
	for _, child := range children {
		if slices.Contains(except, child.Instance.Title) {
			continue
		}
		child.Instance.Requester, child.Instance.Unlinked = 0, now
		if err := t.SaveInstance(child); err != nil {
			return err
		}
	}
	shared, err := t.SharedOf(requester)
	if err != nil {
		return err
	}
	for _, s := range shared {
		if slices.Contains(except, strings.TrimPrefix(s.Key, s.Tree+"_")) {
			continue
		}
		s.Requester, s.Unlinked = 0, now
		if err := t.SaveShared(s); err != nil {
			return err
		}
	}
	return nil
}

// unlinkedPeriod is how often the master looks for what was unlinked long ago.
const unlinkedPeriod = time.Hour

// destroyUnlinkedHourly destroys what was unlinked long ago until ctx ends. It does
// not begin with it: what could not be requested while no master ran gets an hour.
func (s *Server) destroyUnlinkedHourly(ctx context.Context) {
	if s.config.unlinkedAge > 0 {
		every(ctx, unlinkedPeriod, s.destroyUnlinked)
	}
}

// destroyUnlinked destroys what is unlinked for too long. A failure is logged: the
// next time will do.
func (s *Server) destroyUnlinked(ctx context.Context) {
	before := seconds(s.config.clock().Add(-s.config.unlinkedAge))
	gone, err := s.master.destroyUnlinked(ctx, before)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, store.ErrClosed) {
			s.config.logger.Warn("unlinked instances could not be destroyed", "error", err)
		}
		return
	}
	for _, i := range gone {
		s.config.logger.Info("an unlinked instance is destroyed", "title", i.title, "tree", i.tree,
			"computer", i.computer, "partition", i.partition, "shared", i.shared)
	}
}

// unlinked names an instance, or a shared one with the partition of its host.
type unlinked struct {
	title, tree, computer, partition string
	shared                           bool
}

// destroyUnlinked asks instances that were unlinked before a time to go, and
// destroys such shared ones. What they requested is unlinked.
func (m *master) destroyUnlinked(ctx context.Context, before float64) (gone []unlinked, err error) {
	err = m.store.Update(ctx, func(t store.Tx) error {
		gone = nil
		instances, err := t.Unlinked(before)
		if err != nil {
			return err
		}
		for _, p := range instances {
			destroyed, err := m.destroyOrphan(t, p)
			if err != nil {
				return err
			}
			if destroyed {
				gone = append(gone, unlinked{title: p.Instance.Title, tree: p.Instance.Tree, computer: p.Computer, partition: p.Reference})
			}
		}
		shared, err := t.UnlinkedShared(before)
		if err != nil {
			return err
		}
		for _, s := range shared {
			s.Unlinked = 0
			if s.State == stateDestroyed {
				err = t.SaveShared(s)
			} else {
				gone = append(gone, unlinked{strings.TrimPrefix(s.Key, s.Tree+"_"), s.Tree, s.Computer, s.HostPartition, true})
				err = m.unlist(t, s)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return gone, nil
}

// destroyOrphan asks an unlinked instance to go, unless the root of its tree imposes
// another state, and unlinks what it requested. It tells whether it does.
func (m *master) destroyOrphan(t store.Tx, p *store.Partition) (bool, error) {
	i := p.Instance
	state, err := m.imposed(t, i, stateDestroyed)
	if err != nil || state != stateDestroyed {
		return false, err
	}
	known := i.State == stateDestroyed
	i.State, i.Unlinked = stateDestroyed, 0
	if err := t.SaveInstance(p); err != nil {
		return false, err
	}
	if err := m.unlink(t, i.ID, nil); err != nil || known {
		return false, err
	}
	return true, advance(t, p, m.now())
}
