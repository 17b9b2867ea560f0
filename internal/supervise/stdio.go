package supervise

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// stdio is the descriptors of a program that is about to start.
type stdio struct {
	child [3]*os.File // closed in the daemon after the start
	stdin *os.File    // the daemon's end
}

// openFiles opens the descriptors of a program. Output goes straight into the
// log files, so it does not depend on the daemon; only an event listener talks to it
// through pipes.
func (p *process) openFiles() (*stdio, error) {
	s := &stdio{}
	err := s.open(p)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("unknown error making dispatchers for '%s': %w", p.config.Name, err)
	}
	return s, nil
}

func (s *stdio) open(p *process) error {
	if p.group.config.isListener() {
		return s.openListener(p)
	}
	var err error
	if s.child[0], s.stdin, err = openStdin(); err != nil {
		return err
	}
	if s.child[1], err = p.openOutput(0); err != nil {
		return err
	}
	if p.config.Redirect {
		s.child[2] = s.child[1]
		return nil
	}
	s.child[2], err = p.openOutput(1)
	return err
}

func (s *stdio) openListener(p *process) error {
	var err error
	if s.child[0], s.stdin, err = os.Pipe(); err != nil {
		return err
	}
	var output *os.File
	if output, s.child[1], err = os.Pipe(); err != nil {
		return err
	}
	p.session = newListenerSession(output)
	s.child[2], err = p.openOutput(1)
	return err
}

// openOutput opens the log of stdout (0) or stderr (1), or /dev/null.
func (p *process) openOutput(stream int) (*os.File, error) {
	if file := p.logs[stream].File; file != "" {
		return openLog(file, p.untrusted())
	}
	return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
}

// openStdin makes a standard input that never ends, not even with the daemon:
// the program's descriptor is open for writing too, so the pipe always has a writer.
func openStdin() (child, daemon *os.File, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	child, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", read.Fd()), os.O_RDWR, 0)
	if err != nil {
		return nil, nil, errors.Join(err, read.Close(), write.Close())
	}
	return child, write, read.Close()
}

// reopenStdin opens the standard input of an adopted process for writing. It
// returns nil if that is no pipe of ours.
func reopenStdin(pid int) *os.File {
	path := fmt.Sprintf("/proc/%d/fd/0", pid)
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	return f
}

// keep hands over the daemon's end of stdin.
func (s *stdio) keep() *os.File {
	f := s.stdin
	s.stdin = nil
	return f
}

// close closes what is still open. Errors are dropped: nothing was buffered.
func (s *stdio) close() {
	if s.child[2] == s.child[1] {
		s.child[2] = nil
	}
	for _, f := range append(s.child[:], s.stdin) {
		if f != nil {
			_ = f.Close()
		}
	}
}
