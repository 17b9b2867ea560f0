package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// stateVersion is the version of the state file's format.
const stateVersion = 1

// maxStateFile bounds the state file, in bytes.
const maxStateFile = 64 << 20

// savedState is what a new daemon has to know of the one before. The file
// exists while a daemon runs: finding it at the start means an unclean end.
type savedState struct {
	Version int          `json:"version"`
	Boot    string       `json:"boot"`
	Ticks   uint64       `json:"ticks,omitempty"` // when this was noted, in clock ticks since boot
	Groups  []savedGroup `json:"groups"`
}

type savedGroup struct {
	Config    groupConfig             `json:"config"`
	Processes map[string]savedProcess `json:"processes"` // by name; only those that were ever started
}

type savedProcess struct {
	PID        int          `json:"pid,omitempty"`   // 0 if it had ended
	Ticks      uint64       `json:"ticks,omitempty"` // start time, belongs to PID
	State      client.State `json:"state"`
	Started    time.Time    `json:"started"`
	Ended      time.Time    `json:"ended"`
	ExitStatus int          `json:"exit_status,omitempty"`
	SpawnError string       `json:"spawn_error,omitempty"`
	Tries      int          `json:"tries,omitempty"`
	Logs       [2]logConfig `json:"logs"`
}

// stateFile is the path of the state file of a configuration.
func (c *config) stateFile() string { return c.pidFile + ".state" }

// flush writes the state file if it is behind. After a failure the next change
// or turn of the loop tries again.
func (d *daemon) flush() {
	if !d.dirty {
		return
	}
	text, err := json.Marshal(d.snapshot())
	if err == nil {
		err = writeState(d.cfg.stateFile(), text)
	}
	if err != nil {
		if !d.behind {
			d.log.Error("cannot write the state file", "file", d.cfg.stateFile(), "error", err)
		}
		d.behind = true
		markUnclean(d.cfg.stateFile())
		return
	}
	d.dirty, d.behind = false, false
}

// writeState replaces the state file in one step. It is not forced to disk: what it
// tells is void after a power failure.
func writeState(path string, text []byte) error {
	temporary := path + ".new"
	err := remove(temporary)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, remove(temporary))
	}
	return os.Rename(temporary, path)
}

// markUnclean makes an empty state file if there is none, for which even a full disk
// has room: a daemon that finds it looks for processes by their environment, while
// without it it would start them a second time.
func markUnclean(path string) {
	if f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		_ = f.Close() // nothing was written
	}
}

func (d *daemon) snapshot() savedState {
	s := savedState{Version: stateVersion, Boot: bootID(), Ticks: nowTicks()}
	for _, g := range d.sorted() {
		saved := savedGroup{Config: g.config, Processes: map[string]savedProcess{}}
		for _, p := range g.processes {
			if !p.started.IsZero() {
				saved.Processes[p.config.Name] = savedProcess{
					PID: p.pid, Ticks: p.ticks, State: p.state, Started: p.started, Ended: p.ended,
					ExitStatus: p.exitStatus, SpawnError: p.spawnError, Tries: p.tries, Logs: p.logs,
				}
			}
		}
		s.Groups = append(s.Groups, saved)
	}
	return s
}

