package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// process is a process as the system knows it at one moment. Its number and
// the time of its start together name it: numbers are used again.
type process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since the start of the system

	parent, session int
	ended           bool // a zombie, or on the way
}

// readProcess looks a process up; false if there is none.
func readProcess(pid int) (process, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// The name in parentheses may hold anything; fields count from behind it.
	const state, parent, session, start = 0, 1, 3, 19
	end := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[end+1:]))
	if end < 0 || len(fields) <= start {
		return process{}, false
	}
	p := process{PID: pid, ended: fields[state] == "Z" || fields[state] == "X"}
	var errs [3]error
	p.parent, errs[0] = strconv.Atoi(fields[parent])
	p.session, errs[1] = strconv.Atoi(fields[session])
	p.Start, errs[2] = strconv.ParseUint(fields[start], 10, 64)
	return p, errs == [3]error{}
}

// lives tells whether this very process still runs.
func (p process) lives() bool {
	now, ok := readProcess(p.PID)
	return ok && now.Start == p.Start && !now.ended
}

// signal sends a signal to this very process, not to another one that got its
// number: the handle is opened first and then compared.
func (p process) signal(s syscall.Signal) {
	handle, err := os.FindProcess(p.PID)
	if err != nil {
		return
	}
	defer handle.Release() //nolint:errcheck // only a descriptor
	if p.lives() {
		_ = handle.Signal(s) // it may have ended meanwhile
	}
}

// runsAs tells whether the process was started by a user: it is one that the
// user could end as well, also if a set-id program lent it other rights.
func (p process) runsAs(uid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			fields := strings.Fields(ids)
			return len(fields) > 0 && fields[0] == strconv.Itoa(uid)
		}
	}
	return false
}

// allProcesses lists the living processes by number, without the caller and
// the first one.
func allProcesses() map[int]process {
	all := map[int]process{}
	d, err := os.Open("/proc")
	if err != nil {
		return all
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return all
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid <= 1 || pid == os.Getpid() {
			continue
		}
		if p, ok := readProcess(pid); ok && !p.ended {
			all[pid] = p
		}
	}
	return all
}

// system names this start of the machine and the space of process numbers in
// it: numbers of another one mean nothing.
func system() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + space
}
