package supervise

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// daemon owns all processes. One mutex guards everything that changes; whoever
// holds it decides through the state machines and acts at once, so the state
// never lags behind the processes.
type daemon struct {
	cfg  *config
	env  []string
	log  *slog.Logger
	main *mainLog

	mu        sync.Mutex
	mood      client.DaemonState
	groups    map[string]*group
	available []groupConfig // as last read from disk
	serial    int           // of the last event
	ticks     map[time.Duration]int64
	announced bool          // SUPERVISOR_STATE_CHANGE_RUNNING was sent
	dirty     bool          // the state file is behind
	behind    bool          // and could not be written
	changed   chan struct{} // closed and replaced at each change of state

	wake chan struct{}  // asks the loop to look again
	quit chan struct{}  // closed when the daemon ends
	wait sync.WaitGroup // all goroutines
}

// group is a loaded group.
type group struct {
	config    groupConfig
	processes []*process // in order of priority

	// Of a group of event listeners:
	queue      []*pooledEvent // oldest first
	poolSerial int
}

func newDaemon(cfg *config, env []string, log *slog.Logger, main *mainLog) *daemon {
	return &daemon{
		cfg: cfg, env: env, log: log, main: main,
		mood:      client.DaemonRunning,
		groups:    map[string]*group{},
		available: cfg.groups,
		serial:    -1,
		ticks:     map[time.Duration]int64{},
		changed:   make(chan struct{}),
		wake:      make(chan struct{}, 1),
		quit:      make(chan struct{}),
	}
}

// locked runs f with everything locked and leaves the state file up to date.
func (d *daemon) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	d.flush()
}

// sorted returns the loaded groups in order of priority, then name.
func (d *daemon) sorted() []*group {
	list := make([]*group, 0, len(d.groups))
	for _, g := range d.groups {
		list = append(list, g)
	}
	slices.SortFunc(list, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.config.Priority, b.config.Priority), cmp.Compare(a.config.Name, b.config.Name))
	})
	return list
}

// addGroup loads a group.
func (d *daemon) addGroup(cfg groupConfig) *group {
	g := &group{config: cfg, poolSerial: -1}
	for _, pc := range cfg.Programs {
		g.processes = append(g.processes, &process{
			machine: machine{policy: pc.Policy}, config: pc, group: g, logs: [2]logConfig{pc.Stdout, pc.Stderr},
		})
	}
	d.groups[cfg.Name] = g
	d.dirty = true
	d.notify(event{kind: "PROCESS_GROUP_ADDED", payload: "groupname:" + cfg.Name + "\n"})
	return g
}

// removeGroup forgets a group whose processes are all stopped.
func (d *daemon) removeGroup(g *group) bool {
	if !g.stopped() {
		return false
	}
	delete(d.groups, g.config.Name)
	for _, p := range g.processes {
		removeAutoLogs(p.logs)
	}
	d.dirty = true
	d.notify(event{kind: "PROCESS_GROUP_REMOVED", payload: "groupname:" + g.config.Name + "\n"})
	return true
}

func (g *group) stopped() bool {
	return !slices.ContainsFunc(g.processes, func(p *process) bool { return !p.state.IsStopped() })
}

// find returns the process of a group by name.
func (g *group) find(name string) *process {
	for _, p := range g.processes {
		if p.config.Name == name {
			return p
		}
	}
	return nil
}

// startProcess starts a process that is not up.
func (d *daemon) startProcess(p *process) {
	_ = d.apply(p, p.start(time.Now())) // its error is about signals
}

// stopProcess asks a process to end. The error tells that it cannot be signalled.
func (d *daemon) stopProcess(p *process) error { return d.apply(p, p.stop(time.Now())) }

// apply does what the state machine of p asks for and reports what came of it.
func (d *daemon) apply(p *process, e effect) error {
	var err error
	if e.signal != 0 {
		if e.signal == syscall.SIGKILL {
			d.log.Warn("killing with SIGKILL", "process", p.fullName(), "pid", p.pid)
		}
		if err = p.signal(e.signal, e.group); err != nil {
			d.log.Error("cannot signal", "process", p.fullName(), "error", err)
			p.signalFailed()
		}
	}
	if e.spawn {
		d.spawn(p)
	}
	d.publish(p)
	return err
}