// readState reads the state that a daemon left behind; nil if it ended cleanly
// or the machine was booted since, and without a version if the file is no use.
func readState(path string) (*savedState, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxStateFile:
		return nil, fmt.Errorf("%s is no state file: remove it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s savedState
	if err := json.Unmarshal(text, &s); err != nil || s.Version < 1 {
		return &savedState{}, nil
	}
	if s.Version > stateVersion {
		return nil, fmt.Errorf("%s: written by a newer version", path)
	}
	if s.Boot != bootID() {
		return nil, nil
	}
	return &s, nil
}

// begin loads all groups, and adopts what an earlier daemon left running. A
// group with a living process keeps the configuration it was started from, so
// that the next comparison with the files finds what changed.
func (d *daemon) begin(left *savedState) error {
	saved := map[string]savedGroup{}
	if left != nil {
		for _, g := range left.Groups {
			saved[g.Config.Name] = g
		}
	}
	for _, cfg := range d.available {
		old := saved[cfg.Name]
		delete(saved, cfg.Name)
		if old.alive() && !old.Config.isListener() {
			cfg = old.Config
		}
		d.restore(cfg, old)
	}
	for _, old := range saved {
		if old.alive() && !old.Config.isListener() {
			d.restore(old.Config, old)
		} else {
			old.end()
		}
	}
	if left != nil {
		return d.adoptUnnoted(left.Ticks)
	}
	return nil
}

// restore loads a group and adopts what is left of its processes.
func (d *daemon) restore(cfg groupConfig, old savedGroup) {
	g := d.addGroup(cfg)
	if old.Config.isListener() || cfg.isListener() {
		old.end() // its pipes went with the daemon before
		return
	}
	for _, p := range g.processes {
		switch s, ok := old.Processes[p.config.Name]; {
		case !ok:
		case s.PID != 0:
			d.adopt(p, s)
		case sameGroup(cfg, old.Config):
			p.recall(s.State, s.Started, s.Ended, time.Now())
			p.recallLogs(s.Logs)
			p.exitStatus, p.spawnError, p.tries = s.ExitStatus, s.SpawnError, s.Tries
		}
	}
}

// adopt makes a process of an earlier daemon ours. One that ended meanwhile is
// EXITED, as if it had ended now.
func (d *daemon) adopt(p *process, s savedProcess) {
	p.adopted(s.Started, s.PID, s.State == client.Stopping, time.Now())
	p.recallLogs(s.Logs)
	if !s.alive() {
		d.log.Warn("ended while no daemon ran", "process", p.fullName(), "pid", s.PID)
		p.exited(time.Now(), exitSignalled)
		d.publish(p)
		return
	}
	d.log.Info("adopted", "process", p.fullName(), "pid", s.PID)
	p.stdin = reopenStdin(s.PID)
	d.follow(p, s.PID, s.Ticks)
	d.publish(p)
}

// recallLogs takes over the names of AUTO log files.
func (p *process) recallLogs(saved [2]logConfig) {
	for i := range p.logs {
		if p.logs[i].Auto && saved[i].Auto {
			p.logs[i].File = saved[i].File
		}
	}
}

// adoptUnnoted adopts processes that the earlier daemon had started but not
// yet noted when it ended: none from before the last note, in clock ticks.
func (d *daemon) adoptUnnoted(noted uint64) error {
	users := map[string]int{}
	for _, g := range d.groups {
		for _, p := range g.processes {
			users[g.config.Name+":"+p.config.Name] = p.uid()
		}
	}
	found, err := findSpawned(d.cfg.serverURL(), users, noted)
	if err != nil {
		return err
	}
	for _, g := range d.groups {
		if g.config.isListener() {
			continue
		}
		for _, p := range g.processes {
			pid, ok := found[g.config.Name+":"+p.config.Name]
			if !ok || p.pid != 0 {
				continue
			}
			if info, err := readProc(pid); err == nil && !info.dead() {
				d.adopt(p, savedProcess{PID: pid, Ticks: info.ticks, Started: time.Now(), State: client.Running})
			}
		}
	}
	return nil
}

func (g savedGroup) alive() bool {
	for _, p := range g.Processes {
		if p.alive() {
			return true
		}
	}
	return false
}

// end kills what is left of a group.
func (g savedGroup) end() {
	for _, p := range g.Processes {
		removeAutoLogs(p.Logs)
		if p.alive() {
			_ = unix.Kill(-p.PID, unix.SIGKILL) // it may have ended just now
		}
	}
}

// alive tells whether the very process still exists: its number may have been
// given to another one.
func (p savedProcess) alive() bool {
	if p.PID <= 0 {
		return false
	}
	info, err := readProc(p.PID)
	return err == nil && !info.dead() && info.ticks == p.Ticks
}
