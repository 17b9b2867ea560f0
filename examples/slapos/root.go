package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/internal/argnorm"
)

// The groups of the global help.
const (
	clientGroup = "client"
	nodeGroup   = "node"
	otherGroup  = "other"
)

// newRoot builds the command tree. A new command is one line here and a file of
// its own.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use: programName, SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(usageOf)
	bindGlobal(a, root)

	node := &cobra.Command{Use: "node"}
	node.AddCommand(
		newNodeBang(a), newNodeFormat(a), newNodeInstance(a), newNodePromise(a), newNodeReport(a),
		newNodeSoftware(a), newNodeSupervisorctl(a), newNodeSupervisord(a), newNodeSupervisor(a),
	)
	node.AddCommand(newSupervisorctlAliases(a)...)
	service := &cobra.Command{Use: "service"}
	service.AddCommand(newServiceInfo(a), newServiceList(a))
	proxy := &cobra.Command{Use: "proxy"}
	proxy.AddCommand(newProxyBackup(a), newProxyCheck(a), newProxyExport(a), newProxyImport(a), newProxyShow(a), newProxyStart(a))
	configure := &cobra.Command{Use: "configure"}
	configure.AddCommand(newConfigureLocal(a))

	root.AddCommand(newRequest(a), newSupply(a), newRemove(a), service, node, proxy, configure)
	help := newHelp(a)
	root.AddCommand(help)
	root.SetHelpCommand(help)
	return root
}

// bindGlobal declares the options that are accepted anywhere.
func bindGlobal(a *app, root *cobra.Command) {
	g := &a.global
	g.logColor, g.logTime = true, true
	o := options{root.PersistentFlags()}
	o.SortFlags = false
	o.flag(&g.version, "--version", "Print the version and exit.")
	verbose := o.add((*countValue)(&g.verbose), argnorm.Switch, "-v --verbose", "Say more on the console; may be repeated.")
	verbose.NoOptDefVal = strconv.Itoa(1)
	o.flag(&g.quiet, "-q --quiet", "Print warnings and errors only.")
	o.flag(&g.debug, "--debug", "Add to an error the errors inside it with their types.")
	o.text(&g.logFile, "--log-file --logfile --log_file", "Also append everything that is logged to this file.")
	o.toggle(&g.logColor, "--log-color", "Colours on a terminal (default; --log-color=false switches them off).")
	o.toggle(&g.logTime, "--log-time", "Time in console lines (default; --log-time=false leaves it out).")
	o.flag(&g.help, "-h --help", "Print this help, or that of the command, and exit.")
}

// leaf makes a command that runs. The use line names its arguments: see arguments.
func leaf(group, use, short, long string, run func(cmd *cobra.Command, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: long,
		Args: cobra.ArbitraryArgs, RunE: run,
		DisableFlagsInUseLine: true,
		Annotations:           map[string]string{groupKey: group},
	}
}

// printVersion prints the program's name and the version of this module.
func printVersion(w io.Writer) error {
	version := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		version = info.Main.Version
	}
	_, err := fmt.Fprintf(w, "%s %s (%s)\n", programName, version, runtime.Version())
	return err
}
