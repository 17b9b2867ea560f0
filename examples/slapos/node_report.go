package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/slapgrid"
)

const nodeReportLong = `Runs the report scripts of the partitions, sends the usage to the master and destroys the
partitions that are to go.` + nodeLong + `1 a report or a destruction failed, or another error,` + nodeStatus

// newNodeReport is "slapos node report".
func newNodeReport(a *app) *cobra.Command {
	return newPass(a, pass{
		kind: "report", use: "report", short: "run instance reports and garbage collection", long: nodeReportLong,
		run: func(ctx context.Context, n *slapgrid.Node, _ slapgrid.Config) (*slapgrid.Report, error) {
			return n.Usage(ctx, slapgrid.UsageOptions{})
		},
	})
}
