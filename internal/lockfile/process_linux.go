package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// isSlapos tells whether pid lives and looks like slapos. A process whose
// command line cannot be read counts as one: two agents are worse than none.
func isSlapos(pid int) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	switch {
	case err == nil:
		return bytes.Contains(cmdline, []byte("slapos"))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESRCH):
		// /proc may hide processes of other users, or not be mounted.
		return errors.Is(syscall.Kill(pid, 0), syscall.EPERM)
	default:
		return true
	}
}

// olderThanProcess tells whether t is before the start of this process: a pid
// file of that age was written by an earlier process of the same number, as
// happens in containers, where the agent often is number 1.
func olderThanProcess(t time.Time) bool {
	start, err := processStart()
	return err == nil && t.Add(2*time.Second).Before(start)
}

// processStart reads when this process started; good to about a second.
func processStart() (time.Time, error) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return time.Time{}, err
	}
	// The command in parentheses may hold anything; the start is field 22.
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) < 20 {
		return time.Time{}, errors.New("unexpected /proc/self/stat")
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	system, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	for line := range strings.Lines(string(system)) {
		if boot, ok := strings.CutPrefix(line, "btime "); ok {
			seconds, err := strconv.ParseInt(strings.TrimSpace(boot), 10, 64)
			if err != nil {
				return time.Time{}, err
			}
			const ticksPerSecond = 100 // USER_HZ is 100 on every Linux architecture that Go supports
			return time.Unix(seconds, 0).Add(time.Duration(ticks) * (time.Second / ticksPerSecond)), nil
		}
	}
	return time.Time{}, errors.New("no btime in /proc/stat")
}

func fileNumber(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Ino
	}
	return 0
}
