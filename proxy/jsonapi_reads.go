package proxy

import (
	"context"
	"errors"
	"slices"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/jsonapi"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file holds the methods of the JSON API that show instances.

func jsonInstancesOf(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	list := marshal.NewList()
	err := c.registered(ctx, m, func(r store.Reader, computer *store.Computer) error {
		partitions, err := r.Shown(computer)
		for _, p := range partitions {
			if i := p.Instance; i != nil {
				list.Items = append(list.Items, marshal.NewDict().
					Set("title", i.Title).
					Set("instance_guid", jsonGUID(i.Title, i.Tree, false)).
					Set("state", i.State).
					Set("compute_partition_id", p.Reference).
					Set("software_release_uri", i.Release))
			}
		}
		return err
	})
	return resultList(list, err)
}

// withAddresses shows the instance of a partition after reading its addresses.
func withAddresses(r store.Reader, p *store.Partition) (_ *marshal.Dict, err error) {
	if p.Addresses, err = r.Addresses(p); err != nil {
		return nil, err
	}
	return placed(p)
}

func jsonGetInstance(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.guid()
	if err != nil {
		return nil, err
	}
	return c.read(ctx, m, Object{}, func(r store.Reader) (*marshal.Dict, error) {
		s, err := c.sharedInstance(r, g)
		switch {
		case err != nil:
			return nil, err
		case s != nil:
			return hosted(r, s)
		case g.shared:
			return nil, c.refuse("no_shared_instance", g.text)
		}
		p, err := c.instance(r, g)
		switch {
		case err != nil:
			return nil, err
		case p == nil:
			return nil, c.refuse("no_software_instance", g.text)
		}
		return withAddresses(r, p)
	})
}

func jsonGetPartition(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	computer, partition := c.text("computer_guid"), c.text("compute_partition_id")
	return c.read(ctx, m, Object{computer, partition}, func(r store.Reader) (*marshal.Dict, error) {
		p, err := r.Occupied(computer, partition)
		if errors.Is(err, store.ErrNotFound) || err == nil && (p.Instance == nil || p.Hidden) {
			return nil, c.refuse("empty_partition", partition)
		}
		if err != nil {
			return nil, err
		}
		return withAddresses(r, p)
	})
}

// roots returns the roots of trees, or those of one title: instances, and shared
// instances that are not destroyed.
func roots(r store.Reader, title string) (instances []*store.Partition, shared []*store.Shared, err error) {
	if instances, err = r.Roots(title); err != nil {
		return nil, nil, err
	}
	if title == "" {
		shared, err = r.SharedOfTree("")
	} else {
		shared, err = r.SharedByKey("_" + title)
	}
	shared = slices.DeleteFunc(shared, func(s *store.Shared) bool { return s.Tree != "" || s.State == stateDestroyed })
	return instances, shared, err
}

func jsonGetTree(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	title := c.text("title")
	return c.read(ctx, m, Object{}, func(r store.Reader) (*marshal.Dict, error) {
		instances, shared, err := roots(r, title)
		switch {
		case err != nil:
			return nil, err
		case len(instances)+len(shared) != 1:
			return nil, c.refuse("no_tree", title)
		case len(shared) == 1:
			return hosted(r, shared[0])
		}
		return withAddresses(r, instances[0])
	})
}

func jsonTrees(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	return c.read(ctx, m, Object{}, func(r store.Reader) (*marshal.Dict, error) {
		list := marshal.NewList()
		instances, shared, err := roots(r, "")
		for _, p := range instances {
			list.Items = append(list.Items, marshal.NewDict().Set("title", p.Instance.Title))
		}
		for _, s := range shared {
			_, title := namesOf(s)
			list.Items = append(list.Items, marshal.NewDict().Set("title", title))
		}
		return resultList(list, err)
	})
}

func jsonHosted(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.guid()
	if err != nil {
		return nil, err
	}
	return c.read(ctx, m, Object{}, func(r store.Reader) (*marshal.Dict, error) {
		host, err := c.instance(r, g)
		if err != nil {
			return nil, err
		}
		if host == nil {
			return nil, c.refuse("no_software_instance", g.text)
		}
		if host, err = r.Partition(host.Computer, host.Reference); err != nil {
			return nil, err
		}
		list := marshal.NewList()
		for _, s := range host.Shared {
			parameters, kind, err := sharedParameters(s)
			if err != nil {
				return nil, err
			}
			tree, title := namesOf(s)
			list.Items = append(list.Items, marshal.NewDict().
				Set("title", title).
				Set("instance_guid", jsonGUID(title, tree, true)).
				Set("software_type", kind).
				Set("state", stateStarted).
				Set("parameters", jsonapi.Plain(parameters)).
				Set("compute_partition_id", host.Reference))
		}
		return resultList(list, nil)
	})
}
