package main

import (
	"errors"
	"fmt"

	"github.com/slapos/slapos-go/internal/lockfile"
)

// lock takes a pid file, with the documented messages. The result releases it.
func (a *app) lock(path string) (release func() error, err error) {
	held, err := lockfile.Acquire(path)
	var running *lockfile.RunningError
	if errors.As(err, &running) {
		a.log.Info(fmt.Sprintf("New slapos process started, but another slapos process is aleady running with pid %d, exiting.", running.PID))
		return nil, status(exitRunning)
	}
	if err != nil {
		a.critical(programName, "slapgrid could not write pidfile "+path)
		return nil, err
	}
	if held.Stale() {
		a.log.Info("Existing pid file '" + path + "' was stale, overwritten")
	}
	return held.Release, nil
}
