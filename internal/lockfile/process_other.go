//go:build !linux

package lockfile

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// isSlapos tells whether pid lives; here the command line cannot be read.
func isSlapos(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || os.IsPermission(err)
}

// olderThanProcess is false: the start of this process is not known here.
func olderThanProcess(time.Time) bool { return false }

func fileNumber(fs.FileInfo) uint64 { return 0 }
