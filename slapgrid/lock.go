package slapgrid

import "errors"

// ErrAlreadyRunning tells that a pid file belongs to a living agent; commands
// exit with status 10.
var ErrAlreadyRunning = errors.New("another slapos process is already running")
