package slap_test

import (
	"context"
	"testing"

	"github.com/slapos/slapos-go/slap"
)

// again tells what comes of making a call again, in the words of the section
// "Repeating calls" of the package documentation.
type again string

const (
	reads   again = "reads"   // changes nothing
	same    again = "same"    // the state is that after one call
	refused again = "refused" // so it is, but the master answers ErrNotFound
	adds    again = "adds"    // a master may keep both
)

// operation is a function of this package that calls the master.
type operation struct {
	again again
	do    func(ctx context.Context, t *testing.T, r *rig) error
	// blind tells that the answer has nothing that is looked at, and empty that
	// it has nothing at all.
	blind, empty bool
	// here is what comes of it at the stand-alone master, if that differs.
	here again
	// undo makes a master as it was; without it, another is made.
	undo func(r *rig)
}

func (o operation) kindHere() again {
	if o.here != "" {
		return o.here
	}
	return o.again
}

// callsNothing are functions with a context that make no calls but those of
// others that have a row.
var callsNothing = map[string]string{
	"WaitReady":                "calls the function it is given",
	"RequestAll":               "Request of each",
	"WaitRequest":              "Request, repeated",
	"WaitRequestUntil":         "Request, repeated",
	"WaitConnectionParameters": "Request, repeated",
	"WaitRequestAll":           "Request of each, repeated",
	"Computer.Watch":           "Refresh, repeated",
}

func second[T any](_ T, err error) error { return err }

