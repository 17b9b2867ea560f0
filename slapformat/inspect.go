package slapformat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// State is what [Inspect] found on a machine.
type State struct {
	files    map[string]FileInfo // only those that exist
	contents map[string][]byte   // of the files that may be written
	owners   map[string]User     // of partitions, by reference
	uid      int
}

// Inspect looks at everything that a plan for the computer may change. It
// changes nothing.
func Inspect(ctx context.Context, h Host, cfg Config, c *Computer) (*State, error) {
	s := &State{
		files: map[string]FileInfo{}, contents: map[string][]byte{}, owners: map[string]User{}, uid: h.UID(),
	}
	for _, path := range []string{c.InstanceRoot, c.SoftwareRoot, cfg.CertificateRepository} {
		if err := s.look(h, path); err != nil {
			return nil, err
		}
	}
	for _, path := range []string{cfg.ComputerXML, cfg.ComputerXML + archiveSuffix, cfg.ComputerJSON, cfg.OutputDefinition} {
		if err := s.read(h, path); err != nil {
			return nil, err
		}
	}
	for i := range c.Partitions {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := s.partition(h, c, &c.Partitions[i]); err != nil {
			return nil, fmt.Errorf("partition %s: %w", c.Partitions[i].Reference, err)
		}
	}
	return s, nil
}

func (s *State) partition(h Host, c *Computer, p *Partition) error {
	for _, path := range append([]string{p.Path}, p.Storage...) {
		if err := s.look(h, path); err != nil {
			return err
		}
	}
	if err := s.read(h, resourceFile(p)); err != nil {
		// It lies where the partition's user may put what they like, such as a link
		// that leads nowhere or to a pipe: it is replaced, and stops no other partition.
		delete(s.contents, resourceFile(p))
	}
	owner, err := s.owner(h, c, p)
	s.owners[p.Reference] = owner
	return err
}

// owner is who a partition belongs to; see the package documentation.
func (s *State) owner(h Host, c *Computer, p *Partition) (User, error) {
	if s.uid != 0 {
		return User{UID: -1, GID: -1}, nil // only root gives things away
	}
	u, err := h.User(p.User)
	switch {
	case err == nil && u.UID != 0:
		return u, nil
	case err != nil && !errors.Is(err, ErrNoUser):
		return User{}, err
	}
	if root, ok := s.files[c.InstanceRoot]; ok && root.UID > 0 {
		return User{UID: root.UID, GID: root.GID}, nil
	}
	return User{}, fmt.Errorf("user %s does not exist and the instance root %s belongs to root, "+
		"as which no instance may run: make the user, or name an account for all partitions with partition_user", p.User, c.InstanceRoot)
}

// look notes what is at a path.
func (s *State) look(h Host, path string) error {
	if path == "" {
		return nil
	}
	info, err := h.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.Directory {
		return fmt.Errorf("%s is not a directory: move it away", path)
	}
	s.files[path] = info
	return nil
}

// read notes what a file holds.
func (s *State) read(h Host, path string) error {
	if path == "" {
		return nil
	}
	info, err := h.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if s.contents[path], err = h.ReadFile(path); err != nil {
		return err
	}
	s.files[path] = info
	return nil
}

// resourceFile tells the instance in a partition what it has.
func resourceFile(p *Partition) string { return filepath.Join(p.Path, ".slapos-resource") }
