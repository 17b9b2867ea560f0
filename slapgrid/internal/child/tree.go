package child

import (
	"syscall"
	"time"
)

// KillTree ends a process, its group and all its descendants. They are
// suspended first, parents before children, so that none escapes by forking.
func KillTree(pid int) {
	stopped := map[int]bool{pid: true}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for range 50 {
		found := false
		for _, p := range descendants(pid) {
			if !stopped[p] {
				stopped[p], found = true, true
				_ = syscall.Kill(p, syscall.SIGSTOP)
			}
		}
		if !found {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	killGroup(pid)
	for p := range stopped {
		_ = syscall.Kill(p, syscall.SIGKILL)
	}
}

// killGroup ends a process group; one that is already gone is fine.
func killGroup(pgid int) { _ = syscall.Kill(-pgid, syscall.SIGKILL) }

// descendants lists the living descendants of a process.
func descendants(root int) []int {
	children := map[int][]int{}
	for pid, p := range allProcesses() {
		children[p.parent] = append(children[p.parent], pid)
	}
	var all []int
	for queue := children[root]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}
