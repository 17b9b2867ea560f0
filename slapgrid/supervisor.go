package slapgrid

import "context"

// Supervisor keeps the processes of the partitions. It reads the files under
// etc/supervisord.conf.d that the agent writes. All methods are idempotent and
// may be called concurrently. A group is a partition.
type Supervisor interface {
	// Ensure makes sure that a daemon answers, launching one if needed.
	Ensure(ctx context.Context) error
	// Update makes the daemon run what the files say: groups that are gone are
	// stopped, which is waited for, changed ones are stopped and loaded again,
	// new ones loaded. Nothing is started.
	Update(ctx context.Context) error
	// Start starts the processes of a group that do not run. It is false when
	// there is no such group.
	Start(ctx context.Context, group string) (bool, error)
	// StartAll starts every process of every group.
	StartAll(ctx context.Context) error
	// Running tells whether a process (group:name) is up; an unknown one is
	// not.
	Running(ctx context.Context, process string) (bool, error)
}
