package slapgrid

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// stopPoll is how often the end of the supervisor is looked for.
const stopPoll = 20 * time.Millisecond

// StopSupervisor ends the supervisor of the instance root and all its
// processes, and waits until it is gone. None running is fine.
func (n *Node) StopSupervisor(ctx context.Context) error {
	d := newDaemon(n)
	running, err := d.answers(ctx)
	if err != nil || !running {
		return err
	}
	var pid int
	err = d.call(func(c *client.Client) (err error) {
		if pid, err = c.PID(ctx); err != nil {
			return err
		}
		return c.Shutdown(ctx)
	})
	if err != nil {
		return fmt.Errorf("stop the supervisor: %w", err)
	}
	for isAlive(pid) {
		if err := sleep(ctx, stopPoll); err != nil {
			return fmt.Errorf("stop the supervisor: process %d has not ended: %w", pid, err)
		}
	}
	return nil
}

// isAlive tells whether a process runs; one that only waits to be collected
// does not.
func isAlive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}
