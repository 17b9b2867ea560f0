package slapformat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/slapos/slapos-go/slap"
)

// ErrOffline is wrapped by the error of Format about a computer that is
// prepared but that the master could not be told of. Format again later.
var ErrOffline = errors.New("the computer is prepared, but the master could not be told")

// Options change how Format works. The zero value is usable.
type Options struct {
	// DryRun prints the plan to Out and does nothing.
	DryRun bool
	// Out receives the plan of a dry run; nil drops it.
	Out io.Writer
	// Logger is told what is done; nil means silence.
	Logger *slog.Logger
	// Client talks to the master; nil makes one from the configuration.
	Client *slap.Client
	// Host is the machine; nil means the local one.
	Host Host
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Host == nil {
		o.Host = Local()
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// Format prepares the computer that the configuration describes and tells the
// master about it. An error that is ErrOffline means that only the latter
// failed. It can be called again at any time, also after it was interrupted.
func Format(ctx context.Context, cfg Config, o Options) error {
	o = o.withDefaults()
	c, err := Load(cfg)
	if err != nil {
		return err
	}
	if o.Client == nil {
		// Made first, though used last: a configuration that it cannot be made
		// from changes nothing.
		if o.Client, err = newClient(cfg, o.Logger); err != nil {
			return err
		}
		defer o.Client.CloseIdleConnections()
	}
	warnOfRoots(o.Logger, cfg, c)
	o.Logger.InfoContext(ctx, "Updating computer")
	found, err := Inspect(ctx, o.Host, cfg, c)
	if err != nil {
		return err
	}
	plan, err := NewPlan(cfg, c, found, o.Clock())
	if err != nil {
		return err
	}
	if o.DryRun {
		return plan.Print(o.Out)
	}
	err = plan.Apply(ctx, o.Host, func(s Step) {
		o.Logger.DebugContext(ctx, s.Command(), "reason", s.Reason)
	})
	if err != nil {
		return err
	}
	if err := post(ctx, c, o); err != nil {
		return fmt.Errorf("%w: %w", ErrOffline, err)
	}
	o.Logger.InfoContext(ctx, "slapos successfully prepared the computer.")
	return nil
}

// warnOfRoots tells that the state file wins over the configuration.
func warnOfRoots(log *slog.Logger, cfg Config, c *Computer) {
	for _, root := range []struct{ key, wanted, used string }{
		{"software_root", cfg.SoftwareRoot, c.SoftwareRoot}, {"instance_root", cfg.InstanceRoot, c.InstanceRoot},
	} {
		if root.wanted != root.used {
			log.Warn("the state file says otherwise than the configuration and wins; remove it to change this",
				"key", root.key, "configuration", root.wanted, "used", root.used, "state file", cfg.ComputerXML)
		}
	}
}

// post tells the master about the computer.
func post(ctx context.Context, c *Computer, o Options) error {
	xml, err := c.MarshalWire()
	if err != nil {
		return err
	}
	o.Logger.InfoContext(ctx, fmt.Sprintf("Posting information to '%s'", o.Client.URL()))
	err = o.Client.Computer(c.Reference).UpdateConfiguration(ctx, xml)
	if errors.Is(err, slap.ErrNotFound) {
		return fmt.Errorf("the master does not know this node, or computer_id (%s) and certificates do not match: %w", c.Reference, err)
	}
	return err
}

func newClient(cfg Config, log *slog.Logger) (*slap.Client, error) {
	options := []slap.Option{slap.WithLogger(log)}
	if cfg.KeyFile != "" {
		options = append(options, slap.WithKeyPair(cfg.CertFile, cfg.KeyFile))
	}
	if cfg.MasterCAFile != "" {
		options = append(options, slap.WithCAFile(cfg.MasterCAFile))
	}
	if cfg.SkipMasterVerification {
		options = append(options, slap.WithoutVerification())
	}
	return slap.New(cfg.MasterURL, options...)
}
