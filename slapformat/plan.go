package slapformat

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"
)

// Kind is what a step does.
type Kind string

// The kinds of steps.
const (
	MakeDirectory Kind = "make directory"
	SetMode       Kind = "set mode"
	SetOwner      Kind = "set owner"
	WriteFile     Kind = "write file"
)

// Step is one change of a plan.
type Step struct {
	Kind Kind
	// Target is the path that changes.
	Target string
	// Reason tells why.
	Reason string
	// Mode is for directories, modes and files.
	Mode fs.FileMode
	// UID and GID are for owners.
	UID, GID int
	// Content is for files.
	Content []byte
	// Revert tells how to undo it, in words of the shell.
	Revert string
}

// Command is the step in words of the shell.
func (s Step) Command() string {
	switch s.Kind {
	case MakeDirectory:
		return fmt.Sprintf("mkdir -p -m %04o %s", s.Mode, s.Target)
	case SetMode:
		return fmt.Sprintf("chmod %04o %s", s.Mode, s.Target)
	case SetOwner:
		return fmt.Sprintf("chown %d:%d %s", s.UID, s.GID, s.Target)
	default:
		return fmt.Sprintf("write %d bytes to %s", len(s.Content), s.Target)
	}
}

func (s Step) apply(h Host) error {
	switch s.Kind {
	case MakeDirectory:
		return h.MakeDirectory(s.Target, s.Mode)
	case SetMode:
		return h.SetMode(s.Target, s.Mode)
	case SetOwner:
		return h.SetOwner(s.Target, s.UID, s.GID)
	case WriteFile:
		return h.WriteFile(s.Target, s.Content, s.Mode)
	}
	return fmt.Errorf("unknown step %q", s.Kind)
}

// StepError tells which step of a plan failed. The steps before it are done.
type StepError struct {
	Step Step
	Err  error
}

// Error names the step and the cause.
func (e *StepError) Error() string {
	return fmt.Sprintf("%s (%s): %v", e.Step.Command(), e.Step.Reason, e.Err)
}

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// Plan is what has to be done, in order. An empty plan means that the machine
// is as it should be.
type Plan struct {
	Steps []Step
	now   time.Time
}

// NewPlan compares the computer that is wanted with what Inspect found. It
// does no I/O. The time names the archived copy of the state file.
func NewPlan(cfg Config, c *Computer, now *State, at time.Time) (*Plan, error) {
	p := &Plan{now: at}
	for _, root := range []string{c.InstanceRoot, c.SoftwareRoot} {
		p.directory(now, root, 0o755, User{UID: -1}, "root of instances or software")
	}
	if cfg.OutputDefinition != "" {
		p.file(now, cfg.OutputDefinition, c.definition(), 0o644, "definition of the computer")
	}
	for i := range c.Partitions {
		partition := &c.Partitions[i]
		for _, path := range append([]string{partition.Path}, partition.Storage...) {
			p.directory(now, path, 0o750, now.owners[partition.Reference], "partition "+partition.Reference)
		}
	}
	if cfg.CertificateRepository != "" {
		if _, ok := now.files[cfg.CertificateRepository]; !ok {
			p.directory(now, cfg.CertificateRepository, 0o700, User{UID: -1}, "certificates of partitions")
		}
	}
	return p, p.files(cfg, c, now)
}

// files plans what is written of the computer.
func (p *Plan) files(cfg Config, c *Computer, now *State) error {
	for i := range c.Partitions {
		partition := &c.Partitions[i]
		resource, err := c.Resource(partition)
		if err != nil {
			return err
		}
		p.file(now, resourceFile(partition), resource, 0o644, "resources of partition "+partition.Reference)
	}
	if cfg.ComputerJSON != "" {
		text, err := c.JSON()
		if err != nil {
			return err
		}
		p.file(now, cfg.ComputerJSON, text, 0o644, "the computer as JSON")
	}
	return p.state(cfg, c, now)
}

// state plans the state file, and the archive of the one before. As in the
// reference, nothing is archived again while nothing changes.
func (p *Plan) state(cfg Config, c *Computer, now *State) error {
	text, err := c.MarshalFile()
	if err != nil {
		return err
	}
	old, exists := now.contents[cfg.ComputerXML]
	if exists && !bytes.Equal(old, text) {
		archive := cfg.ComputerXML + archiveSuffix
		content, err := appendToArchive(now.contents[archive], cfg.ComputerXML, old, p.now)
		if err != nil {
			return fmt.Errorf("%s: %w (move it away)", archive, err)
		}
		p.file(now, archive, content, 0o644, "state of the computer before this change")
	}
	p.file(now, cfg.ComputerXML, text, 0o644, "state of the computer")
	return nil
}

func (p *Plan) add(s Step) { p.Steps = append(p.Steps, s) }

// directory plans a directory with a mode and, unless UID is negative, an owner.
func (p *Plan) directory(now *State, path string, mode fs.FileMode, owner User, reason string) {
	info, exists := now.files[path]
	switch {
	case !exists:
		p.add(Step{Kind: MakeDirectory, Target: path, Mode: mode, Reason: reason, Revert: "rmdir " + path})
		info = FileInfo{UID: now.uid, GID: -1}
	case info.Mode != mode:
		p.add(Step{Kind: SetMode, Target: path, Mode: mode, Reason: reason, Revert: fmt.Sprintf("chmod %04o %s", info.Mode, path)})
	}
	if owner.UID >= 0 && (info.UID != owner.UID || now.uid == 0 && info.GID != owner.GID) {
		p.add(Step{
			Kind: SetOwner, Target: path, UID: owner.UID, GID: owner.GID, Reason: reason,
			Revert: fmt.Sprintf("chown %d:%d %s", info.UID, info.GID, path),
		})
	}
}

// file plans a file unless it holds just that already.
func (p *Plan) file(now *State, path string, content []byte, mode fs.FileMode, reason string) {
	old, exists := now.contents[path]
	if exists && bytes.Equal(old, content) {
		return
	}
	revert := "rm " + path
	if exists {
		revert = "write the former content to " + path
	}
	p.add(Step{Kind: WriteFile, Target: path, Mode: mode, Content: content, Reason: reason, Revert: revert})
}

// Print writes the plan for people: what a dry run shows.
func (p *Plan) Print(w io.Writer) error {
	if len(p.Steps) == 0 {
		_, err := fmt.Fprintln(w, "Nothing to do.")
		return err
	}
	for _, s := range p.Steps {
		if _, err := fmt.Fprintf(w, "%s  # %s\n", s.Command(), s.Reason); err != nil {
			return err
		}
	}
	return nil
}

// Apply does all steps in order. It stops at the first that fails, with a
// *StepError, and can be repeated after that: make a new plan. observe, if not
// nil, is called before each step.
func (p *Plan) Apply(ctx context.Context, h Host, observe func(Step)) error {
	for _, s := range p.Steps {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if observe != nil {
			observe(s)
		}
		if err := s.apply(h); err != nil {
			return &StepError{Step: s, Err: err}
		}
	}
	return nil
}
