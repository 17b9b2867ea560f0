package supervise

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// reapInterval is how often orphans that have ended are looked for.
const reapInterval = 5 * time.Second

// adoptsOrphans tells whether the kernel makes this process the parent of those
// that lose theirs: it is the first of a container.
func adoptsOrphans() bool {
	return os.Getpid() == 1
}

// reapLoop waits for orphans, which would stay as zombies until the end of the
// container: processes that programs of this daemon left behind.
func (d *daemon) reapLoop() {
	ticker := time.NewTicker(reapInterval)
	defer ticker.Stop()
	for {
		select {
		case <-d.quit:
			return
		case <-ticker.C:
			d.reap()
		}
	}
}

// reap waits for the children that have ended and that this daemon did not start.
// Those that it did are ended's.
func (d *daemon) reap() {
	zombies := zombiesOf(os.Getpid())
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, g := range d.groups {
		for _, p := range g.processes {
			if p.child != nil {
				delete(zombies, p.child.Pid)
			}
		}
	}
	for pid := range zombies {
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil) // who was reaped meanwhile is gone as well
	}
}

// zombiesOf returns the children of a process that have ended.
func zombiesOf(parent int) map[int]bool {
	zombies := map[int]bool{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // without /proc there is nothing to be seen
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if info, err := readProc(pid); err == nil && info.parent == parent && info.dead() {
			zombies[pid] = true
		}
	}
	return zombies
}
