package supervisorctl

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/xmlrpc"
)

// action is something that is done to processes one by one or by group.
type action struct {
	verb    string
	done    string // what is printed of each that went well
	ignored int    // fault that leaves the exit status alone
	noGroup int    // exit status for a group that does not exist
	one     func(ctx context.Context, name string) error
	many    func(ctx context.Context, group string) ([]client.ProcessResult, error)
	all     func(ctx context.Context) ([]client.ProcessResult, error)
}

func (s *session) start(ctx context.Context, names []string) error {
	return s.act(ctx, names, action{
		verb: "start", done: "started", ignored: client.FaultAlreadyStarted, noGroup: exitUsage,
		one: func(ctx context.Context, name string) error { return s.client.StartProcess(ctx, name, true) },
		many: func(ctx context.Context, g string) ([]client.ProcessResult, error) {
			return s.client.StartProcessGroup(ctx, g, true)
		},
		all: func(ctx context.Context) ([]client.ProcessResult, error) { return s.client.StartAll(ctx, true) },
	})
}

func (s *session) stop(ctx context.Context, names []string) error {
	return s.act(ctx, names, action{
		verb: "stop", done: "stopped", ignored: client.FaultNotRunning, noGroup: exitGeneric,
		one: func(ctx context.Context, name string) error { return s.client.StopProcess(ctx, name, true) },
		many: func(ctx context.Context, g string) ([]client.ProcessResult, error) {
			return s.client.StopProcessGroup(ctx, g, true)
		},
		all: func(ctx context.Context) ([]client.ProcessResult, error) { return s.client.StopAll(ctx, true) },
	})
}

// restart stops, which may find nothing running, and starts.
func (s *session) restart(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return &usageError{text: "restart requires a process name"}
	}
	if err := s.stop(ctx, names); err != nil {
		return err
	}
	return s.start(ctx, names)
}

func (s *session) signal(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return &usageError{text: "signal requires a signal name and a process name"}
	}
	sig := args[0]
	return s.act(ctx, args[1:], action{
		verb: "signal", done: "signalled", noGroup: exitGeneric,
		one: func(ctx context.Context, name string) error { return s.client.SignalProcess(ctx, name, sig) },
		many: func(ctx context.Context, g string) ([]client.ProcessResult, error) {
			return s.client.SignalProcessGroup(ctx, g, sig)
		},
		all: func(ctx context.Context) ([]client.ProcessResult, error) { return s.client.SignalAll(ctx, sig) },
	})
}

func (s *session) clear(ctx context.Context, names []string) error {
	return s.act(ctx, names, action{
		verb: "clear", done: "cleared",
		one: s.client.ClearProcessLogs,
		all: s.client.ClearAllProcessLogs,
	})
}

// act does an action to everything that is named.
func (s *session) act(ctx context.Context, names []string, a action) error {
	if len(names) == 0 {
		return &usageError{text: a.verb + " requires a process name"}
	}
	if slices.Contains(names, "all") {
		results, err := a.all(ctx)
		if err != nil {
			return err
		}
		s.results(results, a)
		return nil
	}
	for _, name := range names {
		var err error
		if group, process := split(name); process == "" && a.many != nil {
			err = s.actOnGroup(ctx, group, a)
		} else {
			err = s.actOnProcess(ctx, name, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) actOnGroup(ctx context.Context, group string, a action) error {
	results, err := a.many(ctx, group)
	switch {
	case client.IsFault(err, client.FaultBadName):
		fmt.Fprintf(s.out, "%s: ERROR (no such group)\n", group)
		s.fail(a.noGroup)
	case err != nil:
		return err
	default:
		s.results(results, a)
	}
	return nil
}

func (s *session) actOnProcess(ctx context.Context, name string, a action) error {
	r := client.ProcessResult{Status: client.FaultSuccess}
	r.Group, r.Name = split(name)
	if err := a.one(ctx, name); err != nil {
		f, ok := errors.AsType[*xmlrpc.Fault](err)
		if !ok || f.Code == client.FaultShutdownState {
			return err
		}
		r.Status, r.Description = f.Code, f.String
	}
	s.results([]client.ProcessResult{r}, a)
	return nil
}

// reasons are the texts of what may go wrong with a process.
var reasons = map[int]string{
	client.FaultBadName:             "no such process",
	client.FaultNoFile:              "no such file",
	client.FaultNotExecutable:       "file is not executable",
	client.FaultAlreadyStarted:      "already started",
	client.FaultSpawnError:          "spawn error",
	client.FaultAbnormalTermination: "abnormal termination",
	client.FaultNotRunning:          "not running",
	client.FaultBadSignal:           "bad signal name",
}

// results prints a line for each process and sets the exit status.
func (s *session) results(results []client.ProcessResult, a action) {
	for _, r := range results {
		name := client.ProcessInfo{Name: r.Name, Group: r.Group}.FullName()
		reason, ok := reasons[r.Status]
		switch {
		case r.Status == client.FaultSuccess:
			fmt.Fprintf(s.out, "%s: %s\n", name, a.done)
			continue
		case !ok:
			reason = r.Description
		}
		fmt.Fprintf(s.out, "%s: ERROR (%s)\n", name, reason)
		switch r.Status {
		case a.ignored:
		case client.FaultSpawnError, client.FaultAbnormalTermination, client.FaultNotRunning:
			s.fail(exitDead)
		default:
			s.fail(exitGeneric)
		}
	}
}
