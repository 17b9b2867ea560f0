package slap

import (
	"context"
	"errors"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
)

// Request asks for an instance on behalf of the one in this partition
// (request). The results and errors are those of [OpenOrder.Request]. Where a
// request journal is kept, the reference is noted there first.
func (p *ComputerPartition) Request(ctx context.Context, r Request) (*ComputerPartition, error) {
	if _, err := p.ID(); err != nil {
		return nil, err
	}
	return requester{client: p.client, partition: p}.request(ctx, r)
}

// Information returns what the master knows of the root instance with a
// reference (getInformation); see [OpenOrder.Information].
func (p *ComputerPartition) Information(ctx context.Context, reference string) (*Instance, error) {
	return p.client.instanceTree(ctx, reference)
}

// Started tells the master that the instance runs (started). A real master keeps
// it as the status of the instance; a stand-alone one of the reference ignores it.
func (p *ComputerPartition) Started(ctx context.Context) error {
	return p.post(ctx, "partition started", "startedComputerPartition")
}

// Stopped tells the master that the instance is stopped (stopped), as Started does.
func (p *ComputerPartition) Stopped(ctx context.Context) error {
	return p.post(ctx, "partition stopped", "stoppedComputerPartition")
}

// Destroyed tells the master that the instance was removed (destroyed), which then
// frees the partition. As long as the instance has children, the master tells them
// to go instead, and the report has to be repeated. A real master ignores it if
// the instance is not wanted destroyed; a stand-alone one believes it.
func (p *ComputerPartition) Destroyed(ctx context.Context) error {
	return p.post(ctx, "partition destroyed", "destroyedComputerPartition")
}

// ReportError tells the master what is wrong with the instance (error). Unlike
// the reference's, it returns its own failure. A real master keeps the last 80
// characters of the log.
func (p *ComputerPartition) ReportError(ctx context.Context, log string) error {
	return p.post(ctx, "partition error", "softwareInstanceError", field{"error_log", log})
}

// ReportSharedError is ReportError about one of the shared instances, by its
// reference as in [SharedInstance]. An empty reference is ErrNotFound.
func (p *ComputerPartition) ReportSharedError(ctx context.Context, sharedReference, log string) error {
	return p.postShared(ctx, "partition error", "softwareInstanceError", sharedReference, field{"error_log", log})
}

// Bang reports a problem of the instance: its whole tree is processed again
// (bang), because the timestamps of its instances move.
func (p *ComputerPartition) Bang(ctx context.Context, message string) error {
	return p.post(ctx, "partition bang", "softwareInstanceBang", field{"message", message})
}

// Rename changes the reference under which the instance was requested (rename).
// Whoever requested it has to use the new one from then on: with the old one a
// second instance is made.
func (p *ComputerPartition) Rename(ctx context.Context, newName string) error {
	return p.post(ctx, "partition rename", "softwareInstanceRename", field{"new_name", newName})
}

// RenameShared is Rename of one of the shared instances, by its reference as in
// [SharedInstance]. An empty reference is ErrNotFound. Stand-alone masters of the
// reference rename the host instead.
func (p *ComputerPartition) RenameShared(ctx context.Context, sharedReference, newName string) error {
	return p.postShared(ctx, "partition rename", "softwareInstanceRename", sharedReference, field{"new_name", newName})
}

// SetConnectionParameters publishes the connection parameters of the instance
// (setConnectionDict), in place of all those before. Whoever requested the
// instance finds them by repeating the request, and masters since 1.26 move the
// timestamp of the requester if they changed. What this object knows of them does
// not change until it is refreshed. Values that cannot be sent are an [Error] of
// no kind.
func (p *ComputerPartition) SetConnectionParameters(ctx context.Context, c Parameters) error {
	const op = "set connection parameters"
	xml, err := marshalled(op, "connection parameters", orEmpty(c))
	if err != nil {
		return err
	}
	return p.post(ctx, op, setConnectionPath, field{"connection_xml", xml}, field{"slave_reference", pyNone})
}

const setConnectionPath = "setComputerPartitionConnectionXml"

