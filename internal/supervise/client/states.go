package client

import "strconv"

// State is the state of a process, in supervisord's numbers.
type State int

// The states of a process.
const (
	Stopped  State = 0    // not started yet, or stopped on request
	Starting State = 10   // running for less than startsecs
	Running  State = 20   // up
	Backoff  State = 30   // ended too soon, to be started again
	Stopping State = 40   // told to stop, not ended yet
	Exited   State = 100  // ended by itself
	Fatal    State = 200  // could not be started
	Unknown  State = 1000 // a defect of the daemon
)

var stateNames = map[State]string{
	Stopped: "STOPPED", Starting: "STARTING", Running: "RUNNING", Backoff: "BACKOFF",
	Stopping: "STOPPING", Exited: "EXITED", Fatal: "FATAL", Unknown: "UNKNOWN",
}

// String returns the name that supervisorctl prints.
func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return strconv.Itoa(int(s))
}

// IsRunning reports whether the state is one of those in which a process is
// meant to be up: STARTING, RUNNING, BACKOFF.
func (s State) IsRunning() bool { return s == Starting || s == Running || s == Backoff }

// IsStopped reports whether no process exists and none will by itself:
// STOPPED, EXITED, FATAL, UNKNOWN.
func (s State) IsStopped() bool {
	return s == Stopped || s == Exited || s == Fatal || s == Unknown
}

// DaemonState is the state of the daemon itself.
type DaemonState int

// The states of a daemon.
const (
	DaemonFatal      DaemonState = 2
	DaemonRunning    DaemonState = 1
	DaemonRestarting DaemonState = 0
	DaemonShutdown   DaemonState = -1
)

var daemonStateNames = map[DaemonState]string{
	DaemonFatal: "FATAL", DaemonRunning: "RUNNING", DaemonRestarting: "RESTARTING", DaemonShutdown: "SHUTDOWN",
}

// String returns supervisord's name of the state.
func (s DaemonState) String() string {
	if name, ok := daemonStateNames[s]; ok {
		return name
	}
	return strconv.Itoa(int(s))
}