// spawn starts the program of p, whose machine is STARTING.
func (d *daemon) spawn(p *process) {
	if err := p.makeLogs(d.cfg); err != nil {
		d.log.Error("no log file, output is dropped", "process", p.fullName(), "error", err)
	}
	child, err := p.execute(spawnContext{env: d.env, serverURL: d.cfg.serverURL()})
	now := time.Now()
	switch {
	case errors.Is(err, errChild):
		// Compat: supervisord forks first, so this looks like a program that ends with status 127.
		d.log.Warn("not spawned", "process", p.fullName(), "error", err)
		p.spawned(now, 0)
		p.exited(now, exitNotSpawned)
		p.forget()
	case err != nil:
		d.log.Info("spawnerr", "process", p.fullName(), "error", err)
		p.spawnFailed(now, err.Error())
		p.forget()
	default:
		p.child = child
		info, err := readProc(child.Pid)
		if err != nil {
			d.log.Error("cannot read the start time", "process", p.fullName(), "error", err)
		}
		d.log.Info("spawned", "process", p.fullName(), "pid", child.Pid)
		d.follow(p, child.Pid, info.ticks)
		p.spawned(now, child.Pid)
	}
}

// follow watches the process pid, which is p's from now on.
func (d *daemon) follow(p *process, pid int, ticks uint64) {
	p.ticks = ticks
	w := newWatcher(pid, ticks)
	p.watch = w
	d.wait.Go(func() {
		if w.wait() {
			d.locked(func() { d.ended(p, w) })
		}
	})
	if s := p.session; s != nil {
		d.wait.Go(func() { d.listen(p, s) })
	}
}

// ended handles the end of the process that w watched. This is the only place
// where children are waited for.
func (d *daemon) ended(p *process, w *watcher) {
	if p.watch != w {
		return
	}
	status := exitSignalled
	text := "exit status unknown, not a child of this daemon"
	if p.child != nil {
		if state, err := p.child.Wait(); err == nil {
			status, text = state.ExitCode(), state.String()
		} else {
			text = err.Error()
		}
	}
	was := p.state
	session := p.session
	p.exited(time.Now(), status)
	d.log.Info("exited", "process", p.fullName(), "pid", w.pid, "how", text,
		"asked", was == client.Stopping, "state", p.state.String())
	p.forget()
	d.publish(p)
	d.requeue(p.group, session)
	d.nudge()
}

// publish logs and tells listeners the changes of p's state, and wakes who waits for one.
func (d *daemon) publish(p *process) {
	changes := p.collect()
	if len(changes) == 0 {
		return
	}
	d.dirty = true
	for _, t := range changes {
		d.log.Debug("state", "process", p.fullName(), "from", t.from.String(), "to", t.to.String())
		switch t.to {
		case client.Running:
			d.log.Info("entered RUNNING state", "process", p.fullName(), "startsecs", p.policy.MinUptime)
		case client.Fatal:
			d.log.Warn("entered FATAL state, too many start retries too quickly", "process", p.fullName())
		}
		d.notify(stateEvent(p.group.config.Name, p.config.Name, t))
	}
	close(d.changed)
	d.changed = make(chan struct{})
	d.nudge()
}

