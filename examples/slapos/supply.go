package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/slap"
)

const supplyLong = `Asks the master that the node offers a Software Release: "slapos node software" on that
node then builds it. software_url may be a URL, product.NAME for the best release of a
product, or an alias of [slapconsole] alias.

Exit status: 0 done, 1 refused or not reachable.`

// newSupply is "slapos supply".
func newSupply(a *app) *cobra.Command {
	var cfg *cfgOption
	cmd := leaf(clientGroup, "supply software_url node", "supply a Software to a node", supplyLong,
		func(cmd *cobra.Command, args []string) error {
			a.log.Info("Requesting software installation of " + args[0] + "...")
			return a.supply(cmd.Context(), cfg, args[0], args[1], slap.StateAvailable)
		})
	cfg = clientCfg(optionsOf(cmd))
	return cmd
}

// supply tells the master what a node is to offer.
func (a *app) supply(ctx context.Context, cfg *cfgOption, name, node string, state slap.State) error {
	if name == "" || node == "" {
		return errors.New("software_url and node must not be empty")
	}
	s, err := a.connect(cfg)
	if err != nil {
		return err
	}
	url, err := a.resolve(ctx, s, name)
	if err != nil {
		return err
	}
	err = s.client.Supply().Supply(ctx, url, node, state)
	if errors.Is(err, slap.ErrNotFound) {
		return documented("Computer %s has not been found by SlapOS Master.", node)
	}
	if err != nil {
		return err
	}
	a.log.Info("Done.")
	return nil
}
