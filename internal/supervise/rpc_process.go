package supervise

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/xmlrpc"
)

// target finds what a name stands for: a process, or with process nil a whole
// group. It runs with everything locked.
func (d *daemon) target(spec string) (*group, *process, error) {
	groupName, name := splitNamespec(spec)
	g := d.groups[groupName]
	if g == nil {
		return nil, nil, client.NewFault(client.FaultBadName, spec)
	}
	if name == "" {
		return g, nil, nil
	}
	p := g.find(name)
	if p == nil {
		return nil, nil, client.NewFault(client.FaultBadName, spec)
	}
	return g, p, nil
}

// process is target for calls that mean one process.
func (d *daemon) process(spec string) (*process, error) {
	_, p, err := d.target(spec)
	if err == nil && p == nil {
		err = client.NewFault(client.FaultBadName, spec)
	}
	return p, err
}

// act does something to the process that a name stands for, with everything
// locked, and then waits for it unless wait is nil; for the name of a group it
// calls whole instead.
func (r *rpc) act(spec string, do func(*process) error, whole func(group string) (any, error),
	wait func(*process) error) (any, error) {
	var g *group
	var p *process
	var err error
	settled := false
	r.daemon.locked(func() {
		if g, p, err = r.daemon.target(spec); p != nil {
			err = do(p)
			// With startsecs = 0 it is up already, and may be gone in a moment.
			settled = p.state == client.Running || p.state.IsStopped()
		}
	})
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		return whole(g.config.Name)
	case wait != nil && !settled:
		return true, wait(p)
	}
	return true, nil
}

func (r *rpc) startProcess(ctx context.Context, spec string, wait bool) (any, error) {
	var waiting func(*process) error
	if wait {
		waiting = func(p *process) error { return r.daemon.awaitRunning(ctx, p, spec) }
	}
	return r.act(spec, func(p *process) error { return r.daemon.tryStart(p, spec) },
		func(group string) (any, error) { return r.startGroup(ctx, group, wait) }, waiting)
}

// tryStart starts a process, or tells with a fault why that cannot be.
func (d *daemon) tryStart(p *process, spec string) error {
	if d.mood < client.DaemonRunning {
		// The call came before the end did: nobody would stop what it starts.
		return client.NewFault(client.FaultShutdownState, "")
	}
	_, _, err := resolveCommand(p.config.Command, p.environ(spawnContext{env: d.env})["PATH"])
	switch {
	case errors.Is(err, errNoFile):
		return client.NewFault(client.FaultNoFile, err.Error())
	case err != nil:
		return client.NewFault(client.FaultNotExecutable, err.Error())
	case p.state.IsRunning():
		return client.NewFault(client.FaultAlreadyStarted, spec)
	case p.state == client.Unknown:
		return client.NewFault(client.FaultFailed, spec+" is in an unknown process state")
	case p.state == client.Stopping:
		return client.NewFault(client.FaultAbnormalTermination, spec)
	}
	d.startProcess(p)
	if p.spawnError != "" {
		return client.NewFault(client.FaultSpawnError, spec)
	}
	return nil
}

// awaitRunning waits until a process that was started is up for good.
func (d *daemon) awaitRunning(ctx context.Context, p *process, spec string) error {
	return d.await(ctx, func() (bool, error) {
		switch p.state {
		case client.Running:
			return true, nil
		case client.Starting:
			return false, nil
		}
		if p.spawnError != "" {
			return false, client.NewFault(client.FaultSpawnError, spec)
		}
		return false, client.NewFault(client.FaultAbnormalTermination, spec)
	})
}

func (r *rpc) stopProcess(ctx context.Context, spec string, wait bool) (any, error) {
	var waiting func(*process) error
	if wait {
		waiting = func(p *process) error { return r.daemon.awaitStopped(ctx, p) }
	}
	return r.act(spec, func(p *process) error { return r.daemon.tryStop(p, spec) },
		func(group string) (any, error) { return r.stopGroup(ctx, group, wait) }, waiting)
}

