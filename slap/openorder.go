package slap

import (
	"context"
	"errors"

	"github.com/slapos/slapos-go/internal/marshal"
)

// OpenOrder (IOpenOrder) requests root instances: those of a person.
type OpenOrder struct{ client *Client }

// Request asks for an instance and returns the partition it is on (request).
// While the master has none yet, the error is an ErrNotReady and a
// *NotReadyError. ErrNotFound means that there is no free partition, no
// instance to share, or no computer as the filter wants it.
func (o *OpenOrder) Request(ctx context.Context, r Request) (*ComputerPartition, error) {
	return requester{client: o.client}.request(ctx, r)
}

// Information returns what the master knows of the root instance with a
// reference (getInformation). It reads the HATEOAS interface of the master.
// An unknown reference is ErrNotFound.
func (o *OpenOrder) Information(ctx context.Context, reference string) (*Instance, error) {
	return o.client.instanceTree(ctx, reference)
}

// RequestComputer asks for a new computer with a title (requestComputer). The
// stand-alone master does not offer this: ErrNotFound.
func (o *OpenOrder) RequestComputer(ctx context.Context, title string) (*Computer, error) {
	const op = "request computer"
	object, err := o.client.postObject(ctx, call{
		op: op, path: "requestComputer",
		fields: []field{{"computer_title", title}},
	}, marshal.ClassComputer)
	if err != nil {
		return nil, err
	}
	guid := textOf(object, "_computer_id")
	if guid == "" {
		return nil, o.client.unreadable(op, errors.New("the computer has no identifier"))
	}
	return o.client.Computer(guid), nil
}
