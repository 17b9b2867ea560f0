package slap

import (
	"context"
)

// Instance is what the HATEOAS interface tells of a root instance.
type Instance struct {
	// Reference is the name under which it was requested: its title.
	Reference string
	// SoftwareRelease is the URL of its software release.
	SoftwareRelease string
	// SoftwareType is its kind, empty if the master does not tell.
	SoftwareType string
	// State is the wanted state, in the words of the master; empty in lists.
	State State
	// Shared tells that it is a share of another instance.
	Shared bool
	// Parameters are its instance parameters, nil in lists. If the only one
	// is "_", its value is decoded from JSON.
	Parameters Parameters
	// ConnectionParameters is what it has published, nil in lists.
	ConnectionParameters Parameters
	// Fields is everything the master tells, under the master's names.
	Fields Parameters
}

// ComputerInformation is what the HATEOAS interface tells of a computer.
type ComputerInformation struct {
	// Reference is its identifier.
	Reference string
	// Title is its name.
	Title string
	// Fields is everything the master tells, under the master's names.
	Fields Parameters
}

type navigator struct{}

// HateoasURL returns the address of the HATEOAS interface of the master: the
// one set by WithHateoasURL, or else the master's answer (getHateoasUrl).
func (c *Client) HateoasURL(ctx context.Context) (string, error) { return "", nil }

// OpenOrders returns the root instances, by title (getOpenOrderDict).
func (c *Client) OpenOrders(ctx context.Context) ([]*Instance, error) { return nil, nil }

// Computers returns the computers, by reference (getComputerDict).
func (c *Client) Computers(ctx context.Context) ([]*ComputerInformation, error) { return nil, nil }

// Token returns a token with which a computer can be registered (registerToken
// and its request).
func (c *Client) Token(ctx context.Context) (string, error) { return "", nil }

func (c *Client) instanceTree(ctx context.Context, reference string) (*Instance, error) {
	return nil, nil
}

func (c *Client) computerInformation(ctx context.Context, guid string) (*ComputerInformation, error) {
	return nil, nil
}
