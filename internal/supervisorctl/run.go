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
	"net/http"
	"os"
	"strings"
	"syscall"

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
	exitOK         = 0
	exitGeneric    = 1
	exitUsage      = 2
	exitNotRunning = 3 // status: a process does not run
	exitUnknown    = 4 // status: no such name, or no daemon
	exitRefused    = 4 // nobody listens on the socket
	exitDead       = 7 // no socket, or a process that ended
)

// session is one run.
type session struct {
	client *client.Client
	url    string
	out    io.Writer
	code   int
	ask    func(question string) bool // asks the user before something serious; nil: do it
	leave  bool                       // quit was typed
}

// Run executes one command line and returns the exit status.
func Run(ctx context.Context, o Options, args []string) int {
	out := &printer{w: o.Stdout}
	code := run(ctx, o, args, out)
	if out.err != nil && ctx.Err() == nil {
		fmt.Fprintln(o.Stderr, "Error:", out.err)
		if code == exitOK {
			code = exitGeneric // what was printed is not all
		}
	}
	return code
}

// printer keeps the first error of writing.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) Write(text []byte) (int, error) {
	n, err := p.w.Write(text)
	if p.err == nil {
		p.err = err
	}
	return n, err
}

func run(ctx context.Context, o Options, args []string, out io.Writer) int {
	s := &session{url: o.ServerURL, out: out}
	var options []client.Option
	var err error
	if s.url == "" {
		s.url, options, err = readConfig(o.ConfigFile)
	}
	if err == nil {
		s.client, err = client.NewURL(s.url, options...)
	}
	if err != nil {
		fmt.Fprintln(o.Stderr, "Error:", err)
		return exitUsage
	}
	defer func() { s.client.Close() }() // open may have replaced it
	if len(args) == 0 {
		return s.interactive(ctx, o.Stdin)
	}
	s.execute(ctx, args)
	return s.code
}

// readConfig reads the address of the daemon, and who to be there, from a supervisord.conf.
func readConfig(path string) (url string, options []client.Option, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, fmt.Errorf("could not find config file %s", path)
	}
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	file, err := configparser.Parse(f, path)
	if err != nil {
		return "", nil, err
	}
	const section = "supervisorctl"
	if url, err = file.Get(section, "serverurl"); err != nil {
		return "", nil, err
	}
	user, errUser := file.Get(section, "username")
	password, errPassword := file.Get(section, "password")
	if errUser == nil && errPassword == nil {
		options = append(options, client.WithUser(user, password))
	}
	return url, options, nil
}

// interactive reads commands from a terminal or a file, after the list of
// processes.
func (s *session) interactive(ctx context.Context, in io.Reader) int {
	s.execute(ctx, []string{"status"})
	if in == nil {
		return exitOK
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	lines := reading(waiting, in)
	s.ask = func(question string) bool {
		fmt.Fprint(s.out, question+" y/N? ")
		answer, ok := next(ctx, lines)
		return ok && strings.HasPrefix(strings.ToLower(answer), "y")
	}
	for !s.leave && ctx.Err() == nil {
		fmt.Fprint(s.out, "supervisor> ")
		line, ok := next(ctx, lines)
		if !ok {
			fmt.Fprintln(s.out)
			break
		}
		if words := strings.Fields(line); len(words) > 0 {
			s.execute(ctx, words)
		}
	}
	return exitOK
}

// reading reads lines one at a time. Reading from a terminal cannot be
// interrupted, so that it is left behind when ctx ends.
func reading(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// next returns the next line, and false at the end of the input or of ctx.
func next(ctx context.Context, lines <-chan string) (string, bool) {
	select {
	case line, ok := <-lines:
		return line, ok
	case <-ctx.Done():
		return "", false
	}
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
		"help":     {"[command...]", "list the commands, or tell how to use some", nil},
		"quit":     {"", "leave", nil},
		"exit":     {"", "leave", nil},
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
	if !ok || v.do == nil {
		fmt.Fprintf(s.out, "*** Unknown syntax: %s\n", strings.Join(words, " "))
		s.fail(exitGeneric)
		return
	}
	err := error(nil)
	if v.usage == "" && len(args) > 0 {
		err = &usageError{text: name + " accepts no arguments"}
	} else {
		err = v.do(s, ctx, args)
	}
	if err != nil {
		s.report(name, err)
	}
}

// fail sets the exit status; the last one counts, as in the real command.
func (s *session) fail(code int) { s.code = code }

// report prints an error that ended a command.
func (s *session) report(name string, err error) {
	code := exitGeneric
	status, isStatus := errors.AsType[*xmlrpc.StatusError](err)
	usage, isUsage := errors.AsType[*usageError](err)
	plain, isPlain := errors.AsType[complaint](err)
	switch {
	case isPlain:
		fmt.Fprintln(s.out, plain)
	case isUsage:
		fmt.Fprintf(s.out, "Error: %s\n", usage.text)
		s.help([]string{name})
		if name == "start" { // Compat: only this verb has the status of init scripts
			code = exitUsage
		}
	case client.IsFault(err, client.FaultShutdownState):
		fmt.Fprintln(s.out, "ERROR: already shutting down")
	case isStatus && status.Status == http.StatusUnauthorized:
		fmt.Fprintln(s.out, "Server requires authentication")
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(s.out, "%s no such file\n", s.url)
		code = exitDead
	case errors.Is(err, syscall.ECONNREFUSED):
		fmt.Fprintf(s.out, "%s refused connection\n", s.url)
		code = exitRefused
	default:
		fmt.Fprintf(s.out, "error: %v\n", err)
	}
	if name == "status" {
		code = exitUnknown
	}
	s.fail(code)
}

// complaint is an error that is printed as it is, and gives exit status 1.
type complaint string

func (c complaint) Error() string { return string(c) }

// usageError is a command line that cannot be understood; the usage is printed too.
type usageError struct {
	text string
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
