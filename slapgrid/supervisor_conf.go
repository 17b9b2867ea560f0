package slapgrid

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// ini writes an INI file section by section, in the order of the calls.
type ini struct{ bytes.Buffer }

func (f *ini) section(name string, pairs ...string) {
	fmt.Fprintf(f, "[%s]\n", name)
	for i := 0; i+1 < len(pairs); i += 2 {
		// Continuation lines start with a tab, as Python writes them.
		fmt.Fprintf(f, "%s = %s\n", pairs[i], strings.ReplaceAll(pairs[i+1], "\n", "\n\t"))
	}
	f.WriteByte('\n')
}

func (n *Node) supervisorPath(name ...string) string {
	return filepath.Join(append([]string{n.cfg.InstanceRoot}, name...)...)
}

func (n *Node) supervisorConf() string { return n.supervisorPath("etc", "supervisord.conf") }

func (n *Node) groupConf(group string) string {
	return n.supervisorPath("etc", "supervisord.conf.d", group+".conf")
}

// socketPath is the socket of the daemon: the old name if a daemon of an old
// installation uses it.
func (n *Node) socketPath() string {
	legacy := n.supervisorPath("supervisord.socket")
	if _, err := os.Lstat(legacy); err == nil {
		return legacy
	}
	return n.supervisorPath("sv.sock")
}

// watchdogCommand is the command line of the event listener, empty if there is
// no program for it.
func (n *Node) watchdogCommand() string {
	if n.cfg.WatchdogProgram == "" {
		return ""
	}
	repository := ""
	if n.cfg.CertificateRepository != "" {
		repository = fmt.Sprintf(" --certificate-repository-path '%s'", n.cfg.CertificateRepository)
	}
	return fmt.Sprintf("%s --master-url '%s' %s --computer-id '%s' --instance-root '%s'",
		n.cfg.WatchdogProgram, n.cfg.MasterURL, repository, n.cfg.ComputerID, n.cfg.InstanceRoot)
}

// writeSupervisorConf makes the directories of the daemon and its
// configuration; what is right already is not touched.
func (n *Node) writeSupervisorConf(watchdog string) error {
	directories := []struct {
		name string
		mode fs.FileMode
	}{
		{"etc", 0o700}, {"etc/supervisord.conf.d", 0o700},
		{"var", 0o755}, {"var/log", 0o700}, {"var/run", 0o700},
	}
	for _, d := range directories {
		if err := forceDirectory(n.supervisorPath(d.name), d.mode); err != nil {
			return err
		}
	}
	socket := n.socketPath()
	var f ini
	f.section("rpcinterface:supervisor",
		"supervisor.rpcinterface_factory", "supervisor.rpcinterface:make_main_rpcinterface")
	f.section("include", "files", n.groupConf("*"))
	f.section("supervisorctl", "serverurl", "unix://"+socket)
	f.section("supervisord",
		"loglevel", "info",
		"logfile", n.supervisorPath("var", "log", "supervisord.log"),
		"logfile_maxbytes", "50MB",
		"nodaemon", "false",
		"pidfile", n.supervisorPath("var", "run", "supervisord.pid"),
		"logfile-backups", "10")
	f.section("unix_http_server", "file", socket, "chmod", "0700")
	// Without a command too: the agent of the reference relies on the section.
	f.section("eventlistener:watchdog",
		"command", escapePercent(watchdog),
		"events", "PROCESS_STATE_EXITED, PROCESS_STATE_FATAL")
	_, err := atomicfile.WriteIfChanged(n.supervisorConf(), f.Bytes(), 0o600)
	return err
}

// escapePercent keeps the daemon from expanding what looks like %(name)s.
func escapePercent(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// forceDirectory makes a directory and gives it its mode, whatever it had.
func forceDirectory(path string, mode fs.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm() == mode {
		return nil
	}
	if err := os.Chmod(path, mode); err != nil {
		return compatf("Wrong permissions in %s: is 0%o, should be 0%o", path, info.Mode().Perm(), mode)
	}
	return nil
}
