package child

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// markName is the variable that programs and what they start have in their
// environment: its value is the name of the note about the run.
const markName = "SLAPGRID_RUN"

// maxNote bounds what is read of a note.
const maxNote = 64 << 10

// freshness is the age up to which a file without a note counts as begun.
const freshness = time.Minute

// Ledger notes which programs run, one file for each while it runs. A program
// dies with the agent, but what it started does not: the notes that a killed
// agent leaves tell the next one what to look for; see [Ledger.EndSurvivors].
//
// What a program leaves behind when it ends by itself in time is its own
// business: then the note is removed and nothing is ended.
type Ledger struct {
	// Dir is where the notes are, a directory that only the agent can write. It
	// is made when it is needed.
	Dir string
	// Log is told what cannot be noted, and what is ended. Required.
	Log *slog.Logger
}

// note is what is known about a run.
type note struct {
	System string  `json:"system"`
	Agent  process `json:"agent"`
	UID    int     `json:"uid"`
	Dir    string  `json:"directory"`
	// Leader is the program itself, unknown until it has been started. Its
	// session has its number, unless it runs on a terminal.
	Leader  process `json:"leader"`
	Session bool    `json:"session"`

	name string
}

// open begins the note of a program that is about to be started. The program
// runs even if it cannot be noted, as on a full disk: most agents are not
// killed.
func (l *Ledger) open(c *Command) *note {
	agent, _ := readProcess(os.Getpid())
	n := &note{System: system(), Agent: agent, UID: c.uid(), Dir: c.Dir, name: rand.Text()}
	err := l.write(n)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(os.MkdirAll(filepath.Dir(l.Dir), 0o755), os.Mkdir(l.Dir, 0o700))
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = l.write(n)
		}
	}
	if err != nil {
		l.Log.Warn("a program is run without a note of it: should the agent be killed, it may go on", "program", c.Args[0], "error", err)
		l.close(n)
	}
	return n
}

// started completes the note once the program runs. Without the completion its
// descendants are still found by their environment.
func (l *Ledger) started(n *note, pid int, session bool) {
	n.Leader, _ = readProcess(pid)
	n.Session = session
	if err := l.write(n); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.Log.Debug("the note of a program is not complete", "error", err)
	}
}

// write adds what is known to the file of a note; the last line counts. Power
// failures do not matter here, as no process survives them.
func (l *Ledger) write(n *note) error {
	flags := os.O_WRONLY | os.O_APPEND | syscall.O_NOFOLLOW
	if n.Leader.PID == 0 {
		flags |= os.O_CREATE | os.O_EXCL
	}
	line, err := json.Marshal(n)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(l.Dir, n.name), flags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// close removes a note.
func (l *Ledger) close(n *note) {
	if err := os.Remove(filepath.Join(l.Dir, n.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.Log.Debug("the note of a program that ended stays", "error", err)
	}
}

// lost lists the notes of agents that no longer live, and forgets those that
// mean nothing.
func (l *Ledger) lost() ([]*note, error) {
	entries, err := os.ReadDir(l.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lost []*note
	here := system()
	for _, entry := range entries {
		n, err := l.read(entry.Name())
		switch {
		case errors.Is(err, fs.ErrNotExist): // that program has just ended
		case err != nil && isFresh(entry): // and that one is just being started
		case err != nil:
			l.Log.Warn("what is no note of a program is removed", "error", err)
			if err := os.RemoveAll(filepath.Join(l.Dir, entry.Name())); err != nil {
				return nil, err
			}
		case n.System != here:
			l.close(n)
		case !n.Agent.lives():
			lost = append(lost, n)
		}
	}
	return lost, nil
}

// isFresh tells whether a file was written a moment ago.
func isFresh(entry fs.DirEntry) bool {
	info, err := entry.Info()
	return err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()).Abs() < freshness
}

// read reads a note. Its file may be only begun: the program was not started
// then.
func (l *Ledger) read(name string) (*note, error) {
	path := filepath.Join(l.Dir, name)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNote))
	if err != nil {
		return nil, err
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	for _, line := range slices.Backward(lines) {
		var n note
		if bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &n) == nil && n.Agent.PID > 0 {
			n.name = name
			return &n, nil
		}
	}
	return nil, fmt.Errorf("%s: not a note", path)
}
