package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/slapformat"
	"github.com/slapos/slapos-go/slapgrid"
)

// owner is the user that releases and instances belong to. The agent never
// runs anyone's code as root, so that under root it is the user nobody.
type owner struct {
	name     string
	uid, gid int
}

func findOwner() (owner, error) {
	u, err := user.Current()
	if err != nil {
		return owner{}, err
	}
	if os.Geteuid() == 0 {
		if u, err = user.Lookup("nobody"); err != nil {
			return owner{}, fmt.Errorf("under root, software and instances belong to the user nobody: %w", err)
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return owner{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return owner{}, fmt.Errorf("user %s: %w", u.Username, err)
	}
	return owner{name: u.Username, uid: uid, gid: gid}, nil
}

// roots makes the directories of releases and instances.
func (c *cycle) roots() (software, instances string, err error) {
	if c.owner, err = findOwner(); err != nil {
		return "", "", err
	}
	if err := os.Chmod(c.dir, 0o755); err != nil {
		return "", "", err
	}
	software, instances = filepath.Join(c.dir, "software"), filepath.Join(c.dir, "instances")
	for _, dir := range []string{software, instances} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", "", err
		}
		if err := os.Chown(dir, c.owner.uid, c.owner.gid); err != nil {
			return "", "", err
		}
	}
	return software, instances, nil
}

// format makes the partitions, tells the master, and makes the agent.
func (c *cycle) format(ctx context.Context) error {
	software, instances, err := c.roots()
	if err != nil {
		return err
	}
	err = slapformat.Format(ctx, slapformat.Config{
		ComputerID:      computerID,
		MasterURL:       c.client.URL(),
		SoftwareRoot:    software,
		InstanceRoot:    instances,
		ComputerXML:     filepath.Join(c.dir, "computer.xml"),
		PartitionAmount: partitions,
	}, slapformat.Options{Client: c.client})
	if err != nil {
		return err
	}
	registered, err := c.client.Computer(computerID).Partitions(ctx)
	if err != nil {
		return err
	}
	c.say("computer %q has %d partitions of user %s in %s", computerID, len(registered), c.owner.name, instances)

	program, err := os.Executable()
	if err != nil {
		return err
	}
	c.node, err = slapgrid.New(slapgrid.Config{
		MasterURL:            c.client.URL(),
		ComputerID:           computerID,
		SoftwareRoot:         software,
		InstanceRoot:         instances,
		SoftwareMinFreeSpace: 1 << 20,
		InstanceMinFreeSpace: 1 << 20,
		SupervisorCommand:    []string{program, superviseWord},
		Environ:              os.Environ(),
	})
	return err
}

// nothingLeft looks for what an instance or the release may have left behind.
func (c *cycle) nothingLeft(ctx context.Context) error {
	if err := c.node.StopSupervisor(ctx); err != nil {
		return err
	}
	running, err := processesOf(c.dir)
	if err != nil {
		return err
	}
	if len(running) > 0 {
		return fmt.Errorf("still running: %q", running)
	}
	c.say("no process is left")

	releases, err := os.ReadDir(filepath.Join(c.dir, "software"))
	if err != nil {
		return err
	}
	if len(releases) > 0 {
		return fmt.Errorf("%d entries are left in the software root", len(releases))
	}
	for i := range partitions {
		left, err := os.ReadDir(filepath.Join(c.dir, "instances", fmt.Sprintf("slappart%d", i)))
		if err != nil {
			return err
		}
		for _, entry := range left {
			if entry.Name() != ".slapos-resource" { // what format wrote stays
				return fmt.Errorf("slappart%d still holds %s", i, entry.Name())
			}
		}
	}
	c.say("the software root and every partition are empty but for what format wrote")

	wanted, err := c.client.Computer(computerID).SoftwareReleases(ctx)
	if err != nil {
		return err
	}
	held, err := c.allocated(ctx)
	if err != nil {
		return err
	}
	if len(wanted) > 0 || len(held) > 0 {
		return fmt.Errorf("the master still wants %d releases and %d instances", len(wanted), len(held))
	}
	c.say("the master wants no release and no instance")
	return nil
}

// cleanUp ends what runs and removes the directory, also after a failure.
func (c *cycle) cleanUp() error {
	var err error
	if c.node != nil {
		// The context of the run may have ended; this has to happen all the same.
		err = c.node.StopSupervisor(context.Background())
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

// processesOf lists the command lines that name something below a directory.
func processesOf(dir string) ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, file := range files {
		if file == fmt.Sprintf("/proc/%d/cmdline", os.Getpid()) {
			continue
		}
		line, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such process") {
			continue // it has just ended
		}
		if err != nil {
			return nil, err
		}
		if text := strings.ReplaceAll(string(line), "\x00", " "); strings.Contains(text, dir+"/") {
			lines = append(lines, text)
		}
	}
	return lines, nil
}
