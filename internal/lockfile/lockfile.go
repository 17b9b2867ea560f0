// Package lockfile excludes two node agents from working on the same node at
// the same time, by the pid file that the Python agent uses too, so that
// the two kinds stand aside for each other.
//
// The file holds the decimal process id and nothing else. It counts while a
// process of that id lives and has the word "slapos" in its command line; the
// program that takes the lock must therefore have it in its own.
package lockfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// ErrRunning is what errors.Is finds in the error of Acquire when another
// process holds the lock.
var ErrRunning = errors.New("another slapos process is already running")

// RunningError tells which process holds the lock. It is ErrRunning.
type RunningError struct {
	Path string // the pid file
	PID  int    // the process that holds it
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("another slapos process is already running with pid %d (pid file %s)", e.PID, e.Path)
}

// Is makes errors.Is(err, ErrRunning) true.
func (e *RunningError) Is(target error) bool { return target == ErrRunning }

// Lock is a pid file held by this process. It must not be copied.
type Lock struct {
	path  string
	stale bool
	once  sync.Once
	err   error
}

// Stale tells whether a pid file of a process that no longer lives, or one that
// holds no number, was in the way and has been replaced.
func (l *Lock) Stale() bool { return l.stale }

// Path is the pid file.
func (l *Lock) Path() string { return l.path }

// Acquire writes the pid of this process to path, unless a living slapos
// process is named there: then the file stays untouched and the error is a
// *RunningError. The directory of path must exist.
//
// Of several processes that call Acquire at once exactly one succeeds, also
// when they all find the file of a dead one. The Python agent looks first and
// writes afterwards, so between it and this package the moment between its look
// and its write is not covered.
func Acquire(path string) (*Lock, error) {
	return acquire(path, 0)
}

// Guards of guards happen only when processes die within the few system calls
// of a takeover, again and again.
const maxDepth = 8

func acquire(path string, depth int) (*Lock, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("lock %s: too many stale guard files; remove %s.* by hand", path, path)
	}
	mine, err := writeOwn(path)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	defer os.Remove(mine) // only the second name of the file, or nothing

	lock := &Lock{path: path}
	for {
		err := os.Link(mine, path)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		old, err := read(path)
		if errors.Is(err, fs.ErrNotExist) && !isLink(path) {
			continue // released in between
		}
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if old.pid > 0 && old.alive() {
			return nil, &RunningError{Path: path, PID: old.pid}
		}
		done, err := replace(path, mine, old, depth)
		if err != nil {
			return nil, err
		}
		if done {
			lock.stale = true
			return lock, nil
		}
	}
}

// replace puts mine in the place of the stale file old. Only the holder of the
// guard that is named after old may do so, hence nobody can replace a
// newer file by mistake. It answers false when old is gone already.
func replace(path, mine string, old record, depth int) (bool, error) {
	guard, err := acquire(fmt.Sprintf("%s.%s", path, old.identity()), depth+1)
	var running *RunningError
	if errors.As(err, &running) {
		return false, &RunningError{Path: path, PID: running.PID}
	}
	if err != nil {
		return false, err
	}
	defer guard.Release()
	now, err := read(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && now.identity() != old.identity() {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := os.Rename(mine, path); err != nil {
		return false, fmt.Errorf("lock %s: %w", path, err)
	}
	return true, nil
}

// Release removes the pid file if it is still ours. Only the first call does
// something; the others return its result.
func (l *Lock) Release() error {
	l.once.Do(func() {
		now, err := read(l.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			l.err = fmt.Errorf("unlock %s: %w", l.path, err)
		case now.pid == os.Getpid():
			if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				l.err = fmt.Errorf("unlock %s: %w", l.path, err)
			}
		}
	})
	return l.err
}

// writeOwn makes a complete pid file under a name of its own beside path.
func writeOwn(path string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".new-*")
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(f, strconv.Itoa(os.Getpid()))
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// record is what a pid file said at one moment.
type record struct {
	pid  int // 0: no number
	text string
	info fs.FileInfo
}

// maxFile bounds what is read of a file that may be anything.
const maxFile = 4096

// isLink tells whether path is a link, which may lead nowhere.
func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().Type() == fs.ModeSymlink
}

func read(path string) (record, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is not waited for
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return record{}, err
	}
	if !info.Mode().IsRegular() {
		return record{}, fmt.Errorf("%s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return record{}, err
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	pid, err := strconv.Atoi(strings.TrimSpace(string(first)))
	if err != nil || pid < 0 {
		pid = 0
	}
	return record{pid: pid, text: string(first), info: info}, nil
}

// identity names this very file with this very content; another file, or the
// same one written again, has another.
func (r record) identity() string {
	return fmt.Sprintf("%d-%x-%x", r.pid, fileNumber(r.info), r.info.ModTime().UnixNano())
}

// alive tells whether the process that wrote the file still runs.
func (r record) alive() bool {
	if r.pid == os.Getpid() {
		return !olderThanProcess(r.info.ModTime())
	}
	return isSlapos(r.pid)
}
