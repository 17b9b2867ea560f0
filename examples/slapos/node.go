package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slapos/slapos-go/slapgrid"
)

// Parts of the help of the commands that run a pass.
const (
	nodeLong = `

Options given here win over [networkcache], which wins over [slapos] of the configuration
file. Only one of these commands per pid file runs at a time.

Exit status: 0 all fine, `
	nodeStatus = ` 5 not run as root though root_check is not false, 10 another slapos process holds the pid file.`
)

// pass is a command that runs one pass of the node agent.
type pass struct {
	kind    string // software, instance or report: whose pid file it takes
	use     string
	short   string
	long    string
	options func(o options)
	run     func(ctx context.Context, n *slapgrid.Node, cfg slapgrid.Config) (*slapgrid.Report, error)
}

// newPass makes the command of a pass.
func newPass(a *app, p pass) *cobra.Command {
	var cfg *cfgOption
	var now bool
	cmd := leaf(nodeGroup, p.use, p.short, p.long, func(cmd *cobra.Command, _ []string) error {
		for _, other := range []string{"only-sr", "only-cp"} {
			if err := exclusive(cmd, cmd.Flags(), "all", other); err != nil {
				return err
			}
		}
		return a.runPass(cmd, p, cfg, now)
	})
	o := optionsOf(cmd)
	cfg = nodeCfg(o)
	nodeOptions(o, p.kind, &now)
	if p.options != nil {
		p.options(o)
	}
	return cmd
}

// nodeOptions declares the options that all passes have. Their values are read
// back by nodeSettings, under the flags' names.
func nodeOptions(o options, kind string, now *bool) {
	text := func(spelling, usage string) { o.text(new(string), spelling, usage) }
	number := func(spelling, usage string) { o.number(new(string), spelling, usage) }
	text("--instance-root", "Directory of the partitions.")
	text("--software-root", "Directory of the Software Releases.")
	text("--master-url", "URL of the master.")
	text("--computer-id", "Identifier of this node at the master.")
	o.ignored("--supervisord-socket", "Former place of the supervisor's socket.")
	o.ignored("--supervisord-configuration-path", "Former place of the supervisor's configuration.")
	text("--buildout", "Python script that bootstraps buildout.")
	text("--pidfile", "Pid file (default: pidfile_"+kind+", then pidfile of the configuration file, then one in /opt/slapos).")
	text("--key_file", "Key of the node's TLS certificate.")
	text("--cert_file", "TLS certificate of the node.")
	text("--signature_private_key_file", "Key that signs what goes to the binary cache.")
	text("--master_ca_file", "Authorities that the master's certificate is verified against.")
	text("--certificate_repository_path", "Directory of the certificates of the partitions.")
	number("--maximum-periodicity", "Seconds after which a partition is processed again even if nothing changed (default: 86400).")
	number("--promise-timeout", "Seconds that one promise may take (default: 20).")
	number("--partition-timeout", "Seconds that one partition may take.")
	o.flag(now, "--now", "Start at once, whatever maximal_delay says.")
	number("--maximal_delay", "Wait a random time of up to this many seconds first. Deprecated: better in the configuration file.")
}

// buildOptions are the options of the passes that build.
type buildOptions struct {
	debug, force, all bool
	only              string
}

// declare declares the options. The help says upToDate of what is processed only
// by force; spellings and selection are those of the option that selects.
func (b *buildOptions) declare(o options, upToDate, spellings, selection string) {
	o.flag(&b.debug, "--buildout-debug", "Run buildout with its debugger, on this terminal.")
	o.flag(&b.force, "--force", "Process "+upToDate+", too.")
	o.flag(&b.all, "--all", "The same as --force. Deprecated.")
	o.text(&b.only, spellings, selection)
}

// forced tells whether what is up to date is processed, too.
func (b *buildOptions) forced() bool { return b.force || b.all }

// passFlags are the options of a pass that are not keys of the configuration file.
var passFlags = []string{
	"cfg", "now", "all", "force", "force-stop", "only-sr", "only-cp", "buildout-debug", "garbage-collect",
	"supervisord-socket", "supervisord-configuration-path",
}

