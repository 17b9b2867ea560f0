// Package systemd is what a service says to the service manager, and gets from it:
// sockets that the manager opened (sd_listen_fds(3)), readiness and the watchdog
// (sd_notify(3)). Everything is read from an environment that the caller passes.
package systemd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Messages of Notify.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Watchdog = "WATCHDOG=1"
)

const (
	// firstDescriptor is the descriptor of the first socket.
	firstDescriptor = 3
	// maxSockets bounds the sockets: more are a mistake in the environment.
	maxSockets = 64
	// maxWatchdog is the longest time of the watchdog, in microseconds: a century.
	maxWatchdog = 100 * 366 * 24 * 3600 * 1_000_000
)

// variable returns the value of a variable, empty if it is not set.
func variable(environ []string, name string) string {
	for i := len(environ) - 1; i >= 0; i-- {
		if value, ok := strings.CutPrefix(environ[i], name+"="); ok {
			return value
		}
	}
	return ""
}

// Listeners returns the sockets that the manager opened for the process pid, which
// is this one: none if LISTEN_FDS is not set, or LISTEN_PID names another process.
// They can be taken once only. It fails if one of them does not listen to
// connections.
func Listeners(environ []string, pid int) ([]net.Listener, error) {
	return listeners(environ, pid, firstDescriptor)
}

func listeners(environ []string, pid, first int) ([]net.Listener, error) {
	if variable(environ, "LISTEN_PID") != strconv.Itoa(pid) {
		return nil, nil
	}
	count, err := strconv.Atoi(variable(environ, "LISTEN_FDS"))
	if err != nil || count < 0 || count > maxSockets {
		return nil, fmt.Errorf("LISTEN_FDS is %q, not a number up to %d", variable(environ, "LISTEN_FDS"), maxSockets)
	}
	var all []net.Listener
	var errs []error
	for fd := first; fd < first+count; fd++ {
		l, err := listener(fd)
		if err != nil {
			errs = append(errs, fmt.Errorf("socket %d of the service manager: %w", fd, err))
			continue
		}
		all = append(all, l)
	}
	if len(errs) > 0 {
		for _, l := range all {
			errs = append(errs, l.Close())
		}
		return nil, errors.Join(errs...)
	}
	return all, nil
}

// listener takes one descriptor over; children do not inherit it.
func listener(fd int) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), "socket "+strconv.Itoa(fd))
	if file == nil {
		return nil, os.ErrInvalid
	}
	l, err := net.FileListener(file)
	return l, errors.Join(err, file.Close())
}

// Notify sends a message to the manager: to the socket NOTIFY_SOCKET, a path or,
// with a leading @, an abstract name. Without that variable it does nothing.
func Notify(ctx context.Context, environ []string, message string) error {
	name := variable(environ, "NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if name[0] != '/' && name[0] != '@' {
		return fmt.Errorf("NOTIFY_SOCKET is %q, neither a path nor an abstract name", name)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unixgram", name)
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer conn.Close()
	// A manager that reads nothing does not hold the service up.
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	if _, err := conn.Write([]byte(message)); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}

// WatchdogPeriod returns how often the manager wants to hear from the process pid,
// half of the time after which it ends it; zero if it does not.
func WatchdogPeriod(environ []string, pid int) (time.Duration, error) {
	text := variable(environ, "WATCHDOG_USEC")
	if text == "" {
		return 0, nil
	}
	if of := variable(environ, "WATCHDOG_PID"); of != "" && of != strconv.Itoa(pid) {
		return 0, nil
	}
	limit, err := strconv.ParseInt(text, 10, 64)
	if err != nil || limit <= 0 || limit > maxWatchdog {
		return 0, fmt.Errorf("WATCHDOG_USEC is %q, not a time in microseconds", text)
	}
	return max(time.Duration(limit)*time.Microsecond/2, time.Millisecond), nil
}
