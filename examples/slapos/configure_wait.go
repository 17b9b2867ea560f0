package main

import (
	"context"
	"fmt"
	"net"
	"time"
)

// How long a master that the supervisor starts is waited for.
const (
	masterWait  = 30 * time.Second
	masterPause = 100 * time.Millisecond
)

// waitMaster waits until the master that the supervisor starts accepts connections.
func (a *app) waitMaster(ctx context.Context, s *localSetup) error {
	ctx, cancel := context.WithTimeout(ctx, masterWait)
	defer cancel()
	address := net.JoinHostPort(s.Host, s.Port)
	for {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return connection.Close()
		}
		if waitErr := sleep(ctx, masterPause); waitErr != nil {
			return fmt.Errorf("the master does not answer on %s (see %s/log/slapos-proxy.log): %w", address, s.BuildoutDirectory, err)
		}
	}
}
