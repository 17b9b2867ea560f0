package proxy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// destroyed serves the report that an instance is gone. A root whose tree
// still has instances stays: they are asked to go first. The answer tells.
func (m *master) destroyed(ctx context.Context, p Principal, computer, partition string) (answer string, err error) {
	if err := m.authorizer.Authorize(ctx, p, ActionReport, Object{computer, partition}); err != nil {
		return "", err
	}
	err = m.store.Update(ctx, func(t store.Tx) error {
		found, err := existing(t, computer, partition)
		if err != nil {
			return err
		}
		answer = "OK"
		if found.Instance == nil {
			return nil
		}
		left, err := m.destroy(t, found)
		if len(left) > 0 {
			answer = notYet(left)
		}
		return err
	})
	return answer, err
}

// destroy frees a partition, or returns the titles of the instances that have
// to go before.
func (m *master) destroy(t store.Tx, p *store.Partition) (left []string, err error) {
	if left, err = destroyMembers(t, p); err != nil || len(left) > 0 {
		return left, err
	}
	return nil, m.free(t, p)
}

// notYet is the answer while a root has children.
func notYet(left []string) string {
	return "Not destroying yet because this partition has child partitions: " + strings.Join(left, ", ")
}

// destroyMembers asks the instances below a root to go and returns their
// titles, sorted. For other instances it does nothing.
func destroyMembers(t store.Tx, root *store.Partition) ([]string, error) {
	if root.Instance.Tree != "" {
		return nil, nil
	}
	members, err := t.Members(root.Instance.Title)
	if err != nil {
		return nil, err
	}
	var titles []string
	for _, p := range members {
		titles = append(titles, p.Instance.Title)
		if p.Instance.State == stateDestroyed {
			continue
		}
		p.Instance.State = stateDestroyed
		if err := t.SaveInstance(p); err != nil {
			return nil, err
		}
	}
	slices.Sort(titles)
	return titles, nil
}

// free empties a partition. What the instance hosted goes with it; what the
// tree of a root asked others to host is no longer shown to them.
func (m *master) free(t store.Tx, p *store.Partition) error {
	if i := p.Instance; i.Tree == "" && i.Title != "" {
		shared, err := t.SharedOfTree(i.Title)
		if err != nil {
			return err
		}
		for _, s := range shared {
			if s.Host == i.ID || !s.Listed {
				continue
			}
			if err := m.unlist(t, s); err != nil {
				return err
			}
		}
	}
	return t.Free(p)
}

// unlist destroys a shared instance: its host no longer sees it.
func (m *master) unlist(t store.Tx, s *store.Shared) error {
	s.State, s.Listed = stateDestroyed, false
	if err := t.SaveShared(s); err != nil {
		return err
	}
	host, err := t.ByInstance(s.Host)
	if err != nil {
		return err
	}
	return advance(t, host, m.now())
}

// bang makes the nodes process every instance of a tree again.
func (m *master) bang(ctx context.Context, p Principal, computer, partition, message string) error {
	return m.onInstance(ctx, p, ActionReport, Object{computer, partition}, func(t store.Tx, found *store.Partition) error {
		return m.bangTree(t, found, message)
	})
}

// bangTree keeps the bang of an instance and advances its whole tree.
func (m *master) bangTree(t store.Tx, p *store.Partition, message string) error {
	text := "#error bang called"
	if message != "" {
		text += ": " + kept(message)
	}
	if err := m.keepReport(t, p, report{text: text, bang: cmp.Or(message, "bang called")}); err != nil {
		return err
	}
	tree, err := wholeTree(t, p)
	if err != nil {
		return err
	}
	now := m.now()
	for _, member := range tree {
		now = later(member.Timestamp, now)
	}
	for _, member := range tree {
		if err := advance(t, member, now); err != nil {
			return err
		}
	}
	return nil
}

