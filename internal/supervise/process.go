package supervise

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is one program of a loaded group. All of it is guarded by daemon.mu.
type process struct {
	machine

	config programConfig
	group  *group
	logs   [2]logConfig // of stdout and stderr, with AUTO resolved

	ticks   uint64      // start time of the process with id pid, from /proc
	child   *os.Process // nil if it was adopted
	watch   *watcher
	stdin   *os.File // where sendProcessStdin writes, nil if unknown
	session *listenerSession
}

// fullName is group:name, or just the name when both are equal.
func (p *process) fullName() string { return makeNamespec(p.group.config.Name, p.config.Name) }

// untrusted reports whether another user may own the directory of the log files.
func (p *process) untrusted() bool {
	return p.config.User != nil && p.config.User.UID != 0 && os.Geteuid() == 0
}

// spawnContext is what a process inherits from its daemon.
type spawnContext struct {
	env       []string // base environment
	serverURL string
}

// errChild is wrapped by the error about a process that could be made but not
// become the program: supervisord sees a child that ends with status 127.
var errChild = errors.New("child process was not spawned")

// exitNotSpawned is the exit status of such a child.
const exitNotSpawned = 127

// execute starts the program in a session of its own. It returns a
// *commandError if the command cannot be run at all, and errChild as told there.
func (p *process) execute(c spawnContext) (*os.Process, error) {
	env := p.environ(c)
	file, argv, err := resolveCommand(p.config.Command, env["PATH"])
	if err != nil {
		return nil, err
	}
	files, err := p.openFiles()
	if err != nil {
		return nil, err
	}
	defer files.close()
	attr := &os.ProcAttr{
		Dir:   p.config.Directory,
		Env:   flatten(env),
		Files: files.child[:],
		Sys:   &syscall.SysProcAttr{Setsid: true, Credential: p.credential()},
	}
	if attr.Dir != "" {
		if _, err := os.Stat(attr.Dir); err != nil {
			return nil, p.notSpawned(files, "chdir to "+attr.Dir, err)
		}
	}
	if p.config.Umask != nil {
		defer unix.Umask(unix.Umask(*p.config.Umask))
	}
	child, err := os.StartProcess(file, argv, attr)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOMEM):
		return nil, fmt.Errorf("too many processes in process table to spawn '%s'", p.config.Name)
	case err != nil:
		return nil, p.notSpawned(files, "exec "+argv[0], err)
	}
	p.stdin = files.keep()
	return child, nil
}

// notSpawned leaves the reason in the program's error log, where supervisord's
// child leaves it.
func (p *process) notSpawned(files *stdio, what string, err error) error {
	if pathError, ok := errors.AsType[*os.PathError](err); ok {
		err = pathError.Err
	}
	text := fmt.Sprintf("supervisor: couldn't %s: %v\nsupervisor: %v\n", what, err, errChild)
	_, writeErr := files.child[2].WriteString(text)
	return errors.Join(fmt.Errorf("%w: couldn't %s: %w", errChild, what, err), writeErr)
}

// environ is the environment of the program: the daemon's base, what
// supervisord tells every program, and the program's own.
func (p *process) environ(c spawnContext) map[string]string {
	env := map[string]string{}
	for _, entry := range c.env {
		for i := 1; i < len(entry); i++ {
			if entry[i] == '=' {
				env[entry[:i]] = entry[i+1:]
				break
			}
		}
	}
	env["SUPERVISOR_ENABLED"] = "1"
	env["SUPERVISOR_SERVER_URL"] = c.serverURL
	if p.config.ServerURL != "" {
		env["SUPERVISOR_SERVER_URL"] = p.config.ServerURL
	}
	env["SUPERVISOR_PROCESS_NAME"] = p.config.Name
	env["SUPERVISOR_GROUP_NAME"] = p.group.config.Name
	maps.Copy(env, p.config.Environment)
	return env
}

func flatten(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// uid is the user that the program runs as.
func (p *process) uid() int {
	if c := p.credential(); c != nil {
		return int(c.Uid)
	}
	return os.Getuid()
}

// credential is the identity of the program, or nil to keep the daemon's:
// nobody but root can switch (slapgrid.md 4.1).
func (p *process) credential() *syscall.Credential {
	u := p.config.User
	if u == nil || os.Geteuid() != 0 || u.UID == 0 && u.GID == os.Getegid() {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID)} //nolint:gosec // ids of the system
	for _, gid := range append([]int{u.GID}, u.Groups...) {
		if id := uint32(gid); !slices.Contains(c.Groups, id) { //nolint:gosec // ids of the system
			c.Groups = append(c.Groups, id)
		}
	}
	return c
}

// signal sends sig to the process or to its whole process group. A process
// that has just ended is no error.
func (p *process) signal(sig syscall.Signal, group bool) error {
	err := errNoPidfd
	if !group {
		err = p.watch.signal(sig)
	}
	if errors.Is(err, errNoPidfd) {
		pid := p.pid
		if group {
			pid = -pid
		}
		err = unix.Kill(pid, sig)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal %s (pid %d): %w", p.fullName(), p.pid, err)
	}
	return nil
}

// forget drops what belonged to the process that has ended.
func (p *process) forget() {
	if p.watch != nil {
		p.watch.close()
	}
	if p.stdin != nil {
		_ = p.stdin.Close() // nobody reads it any more
	}
	p.session.close()
	p.watch, p.stdin, p.session, p.child, p.ticks = nil, nil, nil, nil, 0
}

// stdinTimeout bounds writing to a program that does not read.
const stdinTimeout = time.Second

// write sends text to the standard input of the program.
func (p *process) write(text string) error {
	if p.stdin == nil {
		return errors.New("no standard input")
	}
	// A file that has no deadline is a pipe of an adopted process; it is not blocking.
	_ = p.stdin.SetWriteDeadline(time.Now().Add(stdinTimeout))
	_, err := p.stdin.WriteString(text)
	return err
}
