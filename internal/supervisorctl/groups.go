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
	changes, ok, err := s.changes(ctx)
	if !ok {
		return err
	}
	texts := map[string]string{}
	for _, list := range []struct {
		names []string
		text  string
	}{{changes.Added, "available"}, {changes.Changed, "changed"}, {changes.Removed, "disappeared"}} {
		for _, name := range list.names {
			texts[name] = list.text
		}
	}
	for _, name := range sortedNames(texts) {
		fmt.Fprintf(s.out, "%s: %s\n", name, texts[name])
	}
	if len(texts) == 0 {
		fmt.Fprintln(s.out, "No config updates to processes")
	}
	return nil
}

// changes reads the configuration again. A mistake in it is reported here, and
// ok is false.
func (s *session) changes(ctx context.Context) (changes client.Changes, ok bool, err error) {
	changes, err = s.client.ReloadConfig(ctx)
	if f, isFault := errors.AsType[*xmlrpc.Fault](err); isFault && f.Code == client.FaultCantReread {
		fmt.Fprintf(s.out, "ERROR: %s\n", f.String)
		s.fail(exitGeneric)
		return changes, false, nil
	}
	return changes, err == nil, err
}

// update applies what changed, in all groups or in those named.
func (s *session) update(ctx context.Context, names []string) error {
	changes, ok, err := s.changes(ctx)
	if !ok {
		return err
	}
	if slices.Contains(names, "all") {
		names = nil
	}
	if err := s.checkGroups(ctx, names, changes.Added); err != nil {
		return err
	}
	unwanted := func(name string) bool { return len(names) > 0 && !slices.Contains(names, name) }
	for _, name := range slices.DeleteFunc(changes.Removed, unwanted) {
		if err := s.unload(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range slices.DeleteFunc(changes.Changed, unwanted) {
		if err := s.replace(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range slices.DeleteFunc(changes.Added, unwanted) {
		if err := s.client.AddProcessGroup(ctx, name); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "%s: added process group\n", name)
	}
	return nil
}

// checkGroups complains about names that are neither loaded nor new.
func (s *session) checkGroups(ctx context.Context, names, added []string) error {
	if len(names) == 0 {
		return nil
	}
	all, err := s.client.AllProcessInfo(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		known := slices.ContainsFunc(all, func(p client.ProcessInfo) bool { return p.Group == name })
		if !known && !slices.Contains(added, name) {
			fmt.Fprintf(s.out, "ERROR: no such group: %s\n", name)
			s.fail(exitGeneric)
		}
	}
	return nil
}

// unload stops a group and removes it.
func (s *session) unload(ctx context.Context, name string) error {
	results, err := s.client.StopProcessGroup(ctx, name, true)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: stopped\n", name)
	if slices.ContainsFunc(results, func(r client.ProcessResult) bool { return r.Status == client.FaultFailed }) {
		fmt.Fprintf(s.out, "%s: has problems; not removing\n", name)
		s.fail(exitGeneric)
		return nil
	}
	if err := s.client.RemoveProcessGroup(ctx, name); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: removed process group\n", name)
	return nil
}

// replace stops a group and loads it anew.
func (s *session) replace(ctx context.Context, name string) error {
	if _, err := s.client.StopProcessGroup(ctx, name, true); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: stopped\n", name)
	if err := s.client.RemoveProcessGroup(ctx, name); err != nil {
		return err
	}
	if err := s.client.AddProcessGroup(ctx, name); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: updated process group\n", name)
	return nil
}

func (s *session) add(ctx context.Context, names []string) error {
	return s.eachGroup(ctx, names, groupAction{verb: "add", done: "added", do: s.client.AddProcessGroup})
}

func (s *session) remove(ctx context.Context, names []string) error {
	return s.eachGroup(ctx, names, groupAction{verb: "remove", done: "removed", do: s.client.RemoveProcessGroup})
}

// groupAction is something that is done to groups one by one.
type groupAction struct {
	verb string
	done string // what is printed of each that went well
	do   func(ctx context.Context, name string) error
}

// eachGroup does an action to every group that is named.
func (s *session) eachGroup(ctx context.Context, names []string, a groupAction) error {
	if len(names) == 0 {
		return &usageError{text: a.verb + " requires a group name"}
	}
	for _, name := range names {
		err := a.do(ctx, name)
		switch fault(err) {
		case client.FaultAlreadyAdded: // not counted as a failure
			fmt.Fprintln(s.out, "ERROR: process group already active")
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
			fmt.Fprintf(s.out, "%s: %s process group\n", name, a.done)
		}
	}
	return nil
}

func (s *session) shutdown(ctx context.Context, _ []string) error {
	if s.ask != nil && !s.ask("Really shut the remote supervisord process down") {
		return nil
	}
	if err := s.client.Shutdown(ctx); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "Shut down")
	return nil
}

func (s *session) reload(ctx context.Context, _ []string) error {
	if s.ask != nil && !s.ask("Really restart the remote supervisord process") {
		return nil
	}
	if err := s.client.Restart(ctx); err != nil {
		return err
	}
	fmt.Fprintln(s.out, "Restarted supervisord")
	return nil
}
