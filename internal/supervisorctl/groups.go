package supervisorctl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/xmlrpc"
)

// reread tells what an update would do.
func (s *session) reread(ctx context.Context, _ []string) error {
	changes, err := s.changes(ctx)
	if err != nil || s.code != exitOK {
		return err
	}
	for _, list := range []struct {
		names []string
		text  string
	}{{changes.Added, "available"}, {changes.Changed, "changed"}, {changes.Removed, "disappeared"}} {
		for _, name := range list.names {
			fmt.Fprintf(s.out, "%s: %s\n", name, list.text)
		}
	}
	if len(changes.Added)+len(changes.Changed)+len(changes.Removed) == 0 {
		fmt.Fprintln(s.out, "No config updates to processes")
	}
	return nil
}

// changes reads the configuration again; a mistake in it is reported here.
func (s *session) changes(ctx context.Context) (client.Changes, error) {
	changes, err := s.client.ReloadConfig(ctx)
	if f, ok := errors.AsType[*xmlrpc.Fault](err); ok && f.Code == client.FaultCantReread {
		fmt.Fprintf(s.out, "ERROR: %s\n", f.String)
		s.fail(exitGeneric)
		return client.Changes{}, nil
	}
	return changes, err
}

// update applies what changed, in all groups or in those named.
func (s *session) update(ctx context.Context, names []string) error {
	changes, err := s.changes(ctx)
	if err != nil || s.code != exitOK {
		return err
	}
	wanted := func(name string) bool {
		return len(names) == 0 || slices.Contains(names, "all") || slices.Contains(names, name)
	}
	for _, name := range slices.DeleteFunc(changes.Removed, func(n string) bool { return !wanted(n) }) {
		if err := s.unload(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range slices.DeleteFunc(changes.Changed, func(n string) bool { return !wanted(n) }) {
		if err := s.unload(ctx, name); err != nil {
			return err
		}
		if err := s.client.AddProcessGroup(ctx, name); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s: updated process group\n", name)
	}
	for _, name := range slices.DeleteFunc(changes.Added, func(n string) bool { return !wanted(n) }) {
		if err := s.client.AddProcessGroup(ctx, name); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s: added process group\n", name)
	}
	return nil
}

// unload stops a group and removes it.
func (s *session) unload(ctx context.Context, name string) error {
	if _, err := s.client.StopProcessGroup(ctx, name, true); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: stopped\n", name)
	if err := s.client.RemoveProcessGroup(ctx, name); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: removed process group\n", name)
	return nil
}

func (s *session) add(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return &usageError{text: "add requires a group name"}
	}
	for _, name := range names {
		err := s.client.AddProcessGroup(ctx, name)
		switch fault(err) {
		case client.FaultAlreadyAdded:
			fmt.Fprintf(s.out, "ERROR: process group already active (%s)\n", name)
		case client.FaultBadName:
			fmt.Fprintf(s.out, "ERROR: no such process/group: %s\n", name)
			s.fail(exitGeneric)
		default:
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "%s: added process group\n", name)
		}
	}
	return nil
}

func (s *session) remove(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return &usageError{text: "remove requires a group name"}
	}
	for _, name := range names {
		err := s.client.RemoveProcessGroup(ctx, name)
		switch fault(err) {
		case client.FaultStillRunning:
			fmt.Fprintf(s.out, "ERROR: process/group still running: %s\n", name)
			s.fail(exitGeneric)
		case client.FaultBadName:
			fmt.Fprintf(s.out, "ERROR: no such process/group: %s\n", name)
			s.fail(exitGeneric)
		default:
			if err != nil {
				return err
			}
			fmt.Fprintf(s.out, "%s: removed process group\n", name)
		}
	}
	return nil
}

func (s *session) shutdown(ctx context.Context, _ []string) error {
	if err := s.client.Shutdown(ctx); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "Shut down")
	return nil
}

func (s *session) reload(ctx context.Context, _ []string) error {
	if err := s.client.Restart(ctx); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "Restarted supervisord")
	return nil
}
