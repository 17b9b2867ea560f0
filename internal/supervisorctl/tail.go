package supervisorctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/internal/supervise/client"
	"github.com/slapos/slapos-go/internal/xmlrpc"
)

// tailBytes is how much tail shows by default.
const tailBytes = 1600

// modifiers takes -f or -N off the arguments of tail.
func modifiers(args []string) (rest []string, follow bool, count int, err error) {
	count = tailBytes
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "-f" {
			follow = true
		} else if count, err = strconv.Atoi(args[0][1:]); err != nil || count < 0 {
			return nil, false, 0, complaint("Error: bad argument " + args[0])
		}
		args = args[1:]
	}
	return args, follow, count, nil
}

func (s *session) tail(ctx context.Context, args []string) error {
	args, follow, count, err := modifiers(args)
	if err != nil {
		return err
	}
	channel := client.Stdout
	switch {
	case len(args) == 0:
		return &usageError{text: "too few arguments"}
	case len(args) > 2:
		return &usageError{text: "too many arguments"}
	case len(args) == 2 && strings.EqualFold(args[1], "stderr"):
		channel = client.Stderr
	case len(args) == 2 && !strings.EqualFold(args[1], "stdout"):
		return complaint(fmt.Sprintf("Error: bad channel '%s'", strings.ToLower(args[1])))
	}
	if follow {
		return s.follow(ctx, args[0], func() (io.ReadCloser, error) { return s.client.FollowProcessLog(ctx, args[0], channel) })
	}
	text, err := s.client.ReadProcessLog(ctx, args[0], channel, -count, 0)
	if code := fault(err); code != 0 && code != client.FaultShutdownState {
		s.tailFault(args[0], code)
		return nil
	}
	if err == nil {
		fmt.Fprintln(s.out, text)
	}
	return err
}

func (s *session) tailFault(name string, code int) {
	text := "unknown reason code " + strconv.Itoa(code)
	switch code {
	case client.FaultNoFile:
		text = "no log file"
	case client.FaultFailed:
		text = "unknown error reading log"
	case client.FaultBadName:
		text = "no such process name"
	}
	fmt.Fprintf(s.out, "%s: ERROR (%s)\n", name, text)
	s.fail(exitGeneric)
}

// foreground follows a process. Unlike the real command it sends it nothing.
func (s *session) foreground(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0:
		return complaint("ERROR: no process name supplied")
	case len(args) > 1:
		return complaint("ERROR: too many process names supplied")
	}
	info, err := s.client.ProcessInfo(ctx, args[0])
	switch {
	case client.IsFault(err, client.FaultBadName):
		return complaint("ERROR: bad process name supplied")
	case err != nil:
		return err
	case info.State != client.Running:
		return complaint("ERROR: process not running")
	}
	return s.follow(ctx, args[0], func() (io.ReadCloser, error) { return s.client.FollowProcessLog(ctx, args[0], client.Stdout) })
}

func (s *session) mainTail(ctx context.Context, args []string) error {
	args, follow, count, err := modifiers(args)
	if err != nil {
		return err
	}
	if len(args) > 0 {
		return complaint("Error: bad argument " + args[0])
	}
	if follow {
		return s.follow(ctx, "supervisord", func() (io.ReadCloser, error) { return s.client.FollowMainLog(ctx) })
	}
	text, err := s.client.ReadMainLog(ctx, -count, 0)
	if code := fault(err); code != 0 && code != client.FaultShutdownState {
		s.tailFault("supervisord", code)
		return nil
	}
	if err == nil {
		fmt.Fprintln(s.out, text)
	}
	return err
}

// follow prints a log until it or the context ends.
func (s *session) follow(ctx context.Context, name string, open func() (io.ReadCloser, error)) error {
	body, err := open()
	if status, ok := errors.AsType[*xmlrpc.StatusError](err); ok {
		code := client.FaultNoFile
		if status.Status == http.StatusNotFound {
			code = client.FaultBadName
		}
		s.tailFault(name, code)
		return nil
	}
	if err != nil {
		return err
	}
	defer body.Close()
	fmt.Fprintln(s.out, "==> Press Ctrl-C to exit <==")
	_, err = io.Copy(s.out, body)
	if ctx.Err() != nil {
		fmt.Fprintln(s.out)
		return nil
	}
	return err
}
