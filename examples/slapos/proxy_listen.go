package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/internal/systemd"
)

// listen returns what the proxy listens on: the sockets of the service manager if
// it passed any, else a Unix socket or a port.
func (a *app) listen(ctx context.Context, s *proxySettings) ([]net.Listener, error) {
	inherited, err := systemd.Listeners(a.env, os.Getpid())
	if err != nil || len(inherited) > 0 {
		s.inherited = inherited
		return inherited, err
	}
	var l net.Listener
	if path, ok := s.socket(); ok {
		l, err = listenUnix(ctx, a.expandHome(path), s.socketMode)
	} else {
		l, err = s.listenTCP(ctx)
	}
	if err != nil {
		return nil, err
	}
	return []net.Listener{l}, nil
}

// socket is the path of the Unix socket that host names.
func (s *proxySettings) socket() (path string, ok bool) { return strings.CutPrefix(s.host, "unix:") }

func (s *proxySettings) listenTCP(ctx context.Context) (net.Listener, error) {
	port, err := strconv.Atoi(s.port)
	if err != nil || port < 0 || port > 65535 {
		return nil, documented("invalid literal for int() with base 10: '%s'\n"+
			"port (--port) must be a number from 0 to 65535", s.port)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(s.address(), strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s port %d, choose others with --host and --port or in the configuration: %w",
			s.address(), port, err)
	}
	return l, nil
}

// reachedBy are the addresses by which callers reach the proxy.
func (s *proxySettings) reachedBy() (hosts []string) {
	if _, ok := s.socket(); ok && len(s.inherited) == 0 {
		return nil
	}
	if len(s.inherited) == 0 {
		return []string{s.address()}
	}
	for _, l := range s.inherited {
		if address, ok := l.Addr().(*net.TCPAddr); ok {
			hosts = append(hosts, address.IP.String())
		}
	}
	return hosts
}

// urlOf names a listener to people.
func urlOf(l net.Listener, encrypted bool) string {
	switch {
	case l.Addr().Network() == "unix":
		return "unix:" + l.Addr().String()
	case encrypted:
		return "https://" + l.Addr().String()
	}
	return "http://" + l.Addr().String()
}

// unixListener removes its socket when it is closed, unless it was replaced.
type unixListener struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

func (l *unixListener) Addr() net.Addr { return &net.UnixAddr{Name: l.path, Net: "unix"} }

func (l *unixListener) Close() error {
	err := l.UnixListener.Close()
	if now, statErr := os.Lstat(l.path); statErr == nil && os.SameFile(now, l.file) {
		err = errors.Join(err, os.Remove(l.path))
	}
	return err
}

// listenUnix listens on a socket with a mode (empty: 0600), and takes the place of
// one that nobody listens on. The socket is made in a directory of this user, so
// that it is there with its mode or not at all.
func listenUnix(ctx context.Context, path, modeText string) (l net.Listener, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot listen on the Unix socket %s: %w", path, err)
		}
	}()
	mode, err := socketMode(modeText)
	if err != nil {
		return nil, err
	}
	if err := unused(ctx, path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	made := filepath.Join(dir, "s")
	opened, err := new(net.ListenConfig).Listen(ctx, "unix", made)
	if err != nil {
		return nil, err
	}
	unix := opened.(*net.UnixListener)
	unix.SetUnlinkOnClose(false)
	file, err := os.Lstat(made)
	if err == nil {
		err = os.Chmod(made, mode)
	}
	if err == nil {
		err = os.Rename(made, path)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close())
	}
	return &unixListener{unix, path, file}, nil
}

func socketMode(text string) (fs.FileMode, error) {
	if text == "" {
		return 0o600, nil
	}
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode > 0o777 {
		return 0, fmt.Errorf("socket_mode is %q, not a mode such as 0660", text)
	}
	return fs.FileMode(mode), nil
}

// unused refuses a path that is no socket, or one that somebody listens on.
func unused(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("there is something else of that name")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil //nolint:nilerr // nobody listens
	}
	return errors.Join(errors.New("another program listens on it"), conn.Close())
}
