package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/slapgrid"
)

const nodePromiseLong = `Checks the promises of the started partitions; nothing is deployed or told to the master.` + nodeLong + `1 error, 2 a promise failed,` + nodeStatus

// newNodePromise is "slapos node promise".
func newNodePromise(a *app) *cobra.Command {
	var only string
	return newPass(a, pass{
		kind: "instance", use: "promise", short: "run only promises to test the partition state", long: nodePromiseLong,
		options: func(f options) {
			f.text(&only, "--only-cp --only", "Check only these partitions, separated by commas.")
		},
		run: func(ctx context.Context, n *slapgrid.Node, cfg slapgrid.Config) (*slapgrid.Report, error) {
			return n.Promises(ctx, slapgrid.PromiseOptions{Only: splitSelection(only, cfg.OnlyPartitions)})
		},
	})
}
