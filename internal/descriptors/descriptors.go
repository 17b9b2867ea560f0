// Package descriptors keeps open files from programs that are started.
package descriptors

import (
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Seal keeps what this process inherited, but for the standard streams, from what it
// starts: a daemon, or its programs, would hold a lock or a pipe of the shell that
// somebody began with for as long as they run.
func Seal() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("inherited descriptors: %w", err)
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > syscall.Stderr {
			// The one that listed the directory is closed by now.
			_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
		}
	}
	return nil
}