// wholeTree returns all partitions of the tree of an instance.
func wholeTree(r store.Reader, p *store.Partition) ([]*store.Partition, error) {
	if p.Instance.Tree == "" {
		members, err := r.Members(p.Instance.Title)
		return append([]*store.Partition{p}, members...), err
	}
	members, err := r.Members(p.Instance.Tree)
	if err != nil {
		return nil, err
	}
	root, err := r.Find("", p.Instance.Tree)
	if errors.Is(err, store.ErrNotFound) {
		return members, nil
	}
	return append([]*store.Partition{root}, members...), err
}

// rename gives an instance another title. Renaming a root renames its tree.
func (m *master) rename(ctx context.Context, p Principal, computer, partition, title string) error {
	return m.onInstance(ctx, p, ActionRequest, Object{computer, partition}, func(t store.Tx, found *store.Partition) error {
		return retitle(t, found, title)
	})
}

// retitle is rename inside an update.
func retitle(t store.Tx, p *store.Partition, title string) error {
	old := p.Instance.Title
	if old == title {
		return nil
	}
	p.Instance.Title = title
	if err := t.SaveInstance(p); err != nil {
		return err
	}
	if p.Instance.Tree != "" || old == "" {
		return nil
	}
	return t.RenameTree(old, title)
}

// connect keeps the connection parameters that an instance publishes, for
// itself or, with a key, for a shared instance. The instance that asked for it
// is processed again if they changed.
func (m *master) connect(ctx context.Context, p Principal, computer, partition, key string, parameters *marshal.Dict) error {
	if err := m.authorizer.Authorize(ctx, p, ActionReport, Object{computer, partition}); err != nil {
		return err
	}
	text, err := encodeParameters(parameters)
	if err != nil {
		return err
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		found, err := existing(t, computer, partition)
		if err != nil {
			return err
		}
		if key != "" {
			return m.connectShared(t, key, text)
		}
		if found.Instance == nil {
			return nil
		}
		return m.publish(t, found, text)
	})
}

// publish is connect for an instance itself, inside an update.
func (m *master) publish(t store.Tx, p *store.Partition, text string) error {
	i := p.Instance
	if i.Connection == text {
		return nil
	}
	i.Connection = text
	if err := t.SaveInstance(p); err != nil {
		return err
	}
	return m.notify(t, i.Requester)
}

func (m *master) connectShared(t store.Tx, key, text string) error {
	shared, err := t.SharedByKey(key)
	if err != nil {
		return err
	}
	for _, s := range shared {
		if s.Connection == text {
			continue
		}
		s.Connection = text
		if err := t.SaveShared(s); err != nil {
			return err
		}
		if err := m.notify(t, s.Requester); err != nil {
			return err
		}
	}
	return nil
}

// notify makes the node process an instance again; zero stands for a person,
// who is not told.
func (m *master) notify(t store.Tx, instance int64) error {
	if instance == 0 {
		return nil
	}
	p, err := t.ByInstance(instance)
	if err != nil {
		return err
	}
	return advance(t, p, m.now())
}

// hostingAddresses returns the addresses of all instances of the tree of a
// partition. An instance that is to be destroyed gets none.
func (m *master) hostingAddresses(ctx context.Context, p Principal, computer, partition string) (list *marshal.List, err error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{computer, partition}); err != nil {
		return nil, err
	}
	list = marshal.NewList()
	err = m.store.View(ctx, func(r store.Reader) error {
		found, err := existing(r, computer, partition)
		if err != nil {
			return err
		}
		if found.Instance == nil {
			return notFound("Partition %q of computer %q is free: it has no addresses to share", partition, computer)
		}
		if found.Instance.State == stateDestroyed {
			return nil
		}
		tree, err := wholeTree(r, found)
		if err != nil {
			return err
		}
		for _, member := range tree {
			addresses, err := r.Addresses(member)
			if err != nil {
				return err
			}
			for _, a := range addresses {
				list.Items = append(list.Items, addressPair(a))
			}
		}
		return nil
	})
	return list, err
}
