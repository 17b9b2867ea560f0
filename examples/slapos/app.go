package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/internal/argnorm"
)

// programName is what messages call the program, whatever its file is called.
const programName = "slapos"

// app is one run of the program: what it was given and what its commands share.
type app struct {
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	log            *slog.Logger
	global         globalOptions
	grammar        argnorm.Grammar
	root           *cobra.Command
	euid           int
}

// globalOptions are the options accepted anywhere on the command line.
type globalOptions struct {
	version  bool
	verbose  int
	quiet    bool
	debug    bool
	logFile  string
	logColor bool
	logTime  bool
	help     bool
}

// Main runs one command line, without the program's name, and returns the exit
// status. It reads and writes nothing but what it is given and the files that
// the command line and the environment name; when the context is cancelled,
// the command ends as soon as it can.
func Main(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{
		env: env, stdin: stdin, stdout: stdout, stderr: stderr,
		euid: os.Geteuid(),
	}
	a.root = newRoot(a)
	a.grammar = grammarOf(a.root)
	closeLog := a.openLog(nil)
	err := a.run(ctx, args, &closeLog)
	status := a.exitStatus(err)
	closeLog()
	return status
}

// run takes the global options out of args, sets the log up and runs the command.
func (a *app) run(ctx context.Context, args []string, closeLog *func()) error {
	global, words, err := a.grammar.Globals(args)
	if err == nil {
		err = a.parseGlobal(global)
	}
	if err != nil {
		return err
	}
	if a.global.version {
		return printVersion(a.stdout)
	}
	file, err := a.openLogFile(a.global.logFile)
	if err != nil {
		return err
	}
	*closeLog = a.openLog(file)
	if a.global.verbose > 1 {
		a.log.Debug("initialize_app")
	}
	if a.global.help || len(words) == 0 {
		return a.help(words)
	}
	if len(words) == 1 && words[0] == "node" {
		words = append(words, "status")
	}
	return a.execute(ctx, words)
}

// parseGlobal reads the canonical global options.
func (a *app) parseGlobal(canonical []string) error {
	flags := a.root.PersistentFlags()
	if err := flags.Parse(canonical); err != nil {
		return usageOf(a.root, err)
	}
	return exclusive(a.root, flags, "verbose", "quiet")
}

// execute runs the command that words name.
func (a *app) execute(ctx context.Context, words []string) error {
	command, rest, err := a.grammar.Find(words)
	if err != nil {
		return err
	}
	line, err := command.Normalise(programName, rest)
	if err != nil {
		return err
	}
	if a.global.verbose > 1 {
		a.log.Debug("prepare_to_run_command " + command.Name)
		defer a.log.Debug("clean_up " + command.Name)
	}
	a.root.SetArgs(append(strings.Fields(command.Name), line...))
	return a.root.ExecuteContext(ctx)
}

// getenv returns the value of an environment variable, empty if it is not set.
func (a *app) getenv(name string) string {
	for i := len(a.env) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(a.env[i], name+"="); ok {
			return value
		}
	}
	return ""
}
