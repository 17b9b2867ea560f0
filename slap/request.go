package slap

import (
	"context"
	"errors"

	"github.com/slapos/slapos-go/internal/marshal"
)

// DefaultSoftwareType is the software type of a request that names none.
const DefaultSoftwareType = "default"

// Request describes a wanted instance. Asking again with the same Reference,
// from the same requester, describes the same instance again: it changes its
// parameters, its state or its software release.
type Request struct {
	// SoftwareRelease is the URL of the software release. Without it the
	// request is ErrNotFound and not sent.
	SoftwareRelease string
	// SoftwareType is the kind of instance; empty means DefaultSoftwareType.
	SoftwareType string
	// Reference is the requester's own name for the instance. Without it the
	// request is ErrNotFound and not sent.
	Reference string
	// Shared asks for a slave: a share of an instance that runs already.
	Shared bool
	// Parameters are the instance parameters; nil means none.
	Parameters Parameters
	// Filter restricts where the instance may be: for example computer_guid
	// or, for a shared instance, instance_guid. nil means anywhere.
	Filter Parameters
	// State is the wanted state: StateStarted, StateStopped or StateDestroyed. A
	// stand-alone master takes any other text too, which no agent understands.
	// Empty leaves it to the master, which means started for a new instance.
	State State
}

func (r Request) softwareType() string {
	if r.SoftwareType == "" {
		return DefaultSoftwareType
	}
	return r.SoftwareType
}

// requester is who asks: a partition, or an open order if partition is nil.
type requester struct {
	client    *Client
	partition *ComputerPartition
}

// request performs a request and returns its result (wire.md 5.7).
func (q requester) request(ctx context.Context, r Request) (*ComputerPartition, error) {
	// Written once: the maps in a request belong to who made it.
	fields, err := q.fields(r)
	if err != nil {
		return nil, err
	}
	s, err := q.ask(ctx, r, fields)
	if err != nil {
		return nil, err
	}
	result := newPartition(q.client, s)
	if r.Shared {
		result.again = func(ctx context.Context) (*snapshot, error) { return q.ask(ctx, r, fields) }
	}
	return result, nil
}

// ask sends a request and returns what the answer tells of the instance.
func (q requester) ask(ctx context.Context, r Request, fields []field) (*snapshot, error) {
	c := call{op: "request", path: "requestComputerPartition", fields: fields}
	if q.partition != nil {
		s := q.partition.told()
		c.auth = s.authorization()
		q.client.journalAppend(ctx, s.partitionID, r.Reference)
	}
	object, err := q.client.postObject(ctx, c, marshal.ClassSoftwareInstance)
	if err != nil {
		return nil, pending(err, r)
	}
	s, err := readInstance(q.client, object, r)
	switch {
	case errors.Is(err, ErrNotReady):
		return nil, pending(err, r)
	case err != nil:
		return nil, q.client.unreadable(c.op, err)
	}
	return s, nil
}

// pending gives an ErrNotReady the request it is about.
func pending(err error, r Request) error {
	if errors.Is(err, ErrNotReady) {
		return &NotReadyError{Request: r, Err: err}
	}
	return err
}

// fields returns the fields of the form, in the order of the reference.
func (q requester) fields(r Request) ([]field, error) {
	const op = "request"
	if r.SoftwareRelease == "" || r.Reference == "" {
		return nil, notFound(op, "a software release and a reference are needed, got %q and %q", r.SoftwareRelease, r.Reference)
	}
	parameters, err := marshalled(op, "parameters", orEmpty(r.Parameters))
	if err != nil {
		return nil, err
	}
	filter, err := marshalled(op, "filter", orEmpty(r.Filter))
	if err != nil {
		return nil, err
	}
	var wanted any
	if r.State != "" {
		wanted = string(r.State)
	}
	state, err := marshalled(op, "state", wanted)
	if err != nil {
		return nil, err
	}
	shared, err := marshalled(op, "shared", r.Shared)
	if err != nil {
		return nil, err
	}
	if q.partition == nil {
		return []field{
			{"software_release", r.SoftwareRelease},
			{"partition_reference", r.Reference},
			{"partition_parameter_xml", parameters},
			{"filter_xml", filter},
			{"software_type", r.softwareType()},
			{"state", state},
			{"shared_xml", shared},
		}, nil
	}
	at := q.partition.told()
	return []field{
		{"computer_id", orNone(at.computerID)},
		{"computer_partition_id", orNone(at.partitionID)},
		{"software_release", r.SoftwareRelease},
		{"software_type", r.softwareType()},
		{"partition_reference", r.Reference},
		{"shared_xml", shared},
		{"partition_parameter_xml", parameters},
		{"filter_xml", filter},
		{"state", state},
	}, nil
}

func orEmpty(p Parameters) Parameters {
	if p == nil {
		return Parameters{}
	}
	return p
}
