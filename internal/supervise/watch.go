package supervise

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"syscall"
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
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return w
	}
	w.pidfd = os.NewFile(uintptr(fd), "pidfd")
	if w.over() {
		_ = w.pidfd.Close() // of another process, which got the number meanwhile
		w.pidfd = nil
	}
	return w
}

// signal sends sig to the very process that is watched. It fails with
// errNoPidfd where only its number is known, which may be another's by now.
func (w *watcher) signal(sig syscall.Signal) error {
	if w == nil || w.pidfd == nil {
		return errNoPidfd
	}
	conn, err := w.pidfd.SyscallConn()
	if err != nil {
		return errNoPidfd
	}
	var failed error
	if err := conn.Control(func(fd uintptr) {
		failed = unix.PidfdSendSignal(int(fd), sig, nil, 0) //nolint:gosec // descriptors are small
	}); err != nil {
		return errNoPidfd
	}
	return failed
}

// errNoPidfd tells that a process can be signalled by its number only.
var errNoPidfd = errors.New("no descriptor of the process")

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
		if w.over() {
			return true
		}
		select {
		case <-w.quit:
			return false
		case <-ticker.C:
		}
	}
}

// over tells whether the process has ended, as far as /proc shows. What cannot be
// read, for want of descriptors, is no end.
func (w *watcher) over() bool {
	info, err := readProc(w.pid)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH)
	}
	return info.dead() || w.ticks != 0 && info.ticks != w.ticks
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
