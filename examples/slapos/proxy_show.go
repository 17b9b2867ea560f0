package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/proxy"
)

const proxyShowLong = `Prints the content of a stand-alone master's database; with none of the options that
choose, everything. On a terminal the text goes through $PAGER.

Exit status: 0 printed, 1 error.`

// newProxyShow is "slapos proxy show".
func newProxyShow(a *app) *cobra.Command {
	var cfg *cfgOption
	var database, output string
	var o proxy.ShowOptions
	cmd := leaf(otherGroup, "show", "display proxy instances and parameters", proxyShowLong,
		func(cmd *cobra.Command, _ []string) error {
			s, err := a.databaseSettings(cfg, database)
			if err != nil {
				return err
			}
			o.JSON = output == "json"
			return a.page(cmd.Context(), func(w io.Writer) error {
				return proxy.Show(cmd.Context(), w, s.database, o)
			})
		})
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.text(&database, "-u --database-uri", "Database file or postgres:// address (default: database_uri of [slapproxy]).")
	f.flag(&o.Computers, "--computers", "Show the computers.")
	f.flag(&o.Software, "--software", "Show the supplied Software Releases.")
	f.flag(&o.Partitions, "--partitions", "Show the partitions in use.")
	f.flag(&o.Slaves, "--slaves", "Show the slave instances.")
	f.flag(&o.Params, "--params", "Show the published parameters.")
	f.flag(&o.Network, "--network", "Show the addresses of the partitions.")
	f.flag(&o.Usage, "--usage", "Show the accepted usage reports. Only shown when asked for.")
	f.flag(&o.Status, "--status", "Show the last reports and errors. Only shown when asked for.")
	f.flag(&o.Errors, "--errors", "Show the whole texts of the last errors and bangs. Only shown when asked for.")
	outputOption(f, &output, "text", "Tables, or one JSON object.")
	return cmd
}

// defaultPager is used when PAGER is not set.
const defaultPager = "less --quit-if-one-screen --no-init"

// page lets f write to the standard output, through a pager on a terminal.
func (a *app) page(ctx context.Context, f func(io.Writer) error) error {
	if !isTerminal(a.stdout) {
		return f(a.stdout)
	}
	var text bytes.Buffer
	if err := f(&text); err != nil {
		return err
	}
	command := a.getenv("PAGER")
	if command == "" {
		command = defaultPager
	}
	return a.pageThrough(ctx, command, text.Bytes())
}

// pageThrough shows a text with a shell command; without that program it just
// prints it. A pager that is left early is no failure. An interrupt from the keyboard
// is the pager's: to kill it would leave the terminal as it has set it.
func (a *app) pageThrough(ctx context.Context, command string, text []byte) error {
	pager := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", command)
	pager.Env, pager.Stdin, pager.Stdout, pager.Stderr = a.env, bytes.NewReader(text), a.stdout, a.stderr
	err := pager.Run()
	exit, exited := errors.AsType[*exec.ExitError](err)
	switch {
	case exited && exit.ExitCode() == commandNotFound:
		_, err := a.stdout.Write(text)
		return err
	case exited:
		return nil
	case err != nil:
		return fmt.Errorf("pager: %w", err)
	}
	return nil
}

// commandNotFound is the shell's exit status for a program that is not there.
const commandNotFound = 127
