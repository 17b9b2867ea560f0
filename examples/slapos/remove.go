package main

import (
	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/slap"
)

const removeLong = `Asks the master that the node no longer offers a Software Release: "slapos node software"
on that node then removes it. software_url may be a URL, product.NAME, or an alias of
[slapconsole] alias.

Exit status: 0 done, 1 refused or not reachable.`

// newRemove is "slapos remove".
func newRemove(a *app) *cobra.Command {
	var cfg *cfgOption
	cmd := leaf(clientGroup, "remove software_url node", "remove a Software from a node", removeLong,
		func(cmd *cobra.Command, args []string) error {
			a.log.Info("Requesting deletion of " + args[0] + " Software Release...")
			return a.supply(cmd.Context(), cfg, args[0], args[1], slap.StateDestroyed)
		})
	cfg = clientCfg(optionsOf(cmd))
	return cmd
}
