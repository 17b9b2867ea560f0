package slap

// State is what a master wants an instance or a software release to be.
type State string

// States of instances, and of software releases (available and destroyed).
const (
	StateStarted   State = "started"
	StateStopped   State = "stopped"
	StateDestroyed State = "destroyed"
	StateAvailable State = "available"
)
