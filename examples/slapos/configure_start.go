package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/slapos/slapos-go/internal/configparser"
	"github.com/slapos/slapos-go/slapgrid"
)

// How long a master that the supervisor starts is waited for.
const (
	masterWait  = 30 * time.Second
	masterPause = 100 * time.Millisecond
)

// checkAddress makes sure that the master will be able to listen.
func (s *localSetup) checkAddress(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.address())
	if err != nil {
		return fmt.Errorf("the master cannot listen on %s, choose another --daemon-listen-ip or --daemon-listen-port: %w",
			s.address(), err)
	}
	return listener.Close()
}

// address is where the master listens.
func (s *localSetup) address() string { return net.JoinHostPort(strings.Trim(s.Host, "[]"), s.Port) }

// prepareLocal writes what depends on the node's configuration, and makes the
// directories and what the supervisor needs.
func (a *app) prepareLocal(ctx context.Context, s *localSetup, config string) (*slapgrid.Node, error) {
	file, err := configparser.Load(config)
	if err != nil {
		return nil, err
	}
	if err := s.writeMaster(file); err != nil {
		return nil, err
	}
	if err := s.makeSoftwareRoot(); err != nil {
		return nil, err
	}
	// The master is not up yet: only that it cannot be told is as it should be.
	var said bytes.Buffer
	err = a.formatLocal(ctx, s, config, &said)
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != exitUsage) {
		return nil, fmt.Errorf("%w\n%s", err, strings.TrimSpace(said.String()))
	}
	if err := a.linkClient(config); err != nil {
		return nil, err
	}
	return a.supervisorNode(file)
}

// startLocal starts the supervisor with the master and registers the computer at it.
func (a *app) startLocal(ctx context.Context, s *localSetup, config string, node *slapgrid.Node) error {
	if err := node.EnsureSupervisor(ctx); err != nil {
		return err
	}
	if err := waitMaster(ctx, s); err != nil {
		return err
	}
	if err := a.formatLocal(ctx, s, config, a.stderr); err != nil {
		return fmt.Errorf("the master runs but does not know this node yet; what to do once the reason is mended: "+
			"%s node format --now --cfg %s: %w", s.Program, config, err)
	}
	return nil
}

// waitMaster waits until the master that the supervisor starts accepts connections.
func waitMaster(ctx context.Context, s *localSetup) error {
	waiting, cancel := context.WithTimeout(ctx, masterWait)
	defer cancel()
	for {
		connection, err := new(net.Dialer).DialContext(waiting, "tcp", s.address())
		if err == nil {
			return connection.Close()
		}
		if sleep(waiting, masterPause) == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("the master does not answer on %s (see %s/log/slapos-proxy.log): %w", s.address(), s.BuildoutDirectory, err)
	}
}

// formatLocal runs "node format" as a program of its own.
func (a *app) formatLocal(ctx context.Context, s *localSetup, config string, output io.Writer) error {
	command := exec.CommandContext(ctx, s.Program, "node", "format", "--now", "--cfg", config)
	command.Env, command.Stdout, command.Stderr = a.env, output, output
	err := command.Run()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("%s node format: %w", s.Program, err)
	}
	return nil
}

// linkClient lets the client commands of this user find the node's configuration.
func (a *app) linkClient(config string) error {
	directory := a.expandHome("~/.slapos")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	link := filepath.Join(directory, "slapos-client.cfg")
	err := os.Symlink(config, link)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
