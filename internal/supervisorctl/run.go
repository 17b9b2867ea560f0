// Package supervisorctl is the command line client of a supervisor daemon,
// with the verbs, output lines and exit codes of the real supervisorctl
// (cli.md section 1.7).
package supervisorctl

import (
	"context"
	"io"
)

// Options tell Run which daemon to talk to and where to print.
type Options struct {
	// ConfigFile is a supervisord.conf; its [supervisorctl] serverurl is used
	// when ServerURL is empty.
	ConfigFile string
	// ServerURL is the daemon: unix://<socket> or http://<host>:<port>.
	ServerURL string
	// Stdin is read when there are no arguments (interactive mode). Nil: no input.
	Stdin io.Reader
	// Stdout receives answers, errors included, as with the real one. Required.
	Stdout io.Writer
	// Stderr receives messages about unusable options. Required.
	Stderr io.Writer
}

// Run executes one command line and returns the exit status.
func Run(ctx context.Context, o Options, args []string) int {
	return 1
}
