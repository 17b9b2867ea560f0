package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/slapos/slapos-go/internal/argnorm"
	"github.com/slapos/slapos-go/internal/logfmt"
)

// The exit statuses (spec cli.md 1.2).
const (
	exitOK       = 0
	exitFailure  = 1  // any error; the command's own failure
	exitUsage    = 2  // command line not understood; not ready, not found, a promise failed
	exitOffline  = 3  // the master was not reachable, what exists was started
	exitRefused  = 5  // unknown command, or root needed
	exitRunning  = 10 // another slapos process holds the pid file
	documentsURL = "https://slapos.nexedi.com"
)

// status is an error that carries an exit status and says no more: the command
// has told the user what there is to tell.
type status int

// Error is only for logs of programming errors: exitStatus never prints it.
func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// errNotRoot is a command that must be run as root and is not.
var errNotRoot = documented("This slapos command must be run as root.")

// exitStatus is the one place that turns errors into messages and statuses.
func (a *app) exitStatus(err error) int {
	var code status
	var usage *argnorm.UsageError
	var option *argnorm.InvalidOptionError
	var unknown *argnorm.UnknownCommandError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &usage):
		fmt.Fprintf(a.stderr, "%s\n%s\n", a.usageLine(usage.Command), usage.Error())
		return exitUsage
	case errors.As(err, &option):
		a.critical("cliff.commandmanager", option.Error())
		return exitRefused
	case errors.As(err, &unknown):
		a.critical("cliff.commandmanager", unknown.Error()+"\n\n"+
			"Please find documentation at "+documentsURL+"\n"+
			"Please also make sure that the SlapOS Node package is up to date.")
		return exitRefused
	case errors.Is(err, errNotRoot):
		a.log.Error(err.Error())
		return exitRefused
	case errors.Is(err, context.Canceled):
		a.log.Error("Interrupted.")
		return exitFailure
	default:
		a.logError(err)
		return exitFailure
	}
}

// critical logs at the level above error, under another logger's name.
func (a *app) critical(logger, message string) {
	a.log.LogAttrs(context.Background(), logfmt.LevelCritical, message, slog.String(logfmt.LoggerKey, logger))
}

// logError logs an error in the documented words; with --debug, also the errors
// inside it with their types.
func (a *app) logError(err error) {
	message := message(err)
	if a.global.debug {
		message += debugTrail(err)
	}
	a.log.Error(message)
}

// debugTrail lists an error and those it wraps, with their types.
func debugTrail(err error) string {
	text := fmt.Sprintf("\n  %T: %v", err, err)
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			text += debugTrail(inner)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			text += debugTrail(inner)
		}
	}
	return text
}
