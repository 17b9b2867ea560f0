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
	var all, force bool
	var only string
	return newPass(a, pass{
		kind: "software", use: "software", short: "run software installation/deletion", long: nodeSoftwareLong,
		options: func(f options) {
			f.flag(&o.BuildoutDebug, "--buildout-debug", "Run buildout with its debugger, on this terminal.")
			f.flag(&o.GarbageCollect, "--garbage-collect", "Remove releases that are on disk and not supplied on this node.")
			f.flag(&force, "--force", "Process releases that are installed already, too.")
			f.flag(&all, "--all", "The same as --force. Deprecated.")
			f.text(&only, "--only-sr --only", "Process only these releases, installed or not: URLs or their MD5, separated by commas.")
		},
		run: func(ctx context.Context, n *slapgrid.Node, cfg slapgrid.Config) (*slapgrid.Report, error) {
			o.Force = force || all
			o.Only = splitSelection(only, cfg.OnlySoftware)
			return n.Software(ctx, o)
		},
	})
}
