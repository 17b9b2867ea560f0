package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// Names of the agent's files in a partition.
const (
	timestampFile      = ".timestamp"
	agentDirectory     = ".slapgrid"
	releaseLink        = "software_release"
	retentionDelayFile = ".slapos-retention-lock-delay"
	retentionDateFile  = ".slapos-retention-lock-date"
	waitListFile       = ".slapos-report-wait-service-list"
	resourceFile       = ".slapos-resource"
)

// partition is one partition during a pass: what the master wants of it and
// its directory, opened.
type partition struct {
	node *Node
	slap *slap.ComputerPartition
	log  *slog.Logger

	id, dir  string
	softType string
	state    slap.State
	// releaseURL is empty when the partition has no release.
	releaseURL, releaseDir string
	timestamp              string

	files *confined.Dir
	owner child.User
	// keyFile and certFile are the partition's identity; empty without a
	// certificate repository.
	keyFile, certFile string
	debug             bool
	// stopped tells that the processes were stopped in this pass.
	stopped bool
}

// newPartition reads what the master told of a partition. It does no I/O.
func (n *Node) newPartition(s *slap.ComputerPartition) (*partition, error) {
	id, err := s.ID()
	if err != nil {
		return nil, compatf("Computer Partition id is empty.")
	}
	if err := checkPartitionID(id); err != nil {
		return nil, err
	}
	p := &partition{
		node: n, slap: s, id: id, log: n.log.With("partition", id),
		dir: filepath.Join(n.cfg.InstanceRoot, id), timestamp: s.Timestamp(),
		softType: "(not ready)",
	}
	if softType, ok := s.InstanceParameters().String("slap_software_type"); ok && softType != "" {
		p.softType = softType
	}
	if p.state, err = s.State(); err != nil {
		return nil, err
	}
	release, err := s.SoftwareRelease()
	switch {
	case err == nil:
		p.releaseURL = release.URI()
		if err := checkReleaseURL(p.releaseURL); err != nil {
			return nil, fmt.Errorf("partition %s: %w", id, err)
		}
		p.releaseDir = n.releaseDirectory(p.releaseURL)
	case !errors.Is(err, slap.ErrNotFound):
		return nil, err
	}
	if repository := n.cfg.CertificateRepository; repository != "" {
		p.keyFile = filepath.Join(repository, id+".key")
		p.certFile = filepath.Join(repository, id+".crt")
	}
	return p, nil
}

// open opens the directory and finds out whom it belongs to. The account is
// looked up when it is needed: most partitions of a pass are up to date.
func (p *partition) open() (err error) {
	if p.owner, err = child.Owner(p.dir); err != nil {
		return err
	}
	p.files, err = confined.Open(p.dir, confined.Owner{UID: p.owner.UID, GID: p.owner.GID})
	return err
}

func (p *partition) close() {
	if p.files != nil {
		_ = p.files.Close() // only a directory handle
		p.files = nil
	}
}

// free tells that no instance is in the partition.
func (p *partition) free() bool {
	return p.state == slap.StateDestroyed && p.releaseURL == ""
}

// command is a program of the partition, run by its owner in its directory.
func (p *partition) command(args ...string) child.Command {
	return child.Command{
		Args: args, Dir: p.dir, User: p.owner, AllowRoot: p.node.cfg.AllowRoot,
		Ledger: p.node.ledger, Line: logLines(p.log),
	}
}

// logLines logs output of children as it comes.
func logLines(log *slog.Logger) func(string) {
	return func(line string) { log.Info(line) }
}

// outcome makes the outcome of a job on the partition.
func (p *partition) outcome(a Action, err error) Outcome {
	return Outcome{Name: p.id, Type: p.softType, Action: a, Err: err}
}

// reportError tells the master what is wrong; failing to do so is logged.
func (p *partition) reportError(ctx context.Context, err error) {
	if ctx.Err() != nil {
		// The pass was interrupted: the master still gets to know.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
	}
	if err := p.slap.ReportError(ctx, err.Error()); err != nil {
		p.log.ErrorContext(ctx, "Problem while reporting error, continuing:", "error", err)
	}
}

// exists tells whether the directory of the partition is there.
func (p *partition) exists() bool {
	info, err := os.Stat(p.dir)
	return err == nil && info.IsDir()
}
