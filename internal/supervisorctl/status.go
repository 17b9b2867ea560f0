package supervisorctl

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	s.list(chosen, all)
	for _, p := range chosen {
		if p.State.IsStopped() && s.code == exitOK {
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

// list prints processes in columns that are as wide as all of them need.
func (s *session) list(chosen, all []client.ProcessInfo) {
	width := 30
	for _, p := range all {
		width = max(width, len(p.FullName()))
	}
	for _, p := range chosen {
		line := fmt.Sprintf("%-*s%-10s%s", width+3, p.FullName(), p.StateName, p.Description)
		fmt.Fprintln(s.out, strings.TrimRight(line, " "))
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
				s.fail(exitFailedToAct)
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
		name := c.Group + ":" + c.Name
		if c.Group == c.Name {
			name = c.Name
		}
		inUse, auto := "avail", "manual"
		if c.InUse {
			inUse = "in use"
		}
		if c.Autostart {
			auto = "auto"
		}
		fmt.Fprintf(s.out, "%-33s%-10s%-10s%s\n", name, inUse, auto, fmt.Sprintf("%d:%d", c.GroupPriority, c.Priority))
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
	if len(args) != 1 {
		return &usageError{text: "open requires one url"}
	}
	c, err := client.NewURL(args[0])
	if err != nil {
		return &usageError{text: err.Error()}
	}
	s.client.Close()
	s.client, s.url = c, args[0]
	return s.status(ctx, nil)
}