func (d *daemon) tryStop(p *process, spec string) error {
	if !p.state.IsRunning() {
		return client.NewFault(client.FaultNotRunning, spec)
	}
	if err := d.stopProcess(p); err != nil {
		return client.NewFault(client.FaultFailed, err.Error())
	}
	return nil
}

func (d *daemon) awaitStopped(ctx context.Context, p *process) error {
	return d.await(ctx, func() (bool, error) { return p.state.IsStopped(), nil })
}

// attempt is the outcome of an action for one process of several.
type attempt struct {
	process *process
	err     error
	settled bool // it needs no waiting
}

// each does something with every process that suits, in order; then it waits
// for each that went well, if wait is given.
func (r *rpc) each(ctx context.Context, groups func() ([]*group, error), suits func(*process) bool,
	do func(*process) error, wait func(context.Context, *process) error) (any, error) {
	d := r.daemon
	var attempts []attempt
	var err error
	d.locked(func() {
		var list []*group
		if list, err = groups(); err != nil {
			return
		}
		for _, g := range list {
			for _, p := range g.processes {
				if suits(p) {
					err := do(p)
					attempts = append(attempts, attempt{p, err, p.state == client.Running || p.state.IsStopped()})
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	results := make([]any, len(attempts))
	for i, a := range attempts {
		if a.err == nil && wait != nil && !a.settled {
			a.err = wait(ctx, a.process)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		results[i] = outcome(a)
	}
	return results, nil
}

func outcome(a attempt) map[string]any {
	v := map[string]any{
		"name": a.process.config.Name, "group": a.process.group.config.Name,
		"status": client.FaultSuccess, "description": "OK",
	}
	if fault, ok := errors.AsType[*xmlrpc.Fault](a.err); ok {
		v["status"], v["description"] = fault.Code, fault.String
	} else if a.err != nil {
		v["status"], v["description"] = client.FaultFailed, a.err.Error()
	}
	return v
}

// one returns the group of a name as a list.
func (d *daemon) one(name string) func() ([]*group, error) {
	return func() ([]*group, error) {
		g := d.groups[name]
		if g == nil {
			return nil, client.NewFault(client.FaultBadName, name)
		}
		return []*group{g}, nil
	}
}

func (d *daemon) every() ([]*group, error) {
	return slices.DeleteFunc(d.sorted(), func(g *group) bool { return g.config.isVacant() }), nil
}

func (r *rpc) start(ctx context.Context, groups func() ([]*group, error), wait bool) (any, error) {
	var waiting func(context.Context, *process) error
	if wait {
		waiting = func(ctx context.Context, p *process) error { return r.daemon.awaitRunning(ctx, p, p.fullName()) }
	}
	down := func(p *process) bool { return !p.state.IsRunning() }
	return r.each(ctx, groups, down, func(p *process) error { return r.daemon.tryStart(p, p.fullName()) }, waiting)
}

func (r *rpc) stop(ctx context.Context, groups func() ([]*group, error), wait bool) (any, error) {
	var waiting func(context.Context, *process) error
	if wait {
		waiting = r.daemon.awaitStopped
	}
	up := func(p *process) bool { return p.state.IsRunning() }
	return r.each(ctx, groups, up, func(p *process) error { return r.daemon.tryStop(p, p.fullName()) }, waiting)
}

func (r *rpc) startGroup(ctx context.Context, name string, wait bool) (any, error) {
	return r.start(ctx, r.daemon.one(name), wait)
}

func (r *rpc) startAll(ctx context.Context, wait bool) (any, error) {
	return r.start(ctx, r.daemon.every, wait)
}

func (r *rpc) stopGroup(ctx context.Context, name string, wait bool) (any, error) {
	return r.stop(ctx, r.daemon.one(name), wait)
}

func (r *rpc) stopAll(ctx context.Context, wait bool) (any, error) {
	return r.stop(ctx, r.daemon.every, wait)
}

// signallable are the states in which a process exists.
func signallable(p *process) bool {
	return p.pid != 0 && (p.state == client.Running || p.state == client.Starting || p.state == client.Stopping)
}

func (d *daemon) trySignal(p *process, spec, signal string) error {
	sig, err := parseSignal(signal)
	if err != nil {
		return client.NewFault(client.FaultBadSignal, signal)
	}
	if !signallable(p) {
		return client.NewFault(client.FaultNotRunning, spec)
	}
	if err := p.signal(sig, false); err != nil {
		return client.NewFault(client.FaultFailed, err.Error())
	}
	return nil
}

func (r *rpc) signalProcess(ctx context.Context, spec, signal string) (any, error) {
	return r.act(spec, func(p *process) error { return r.daemon.trySignal(p, spec, signal) },
		func(group string) (any, error) { return r.signalGroup(ctx, group, signal) }, nil)
}

func (r *rpc) signalGroup(ctx context.Context, name, signal string) (any, error) {
	return r.signalEach(ctx, r.daemon.one(name), signal)
}

func (r *rpc) signalAll(ctx context.Context, signal string) (any, error) {
	return r.signalEach(ctx, r.daemon.every, signal)
}

func (r *rpc) signalEach(ctx context.Context, groups func() ([]*group, error), signal string) (any, error) {
	return r.each(ctx, groups, signallable, func(p *process) error {
		return r.daemon.trySignal(p, p.fullName(), signal)
	}, nil)
}

func (r *rpc) readLog(spec string, stream int, offset, length int64) (any, error) {
	log, err := r.logSource(spec, stream)
	if err != nil {
		return nil, err
	}
	return logText(log, offset, length)
}

func (r *rpc) tailLog(spec string, stream int, offset, length int64) (any, error) {
	log, err := r.logSource(spec, stream)
	if err != nil {
		return nil, err
	}
	if log.path == "" {
		return []any{"", 0, false}, nil
	}
	text, size, overflow := tailLog(log, offset, length)
	return []any{text, int(size), overflow}, nil
}

func (r *rpc) logSource(spec string, stream int) (log source, err error) {
	r.daemon.locked(func() {
		var p *process
		if p, err = r.daemon.process(spec); err == nil {
			log = p.logSource(stream)
		}
	})
	return log, err
}

func (r *rpc) clearLogs(_ context.Context, spec string) (v any, err error) {
	r.daemon.locked(func() {
		var p *process
		if p, err = r.daemon.process(spec); err == nil {
			err = p.clearLogs(spec)
		}
	})
	return true, err
}

func (r *rpc) clearAllLogs() (any, error) {
	all := func(*process) bool { return true }
	return r.each(context.Background(), r.daemon.every, all, func(p *process) error { return p.clearLogs(p.fullName()) }, nil)
}

func (p *process) clearLogs(spec string) error {
	for stream := range p.logs {
		if path := p.logFile(stream); path != "" {
			if err := clearLog(path); err != nil {
				return client.NewFault(client.FaultFailed, spec)
			}
		}
	}
	return nil
}

func (r *rpc) sendStdin(spec, chars string) (v any, err error) {
	r.daemon.locked(func() {
		var p *process
		p, err = r.daemon.process(spec)
		switch {
		case err != nil:
		case !signallable(p):
			err = client.NewFault(client.FaultNotRunning, spec)
		case p.write(chars) != nil:
			err = client.NewFault(client.FaultNoFile, spec)
		}
	})
	return true, err
}

func (r *rpc) remoteEvent(kind, data string) (any, error) {
	r.daemon.locked(func() {
		r.daemon.notify(event{kind: "REMOTE_COMMUNICATION", payload: "type:" + kind + "\n" + data})
	})
	return true, nil
}

func (r *rpc) processInfo(_ context.Context, spec string) (v any, err error) {
	r.daemon.locked(func() {
		var p *process
		if p, err = r.daemon.process(spec); err == nil {
			v = p.info(time.Now())
		}
	})
	return v, err
}

func (r *rpc) allProcessInfo() (any, error) {
	list := []any{}
	r.daemon.locked(func() {
		for _, name := range slices.Sorted(maps.Keys(r.daemon.groups)) {
			if r.daemon.groups[name].config.isVacant() {
				continue
			}
			processes := slices.SortedFunc(slices.Values(r.daemon.groups[name].processes), func(a, b *process) int {
				return strings.Compare(a.config.Name, b.config.Name)
			})
			for _, p := range processes {
				list = append(list, p.info(time.Now()))
			}
		}
	})
	return list, nil
}

// info is the answer of getProcessInfo.
func (p *process) info(now time.Time) map[string]any {
	exit := 0
	if p.state == client.Exited || p.state == client.Stopped || p.state == client.Fatal || p.state == client.Backoff {
		exit = p.exitStatus
	}
	return map[string]any{
		"name": p.config.Name, "group": p.group.config.Name,
		"start": seconds(p.started), "stop": seconds(p.ended), "now": seconds(now),
		"state": int(p.state), "statename": p.state.String(),
		"spawnerr": p.spawnError, "exitstatus": exit, "pid": p.pid,
		"logfile": p.logFile(0), "stdout_logfile": p.logFile(0), "stderr_logfile": p.logFile(1),
		"description": p.describe(now),
	}
}

func seconds(t time.Time) int {
	if t.IsZero() {
		return 0
	}
	return int(t.Unix())
}

// describe is the last column of supervisorctl's status.
func (p *process) describe(now time.Time) string {
	switch p.state {
	case client.Running:
		return fmt.Sprintf("pid %d, uptime %s", p.pid, uptime(now.Sub(p.started)))
	case client.Fatal, client.Backoff:
		if p.spawnError != "" {
			return p.spawnError
		}
		return fmt.Sprintf("unknown error (try \"tail %s\")", p.fullName())
	case client.Stopped, client.Exited:
		if p.started.IsZero() {
			return "Not started"
		}
		return p.ended.Local().Format("Jan 02 03:04 PM")
	}
	return ""
}

// uptime writes a duration as supervisorctl shows it: 0:01:02, 1 day, 0:00:05.
func uptime(d time.Duration) string {
	total := max(0, int64(d/time.Second))
	clock := fmt.Sprintf("%d:%02d:%02d", total/3600%24, total/60%60, total%60)
	switch days := total / 86400; days {
	case 0:
		return clock
	case 1:
		return "1 day, " + clock
	default:
		return fmt.Sprintf("%d days, %s", days, clock)
	}
}

// configInfo is the answer of getAllConfigInfo: what the files said when they
// were read last.
func (r *rpc) configInfo() (any, error) {
	list := []any{}
	r.daemon.locked(func() {
		for _, g := range r.daemon.available {
			for _, p := range g.Programs {
				list = append(list, p.describe(g, r.daemon.groups[g.Name] != nil))
			}
		}
	})
	slices.SortStableFunc(list, func(a, b any) int {
		key := func(v any) string { return v.(map[string]any)["name"].(string) }
		return strings.Compare(key(a), key(b))
	})
	return list, nil
}

func (c *programConfig) describe(g groupConfig, inUse bool) map[string]any {
	exitCodes := make([]any, len(c.Policy.ExitCodes))
	for i, code := range c.Policy.ExitCodes {
		exitCodes[i] = code
	}
	return map[string]any{
		"name": c.Name, "group": g.Name, "group_prio": g.Priority, "process_prio": c.Priority, "inuse": inUse,
		"command": c.Command, "directory": c.Directory, "autostart": c.Policy.AutoStart,
		"startsecs": int(c.Policy.MinUptime / time.Second), "startretries": c.Policy.StartRetries,
		"exitcodes": exitCodes, "stopsignal": int(c.Policy.StopSignal),
		"stopwaitsecs": int(c.Policy.StopWait / time.Second), "killasgroup": c.Policy.KillAsGroup,
		"redirect_stderr": c.Redirect,
		"stdout_logfile":  logName(c.Stdout), "stdout_logfile_maxbytes": int(c.Stdout.MaxBytes), "stdout_logfile_backups": c.Stdout.Backups,
		"stderr_logfile": logName(c.Stderr), "stderr_logfile_maxbytes": int(c.Stderr.MaxBytes), "stderr_logfile_backups": c.Stderr.Backups,
	}
}

func logName(c logConfig) string {
	switch {
	case c.Auto:
		return "auto"
	case c.File == "":
		return "none"
	}
	return c.File
}
