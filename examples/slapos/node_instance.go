package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/slapgrid"
)

const nodeInstanceLong = `Makes the partitions of this node what the master wants them to be: deployed, started,
stopped.` + nodeLong + `1 a partition failed, or another error, 2 only promises failed, 3 the master was not reachable and what was there has been started,` + nodeStatus

// newNodeInstance is "slapos node instance".
func newNodeInstance(a *app) *cobra.Command {
	var o slapgrid.InstanceOptions
	var build buildOptions
	return newPass(a, pass{
		kind: "instance", use: "instance", short: "run instance deployment", long: nodeInstanceLong,
		options: func(f options) {
			f.flag(&o.ForceStop, "--force-stop", "Stop the services, even of instances that are wanted started.")
			build.declare(f, "partitions that are up to date",
				"--only-cp --only", "Process only these partitions, up to date or not, separated by commas.")
		},
		run: func(ctx context.Context, n *slapgrid.Node, cfg slapgrid.Config) (*slapgrid.Report, error) {
			o.BuildoutDebug, o.Force = build.debug, build.forced()
			o.Only = splitSelection(build.only, cfg.OnlyPartitions)
			return n.Instances(ctx, o)
		},
	})
}
