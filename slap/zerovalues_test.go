package slap

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// double is a requester whose instances nobody made.
type double struct{ IRequester }

func (double) Request(context.Context, Request) (*ComputerPartition, error) {
	return &ComputerPartition{}, nil
}

// TestZeroValues calls the methods of values that nobody made: they say so.
func TestZeroValues(t *testing.T) {
	ctx := context60(t)
	var c Client
	var p ComputerPartition
	require.Empty(t, c.URL())
	c.CloseIdleConnections()
	for name, call := range map[string]func(context.Context) error{
		"product":          func(ctx context.Context) error { return second(c.SoftwareProduct(ctx, "p")) },
		"read":             func(ctx context.Context) error { return second(c.ComputerPartition(ctx, "c", "p")) },
		"computer":         c.Computer("c").Refresh,
		"reference":        c.PartitionReference("c", "p").Started,
		"lists":            func(ctx context.Context) error { return second(c.OpenOrders(ctx)) },
		"HATEOAS":          func(ctx context.Context) error { return second(c.HateoasURL(ctx)) },
		"token":            func(ctx context.Context) error { return second(c.Token(ctx)) },
		"request":          func(ctx context.Context) error { return second((&OpenOrder{}).Request(ctx, justRequest)) },
		"request computer": func(ctx context.Context) error { return second((&OpenOrder{}).RequestComputer(ctx, "t")) },
		"information":      func(ctx context.Context) error { return second((&OpenOrder{}).Information(ctx, "r")) },
		"supply":           func(ctx context.Context) error { return (&Supply{}).Supply(ctx, "sr", "c", "") },
		"release":          (&SoftwareRelease{}).Available,
		"partitions":       func(ctx context.Context) error { return second((&Computer{}).Partitions(ctx)) },
		"snapshot":         func(ctx context.Context) error { return second((&Computer{}).Snapshot(ctx)) },
		"of a partition":   func(ctx context.Context) error { return second(p.Information(ctx, "r")) },
	} {
		require.ErrorIs(t, call(ctx), ErrNotFound, name)
	}
	for name, call := range map[string]func(context.Context) error{
		"started": p.Started,
		"refresh": p.Refresh,
		"news":    func(ctx context.Context) error { return second(p.News(ctx)) },
		"status":  func(ctx context.Context) error { return second(p.Status(ctx)) },
		"request": func(ctx context.Context) error { return second(p.Request(ctx, justRequest)) },
		"id":      func(context.Context) error { return second(p.ID()) },
		"type":    func(context.Context) error { return second(p.Type()) },
	} {
		require.ErrorIs(t, call(ctx), ErrNotReady, name)
	}
	// A double of a requester has no other partition to return.
	brief, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	_, err := WaitConnectionParameters(brief, double{}, justRequest, []string{"url"})
	require.ErrorContains(t, err, `has not published "url" yet`)
	require.Empty(t, p.InstanceParameters())
	require.Empty(t, p.ConnectionParameters())
	require.Empty(t, p.Filter())
	require.Empty(t, p.SharedInstances())
	require.Empty(t, p.ComputerID()+p.Title()+p.RootTitle()+p.Timestamp()+p.AccessStatus())
	require.Empty(t, (&Instance{}).News())
	require.Empty(t, Changes(&Snapshot{}, &Snapshot{}))
	(&Snapshot{}).Apply(&Change{})
	for _, err := range []error{&Error{}, &NotReadyError{}, &ParameterError{}} {
		require.NotPanics(t, func() { _ = err.Error() })
	}
}
