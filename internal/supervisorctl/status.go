package supervisorctl

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// split takes a name apart; the process is empty when all of a group is meant.
func split(spec string) (group, process string) {
	group, process, ok := strings.Cut(spec, ":")
	if !ok {
		return spec, spec
	}
	if process == "*" {
		process = ""
	}
	return group, process
}

// status lists processes, all or those named.
func (s *session) status(ctx context.Context, names []string) error {
	all, err := s.client.AllProcessInfo(ctx)
	if err != nil {
		return err
	}
	var chosen []client.ProcessInfo
	if len(names) == 0 || slices.Contains(names, "all") {
		chosen = all
	} else {
		for _, name := range names {
			chosen = append(chosen, s.choose(all, name)...)
		}
	}
	s.list(chosen)
	for _, p := range chosen {
		if p.State.IsStopped() {
			s.fail(exitNotRunning)
		}
	}
	return nil
}

// choose returns the processes that a name stands for and complains if there is none.
func (s *session) choose(all []client.ProcessInfo, name string) []client.ProcessInfo {
	group, process := split(name)
	var chosen []client.ProcessInfo
	for _, p := range all {
		if p.Group == group && (process == "" || p.Name == process) {
			chosen = append(chosen, p)
		}
	}
	if chosen == nil {
		what := "no such process"
		if process == "" {
			name, what = group, "no such group"
		}
		fmt.Fprintf(s.out, "%s: ERROR (%s)\n", name, what)
		s.fail(exitUnknown)
	}
	return chosen
}

// list prints processes in columns that are as wide as they need.
func (s *session) list(processes []client.ProcessInfo) {
	width := 30
	for _, p := range processes {
		width = max(width, utf8.RuneCountInString(p.FullName()))
	}
	for _, p := range processes {
		fmt.Fprintf(s.out, "%-*s%-10s%s\n", width+3, p.FullName(), p.StateName, p.Description)
	}
}

// pid prints process ids.
func (s *session) pid(ctx context.Context, names []string) error {
	if len(names) == 0 {
		pid, err := s.client.PID(ctx)
		if err == nil {
			fmt.Fprintln(s.out, pid)
		}
		return err
	}
	if slices.Contains(names, "all") {
		all, err := s.client.AllProcessInfo(ctx)
		for _, p := range all {
			fmt.Fprintln(s.out, p.PID)
		}
		return err
	}
	for _, name := range names {
		info, err := s.client.ProcessInfo(ctx, name)
		switch {
		case client.IsFault(err, client.FaultBadName):
			fmt.Fprintf(s.out, "No such process %s\n", name)
			s.fail(exitGeneric)
		case err != nil:
			return err
		default:
			fmt.Fprintln(s.out, info.PID)
			if info.PID == 0 {
				s.fail(exitDead)
			}
		}
	}
	return nil
}

// avail lists what the configuration files hold.
func (s *session) avail(ctx context.Context, _ []string) error {
	configs, err := s.client.AllConfigInfo(ctx)
	if err != nil {
		return err
	}
	for _, c := range configs {
		name := client.ProcessInfo{Name: c.Name, Group: c.Group}.FullName()
		inUse, auto := "avail", "manual"
		if c.InUse {
			inUse = "in use"
		}
		if c.Autostart {
			auto = "auto"
		}
		fmt.Fprintf(s.out, "%-32s %-9s %-9s %d:%d\n", name, inUse, auto, c.GroupPriority, c.Priority)
	}
	return nil
}

func (s *session) version(ctx context.Context, _ []string) error {
	version, err := s.client.Version(ctx)
	if err == nil {
		fmt.Fprintln(s.out, version)
	}
	return err
}

func (s *session) open(ctx context.Context, args []string) error {
	c, err := client.NewURL(strings.Join(args, " "))
	if err != nil {
		return complaint("ERROR: url must be http:// or unix://")
	}
	s.client.Close()
	s.client, s.url = c, args[0]
	code := s.code
	err = s.status(ctx, nil)
	s.code = code // Compat: only looking does not fail
	return err
}
