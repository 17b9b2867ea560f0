package client

import (
	"context"
	"fmt"
	"time"
)

// Updated tells what Update did, in names of groups.
type Updated struct {
	Removed []string // gone from the configuration: stopped and forgotten
	Changed []string // stopped and loaded anew; nothing is started but autostart
	Added   []string // loaded
	// Failed holds groups of which a process could not be told to stop. If it then still runs when
	// the group is removed, that is an error.
	Failed []string
}

// Empty reports whether nothing had changed.
func (u Updated) Empty() bool {
	return len(u.Removed)+len(u.Changed)+len(u.Added)+len(u.Failed) == 0
}

// How often and at which interval removeProcessGroup is tried: a stopped process may take
// a moment to be noticed.
const (
	removeTries = 10
	removePause = time.Second
)

// Update makes the daemon run what its configuration files say: the algorithm
// of slapgrid.md section 6.6. Groups that did not change are left alone. It
// waits for processes that have to stop.
func (c *Client) Update(ctx context.Context) (Updated, error) {
	c.log.Debug("Updating supervisord")
	var u Updated
	changes, err := c.ReloadConfig(ctx)
	if err != nil {
		return u, fmt.Errorf("reload the supervisor configuration: %w", err)
	}
	for _, group := range changes.Removed {
		if err := c.updateRemoved(ctx, group, &u); err != nil {
			return u, err
		}
	}
	for _, group := range changes.Changed {
		if err := c.updateChanged(ctx, group, &u); err != nil {
			return u, err
		}
	}
	for _, group := range changes.Added {
		if err := c.AddProcessGroup(ctx, group); err != nil && !IsFault(err, FaultAlreadyAdded) {
			return u, fmt.Errorf("add supervisor group %s: %w", group, err)
		}
		u.Added = append(u.Added, group)
		c.log.Info("Updated", "group", group)
	}
	c.log.Debug("Supervisord updated")
	return u, nil
}

func (c *Client) updateRemoved(ctx context.Context, group string, u *Updated) error {
	if err := c.stopGroup(ctx, group, u); err != nil {
		return err
	}
	if err := c.removeGroup(ctx, group); err != nil {
		return err
	}
	u.Removed = append(u.Removed, group)
	c.log.Info("Removed", "group", group)
	return nil
}

func (c *Client) updateChanged(ctx context.Context, group string, u *Updated) error {
	if err := c.stopGroup(ctx, group, u); err != nil {
		return err
	}
	if err := c.removeGroup(ctx, group); err != nil {
		return err
	}
	if err := c.AddProcessGroup(ctx, group); err != nil && !IsFault(err, FaultAlreadyAdded) {
		return fmt.Errorf("add supervisor group %s: %w", group, err)
	}
	u.Changed = append(u.Changed, group)
	c.log.Info("Updated", "group", group)
	return nil
}

// stopGroup stops a group and waits. A process that refuses is reported in u and not an error.
func (c *Client) stopGroup(ctx context.Context, group string, u *Updated) error {
	results, err := c.StopProcessGroup(ctx, group, true)
	if err != nil {
		if IsFault(err, FaultBadName) {
			return nil // removed by somebody else meanwhile
		}
		return fmt.Errorf("stop supervisor group %s: %w", group, err)
	}
	for _, r := range results {
		if r.Status == FaultFailed {
			u.Failed = append(u.Failed, group)
			c.log.Warn("Problem while stopping process, will try later", "group", group, "process", r.Name)
			return nil
		}
	}
	c.log.Info("Stopped", "group", group)
	return nil
}

func (c *Client) removeGroup(ctx context.Context, group string) error {
	var err error
	for try := range removeTries {
		if try > 0 {
			if err := c.wait(ctx, removePause); err != nil {
				return fmt.Errorf("remove supervisor group %s: %w", group, err)
			}
		}
		if err = c.RemoveProcessGroup(ctx, group); err == nil || IsFault(err, FaultBadName) {
			return nil
		}
		if !IsFault(err, FaultStillRunning) && !IsFault(err, FaultFailed) {
			break
		}
	}
	return fmt.Errorf("remove supervisor group %s: %w", group, err)
}
