package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/internal/supervise"
)

const supervisordLong = `Launches the supervisor of this node, if it does not run already.

Exit status: 0 it runs (with --nodaemon: it has ended), 1 error.`

// newNodeSupervisord is "slapos node supervisord".
func newNodeSupervisord(a *app) *cobra.Command {
	var cfg *cfgOption
	var foreground bool
	cmd := leaf(nodeGroup, "supervisord", "launch, if not already running, supervisor daemon", supervisordLong,
		func(cmd *cobra.Command, _ []string) error { return a.supervisord(cmd.Context(), cfg, foreground) })
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.flag(&foreground, "-n --nodaemon", "Stay in the foreground: be the embedded supervisor.")
	return cmd
}

// supervisord launches the supervisor, or is it.
func (a *app) supervisord(ctx context.Context, from *cfgOption, foreground bool) error {
	file, err := a.load(from)
	if err != nil {
		return err
	}
	instanceRoot, err := file.Get("slapos", "instance_root")
	if err != nil {
		return err
	}
	node, err := a.supervisorNode(file)
	if err != nil {
		return err
	}
	if !foreground {
		return node.EnsureSupervisor(ctx)
	}
	outliveReaders()
	if err := node.WriteSupervisorConf(ctx); err != nil {
		return err
	}
	running, err := node.SupervisorAnswers(ctx)
	if err != nil {
		return err
	}
	if running {
		a.log.Debug("Supervisord already running.")
		return nil
	}
	return supervise.Run(ctx, supervise.Options{
		ConfigFile: filepath.Join(instanceRoot, "etc", "supervisord.conf"), Logger: a.log,
	})
}
