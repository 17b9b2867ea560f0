package supervise

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// machine is the life of one process as a state machine. It has no clock, no
// process and no lock: every method is told the time and returns what its owner
// has to do. The diagram, in supervisord's states:
//
//	          start                 startsecs over
//	STOPPED ─────────> STARTING ───────────────────> RUNNING ──┐
//	   ^  ^               │  ^                          │      │ ended by itself
//	   │  │    ended soon │  │ delay over          stop │      v
//	   │  │ stop          v  │                          │    EXITED
//	   │  └──────────── BACKOFF ──> FATAL               │
//	   │                     retries used up            v
//	   └──────────────────────────────────────────── STOPPING ──> (SIGKILL after stopwaitsecs)
//	                          ended
//
// EXITED and FATAL go to STARTING on start, EXITED also by autorestart.
type machine struct {
	policy policy

	state      client.State
	pid        int // 0 if no process exists
	started    time.Time
	ended      time.Time
	due        time.Time // when tick has something to do in STARTING, BACKOFF, STOPPING or EXITED
	tries      int       // starts that failed in a row
	spawnError string
	exitStatus int

	transitions []transition // not yet collected by the owner
}

// transition is one change of state, with what an event listener is told about it.
type transition struct {
	from, to client.State
	expected bool // exit status among exitcodes
	pid      int
	tries    int
}

// effect is what the owner of a machine has to do.
type effect struct {
	spawn  bool           // start the process, then call spawned or spawnFailed
	signal syscall.Signal // send this signal, if not 0
	group  bool           // to the whole process group
}

// restartPause is how long a process that autorestart brings back at once must
// have been gone, so that a program that ends immediately cannot occupy the machine.
const restartPause = time.Second

// exitSignalled is the exit status of a process that a signal ended or whose status is not known.
const exitSignalled = -1

func (m *machine) change(to client.State, expected bool) {
	m.transitions = append(m.transitions, transition{m.state, to, expected, m.pid, m.tries})
	m.state = to
}

// start begins a start on request or by autostart. The caller has checked that
// the process is not up.
func (m *machine) start(now time.Time) effect {
	m.spawnError = ""
	m.exitStatus = 0
	m.started = now
	m.change(client.Starting, true)
	return effect{spawn: true}
}

// spawned reports that the process exists.
func (m *machine) spawned(now time.Time, pid int) {
	m.pid = pid
	m.due = now.Add(m.policy.MinUptime)
	m.settle(now)
}

// adopted takes over a process that an earlier owner started.
func (m *machine) adopted(started time.Time, pid int, stopping bool, now time.Time) {
	m.started, m.pid = started, pid
	m.state = client.Starting
	m.change(client.Running, true)
	if stopping {
		m.due = now.Add(m.policy.StopWait)
		m.change(client.Stopping, true)
	}
}

// recall takes over the state of a process that an earlier owner had seen end.
func (m *machine) recall(state client.State, started, ended, now time.Time) {
	m.started, m.ended, m.due = started, ended, now
	switch state {
	case client.Exited, client.Fatal, client.Backoff, client.Unknown:
		m.state = state
	default:
		m.state = client.Stopped
	}
}

// spawnFailed reports that no process could be made.
func (m *machine) spawnFailed(now time.Time, reason string) {
	m.spawnError = reason
	m.backOff(now)
}

func (m *machine) backOff(now time.Time) {
	m.tries++
	m.due = now.Add(time.Duration(m.tries) * time.Second)
	m.change(client.Backoff, true)
}

// settle turns STARTING into RUNNING when the process stayed up long enough.
func (m *machine) settle(now time.Time) {
	if m.state == client.Starting && m.pid != 0 && !now.Before(m.due) {
		m.tries = 0
		m.due = time.Time{}
		m.change(client.Running, true)
	}
}

// stop asks for the end of the process. In BACKOFF there is none to wait for.
func (m *machine) stop(now time.Time) effect {
	switch m.state {
	case client.Backoff:
		m.change(client.Stopped, true)
		m.due = time.Time{}
	case client.Starting, client.Running:
		m.due = now.Add(m.policy.StopWait)
		m.change(client.Stopping, true)
		return effect{signal: m.policy.StopSignal, group: m.policy.StopAsGroup}
	}
	return effect{}
}

// signalFailed reports that the process cannot be signalled although it exists.
func (m *machine) signalFailed() {
	m.due = time.Time{}
	m.change(client.Unknown, true)
}

// exited reports the end of the process with its exit status.
func (m *machine) exited(now time.Time, status int) {
	m.ended = now
	expected := slices.Contains(m.policy.ExitCodes, status)
	switch {
	case m.state == client.Stopping:
		m.exitStatus = status
		m.due = time.Time{}
		m.change(client.Stopped, true)
	case m.state == client.Starting && now.Before(m.due):
		m.spawnError = "Exited too quickly (process log may have details)"
		m.backOff(now)
	default:
		m.settle(now)
		m.exitStatus = status
		m.tries = 0
		m.due = time.Time{}
		if now.Sub(m.started) < restartPause {
			m.due = now.Add(restartPause)
		}
		if !expected {
			m.spawnError = fmt.Sprintf("Bad exit code %d", status)
		}
		m.change(client.Exited, expected)
	}
	m.pid = 0
}

// giveUp leaves BACKOFF for good.
func (m *machine) giveUp() {
	m.tries = 0
	m.due = time.Time{}
	m.change(client.Fatal, true)
}

// tick does what the passing of time asks for. mayStart is false while the
// daemon shuts down.
func (m *machine) tick(now time.Time, mayStart bool) effect {
	switch m.state {
	case client.Stopped:
		if mayStart && m.started.IsZero() && m.policy.AutoStart {
			return m.start(now)
		}
	case client.Exited:
		if mayStart && m.wantsRestart() && !now.Before(m.due) {
			return m.start(now)
		}
	case client.Starting:
		m.settle(now)
	case client.Backoff:
		switch {
		case m.tries > m.policy.StartRetries:
			m.giveUp()
		case mayStart && !now.Before(m.due):
			return m.start(now)
		}
	case client.Stopping:
		if !now.Before(m.due) {
			m.due = now.Add(max(m.policy.StopWait, time.Second))
			return effect{signal: syscall.SIGKILL, group: m.policy.KillAsGroup}
		}
	}
	return effect{}
}

func (m *machine) wantsRestart() bool {
	switch m.policy.AutoRestart {
	case restartAlways:
		return true
	case restartUnexpected:
		return !slices.Contains(m.policy.ExitCodes, m.exitStatus)
	}
	return false
}

// next returns when tick wants to be called; the zero time means only after another call.
func (m *machine) next(mayStart bool) time.Time {
	switch m.state {
	case client.Starting, client.Stopping, client.Backoff:
		return m.due
	case client.Exited:
		if mayStart && m.wantsRestart() {
			return m.due
		}
	}
	return time.Time{}
}

// collect returns the transitions since the last call.
func (m *machine) collect() []transition {
	list := m.transitions
	m.transitions = nil
	return list
}