// nodeSettings are the options that were given, as keys of the configuration
// file. An explicit --pidfile stands for the key of the command's own pid file,
// so that it wins over it.
func nodeSettings(flags *pflag.FlagSet, kind string) map[string]string {
	settings := make(map[string]string)
	flags.Visit(func(f *pflag.Flag) {
		for _, name := range passFlags {
			if f.Name == name {
				return
			}
		}
		key := strings.ReplaceAll(f.Name, "-", "_")
		if key == "pidfile" {
			key += "_" + kind
		}
		settings[key] = f.Value.String()
	})
	return settings
}

// runPass reads the configuration, waits, takes the pid file and runs the pass.
func (a *app) runPass(cmd *cobra.Command, p pass, from *cfgOption, now bool) (err error) {
	ctx := cmd.Context()
	outliveReaders()
	cfg, err := a.nodeConfig(from, nodeSettings(cmd.Flags(), p.kind))
	if err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return inFile(a.locate(from), err)
	}
	if !now {
		if err := a.delay(ctx, cfg.MaximalDelay, "check --now parameter in slapgrid help."); err != nil {
			return err
		}
	}
	release, err := a.lock(pidFile(cfg, p.kind))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	node, err := slapgrid.New(cfg, a.nodeOptions()...)
	if err != nil {
		return err
	}
	report, err := p.run(ctx, node, cfg)
	if err != nil {
		return err
	}
	if code := report.ExitCode(); code != exitOK {
		return status(code)
	}
	return nil
}

// nodeOptions are the options of every node agent of this program.
func (a *app) nodeOptions() []slapgrid.Option {
	opts := []slapgrid.Option{slapgrid.WithLogger(a.log)}
	stdin, okIn := a.stdin.(*os.File)
	stdout, okOut := a.stdout.(*os.File)
	stderr, okErr := a.stderr.(*os.File)
	if okIn && okOut && okErr {
		opts = append(opts, slapgrid.WithTerminal(stdin, stdout, stderr))
	}
	return opts
}

// nodeConfig reads the configuration of the node agent and checks that the user
// may run it.
func (a *app) nodeConfig(from *cfgOption, settings map[string]string) (slapgrid.Config, error) {
	file, err := a.load(from)
	if err != nil {
		return slapgrid.Config{}, err
	}
	if !file.HasSection("slapos") {
		_, err := file.Items("slapos")
		return slapgrid.Config{}, err
	}
	if err := a.requireRoot(file); err != nil {
		return slapgrid.Config{}, err
	}
	all, err := sections(file)
	if err != nil {
		return slapgrid.Config{}, err
	}
	cfg, err := slapgrid.ParseConfig(all, settings)
	if err != nil {
		return cfg, inFile(file.Name(), err)
	}
	cfg.Environ = a.env
	if cfg.SupervisorCommand, err = supervisorCommand(); err != nil {
		return cfg, err
	}
	if _, err := os.Stat(cfg.WatchdogProgram); err != nil {
		cfg.WatchdogProgram = ""
	}
	return cfg, nil
}

// pidFile is the pid file of a kind of pass.
func pidFile(cfg slapgrid.Config, kind string) string {
	switch kind {
	case "software":
		return cfg.PIDFileSoftware
	case "report":
		return cfg.PIDFileReport
	default:
		return cfg.PIDFileInstance
	}
}

// delay waits a random time of up to most, if that is more than nothing.
func (a *app) delay(ctx context.Context, most time.Duration, advice string) error {
	if most < time.Second {
		return nil
	}
	seconds := 1 + rand.IntN(int(most/time.Second))
	a.log.Info(fmt.Sprintf("Sleeping for %d seconds. To disable this feature, %s", seconds, advice))
	return sleep(ctx, time.Duration(seconds)*time.Second)
}

// sleep waits, or returns why the context ended.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// splitSelection splits a list of releases or partitions at its commas.
func splitSelection(given string, configured []string) []string {
	if given == "" {
		return configured
	}
	return strings.Split(given, ",")
}

// printf writes to the standard output of the command.
func (a *app) printf(format string, args ...any) error {
	_, err := io.WriteString(a.stdout, fmt.Sprintf(format, args...))
	return err
}
