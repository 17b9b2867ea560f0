package slapgrid_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

// TestUnknownComputer runs every pass for a computer that the master does not
// know, which is not the same as a master that is away.
func TestUnknownComputer(t *testing.T) {
	b := newBench(t, 1)
	b.cfg.ComputerID = "COMP-X"
	node := b.node()
	for name, pass := range map[string]func(context.Context) error{
		"software":  func(ctx context.Context) error { _, err := node.Software(ctx, slapgrid.SoftwareOptions{}); return err },
		"instances": func(ctx context.Context) error { _, err := node.Instances(ctx, plain); return err },
		"promises":  func(ctx context.Context) error { _, err := node.Promises(ctx, slapgrid.PromiseOptions{}); return err },
		"usage":     func(ctx context.Context) error { _, err := node.Usage(ctx, slapgrid.UsageOptions{}); return err },
		"bang":      func(ctx context.Context) error { return node.Bang(ctx, "help") },
	} {
		err := pass(t.Context())
		require.ErrorIs(t, err, slap.ErrNotFound, name)
		require.ErrorContains(t, err, "COMP-X", name)
		require.ErrorContains(t, err, "node format", name)
	}
}
