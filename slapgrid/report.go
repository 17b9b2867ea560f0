package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// Report tells what a pass did.
type Report struct {
	// Outcomes holds one entry a job, in the order of the master's answer.
	Outcomes []Outcome
	// Offline tells that the master could not be reached and that the pass did
	// what it could without it; OfflineErr is set if even that failed.
	Offline    bool
	OfflineErr error
}

// Outcome is the end of one job.
type Outcome struct {
	// Name is the partition id or the URL of the release.
	Name string
	// Type is the software type of a partition, "(not ready)" if not known.
	Type string
	// Action tells what was done.
	Action Action
	// Err is nil when the job went well. A failing promise is a *PromiseError.
	Err error
	// Harmless keeps Err out of the exit status: it was reported to the master
	// and nothing else depends on it.
	Harmless bool
}

// Action is what a job did.
type Action string

// The actions of an [Outcome].
const (
	ActionProcessed Action = "processed"  // built, deployed or checked
	ActionUpToDate  Action = "up to date" // nothing to do
	ActionSkipped   Action = "skipped"    // not selected, free, or its directory is missing
	ActionRemoved   Action = "removed"    // release removed or partition destroyed
	ActionKept      Action = "kept"       // destruction not possible yet
	ActionNotRun    Action = "not run"    // the pass ended before
)

// Exit statuses of [Report.ExitCode].
const (
	ExitOK      = 0 // all fine
	ExitFailure = 1 // a job failed
	ExitPromise = 2 // only promises failed
	ExitOffline = 3 // the master was away; what could be started was
)

// ExitCode is the exit status that the reference's command gives.
func (r *Report) ExitCode() int {
	if r.Offline {
		if r.OfflineErr != nil {
			return ExitFailure
		}
		return ExitOffline
	}
	code := ExitOK
	for _, o := range r.Outcomes {
		switch {
		case o.Err == nil || o.Harmless:
		case isPromiseError(o.Err):
			code = max(code, ExitPromise)
		default:
			return ExitFailure
		}
	}
	return code
}

// Err joins the errors of the jobs that count for the exit status, each with
// the name of its job.
func (r *Report) Err() error {
	var all []error
	for _, o := range r.Outcomes {
		if o.Err != nil && !o.Harmless {
			all = append(all, fmt.Errorf("%s: %w", o.Name, o.Err))
		}
	}
	return errors.Join(append(all, r.OfflineErr)...)
}

// summarise logs the closing lines of a pass over partitions.
func (r *Report) summarise(ctx context.Context, log *slog.Logger) {
	var failed, unkept []Outcome
	for _, o := range r.Outcomes {
		switch {
		case o.Err == nil || o.Harmless:
		case isPromiseError(o.Err):
			unkept = append(unkept, o)
		default:
			failed = append(failed, o)
		}
	}
	list := func(title string, outcomes []Outcome) {
		if len(outcomes) == 0 {
			return
		}
		log.InfoContext(ctx, title)
		for _, o := range outcomes {
			log.InfoContext(ctx, fmt.Sprintf("  %s[%s]: %v", o.Name, o.Type, o.Err))
		}
	}
	list("Error while processing the following partitions:", failed)
	list("Error with promises for the following partitions:", unkept)
}

// PromiseError tells that a promise of a partition is not kept.
type PromiseError struct {
	// Name is the file name of the first failing promise, Message what it said.
	Name, Message string
}

func (e *PromiseError) Error() string {
	return fmt.Sprintf("Promise '%s' failed with output: %s", e.Name, e.Message)
}

func isPromiseError(err error) bool {
	_, ok := errors.AsType[*PromiseError](err)
	return ok
}
