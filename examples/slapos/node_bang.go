package main

import (
	"context"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/slap"
)

const nodeBangLong = `Asks the master to have every partition of this node processed again.

Exit status: 0 done, 1 error, 5 not run as root though root_check is not false.`

// noMessage is what the documented command posts when it is given no message.
const noMessage = "None"

// newNodeBang is "slapos node bang".
func newNodeBang(a *app) *cobra.Command {
	var cfg *cfgOption
	message := noMessage
	cmd := leaf(nodeGroup, "bang", "request update on all partitions", nodeBangLong,
		func(cmd *cobra.Command, _ []string) error { return a.bang(cmd.Context(), cfg, message) })
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.text(&message, "-m --message", "Message that goes with it.")
	return cmd
}

// bang posts the message for the whole computer.
func (a *app) bang(ctx context.Context, from *cfgOption, message string) error {
	file, err := a.load(from)
	if err != nil {
		return err
	}
	if err := a.requireRoot(file); err != nil {
		return err
	}
	computer, err := file.Get("slapos", "computer_id")
	if err != nil {
		return err
	}
	master, err := file.Get("slapos", "master_url")
	if err != nil {
		return err
	}
	identity := &clientConfig{verify: true}
	r := reader{file: file}
	r.text(&identity.keyFile, "slapos", "key_file")
	r.text(&identity.certFile, "slapos", "cert_file")
	r.text(&identity.caFile, "slapos", "master_ca_file")
	r.bool(&identity.verify, "slapos", "master_verify")
	if r.err != nil {
		return r.err
	}
	client, err := slap.New(master, a.clientOptions(identity)...)
	if err != nil {
		return err
	}
	if err := a.printf("Banging to '%s'\nPOST computerBang\n", withoutPassword(master)); err != nil {
		return err
	}
	if err := client.Computer(computer).Bang(ctx, message); err != nil {
		return err
	}
	if message == noMessage {
		return a.printf("Bang with message None\n")
	}
	return a.printf("Bang with message '%s'\n", message)
}

// withoutPassword is a URL as it may be shown.
func withoutPassword(address string) string {
	if u, err := url.Parse(address); err == nil && u.User != nil {
		return u.Redacted()
	}
	return address
}
