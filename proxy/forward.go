package proxy

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
	"github.com/slapos/slapos-go/slap"
)

// This file decides which requests another master serves, and forwards them
// (wire.md 7.9). No transaction is open while another master is asked.

// forwarded is what another master granted.
type forwarded struct {
	master string
	// instance is the SoftwareInstance that it answered.
	instance *marshal.Object
}

// object is a ComputerPartition with the attributes that the other master
// answered.
func (f *forwarded) object() *marshal.Object {
	computer, partition := f.place()
	o := marshal.NewObject(marshal.ClassComputerPartition, computer, partition, nil)
	for k, v := range f.instance.Attributes().All() {
		if name, ok := k.(string); ok {
			o.State.Set(name, v)
		}
	}
	o.State.Set("_computer_id", computer).Set("_partition_id", partition).Set("_request_dict", nil).
		Set("_connection_helper", nil).Set("_hateoas_navigator", nil).
		Set("_master_url", f.master).Set("_software_release_document", f.text("slap_software_release_url"))
	return o
}

// place is where the instance is. A front end that the other master makes up has
// the name of a partition, and no computer.
func (f *forwarded) place() (computer, partition string) {
	computer, partition = f.text("slap_computer_id"), f.text("slap_computer_partition_id")
	if partition == "" {
		partition = f.text("_partition_id")
	}
	return computer, partition
}

func (f *forwarded) text(attribute string) string {
	v, _ := f.instance.Get(attribute)
	text, _ := v.(string)
	return text
}

// route chooses the master for a new instance: nil is this one. It asks nobody.
func (m *master) route(q instanceRequest) (*otherMaster, error) {
	wanted := q.filterText("master_url")
	if wanted == "" {
		for _, o := range m.others {
			if slices.Contains(o.Releases, q.Release) {
				return o, nil
			}
		}
		return nil, nil
	}
	if strings.TrimSuffix(wanted, "/") == strings.TrimSuffix(q.Here, "/") {
		return nil, nil
	}
	for _, o := range m.others {
		if o.URL == wanted {
			return o, nil
		}
	}
	return nil, elsewhere(http.StatusNotFound, "External SlapOS Master URL "+wanted+" is not listed in multimaster list.", nil)
}

// forward forwards a request that another master serves. It returns nil
// if this one does: because nothing else is configured, because the instance is
// here already, or because the other master is this one.
func (m *master) forward(ctx context.Context, q instanceRequest) (*forwarded, error) {
	other, refusal := m.route(q)
	if other == nil && refusal == nil {
		return nil, nil
	}
	here, err := m.isHere(ctx, q)
	if err != nil || here {
		return nil, err
	}
	if refusal != nil {
		return nil, refusal
	}
	if err := other.credentials(); err != nil {
		return nil, err
	}
	if q.filterText("master_url") != "" && other.is(ctx, m.runID) {
		return nil, nil
	}
	path, err := passedOn(q.ForwardedBy, m.runID)
	if err != nil {
		return nil, err
	}
	return m.askOther(ctx, other, q, path)
}

// isHere tells whether this master has the instance that a request is about.
func (m *master) isHere(ctx context.Context, q instanceRequest) (here bool, err error) {
	err = m.store.View(ctx, func(r store.Reader) error {
		by, err := m.whoAsks(r, q)
		if err != nil {
			return err
		}
		if !q.Shared {
			p, err := findInstance(r, by.tree, q.Reference)
			here = p != nil
			return err
		}
		c, err := m.target(r, q)
		if isAbout(err, somethingUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = r.Shared(c, by.tree+"_"+q.Reference)
		here = err == nil
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	return here, err
}

// askOther requests an instance from another master and notes that it has it.
func (m *master) askOther(ctx context.Context, other *otherMaster, q instanceRequest, path []string) (*forwarded, error) {
	reference, err := prefixed(q)
	if err != nil {
		return nil, err
	}
	r := slap.Request{
		SoftwareRelease: q.Release, SoftwareType: q.Type, Reference: reference, Shared: q.Shared,
		Parameters: parametersToSend(q.Parameters), Filter: parametersToSend(q.Filter), State: slap.State(q.State),
	}
	if !other.asPartition() {
		r.Filter["source_instance_id"] = reference
	}
	instance, refusal := other.request(ctx, r, path)
	if refusal != nil && !errors.Is(refusal, slap.ErrNotReady) {
		return nil, refusal
	}
	// The other master has done its part: that is noted whoever still listens.
	err = m.store.Update(context.WithoutCancel(ctx), func(t store.Tx) error {
		f := store.Forwarded{Reference: reference, Master: other.URL}
		if q.State == stateDestroyed {
			return t.DeleteForwarded(f)
		}
		return t.SaveForwarded(f)
	})
	if err = errors.Join(refusal, err); err != nil {
		return nil, err
	}
	return &forwarded{other.shown(), instance}, nil
}

// nobody is the requester of instances that a person asks for.
const nobody = "user"

// prefixed is the reference of a request in other masters: with the partition that
// asks, or user.
func prefixed(q instanceRequest) (string, error) {
	by := q.Partition
	if q.Claim.given {
		by = q.Claim.partition
	}
	if by == "" {
		by = nobody
	}
	// Masters of the reference do not say whom a request came by, but each of
	// them adds a prefix.
	if strings.HasPrefix(q.Reference, strings.Repeat(nobody+"_", maxHops)) {
		return "", elsewhere(http.StatusLoopDetected, "The request was forwarded in a ring of masters: check the multimaster sections of all of them", nil)
	}
	return by + "_" + q.Reference, nil
}

// parametersToSend is a dictionary from the wire for another one: its values go on
// as they came.
func parametersToSend(d *marshal.Dict) slap.Parameters {
	p := slap.Parameters{}
	for k, v := range d.All() {
		p[marshal.Str(k)] = v
	}
	return p
}
