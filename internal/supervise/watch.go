package supervise

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// watcher tells when one process has ended, without reaping it. It works for
// children and for adopted processes alike, and blocks no system thread.
type watcher struct {
	pidfd *os.File // known to the runtime's poller; nil where the kernel has none
	pid   int
	ticks uint64
	quit  chan struct{}
	once  sync.Once
}

// pollInterval is how often /proc is read where there is no pidfd.
const pollInterval = 200 * time.Millisecond

// newWatcher starts watching a process that is known to exist, with its start time.
func newWatcher(pid int, ticks uint64) *watcher {
	w := &watcher{pid: pid, ticks: ticks, quit: make(chan struct{})}
	if fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK); err == nil {
		w.pidfd = os.NewFile(uintptr(fd), "pidfd")
	}
	return w
}

// wait blocks until the process has ended (true) or close was called (false).
func (w *watcher) wait() bool {
	if w.pidfd != nil && w.waitPidfd() {
		return true
	}
	return w.poll()
}

// waitPidfd waits in the runtime's poller for the end of the process. It
// returns false when it was interrupted or cannot wait that way.
func (w *watcher) waitPidfd() bool {
	conn, err := w.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	ended := false
	_ = conn.Read(func(fd uintptr) bool { // its error is that ended stays false
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // descriptors are small
		n, err := unix.Poll(set, 0)
		ended = err == nil && n > 0
		return ended
	})
	return ended
}

func (w *watcher) poll() bool {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-w.quit:
			return false
		default:
		}
		info, err := readProc(w.pid)
		if err != nil || info.dead() || info.ticks != w.ticks {
			return true
		}
		select {
		case <-w.quit:
			return false
		case <-ticker.C:
		}
	}
}

// close ends wait.
func (w *watcher) close() {
	w.once.Do(func() {
		close(w.quit)
		if w.pidfd != nil {
			_ = w.pidfd.Close() // nothing was written
		}
	})
}
