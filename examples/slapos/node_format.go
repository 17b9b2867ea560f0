package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slapos/slapos-go/internal/logfmt"
	"github.com/slapos/slapos-go/slapformat"
)

const nodeFormatLong = `Prepares the partitions of this node (directories, and with root their users and network)
and tells the master about them. Options given here win over [slapos], which wins over
[slapformat] of the configuration file.

Exit status: 0 done, 1 error, 2 prepared but the master could not be told, 5 not run as
root though root_check is not false.`

// formatDelay is the longest random wait before a format without --now.
const formatDelay = time.Hour

// newNodeFormat is "slapos node format".
func newNodeFormat(a *app) *cobra.Command {
	var cfg *cfgOption
	var now, dryRun bool
	cmd := leaf(nodeGroup, "format", "create users, partitions and network configuration", nodeFormatLong,
		func(cmd *cobra.Command, _ []string) error {
			return a.format(cmd.Context(), cfg, formatSettings(cmd.Flags()), now, dryRun)
		})
	o := optionsOf(cmd)
	cfg = nodeCfg(o)
	text := func(spellings, usage string) { o.text(new(string), spellings, usage) }
	trueFalse := []string{"True", "False"}
	text("-x --computer_xml", "File that keeps what is known of the computer; it is created if it does not exist.")
	text("--computer_json", "Also write the computer as JSON to this file.")
	text("-i --input_definition_file", "Take the computer from this definition file.")
	text("-o --output_definition_file", "Write the definition of the computer to this file.")
	o.choice(new(string), trueFalse, "--alter_user", "Whether users may be made and changed (default: True).")
	o.choice(new(string), trueFalse, "--alter_network", "Whether the network may be changed (default: True).")
	o.flag(&now, "--now", "Start at once instead of after a random time of up to an hour.")
	o.flag(&dryRun, "-n --dry_run", "Print what would be done and do nothing.")
	o.ignored("-c --console", "Former console output.")
	return cmd
}

// formatSettings are the options that were given, as keys of the configuration file.
func formatSettings(flags *pflag.FlagSet) map[string]string {
	settings := make(map[string]string)
	flags.Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "cfg", "now", "dry_run", "console":
		default:
			settings[f.Name] = f.Value.String()
		}
	})
	return settings
}

// format prepares the computer.
func (a *app) format(ctx context.Context, from *cfgOption, settings map[string]string, now, dryRun bool) error {
	if !dryRun {
		outliveReaders()
	}
	file, err := a.load(from)
	if err != nil {
		return err
	}
	for _, section := range []string{"slapformat", "slapos"} {
		if _, err := file.Items(section); err != nil {
			return err
		}
	}
	all, err := sections(file)
	if err != nil {
		return err
	}
	if err := a.requireRoot(file, "slapos", "slapformat"); err != nil {
		return err
	}
	cfg, err := slapformat.ParseConfig(all, settings)
	if err != nil {
		return inFile(file.Name(), err)
	}
	closeLog, err := a.alsoLogTo(strings.TrimSpace(cfg.LogFile))
	if err != nil {
		return err
	}
	defer closeLog()
	if !now {
		if err := a.delay(ctx, formatDelay, "use with --now parameter in manual."); err != nil {
			return err
		}
	}
	err = slapformat.Format(ctx, cfg, slapformat.Options{
		DryRun: dryRun, Out: a.stdout, Logger: a.log.With(logfmt.LoggerKey, "slapos"),
	})
	if errors.Is(err, slapformat.ErrOffline) {
		a.logError(err)
		return status(exitUsage)
	}
	return err
}
