package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/internal/configparser"
	"github.com/slapos/slapos-go/internal/supervisorctl"
	"github.com/slapos/slapos-go/slapgrid"
)

const supervisorctlLong = `Talks to the supervisor of this node, which is launched first unless
forbid_supervisord_automatic_launch is true. Services are called PARTITION:NAME, and
PARTITION: stands for all of a partition. Everything from the first word on belongs to
supervisorctl.

Exit status: that of supervisorctl (0 fine; status: 3 something is not running, 4 no such
process; 1, 2 or 7 for other failures), 5 not run as root though root_check is not false.`

// newNodeSupervisorctl is "slapos node supervisorctl".
func newNodeSupervisorctl(a *app) *cobra.Command {
	return newSupervisorctl(a, "supervisorctl", "open supervisor console, for process management", nil)
}

// newSupervisorctlAliases are the commands that put their own name in front.
func newSupervisorctlAliases(a *app) []*cobra.Command {
	var out []*cobra.Command
	for _, verb := range []string{"status", "start", "stop", "restart", "tail"} {
		out = append(out, newSupervisorctl(a, verb, "alias for 'node supervisorctl "+verb+"'", []string{verb}))
	}
	return out
}

func newSupervisorctl(a *app, name, short string, first []string) *cobra.Command {
	var cfg *cfgOption
	cmd := leaf(nodeGroup, name+" [supervisor_args...]", short, supervisorctlLong,
		func(cmd *cobra.Command, args []string) error {
			return a.supervisorctl(cmd.Context(), cfg, append(first[:len(first):len(first)], args...))
		})
	cmd.Annotations[remainderKey] = "true"
	cfg = nodeCfg(optionsOf(cmd))
	return cmd
}

// supervisorctl launches the supervisor if needed and runs one command line.
func (a *app) supervisorctl(ctx context.Context, from *cfgOption, args []string) error {
	file, err := a.load(from)
	if err != nil {
		return err
	}
	if err := a.requireRoot(file); err != nil {
		return err
	}
	instanceRoot, err := file.Get("slapos", "instance_root")
	if err != nil {
		return err
	}
	forbidden, err := boolOr(file, "slapos", "forbid_supervisord_automatic_launch", false)
	if err != nil {
		return err
	}
	if !forbidden {
		node, err := a.supervisorNode(file)
		if err != nil {
			return err
		}
		if err := node.EnsureSupervisor(ctx); err != nil {
			return err
		}
	}
	code := supervisorctl.Run(ctx, supervisorctl.Options{
		ConfigFile: filepath.Join(instanceRoot, "etc", "supervisord.conf"),
		Stdin:      a.stdin, Stdout: a.stdout, Stderr: a.stderr,
	}, args)
	if code != exitOK {
		return status(code)
	}
	return nil
}

// supervisorNode is a node agent that is used for its supervisor only: of the
// configuration just the roots are needed.
func (a *app) supervisorNode(file *configparser.File) (*slapgrid.Node, error) {
	all, err := sections(file)
	if err != nil {
		return nil, err
	}
	values := all["slapos"]
	cfg := slapgrid.Config{
		MasterURL: values["master_url"], ComputerID: values["computer_id"],
		InstanceRoot: values["instance_root"], SoftwareRoot: values["software_root"],
		Supervisor: slapgrid.SupervisorKind(values["supervisor"]),
		Environ:    a.env,
	}
	if program := values["supervisord"]; program != "" {
		cfg.SupervisordCommand = []string{program}
	}
	if cfg.SupervisorCommand, err = supervisorCommand(); err != nil {
		return nil, err
	}
	return slapgrid.New(cfg, slapgrid.WithLogger(a.log))
}
