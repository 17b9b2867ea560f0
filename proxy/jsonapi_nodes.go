package proxy

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file holds the methods of the JSON API about computers and releases.

func jsonSupply(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	url, computer := c.name("software_release_uri"), c.name("computer_guid")
	if c.err != nil {
		return nil, c.err
	}
	state := cmp.Or(c.text("state"), stateAvailable)
	return success("Supplied "+url+" to be "+state, m.supply(ctx, c.principal, url, computer, state))
}

// registered runs f on a computer that was described.
func (c *jsonCall) registered(ctx context.Context, m *master, f func(store.Reader, *store.Computer) error) error {
	reference := c.text("computer_guid")
	if err := m.authorizer.Authorize(ctx, c.principal, ActionRead, Object{Computer: reference}); err != nil {
		return err
	}
	return m.store.View(ctx, func(r store.Reader) error {
		computer, err := r.Computer(reference)
		if errors.Is(err, store.ErrNotFound) || err == nil && !computer.Formatted {
			return c.refuse("not_registered", reference)
		}
		if err != nil {
			return err
		}
		return f(r, computer)
	})
}

func jsonSupplied(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	list := marshal.NewList()
	err := c.registered(ctx, m, func(r store.Reader, computer *store.Computer) error {
		software, err := r.Software(computer)
		for _, s := range software {
			list.Items = append(list.Items, marshal.NewDict().Set("software_release_uri", s.URL).Set("state", s.State))
		}
		return err
	})
	return resultList(list, err)
}

func jsonReportRelease(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	url, computer := c.text("software_release_uri"), c.text("computer_guid")
	var rep report
	switch c.text("reported_state") {
	case stateDestroyed:
		return success("Destroyed", unlessUnknown(m.removed(ctx, c.principal, url, computer)))
	case stateAvailable:
		rep = availableReport(url)
	default:
		rep = buildingReport(url)
	}
	return success(ignored, unlessUnknown(m.reportRelease(ctx, c.principal, url, computer, rep)))
}

func jsonReleaseError(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	url, computer := c.text("software_release_uri"), c.text("computer_guid")
	return success(ignored, unlessUnknown(m.reportRelease(ctx, c.principal, url, computer, failedReport(url, c.log("message")))))
}

func jsonFormat(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	configuration := computerConfiguration{reference: c.name("computer_guid")}
	if configuration.reference == "" {
		return nil, badRequest("computer_guid is empty: a computer has a name")
	}
	for _, item := range listOf(c.in, "compute_partition_list") {
		partition := jsonCall{in: item}
		described := partitionConfiguration{reference: partition.name("partition_id")}
		if described.reference == "" {
			return nil, badRequest("partition_id is empty: a partition has a name")
		}
		for _, item := range listOf(item, "ip_list") {
			address := jsonCall{in: item}
			described.addresses = append(described.addresses, store.Address{
				Interface: address.name("network-interface"), Address: address.name("ip-address"), Netmask: address.name("netmask"),
			})
			if m.formatAsReal {
				last := &described.addresses[len(described.addresses)-1]
				last.Gateway, last.Network = address.name("gateway-ip-address"), address.name("network-address")
			}
			c.err = cmp.Or(c.err, address.err)
		}
		c.err = cmp.Or(c.err, partition.err)
		configuration.partitions = append(configuration.partitions, described)
	}
	if c.err != nil {
		return nil, c.err
	}
	return success("Formatted", m.format(ctx, c.principal, configuration))
}

// listOf returns the objects of an optional list.
func listOf(d *marshal.Dict, key string) (dicts []*marshal.Dict) {
	v, _ := d.Get(key)
	if list, ok := v.(*marshal.List); ok {
		for _, item := range list.Items {
			if d, ok := item.(*marshal.Dict); ok {
				dicts = append(dicts, d)
			}
		}
	}
	return dicts
}

func jsonComputerBang(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	return success(ignored, unlessUnknown(m.computerBang(ctx, c.principal, c.text("computer_guid"), c.log("message"))))
}

// jsonComputerStatus tells more than the reference, of a computer of which more
// is known.
func jsonComputerStatus(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	status, err := m.computerStatus(ctx, c.principal, c.text("computer_guid"))
	if err := unlessUnknown(err); err != nil {
		return nil, err
	}
	if status != nil {
		if _, silent := status.Get("no_data"); !silent {
			return status, nil
		}
	}
	return marshal.NewDict().Set("text", "Unknown (not implemented)"), nil
}

// jsonUsage keeps a usage report; an empty one says nothing.
func jsonUsage(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	computer, report := c.text("computer_guid"), c.text("tioxml")
	if report == "" {
		return success(ignored, nil)
	}
	err := m.useComputer(ctx, c.principal, computer, report)
	if isAbout(err, somethingUnknown) {
		return nil, c.refuse("not_registered", computer)
	}
	return success("Usage reported", err)
}

func jsonComputers(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	if err := m.authorizer.Authorize(ctx, c.principal, ActionRead, Object{}); err != nil {
		return nil, err
	}
	var references []string
	err := m.store.View(ctx, func(r store.Reader) error {
		computers, err := r.Computers()
		for _, computer := range computers {
			if computer.Formatted {
				references = append(references, computer.Reference)
			}
		}
		return err
	})
	slices.Sort(references)
	list := marshal.NewList()
	for _, reference := range references {
		list.Items = append(list.Items, marshal.NewDict().Set("computer_guid", reference))
	}
	return resultList(list, err)
}
