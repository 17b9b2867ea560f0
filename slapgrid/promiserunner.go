package slapgrid

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
	"github.com/slapos/slapos-go/slapgrid/internal/promise"
)

// PromiseRunner checks the promises of a partition. It is called concurrently
// for different partitions, never twice at once for the same.
type PromiseRunner interface {
	// Run checks the promises that are due, all of them if one fails, and
	// leaves their results in the partition. The error is a *PromiseError when
	// a promise is not kept; it names the first.
	Run(ctx context.Context, j PromiseJob) error
}

// PromiseJob is what [PromiseRunner.Run] gets.
type PromiseJob struct {
	// ID and Directory are the partition, SoftwareDirectory its release.
	ID, Directory, SoftwareDirectory string
	// KeyFile and CertFile are the identity of the partition; may be empty.
	KeyFile, CertFile string
	// Force checks promises that are not due yet.
	Force bool
	// Anomaly looks for what got worse since the last deployment, more
	// leniently than the check after one.
	Anomaly bool
	// Log tells which promises are checked and what they say.
	Log *slog.Logger

	// files and owner are the directory, opened already, and whom it belongs to.
	files *confined.Dir
	owner child.User
}

type promiseMode struct{ force, anomaly bool }

// checkPromises runs the promises of the partition.
func (p *partition) checkPromises(ctx context.Context, mode promiseMode) error {
	return p.node.promises.Run(ctx, PromiseJob{
		ID: p.id, Directory: p.dir, SoftwareDirectory: p.releaseDir,
		KeyFile: p.keyFile, CertFile: p.certFile,
		Force: mode.force, Anomaly: mode.anomaly, Log: p.log,
		files: p.files, owner: p.owner,
	})
}

// promiseLauncher is the [PromiseRunner] for executables in etc/promise and
// Python plugins in etc/plugin.
type promiseLauncher struct{ node *Node }

var _ PromiseRunner = (*promiseLauncher)(nil)

// Run implements [PromiseRunner].
func (l *promiseLauncher) Run(ctx context.Context, j PromiseJob) error {
	launcher := promise.Launcher{
		Files: j.files, Directory: j.Directory, User: j.owner, AllowRoot: l.node.cfg.AllowRoot, Ledger: l.node.ledger,
		Environ: l.node.cfg.Environ, Timeout: l.node.cfg.PromiseTimeout,
		Force: j.Force, Anomaly: j.Anomaly, Now: l.node.now, Log: j.Log,
		Plugin: promise.Plugin{
			MasterURL: l.node.cfg.MasterURL, ComputerID: l.node.cfg.ComputerID, PartitionID: j.ID,
			KeyFile: j.KeyFile, CertFile: j.CertFile,
			Python: func() (string, error) { return l.python(j.SoftwareDirectory) },
		},
	}
	j.Log.DebugContext(ctx, fmt.Sprintf("Checking %s promises...", j.ID))
	failed, err := launcher.Run(ctx)
	if err != nil {
		return err
	}
	if failed != nil {
		return &PromiseError{Name: failed.Name, Message: failed.Result.Message}
	}
	return nil
}

// python is the interpreter of a release, or the configured one.
func (l *promiseLauncher) python(software string) (string, error) {
	if python := child.Interpreter(filepath.Join(software, "bin", "buildout")); python != "" {
		return python, nil
	}
	return lookPath(l.node.cfg.Environ, l.node.cfg.Python)
}