// operations has a row for each function that calls the master.
func operations() map[string]operation {
	type do = func(ctx context.Context, t *testing.T, r *rig) error
	read := func(f do) operation { return operation{again: reads, do: f} }
	change := func(f do) operation { return operation{again: same, do: f, blind: true} }
	on := func(f func(p *slap.ComputerPartition, ctx context.Context) error) do {
		return func(ctx context.Context, _ *testing.T, r *rig) error { return f(r.root, ctx) }
	}
	computer := func(f func(c *slap.Computer, ctx context.Context) error) do {
		return func(ctx context.Context, _ *testing.T, r *rig) error { return f(r.client.Computer("COMP-1"), ctx) }
	}
	client := func(f func(c *slap.Client, ctx context.Context) error) do {
		return func(ctx context.Context, _ *testing.T, r *rig) error { return f(r.client, ctx) }
	}
	release := func(f func(r *slap.SoftwareRelease, ctx context.Context) error) do {
		return func(ctx context.Context, _ *testing.T, r *rig) error { return f(r.release, ctx) }
	}
	// persons is with a HATEOAS interface that knows persons.
	persons := func(f func(c *slap.Client, ctx context.Context) error) do {
		return func(ctx context.Context, t *testing.T, r *rig) error {
			return f(r.newClient(t, slap.WithHateoasURL("http://localhost/persons")), ctx)
		}
	}
	wanted := slap.Request{SoftwareRelease: faultsRelease, Reference: "new", Parameters: slap.Parameters{"port": "80"}}
	published := slap.Parameters{"url": "http://[fd00::1]/"}

	return map[string]operation{
		"Client.ComputerPartition": read(client(func(c *slap.Client, ctx context.Context) error {
			return second(c.ComputerPartition(ctx, "COMP-1", "slappart0"))
		})),
		"Client.SoftwareReleasesOfProduct": read(client(func(c *slap.Client, ctx context.Context) error {
			return second(c.SoftwareReleasesOfProduct(ctx, "web"))
		})),
		"Client.SoftwareReleasesLike": read(client(func(c *slap.Client, ctx context.Context) error {
			return second(c.SoftwareReleasesLike(ctx, faultsRelease))
		})),
		"Client.SoftwareProduct": read(client(func(c *slap.Client, ctx context.Context) error {
			return second(c.SoftwareProduct(ctx, "web"))
		})),
		"Client.OpenOrders": read(client(func(c *slap.Client, ctx context.Context) error { return second(c.OpenOrders(ctx)) })),
		"Client.Computers":  read(client(func(c *slap.Client, ctx context.Context) error { return second(c.Computers(ctx)) })),
		"Client.HateoasURL": read(func(ctx context.Context, t *testing.T, r *rig) error {
			return second(r.newClient(t, slap.WithHateoasURL("")).HateoasURL(ctx))
		}),
		"Client.Me": read(persons(func(c *slap.Client, ctx context.Context) error { return second(c.Me(ctx)) })),
		"Client.TreeInstances": read(persons(func(c *slap.Client, ctx context.Context) error {
			return second(c.TreeInstances(ctx, "root"))
		})),
		"Client.SoftwareInstallations": read(persons(func(c *slap.Client, ctx context.Context) error {
			return second(c.SoftwareInstallations(ctx, "COMP-1"))
		})),
		"SoftwareRelease.News": read(persons(func(c *slap.Client, ctx context.Context) error {
			return second(c.SoftwareRelease(faultsRelease).OnComputer("COMP-1").News(ctx))
		})),
		"Client.Token": {again: adds, do: persons(func(c *slap.Client, ctx context.Context) error { return second(c.Token(ctx)) })},
		"PartitionFromEnvironment": read(func(ctx context.Context, _ *testing.T, r *rig) error {
			_, _, err := slap.PartitionFromEnvironment(ctx, []string{
				"SLAPOS_MASTER_URL=http://localhost/", "SLAPOS_COMPUTER_ID=COMP-1", "SLAPOS_PARTITION_ID=slappart0",
			}, slap.WithTransport(r.line))
			return err
		}),

		"OpenOrder.Request": {again: same, do: client(func(c *slap.Client, ctx context.Context) error {
			return second(c.OpenOrder().Request(ctx, wanted))
		})},
		"OpenOrder.Information": read(client(func(c *slap.Client, ctx context.Context) error {
			return second(c.OpenOrder().Information(ctx, "root"))
		})),
		"OpenOrder.RequestComputer": {again: same, do: client(func(c *slap.Client, ctx context.Context) error {
			return second(c.OpenOrder().RequestComputer(ctx, "my node"))
		})},
		"Supply.Supply": change(client(func(c *slap.Client, ctx context.Context) error {
			return c.Supply().Supply(ctx, faultsRelease+"?new", "COMP-1", slap.StateAvailable)
		})),

		"SoftwareRelease.Building":  change(release((*slap.SoftwareRelease).Building)),
		"SoftwareRelease.Available": change(release((*slap.SoftwareRelease).Available)),
		"SoftwareRelease.Destroyed": {again: refused, here: same, blind: true, do: release((*slap.SoftwareRelease).Destroyed)},
		"SoftwareRelease.ReportError": change(release(func(r *slap.SoftwareRelease, ctx context.Context) error {
			return r.ReportError(ctx, "no space left")
		})),
		"SoftwareRelease.Status": read(release(func(r *slap.SoftwareRelease, ctx context.Context) error { return second(r.Status(ctx)) })),

		"Computer.SoftwareReleases": read(computer(func(c *slap.Computer, ctx context.Context) error { return second(c.SoftwareReleases(ctx)) })),
		"Computer.Partitions":       read(computer(func(c *slap.Computer, ctx context.Context) error { return second(c.Partitions(ctx)) })),
		"Computer.Refresh":          read(computer((*slap.Computer).Refresh)),
		"Computer.Snapshot":         read(computer(func(c *slap.Computer, ctx context.Context) error { return second(c.Snapshot(ctx)) })),
		"Computer.Status":           read(computer(func(c *slap.Computer, ctx context.Context) error { return second(c.Status(ctx)) })),
		"Computer.Information": read(func(ctx context.Context, t *testing.T, r *rig) error {
			return second(r.newClient(t).Computer("COMP-1").Information(ctx))
		}),
		"Computer.News": read(func(ctx context.Context, t *testing.T, r *rig) error {
			return second(r.newClient(t).Computer("COMP-1").News(ctx))
		}),
		"Computer.ReportUsage": {again: adds, here: same, blind: true, do: computer(func(c *slap.Computer, ctx context.Context) error {
			return c.ReportUsage(ctx, []byte(usageReport))
		})},
		"Computer.UpdateConfiguration": change(computer(func(c *slap.Computer, ctx context.Context) error {
			return c.UpdateConfiguration(ctx, []byte(`<marshal><dictionary><string>reference</string><string>COMP-1</string>`+
				`<string>address</string><string>127.0.0.2</string><string>netmask</string><string>255.255.255.255</string>`+
				`<string>partition_list</string><list/></dictionary></marshal>`))
		})),
		"Computer.Bang": {again: adds, here: same, blind: true, do: computer(func(c *slap.Computer, ctx context.Context) error {
			return c.Bang(ctx, "help")
		})},
		"Computer.GenerateCertificate": {again: refused, undo: func(r *rig) { r.extras.set(false) }, do: computer(func(c *slap.Computer, ctx context.Context) error { return second(c.GenerateCertificate(ctx)) })},
		"Computer.RevokeCertificate": {again: refused, undo: func(r *rig) { r.extras.set(true) }, blind: true, do: func(ctx context.Context, _ *testing.T, r *rig) error {
			return r.client.Computer("COMP-1").RevokeCertificate(ctx)
		}},

		"ComputerPartition.Refresh": read(on((*slap.ComputerPartition).Refresh)),
		"ComputerPartition.Information": read(func(ctx context.Context, t *testing.T, r *rig) error {
			return second(r.newClient(t).PartitionReference("COMP-1", "slappart0").Information(ctx, "root"))
		}),
		"ComputerPartition.News": read(func(ctx context.Context, t *testing.T, r *rig) error {
			return second(r.newClient(t).PartitionReference("COMP-1", "slappart0").News(ctx))
		}),
		"ComputerPartition.Status":      read(on(func(p *slap.ComputerPartition, ctx context.Context) error { return second(p.Status(ctx)) })),
		"ComputerPartition.Certificate": read(on(func(p *slap.ComputerPartition, ctx context.Context) error { return second(p.Certificate(ctx)) })),
		"ComputerPartition.HostingIPAddresses": read(on(func(p *slap.ComputerPartition, ctx context.Context) error {
			return second(p.HostingIPAddresses(ctx))
		})),
		"ComputerPartition.Request": {again: same, do: on(func(p *slap.ComputerPartition, ctx context.Context) error {
			return second(p.Request(ctx, wanted))
		})},
		"ComputerPartition.Started":   change(on((*slap.ComputerPartition).Started)),
		"ComputerPartition.Stopped":   change(on((*slap.ComputerPartition).Stopped)),
		"ComputerPartition.Destroyed": change(on((*slap.ComputerPartition).Destroyed)),
		"ComputerPartition.ReportError": change(on(func(p *slap.ComputerPartition, ctx context.Context) error {
			return p.ReportError(ctx, "it does not work")
		})),
		"ComputerPartition.ReportSharedError": change(func(ctx context.Context, t *testing.T, r *rig) error {
			return r.root.ReportSharedError(ctx, r.share, "it does not work")
		}),
		"ComputerPartition.Bang": {again: adds, blind: true, do: on(func(p *slap.ComputerPartition, ctx context.Context) error {
			return p.Bang(ctx, "help")
		})},
		"ComputerPartition.Rename": {again: refused, here: same, blind: true, do: on(func(p *slap.ComputerPartition, ctx context.Context) error {
			return p.Rename(ctx, "renamed")
		})},
		"ComputerPartition.RenameShared": {again: refused, here: same, blind: true, do: func(ctx context.Context, t *testing.T, r *rig) error {
			return r.root.RenameShared(ctx, r.share, "renamed")
		}},
		"ComputerPartition.SetConnectionParameters": change(on(func(p *slap.ComputerPartition, ctx context.Context) error {
			return p.SetConnectionParameters(ctx, published)
		})),
		"ComputerPartition.SetSharedConnectionParameters": change(func(ctx context.Context, t *testing.T, r *rig) error {
			return r.root.SetSharedConnectionParameters(ctx, r.share, published)
		}),
		"ComputerPartition.SetRelatedInstances": {again: same, blind: true, empty: true, do: on(func(p *slap.ComputerPartition, ctx context.Context) error {
			return p.SetRelatedInstances(ctx, []string{"share"})
		})},
	}
}

const usageReport = `<?xml version="1.0" encoding="utf-8"?><journal><transaction type="Sale Packing List"><title>t</title>` +
	`<start_date>2026-01-01 00:00:00</start_date><stop_date>2026-01-02 00:00:00</stop_date><reference>r</reference>` +
	`<currency>EUR</currency><payment_mode/><category/><arrow type="Administration"><source/><destination/></arrow>` +
	`<movement><resource>service_module/x</resource><title>x</title><reference>COMP-1</reference><quantity>1.0</quantity>` +
	`<price>0.0</price><VAT/><category>None</category></movement></transaction></journal>`
