package proxytest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/slap"
)

// Node plays the node agent of one computer: it tells the master what an agent
// would, and does nothing else.
type Node struct {
	computer *slap.Computer
	publish  Publish
}

// Publish returns what an instance that is started publishes, nil for nothing.
// It is called for the instance in a partition, with shared nil, and before that
// for each of its shared instances.
type Publish func(p *slap.ComputerPartition, shared *slap.SharedInstance) slap.Parameters

// PublishURL publishes for each instance a connection parameter "url" that has
// the names of its computer and partition.
func PublishURL(p *slap.ComputerPartition, shared *slap.SharedInstance) slap.Parameters {
	id, _ := p.ID()
	url := fmt.Sprintf("http://%s.%s.example/", id, p.ComputerID())
	if shared != nil {
		url += shared.Reference
	}
	return slap.Parameters{"url": url}
}

// Node returns what plays the agent of a computer. A nil publish is that of a
// node whose instances publish nothing.
func (m *Master) Node(computerID string, publish Publish) *Node {
	return &Node{computer: m.Client.Computer(computerID), publish: publish}
}

// Format declares the computer with n partitions, slappart0 and on. Partition i
// has the IPv4 address 10.0.0.i and an IPv6 address in fd00::/64.
func (n *Node) Format(ctx context.Context, partitions int) error {
	if partitions < 0 {
		return fmt.Errorf("format %s: %d partitions", n.computer.ID(), partitions)
	}
	list := make([]any, partitions)
	for i := range list {
		list[i] = map[string]any{
			"reference": fmt.Sprintf("slappart%d", i),
			"path":      fmt.Sprintf("/srv/slapgrid/slappart%d", i),
			"tap":       map[string]any{"name": fmt.Sprintf("tap%d", i)},
			"address_list": []any{
				map[string]any{"addr": fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255), "netmask": "255.255.255.255"},
				map[string]any{"addr": fmt.Sprintf("fd00::%x", i+1), "netmask": "ffff:ffff:ffff:ffff::"},
			},
		}
	}
	xml, err := marshal.Marshal(map[string]any{
		"reference": n.computer.ID(), "address": "127.0.0.1", "netmask": "255.255.255.255", "partition_list": list,
	})
	if err == nil {
		err = n.computer.UpdateConfiguration(ctx, xml)
	}
	if err != nil {
		return fmt.Errorf("format %s: %w", n.computer.ID(), err)
	}
	return nil
}

// Pass does once what an agent does each minute: software releases are built or
// removed, and instances started, with what they publish, stopped or removed.
// Whatever it finds is told again in the next pass.
func (n *Node) Pass(ctx context.Context) error {
	if err := n.pass(ctx); err != nil {
		return fmt.Errorf("pass of %s: %w", n.computer.ID(), err)
	}
	return nil
}

// Run does a pass, then another after each pause, of a millisecond at least,
// until the context ends. It returns the error of a pass that failed, and nil at
// the end of the context.
func (n *Node) Run(ctx context.Context, pause time.Duration) error {
	ticker := time.NewTicker(max(pause, time.Millisecond))
	defer ticker.Stop()
	for {
		if err := n.Pass(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (n *Node) pass(ctx context.Context) error {
	if err := n.computer.Refresh(ctx); err != nil {
		return err
	}
	releases, err := n.computer.SoftwareReleases(ctx)
	if err != nil {
		return err
	}
	for _, release := range releases {
		tell := release.Available
		if release.State() == slap.StateDestroyed {
			tell = release.Destroyed
		}
		if err := tell(ctx); err != nil {
			return err
		}
	}
	partitions, err := n.computer.Partitions(ctx)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if err := n.process(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// process does what the state of an instance asks for.
func (n *Node) process(ctx context.Context, p *slap.ComputerPartition) error {
	if _, err := p.SoftwareRelease(); errors.Is(err, slap.ErrNotFound) {
		return nil // free
	}
	state, err := p.State()
	if err != nil {
		return err
	}
	switch state {
	case slap.StateDestroyed:
		return p.Destroyed(ctx)
	case slap.StateStopped:
		return p.Stopped(ctx)
	}
	if n.publish != nil {
		if err := n.published(ctx, p); err != nil {
			return err
		}
	}
	return p.Started(ctx)
}

func (n *Node) published(ctx context.Context, p *slap.ComputerPartition) error {
	for _, shared := range p.SharedInstances() {
		if what := n.publish(p, &shared); what != nil {
			if err := p.SetSharedConnectionParameters(ctx, shared.Reference, what); err != nil {
				return err
			}
		}
	}
	what := n.publish(p, nil)
	if what == nil {
		return nil
	}
	return p.SetConnectionParameters(ctx, what)
}
