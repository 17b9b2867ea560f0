package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/slapgrid"
)

const nodeSoftwareLong = `Builds the Software Releases that the master wants on this node and removes those it no
longer wants.` + nodeLong + `1 a release failed, or another error,` + nodeStatus

// newNodeSoftware is "slapos node software".
func newNodeSoftware(a *app) *cobra.Command {
	var o slapgrid.SoftwareOptions
	var build buildOptions
	return newPass(a, pass{
		kind: "software", use: "software", short: "run software installation/deletion", long: nodeSoftwareLong,
		options: func(f options) {
			f.flag(&o.GarbageCollect, "--garbage-collect", "Remove releases that are on disk and not supplied on this node.")
			build.declare(f, "releases that are installed already",
				"--only-sr --only", "Process only these releases, installed or not: URLs or their MD5, separated by commas.")
		},
		run: func(ctx context.Context, n *slapgrid.Node, cfg slapgrid.Config) (*slapgrid.Report, error) {
			o.BuildoutDebug, o.Force = build.debug, build.forced()
			o.Only = splitSelection(build.only, cfg.OnlySoftware)
			return n.Software(ctx, o)
		},
	})
}
