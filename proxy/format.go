package proxy

import (
	"cmp"
	"context"
	"slices"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// computerConfiguration is what a node tells about itself.
type computerConfiguration struct {
	reference, address, netmask string
	partitions                  []partitionConfiguration
}

type partitionConfiguration struct {
	reference string
	addresses []store.Address
}

// readConfiguration reads the dictionary that slapformat sends. All of it is
// read before anything is changed. Routes are read if the master tells them.
func readConfiguration(d *marshal.Dict, routes bool) (c computerConfiguration, err error) {
	f := fields{dict: d, where: "computer"}
	c.reference, c.address, c.netmask = f.name("reference"), f.text("address"), f.text("netmask")
	for _, item := range f.list("partition_list") {
		p := fields{dict: f.dictionary("partition_list", item), where: "partition", err: f.err}
		partition := partitionConfiguration{reference: p.name("reference")}
		tap := fields{dict: p.dictionary("tap", p.value("tap")), where: "tap of " + partition.reference, err: p.err}
		name := tap.text("name")
		if name == "" {
			name = partition.reference
		}
		p.err = tap.err
		for _, item := range p.list("address_list") {
			a := fields{dict: p.dictionary("address_list", item), where: "address of " + partition.reference, err: p.err}
			partition.addresses = append(partition.addresses,
				store.Address{Interface: name, Address: a.text("addr"), Netmask: a.text("netmask")})
			p.err = a.err
		}
		if routes {
			partition.addresses = append(partition.addresses, tap.route(name)...)
			p.err = cmp.Or(p.err, tap.err)
		}
		c.partitions = append(c.partitions, partition)
		f.err = p.err
	}
	return c, f.err
}

// fields reads the values of a dictionary and keeps the first error.
type fields struct {
	dict  *marshal.Dict
	where string
	err   error
}

func (f *fields) value(key string) any {
	v, ok := f.dict.Get(key)
	if !ok && f.err == nil {
		f.err = badRequest("the configuration of the %s has no %q", f.where, key)
	}
	return v
}

// text reads text; null stands for none.
func (f *fields) text(key string) string {
	v := f.value(key)
	if v == nil {
		return ""
	}
	text, ok := scalarText(v)
	if !ok {
		f.wrong(key, "text")
	}
	return text
}

// route reads the address with a route of its own that a tap may have.
func (f *fields) route(tap string) []store.Address {
	optional := func(key string) string {
		if _, ok := f.dict.Get(key); !ok {
			return ""
		}
		return f.text(key)
	}
	a := store.Address{
		Interface: "route_" + tap, Address: optional("ipv4_addr"), Netmask: optional("ipv4_netmask"),
		Gateway: optional("ipv4_gateway"), Network: optional("ipv4_network"),
	}
	if a.Address == "" {
		return nil
	}
	return []store.Address{a}
}

// name reads text that is not empty.
func (f *fields) name(key string) string {
	text := f.text(key)
	if text == "" && f.err == nil {
		f.err = badRequest("%q in the configuration of the %s is empty", key, f.where)
	}
	return text
}

// scalarText is the text of a value that is text or a number. Of a value that
// holds others, which may be the same ones many times, the text may be much
// longer than what came.
func scalarText(v any) (text string, ok bool) {
	switch v.(type) {
	case *marshal.List, marshal.Tuple, *marshal.Set, *marshal.Dict, *marshal.Object:
		return "", false
	}
	return marshal.Str(v), true
}

func (f *fields) list(key string) []any {
	switch v := f.value(key).(type) {
	case *marshal.List:
		return v.Items
	case marshal.Tuple:
		return v
	}
	f.wrong(key, "a list")
	return nil
}

func (f *fields) dictionary(key string, v any) *marshal.Dict {
	if d, ok := v.(*marshal.Dict); ok {
		return d
	}
	f.wrong(key, "a dictionary")
	return nil
}

func (f *fields) wrong(key, wanted string) {
	if f.err == nil {
		f.err = badRequest("%q in the configuration of the %s is not %s", key, f.where, wanted)
	}
}

// format brings the partitions of a computer to what its node tells. Those that
// are listed keep what they hold; about the others see omit.
func (m *master) format(ctx context.Context, p Principal, c computerConfiguration) error {
	if err := m.authorizer.Authorize(ctx, p, ActionFormat, Object{Computer: c.reference}); err != nil {
		return err
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		row, err := t.EnsureComputer(c.reference)
		if err != nil {
			return err
		}
		row.Address, row.Netmask = c.address, c.netmask
		if err := t.FormatComputer(row); err != nil {
			return err
		}
		present, err := t.Partitions(row)
		if err != nil {
			return err
		}
		byReference := map[string]*store.Partition{}
		listed := map[string]bool{}
		for _, p := range c.partitions {
			listed[p.reference] = true
		}
		for _, p := range present {
			if listed[p.Reference] {
				byReference[p.Reference] = p
			} else if err := m.omit(t, p); err != nil {
				return err
			}
		}
		for _, wanted := range c.partitions {
			if err := formatPartition(t, row, byReference, wanted); err != nil {
				return err
			}
		}
		return nil
	})
}

// omit removes a partition that is not listed with what it holds, or hides it.
func (m *master) omit(t store.Tx, p *store.Partition) error {
	switch {
	case !m.formatAsReal || p.Instance == nil:
		return t.DeletePartition(p)
	case p.Hidden:
		return nil
	}
	p.Hidden = true
	return t.SaveHidden(p)
}

// formatPartition creates a partition if it is missing, shows it if it was hidden,
// and sets its addresses.
func formatPartition(t store.Tx, c *store.Computer, present map[string]*store.Partition, wanted partitionConfiguration) (err error) {
	p := present[wanted.reference]
	if p == nil {
		if p, err = t.InsertPartition(c, wanted.reference); err != nil {
			return err
		}
		present[wanted.reference] = p
	}
	if p.Hidden {
		p.Hidden = false
		if err := t.SaveHidden(p); err != nil {
			return err
		}
	}
	if slices.Equal(p.Addresses, wanted.addresses) {
		return nil
	}
	p.Addresses = wanted.addresses
	return t.ReplaceAddresses(p, wanted.addresses)
}
