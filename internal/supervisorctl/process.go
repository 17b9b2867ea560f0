package supervisorctl

import (
	"context"
	"fmt"
	"slices"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// action is something that is done to processes one by one or by group.
type action struct {
	verb string
	done string // what is printed of each that went well
	one  func(ctx context.Context, name string) error
	many func(ctx context.Context, group string) ([]client.ProcessResult, error)
	all  func(ctx context.Context) ([]client.ProcessResult, error)
}

func (s *session) start(ctx context.Context, names []string) error {
	return s.act(ctx, names, action{
		verb: "start", done: "started",
		one: func(ctx context.Context, name string) error { return s.client.StartProcess(ctx, name, true) },
		many: func(ctx context.Context, g string) ([]client.ProcessResult, error) {
			return s.client.StartProcessGroup(ctx, g, true)
		},
		all: func(ctx context.Context) ([]client.ProcessResult, error) { return s.client.StartAll(ctx, true) },
	})
}

func (s *session) stop(ctx context.Context, names []string) error {
	return s.act(ctx, names, action{
		verb: "stop", done: "stopped",
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
	s.fail(exitOK)
	return s.start(ctx, names)
}

func (s *session) signal(ctx context.Context, args []string) error {
	if len(args) < 2 {
		return &usageError{text: "signal requires a signal name and a process name"}
	}
	sig := args[0]
	return s.act(ctx, args[1:], action{
		verb: "signal", done: "signalled",
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
		group, process := split(name)
		if process == "" && a.many != nil {
			results, err := a.many(ctx, group)
			switch {
			case client.IsFault(err, client.FaultBadName):
				fmt.Fprintf(s.out, "%s: ERROR (no such group)\n", group)
				s.fail(exitUsage)
			case err != nil:
				return err
			default:
				s.results(results, a)
			}
			continue
		}
		err := a.one(ctx, name)
		if err != nil && fault(err) == 0 || client.IsFault(err, client.FaultShutdownState) {
			return err
		}
		s.outcome(name, fault(err), a)
	}
	return nil
}

func (s *session) results(results []client.ProcessResult, a action) {
	for _, r := range results {
		name := client.ProcessInfo{Name: r.Name, Group: r.Group}.FullName()
		status := r.Status
		if status == client.FaultSuccess {
			status = 0
		}
		s.outcome(name, status, a)
	}
}

// reasons are the texts and exit statuses of what may go wrong with a process.
var reasons = map[int]struct {
	text string
	code int
}{
	client.FaultBadName:             {"no such process", exitGeneric},
	client.FaultNoFile:              {"no such file", exitGeneric},
	client.FaultNotExecutable:       {"file is not executable", exitGeneric},
	client.FaultAlreadyStarted:      {"already started", exitOK},
	client.FaultSpawnError:          {"spawn error", exitFailedToAct},
	client.FaultAbnormalTermination: {"abnormal termination", exitFailedToAct},
	client.FaultNotRunning:          {"not running", exitFailedToAct},
	client.FaultBadSignal:           {"bad signal name", exitUsage},
	client.FaultFailed:              {"failed", exitFailedToAct},
}

// outcome prints the line of one process.
func (s *session) outcome(name string, code int, a action) {
	if code == 0 {
		fmt.Fprintf(s.out, "%s: %s\n", name, a.done)
		return
	}
	reason, ok := reasons[code]
	if !ok {
		reason.text, reason.code = client.FaultName(code), exitGeneric
	}
	fmt.Fprintf(s.out, "%s: ERROR (%s)\n", name, reason.text)
	if reason.code != exitOK {
		s.fail(reason.code)
	}
}
