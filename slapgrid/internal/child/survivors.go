package child

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"
)

// How long the end of survivors is waited for, and how often it is looked at.
const (
	survivorPatience = 5 * time.Second
	survivorPoll     = 5 * time.Millisecond
)

// maxEnviron bounds what is read of the environment of a process.
const maxEnviron = 4 << 20

// Survivor is what is left of a program of an agent that was killed, and could
// not be ended.
type Survivor struct {
	// Dir is where the program was started.
	Dir string
	// PIDs are its processes.
	PIDs []int
}

// EndSurvivors ends what is left of the programs of agents that were killed,
// and returns what cannot be ended, as processes that wait for a broken disk.
// It waits a few seconds at most.
//
// A process belongs to a program if it has the mark of the run in its
// environment, is in the session of the program, or descends from such a one.
// Only processes that the user of the program could end too are ended: a
// program can bring nobody into danger but its own user. One that has left the
// session, lost its parents and wiped its environment is not found.
func (l *Ledger) EndSurvivors(ctx context.Context) ([]Survivor, error) {
	lost, err := l.lost()
	if err != nil || len(lost) == 0 {
		return nil, err
	}
	left := l.end(ctx, lost)
	var all []Survivor
	for _, n := range lost {
		if len(left[n]) == 0 {
			l.close(n)
			continue
		}
		all = append(all, Survivor{Dir: n.Dir, PIDs: slices.Sorted(maps.Keys(left[n]))})
	}
	return all, context.Cause(ctx)
}

// family are the processes of one run by their number.
type family map[int]process

// end ends the processes of runs and returns those that are still there. One that
// was signalled is waited for, also when nothing tells any more whose it was.
func (l *Ledger) end(ctx context.Context, notes []*note) map[*note]family {
	ended := map[*note]family{}
	deadline := time.Now().Add(survivorPatience)
	for {
		found := suspend(notes)
		for n, processes := range found {
			l.Log.DebugContext(ctx, "what is left of a program is ended", "directory", n.Dir, "processes", len(processes))
			if ended[n] == nil {
				ended[n] = family{}
			}
			for pid, p := range processes {
				p.signal(syscall.SIGKILL)
				ended[n][pid] = p
			}
		}
		left := living(ended)
		if len(found)+len(left) == 0 || time.Now().After(deadline) || ctx.Err() != nil {
			return left
		}
		time.Sleep(survivorPoll)
	}
}

// living are those processes that are still there; runs without any are left out.
func living(families map[*note]family) map[*note]family {
	left := map[*note]family{}
	for n, f := range families {
		f = maps.Clone(f)
		maps.DeleteFunc(f, func(_ int, p process) bool { return !p.lives() })
		if len(f) > 0 {
			left[n] = f
		}
	}
	return left
}

// suspend stops the processes of runs, again and again until there are no new
// ones: what is stopped cannot fork.
func suspend(notes []*note) map[*note]family {
	stopped := map[process]bool{}
	for range 50 {
		found := findFamilies(notes)
		fresh := false
		for _, processes := range found {
			for _, p := range processes {
				if name := (process{PID: p.PID, Start: p.Start}); !stopped[name] {
					stopped[name], fresh = true, true
					p.signal(syscall.SIGSTOP)
				}
			}
		}
		if !fresh {
			return found
		}
	}
	return findFamilies(notes)
}

// findFamilies finds the living processes of runs; runs without any are left
// out.
func findFamilies(notes []*note) map[*note]family {
	all := allProcesses()
	children := map[int][]process{}
	marked := map[string][]process{}
	for _, p := range all {
		children[p.parent] = append(children[p.parent], p)
		if mark := readMark(p.PID); mark != "" {
			marked[mark] = append(marked[mark], p)
		}
	}
	found := map[*note]family{}
	for _, n := range notes {
		queue := marked[n.name]
		for _, p := range all {
			if n.leads(p, all) {
				queue = append(queue, p)
			}
		}
		f := family{}
		for ; len(queue) > 0; queue = queue[1:] {
			p := queue[0]
			if _, known := f[p.PID]; known || !p.runsAs(n.UID) {
				continue
			}
			f[p.PID] = p
			queue = append(queue, children[p.PID]...)
		}
		if len(f) > 0 {
			found[n] = f
		}
	}
	return found
}

// leads tells whether a process is the program of the run or in its session.
// The number of a session is free again only when all in it have ended; that
// it was given to somebody else since shows in the start of its leader.
func (n *note) leads(p process, all map[int]process) bool {
	if n.Leader.PID == 0 || p.Start < n.Leader.Start {
		return false
	}
	if p.PID == n.Leader.PID {
		return p.Start == n.Leader.Start
	}
	leader, lives := all[n.Leader.PID]
	return n.Session && p.session == n.Leader.PID && (!lives || leader.Start == n.Leader.Start)
}

// readMark returns the mark of a process, empty if it has none or belongs to
// somebody whose environment the agent may not see.
func readMark(pid int) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxEnviron))
	if err != nil {
		return ""
	}
	for entry := range bytes.SplitSeq(data, []byte{0}) {
		if mark, ok := bytes.CutPrefix(entry, []byte(markName+"=")); ok {
			return string(mark)
		}
	}
	return ""
}
