// Package supervisorctl is the command line client of a supervisor daemon,
// with the verbs, output lines and exit codes of the real supervisorctl
// (cli.md section 1.7).
package supervisorctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/slapos/slapos-go/internal/configparser"
	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/xmlrpc"
)

// Options tell Run which daemon to talk to and where to print.
type Options struct {
	// ConfigFile is a supervisord.conf; its [supervisorctl] serverurl is used
	// when ServerURL is empty.
	ConfigFile string
	// ServerURL is the daemon: unix://<socket> or http://<host>:<port>.
	ServerURL string
	// Stdin is read when there are no arguments (interactive mode). Nil: no input.
	Stdin io.Reader
	// Stdout receives answers, errors included, as with the real one. Required.
	Stdout io.Writer
	// Stderr receives messages about unusable options. Required.
	Stderr io.Writer
}

// Exit statuses, those of init scripts.
const (
	exitOK             = 0
	exitGeneric        = 1
	exitUsage          = 2
	exitNotRunning     = 3 // status only
	exitUnknown        = 4 // status only
	exitFailedToAct    = 7
	exitStatusNoDaemon = exitUnknown
)

// session is one run.
type session struct {
	client *client.Client
	url    string
	out    io.Writer
	code   int
	leave  bool // quit was typed
}

// Run executes one command line and returns the exit status.
func Run(ctx context.Context, o Options, args []string) int {
	url := o.ServerURL
	if url == "" {
		var err error
		if url, err = serverURL(o.ConfigFile); err != nil {
			fmt.Fprintln(o.Stderr, "Error:", err)
			return exitUsage
		}
	}
	c, err := client.NewURL(url)
	if err != nil {
		fmt.Fprintln(o.Stderr, "Error:", err)
		return exitUsage
	}
	defer c.Close()
	s := &session{client: c, url: url, out: o.Stdout}
	if len(args) == 0 {
		return s.interactive(ctx, o.Stdin)
	}
	s.execute(ctx, args)
	return s.code
}

// serverURL reads the address of the daemon from a supervisord.conf.
func serverURL(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("could not find config file %s", path)
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	file, err := configparser.Parse(f, path)
	if err != nil {
		return "", err
	}
	return file.Get("supervisorctl", "serverurl")
}

// interactive reads commands from a terminal or a file, after the list of
// processes.
func (s *session) interactive(ctx context.Context, in io.Reader) int {
	s.execute(ctx, []string{"status"})
	if in == nil {
		return exitOK
	}
	lines := bufio.NewScanner(in)
	for !s.leave {
		fmt.Fprint(s.out, "supervisor> ")
		if !lines.Scan() {
			fmt.Fprintln(s.out)
			break
		}
		if words := strings.Fields(lines.Text()); len(words) > 0 {
			s.execute(ctx, words)
		}
	}
	return exitOK
}

// verb is one command.
type verb struct {
	usage string // arguments
	help  string
	do    func(s *session, ctx context.Context, args []string) error
}

func verbs() map[string]verb {
	return map[string]verb{
		"status":   {"[name...]", "list processes", (*session).status},
		"start":    {"name...", "start processes; group: or group:* for a group, all for all", (*session).start},
		"stop":     {"name...", "stop processes", (*session).stop},
		"restart":  {"name...", "stop and start processes", (*session).restart},
		"signal":   {"signal name...", "send a signal to processes", (*session).signal},
		"pid":      {"[name...]", "process id of the daemon or of processes; all for all", (*session).pid},
		"tail":     {"[-f] [-N] name [stdout|stderr]", "end of the output of a process", (*session).tail},
		"maintail": {"[-f] [-N]", "end of the log of the daemon", (*session).mainTail},
		"clear":    {"name...", "empty the logs of processes; all for all", (*session).clear},
		"fg":       {"name", "follow the output of a process", (*session).foreground},
		"avail":    {"", "list configured processes", (*session).avail},
		"reread":   {"", "read the configuration again and tell what changed", (*session).reread},
		"update":   {"[group...]", "read the configuration again and apply what changed", (*session).update},
		"add":      {"group...", "load groups", (*session).add},
		"remove":   {"group...", "forget groups that are stopped", (*session).remove},
		"shutdown": {"", "end the daemon", (*session).shutdown},
		"reload":   {"", "begin the daemon again", (*session).reload},
		"version":  {"", "version of the daemon", (*session).version},
		"open":     {"url", "talk to another daemon", (*session).open},
	}
}

// execute runs one command and sets the exit status.
func (s *session) execute(ctx context.Context, words []string) {
	name, args := words[0], words[1:]
	switch name {
	case "help", "?":
		s.help(args)
		return
	case "quit", "exit":
		s.leave = true
		return
	}
	v, ok := verbs()[name]
	if !ok {
		fmt.Fprintf(s.out, "*** Unknown syntax: %s\n", strings.Join(words, " "))
		s.fail(exitGeneric)
		return
	}
	if err := v.do(s, ctx, args); err != nil {
		s.report(name, err)
	}
}

// fail sets the exit status; the last one counts, as in the real command.
func (s *session) fail(code int) { s.code = code }

// report prints an error that ended a command.
func (s *session) report(name string, err error) {
	code := exitFailedToAct
	if name == "status" {
		code = exitStatusNoDaemon
	}
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(s.out, "Error: %s\n", usage.text)
		s.help([]string{name})
		code = exitUsage
		if usage.code != 0 {
			code = usage.code
		}
	case client.IsFault(err, client.FaultShutdownState):
		fmt.Fprintln(s.out, "ERROR: already shutting down")
		code = exitGeneric
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(s.out, "%s no such file\n", s.url)
	case isDial(err):
		fmt.Fprintf(s.out, "%s refused connection\n", s.url)
	default:
		fmt.Fprintf(s.out, "error: %v\n", err)
		code = exitGeneric
	}
	s.fail(code)
}

func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// usageError is a command line that cannot be understood.
type usageError struct {
	text string
	code int // exitUsage if 0
}

func (e *usageError) Error() string { return e.text }

// help prints the commands, or the usage of some.
func (s *session) help(names []string) {
	all := verbs()
	if len(names) == 0 {
		fmt.Fprintln(s.out, "\nCommands:")
		names = sortedNames(all)
	}
	for _, name := range names {
		v, ok := all[name]
		if !ok {
			fmt.Fprintf(s.out, "*** No help on %s\n", name)
			s.fail(exitGeneric)
			continue
		}
		fmt.Fprintf(s.out, "%s\t%s\n", strings.TrimSpace(name+" "+v.usage), v.help)
	}
}

// fault returns the code of a fault, 0 if err is none.
func fault(err error) int {
	if f, ok := errors.AsType[*xmlrpc.Fault](err); ok {
		return f.Code
	}
	return 0
}
