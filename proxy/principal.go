package proxy

import (
	"context"
	"net/http"
	"strings"
)

// Principal tells who makes a call.
type Principal struct {
	// Kind is the kind of caller.
	Kind PrincipalKind
	// Computer is the reference of the computer, for a computer or for an
	// instance on it.
	Computer string
	// Partition is the reference of the instance's partition.
	Partition string
	// Name names the caller in statuses and logs.
	Name string
}

// PrincipalKind is the kind of a Principal.
type PrincipalKind string

// Kinds of principals.
const (
	// Anonymous is everybody in the open mode; it may do everything.
	Anonymous PrincipalKind = "anonymous"
	// Person is a customer or an operator.
	Person PrincipalKind = "person"
	// ComputerNode is a node.
	ComputerNode PrincipalKind = "computer"
	// InstanceProgram is the program of an instance.
	InstanceProgram PrincipalKind = "instance"
)

// Authenticator finds out who makes a call. Its error refuses the call; an
// *Error chooses the status, any other error answers 401.
type Authenticator interface {
	Authenticate(r *http.Request) (Principal, error)
}

// Action is what a principal wants to do with an object.
type Action string

// Actions, as the authorization sees them.
const (
	// ActionRead reads a computer, a partition or a list.
	ActionRead Action = "read"
	// ActionRequest requests, changes or destroys an instance.
	ActionRequest Action = "request"
	// ActionSupply chooses the releases of a computer.
	ActionSupply Action = "supply"
	// ActionReport reports what happened on a node: states, errors, usage,
	// connection parameters.
	ActionReport Action = "report"
	// ActionFormat describes a computer.
	ActionFormat Action = "format"
)

// Object names what an action is about; fields that do not apply are empty.
type Object struct {
	Computer, Partition string
}

// Authorizer decides whether a principal may act on an object. It is asked
// once for each call, before anything is read or written. Its error refuses
// the call; an *Error chooses the status, any other error answers 403.
type Authorizer interface {
	Authorize(ctx context.Context, p Principal, a Action, o Object) error
}

// open is the mode without authentication: everybody may do everything, as
// with the reference. The listener is the border.
type open struct{}

func (open) Authenticate(*http.Request) (Principal, error) {
	return Principal{Kind: Anonymous, Name: "anonymous"}, nil
}

func (open) Authorize(context.Context, Principal, Action, Object) error { return nil }

// refusals gives the refusals of an Authorizer their status.
type refusals struct{ Authorizer }

func (r refusals) Authorize(ctx context.Context, p Principal, a Action, o Object) error {
	if err := r.Authorizer.Authorize(ctx, p, a, o); err != nil {
		return withStatus(err, http.StatusForbidden)
	}
	return nil
}

// claim is the partition that a request says it is made for, in a header
// Authorization: X-SlapPartition. In the open mode it is believed.
type claim struct {
	computer, partition string
	// given tells that the header named a computer; ok that it named a
	// partition too.
	given, ok bool
}

// readClaim reads the header. Other schemes and malformed values are ignored.
func readClaim(header string) claim {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "X-SlapPartition") {
		return claim{}
	}
	var c claim
	for part := range strings.SplitSeq(rest, ",") {
		key, value, found := strings.Cut(part, "=")
		if !found {
			continue
		}
		switch value = strings.TrimSpace(value); strings.TrimSpace(key) {
		case "computer_id":
			c.computer, c.given = value, true
		case "computer_partition_id":
			c.partition, c.ok = value, true
		}
	}
	c.ok = c.ok && c.given
	return c
}
