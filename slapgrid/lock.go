package slapgrid

import (
	"errors"
	"fmt"

	"github.com/slapos/slapos-go/internal/lockfile"
)

// ErrAlreadyRunning tells that a pid file belongs to a living agent; commands
// exit with status 10.
var ErrAlreadyRunning = errors.New("another slapos process is already running")

// AcquireLock takes the pid file that keeps two agents from working at once;
// the reference's agent respects it too. The directory of the file must exist.
// stale tells that a file of a dead process was replaced. release removes the
// file. The error is ErrAlreadyRunning while another agent lives, and names
// its process.
func AcquireLock(pidFile string) (release func() error, stale bool, err error) {
	lock, err := lockfile.Acquire(pidFile)
	if running, ok := errors.AsType[*lockfile.RunningError](err); ok {
		return nil, false, fmt.Errorf("%w with pid %d (pid file %s)", ErrAlreadyRunning, running.PID, running.Path)
	}
	if err != nil {
		return nil, false, compatf("slapgrid could not write pidfile %s: %w", pidFile, err)
	}
	return lock.Release, lock.Stale(), nil
}