// nudge makes the loop look at all processes again.
func (d *daemon) nudge() {
	select {
	case d.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// await waits until done says so. done runs with everything locked. It returns
// early, with its error, when ctx ends.
func (d *daemon) await(ctx context.Context, done func() (bool, error)) error {
	for {
		d.mu.Lock()
		ok, err := done()
		changed := d.changed
		d.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loop lets time pass until the daemon has ended; ctx ending means shutdown.
// It returns true if the daemon is to begin again.
func (d *daemon) loop(ctx context.Context, signals <-chan os.Signal) (restart bool) {
	over := ctx.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-over:
			over = nil
			d.log.Warn("received exit request")
			d.locked(func() { d.mood = client.DaemonShutdown })
		case sig := <-signals:
			d.locked(func() { d.signalled(sig) })
		case <-d.wake:
		case <-timer.C:
		}
		var finished bool
		var pause time.Duration
		d.locked(func() {
			finished, pause = d.turn(time.Now())
			restart = d.mood == client.DaemonRestarting
		})
		if finished {
			return restart
		}
		timer.Reset(pause)
	}
}

// signalled does what supervisord does on a signal.
func (d *daemon) signalled(sig os.Signal) {
	switch sig {
	case syscall.SIGHUP:
		d.log.Warn("received SIGHUP indicating restart request")
		if d.mood != client.DaemonShutdown {
			d.mood = client.DaemonRestarting
		}
	case syscall.SIGQUIT:
		d.log.Warn("received SIGQUIT indicating exit request")
		d.mood = client.DaemonShutdown
	case syscall.SIGUSR2:
		d.log.Info("received SIGUSR2 indicating log reopen request")
		if err := d.main.reopen(); err != nil {
			d.log.Error("cannot open the log file again", "error", err)
		}
	}
}

// idle is the longest time between two turns of the loop.
const idle = time.Second

// turn is one look at everything. It returns when the next one is due.
func (d *daemon) turn(now time.Time) (finished bool, pause time.Duration) {
	mayStart := d.mood >= client.DaemonRunning
	groups := d.sorted()
	if !d.announced {
		d.announced = true
		d.notify(event{kind: "SUPERVISOR_STATE_CHANGE_RUNNING"})
	}
	if !mayStart {
		if finished = d.stopNext(groups); finished {
			return true, 0
		}
	}
	pause = idle
	for _, g := range groups {
		for _, p := range g.processes {
			_ = d.apply(p, p.tick(now, mayStart)) // logged there; no caller to tell
			if due := p.next(mayStart); !due.IsZero() {
				pause = min(pause, max(0, time.Until(due)))
			}
		}
		d.dispatch(g)
	}
	d.tickEvents(now)
	return false, pause
}

// stopNext stops the last group in order of priority that still runs. It
// returns true when none does.
func (d *daemon) stopNext(groups []*group) bool {
	for _, g := range slices.Backward(groups) {
		if g.stopped() {
			continue
		}
		for _, p := range slices.Backward(g.processes) {
			switch p.state {
			case client.Running, client.Starting:
				_ = d.stopProcess(p) // logged there
			case client.Backoff:
				p.giveUp()
				d.publish(p)
			}
		}
		return g.stopped() && d.stopNext(groups)
	}
	return true
}

// childLogs returns the log files of the processes that were started. One that
// ended may have left others behind that write on, and one that ends at once is
// seldom seen up.
func (d *daemon) childLogs() []logConfig {
	d.mu.Lock()
	defer d.mu.Unlock()
	var logs []logConfig
	for _, g := range d.groups {
		for _, p := range g.processes {
			if !p.started.IsZero() {
				logs = append(logs, p.logs[:]...)
			}
		}
	}
	return logs
}

// rotateLoop bounds the log files of processes until the daemon ends.
func (d *daemon) rotateLoop() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	complained := map[string]bool{} // once per file
	for {
		select {
		case <-d.quit:
			return
		case <-ticker.C:
		}
		for _, c := range d.childLogs() {
			if _, err := rotateLog(c); err != nil && !complained[c.File] {
				complained[c.File] = true
				d.log.Error("cannot rotate a log file", "file", c.File, "error", err)
			}
		}
	}
}

// abandon stops watching what still runs, after an error, and waits for all
// goroutines. The caller has closed quit.
func (d *daemon) abandon() {
	d.locked(func() {
		for _, g := range d.groups {
			for _, p := range g.processes {
				if p.pid == 0 {
					removeAutoLogs(p.logs)
				}
				p.forget()
			}
		}
		d.dirty = false
	})
	d.wait.Wait()
}

// makeLogs gives AUTO log files their name: a new private file in childlogdir.
func (p *process) makeLogs(cfg *config) (failed error) {
	for i, stream := range []string{"stdout", "stderr"} {
		if !p.logs[i].Auto || p.logs[i].File != "" {
			continue
		}
		f, err := os.CreateTemp(cfg.childLogDir, p.config.Name+"-"+stream+"---"+cfg.identifier+"-*.log")
		if err == nil {
			p.logs[i].File = f.Name()
			err = f.Close()
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// removeAutoLogs removes the AUTO log files of a process that is gone.
func removeAutoLogs(logs [2]logConfig) {
	for _, c := range logs {
		if c.Auto && c.File != "" {
			_ = os.Remove(c.File) // a leftover in the temporary directory does no harm
		}
	}
}
