package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// procInfo identifies a process beyond its reusable number.
type procInfo struct {
	state   byte   // R, S, Z...
	parent  int    // process id
	session int    // id of its session leader
	threads int    // that have not ended
	ticks   uint64 // start time in clock ticks since boot
}

// dead reports whether the process has ended and only waits to be reaped. The
// state is that of the first thread, which may end before the others.
func (p procInfo) dead() bool {
	return p.state == 'X' || p.state == 'Z' && p.threads <= 1
}

// readProc reads /proc/<pid>/stat.
func readProc(pid int) (procInfo, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return procInfo{}, err
	}
	return parseProcStat(text)
}

// parseProcStat reads the line of /proc/<pid>/stat. The name of the program, in
// parentheses, may itself hold blanks and parentheses.
func parseProcStat(text []byte) (procInfo, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return procInfo{}, errors.New("process stat: no program name")
	}
	fields := strings.Fields(string(text[end+1:]))
	const state, parent, session, threads, start = 0, 1, 3, 17, 19 // fields 3, 4, 6, 20 and 22 of the line
	if len(fields) <= start {
		return procInfo{}, errors.New("process stat: too few fields")
	}
	p := procInfo{state: fields[state][0]}
	var errParent, errSession, errThreads, errStart error
	p.parent, errParent = strconv.Atoi(fields[parent])
	p.session, errSession = strconv.Atoi(fields[session])
	p.threads, errThreads = strconv.Atoi(fields[threads])
	p.ticks, errStart = strconv.ParseUint(fields[start], 10, 64)
	if err := errors.Join(errParent, errSession, errThreads, errStart); err != nil {
		return procInfo{}, fmt.Errorf("process stat: %w", err)
	}
	return p, nil
}

// ticksPerSecond is the unit of start times: 100 on every Linux that Go supports.
const ticksPerSecond = 100

// nowTicks is the time in the unit of start times, 0 if it is not known.
func nowTicks() uint64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return uint64(now.Nano()) / (1e9 / ticksPerSecond) //nolint:gosec // it begins at 0
}

// bootID identifies the current boot of the machine: process numbers of
// another one mean nothing.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // not every container shows it; start times still have to agree
	}
	return strings.TrimSpace(string(text))
}

// procEnviron returns the environment that a process was started with, or nil
// if it cannot be read.
func procEnviron(pid int) map[string]string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return nil
	}
	env := map[string]string{}
	for entry := range strings.SplitSeq(string(text), "\x00") {
		if name, value, ok := strings.Cut(entry, "="); ok {
			env[name] = value
		}
	}
	return env
}

// procUID returns the real user of a process: who started it, also when the
// program is set-user-id.
func procUID(pid int) (int, error) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			if fields := strings.Fields(ids); len(fields) > 0 {
				return strconv.Atoi(fields[0])
			}
		}
	}
	return 0, errors.New("process status: no user")
}

// findSpawned looks for processes that a daemon with this server URL started:
// leaders of their own session with its variables in their environment. It
// returns the oldest for each group:name. Used after an unclean end only, for a
// process that was started but not yet noted in the state file. Anybody can have
// such an environment, so that wanted tells of each group:name the user who runs
// it; processes of others are not looked at. Nor are those that started before
// since: what a program left behind, in a session of its own, has its environment.
func findSpawned(serverURL string, wanted map[string]int, since uint64) (map[string]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	found := map[string]int{}
	oldest := map[string]uint64{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		info, err := readProc(pid)
		if err != nil || info.dead() || info.session != pid || info.ticks < since {
			continue
		}
		env := procEnviron(pid)
		if env["SUPERVISOR_SERVER_URL"] != serverURL || env["SUPERVISOR_PROCESS_NAME"] == "" {
			continue
		}
		key := env["SUPERVISOR_GROUP_NAME"] + ":" + env["SUPERVISOR_PROCESS_NAME"]
		user, known := wanted[key]
		if uid, err := procUID(pid); err != nil || !known || uid != user {
			continue
		}
		if ticks, ok := oldest[key]; !ok || info.ticks < ticks {
			found[key], oldest[key] = pid, info.ticks
		}
	}
	return found, nil
}
