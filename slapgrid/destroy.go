package slapgrid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

const day = 86400 // seconds

// Delays are far below the times, in seconds since 1970, that are in other files
// of the agent: the user of a partition cannot change these, but rename them.
const (
	epochSeconds = 1e9
	longestDelay = 1e8 // days
)

// waitsForProcesses tells whether a process that the partition wants to see
// ended before its destruction still runs.
func (p *partition) waitsForProcesses(ctx context.Context) (bool, error) {
	data, err := p.readOwn(waitListFile)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		p.log.WarnContext(ctx, "the list of processes to wait for cannot be read, none is waited for", "error", err)
		return false, nil
	}
	for line := range strings.Lines(string(data)) {
		name := strings.TrimSpace(line)
		if name == "" {
			continue
		}
		running, err := p.node.supervisor.Running(ctx, name)
		if err != nil || running {
			return running, err
		}
	}
	return false, nil
}

// retentionOver tells whether the partition may be destroyed. The first time
// the date is noted before which it may not.
func (p *partition) retentionOver(ctx context.Context) (bool, error) {
	delay, hasDelay, err := p.readNumber(ctx, retentionDelayFile)
	if err != nil {
		return false, err
	}
	if hasDelay && delay >= epochSeconds {
		p.log.WarnContext(ctx, "what is no retention delay but a time is removed", "days", delay)
		if err := p.files.RemoveTree(retentionDelayFile); err != nil {
			return false, err
		}
		hasDelay = false
	}
	date, hasDate, err := p.readNumber(ctx, retentionDateFile)
	if err != nil {
		return false, err
	}
	now := float64(p.node.now().UnixMicro()) / 1e6
	if !hasDate && hasDelay && delay > 0 {
		return false, p.writeRetention(retentionDateFile, now+delay*day)
	}
	return !hasDate || date <= now, nil
}

// readNumber reads a file of the agent that holds one number. One that the
// partition's user put there does not count: the user cannot keep a partition
// from its destruction.
func (p *partition) readNumber(ctx context.Context, name string) (value float64, found bool, err error) {
	data, err := p.readOwn(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		p.log.WarnContext(ctx, "a retention file that is not the agent's is removed", "error", err)
		return 0, false, p.files.RemoveTree(name)
	}
	value, err = strconv.ParseFloat(strings.TrimSpace(string(data)), 64)
	if err != nil {
		return 0, false, fmt.Errorf("%s: %w (remove the file to go on without it)", filepath.Join(p.dir, name), err)
	}
	return value, true, nil
}

// readOwn reads a file that only the agent writes; fs.ErrPermission tells that it
// is somebody else's.
func (p *partition) readOwn(name string) ([]byte, error) {
	owner, err := child.Owner(p.node.cfg.SoftwareRoot)
	if err != nil {
		return nil, err
	}
	return p.files.ReadOf(name, owner.UID)
}

// wipe runs the partition's own destruction program and removes all it has:
// secrets, data directories, content, entry of the supervisor.
func (p *partition) wipe(ctx context.Context) error {
	if err := p.owner.Check(p.node.cfg.AllowRoot); err != nil {
		return fmt.Errorf("%s is not emptied: %w", p.dir, err)
	}
	if err := p.runDestroyProgram(ctx); err != nil {
		return err
	}
	for _, secret := range []string{p.keyFile, p.certFile} {
		if secret == "" {
			continue
		}
		if err := os.Remove(secret); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := p.wipeStorage(); err != nil {
		return compatf("I/O error while freeing partition (%s): %w", p.dir, err)
	}
	// Without its date the delay would count from now on, should this be interrupted.
	if err := p.files.RemoveTree(retentionDelayFile); err != nil {
		return compatf("I/O error while freeing partition (%s): %w", p.dir, err)
	}
	if err := p.files.Empty(nil); err != nil {
		return compatf("I/O error while freeing partition (%s): %w", p.dir, err)
	}
	names, err := p.files.Names(".")
	if err == nil && len(names) > 0 {
		err = errors.New("something still writes there: end the processes of its user")
	}
	if err != nil {
		return compatf("I/O error while freeing partition (%s): %w", p.dir, err)
	}
	return p.removeGroups(ctx)
}

// defaultProgramLimit is how long a report or destruction program may take
// where no partition timeout is configured: none may hold up the node.
const defaultProgramLimit = 15 * time.Minute

// programLimit is the time limit of report and destruction programs.
func (p *partition) programLimit() time.Duration {
	return cmp.Or(p.node.cfg.PartitionTimeout, defaultProgramLimit)
}

func (p *partition) runDestroyProgram(ctx context.Context) error {
	program := filepath.Join(p.dir, "sbin", "destroy")
	if !exists(program) {
		return nil
	}
	c := p.command(program)
	c.Env, c.Timeout = child.CleanEnviron(p.node.cfg.Environ, p.owner.Home), p.programLimit()
	failure := fmt.Sprintf("Failed to destroy Computer Partition in '%s'.", p.dir)
	return runBuilder(ctx, c, failure, p.log)
}

// wipeStorage empties the data directories that the partition links to.
func (p *partition) wipeStorage() error {
	home := p.node.cfg.InstanceStorageHome
	if home == "" {
		return nil
	}
	names, err := p.files.Names("DATA")
	if err != nil || len(names) == 0 {
		return err
	}
	storage, err := confined.Open(home, confined.Owner{})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer storage.Close()
	for _, name := range names {
		inside, err := storage.Names(name + "/" + p.id)
		if err != nil {
			return err
		}
		for _, entry := range inside {
			if err := storage.RemoveTree(name + "/" + p.id + "/" + entry); err != nil {
				return err
			}
		}
		// Last: the link tells where to go on, should this be interrupted.
		if err := p.files.RemoveTree("DATA/" + name); err != nil {
			return err
		}
	}
	return nil
}