// SetSharedConnectionParameters publishes the connection parameters of one of
// the shared instances (setConnectionDict with a slave_reference), by its reference
// as in [SharedInstance]. An empty reference is ErrNotFound.
func (p *ComputerPartition) SetSharedConnectionParameters(ctx context.Context, sharedReference string, c Parameters) error {
	const op = "set connection parameters"
	xml, err := marshalled(op, "connection parameters", orEmpty(c))
	if err != nil {
		return err
	}
	return p.postShared(ctx, op, setConnectionPath, sharedReference, field{"connection_xml", xml})
}

// SetRelatedInstances tells the master which instances this one has requested
// (setComputerPartitionRelatedInstanceList), so that those it no longer
// requests are unlinked. The agent does it after each run of a program release that
// ends well, with what the request journal lists, so that programs need not. The
// stand-alone master of the reference does not offer this: ErrNotFound.
func (p *ComputerPartition) SetRelatedInstances(ctx context.Context, references []string) error {
	const op = "set related instances"
	if references == nil {
		references = []string{}
	}
	xml, err := marshalled(op, "references", references)
	if err != nil {
		return err
	}
	return p.post(ctx, op, "updateComputerPartitionRelatedInstanceList", field{"instance_reference_xml", xml})
}

// Certificate returns the TLS certificate of the instance, and its key
// (getCertificate). From stand-alone masters both are empty. A real master that has
// no instance there answers ErrNotFound.
func (p *ComputerPartition) Certificate(ctx context.Context) (Certificate, error) {
	const op = "partition certificate"
	v, err := p.get(ctx, op, "getComputerPartitionCertificate")
	if err != nil {
		return Certificate{}, err
	}
	return readCertificate(p.client, op, v)
}

// HostingIPAddresses returns the addresses of all instances of the tree
// (getFullHostingIpAddressList). The stand-alone master of the reference does
// not offer this: ErrNotFound.
func (p *ComputerPartition) HostingIPAddresses(ctx context.Context) ([]NetworkAddress, error) {
	const op = "hosting addresses"
	v, err := p.get(ctx, op, "getHostingSubscriptionIpList")
	if err != nil {
		return nil, err
	}
	if _, ok := v.(*marshal.List); !ok {
		return nil, p.client.unreadable(op, errors.New("a list of addresses was expected"))
	}
	return addressesOf(v), nil
}

// Status returns the latest status of the instance (getStatus). That of a
// stand-alone master of the reference is the text "Not implemented.".
func (p *ComputerPartition) Status(ctx context.Context) (Status, error) {
	v, err := p.get(ctx, "partition status", "getComputerPartitionStatus")
	if err != nil {
		return Status{}, err
	}
	return readStatus(v), nil
}

func (p *ComputerPartition) get(ctx context.Context, op, path string) (any, error) {
	fields, _, err := p.identity()
	if err != nil {
		return nil, err
	}
	return p.client.getValue(ctx, call{op: op, path: path, fields: fields})
}

func (p *ComputerPartition) post(ctx context.Context, op, path string, more ...field) error {
	fields, auth, err := p.identity()
	if err != nil {
		return err
	}
	_, err = p.client.post(ctx, call{op: op, path: path, fields: append(fields, more...), auth: auth})
	return err
}

// postShared is post about one of the shared instances. Without its reference, or
// with the word that masters take for none, the call would be about the host.
func (p *ComputerPartition) postShared(ctx context.Context, op, path, sharedReference string, more field) error {
	if sharedReference == "" || strings.EqualFold(sharedReference, pyNone) {
		return notFound(op, "%q is no reference of a shared instance", sharedReference)
	}
	return p.post(ctx, op, path, more, field{"slave_reference", sharedReference})
}

// identity returns the fields that name the partition, and its authorization.
func (p *ComputerPartition) identity() ([]field, string, error) {
	s := p.told()
	if s.partitionID == "" {
		return nil, "", notReady("partition", "the identifier is not known yet")
	}
	return []field{
		{"computer_id", orNone(s.computerID)},
		{"computer_partition_id", s.partitionID},
	}, s.authorization(), nil
}
