// Recipe is the smallest software release written in Go that is made of more
// than one instance: a root instance that requests a database and publishes the
// URL to use it with. It teaches what a software/instantiate program does:
//
//   - learn which partition it is in, from its environment;
//   - read the instance parameters that somebody chose;
//   - request what it needs from the master, each time anew;
//   - publish connection parameters for whoever requested it.
//
// The node agent runs it in each partition that has to be processed. It may be
// run at any time, and always asks for the same: the master makes one database,
// however often it is asked. While the database has published nothing, the
// root instance has nothing to publish either; as soon as it does, the master
// has the root instance processed again. Masters older than 1.26 do not: for them a
// program ends with an error instead, or leaves a promise that fails, as webrelease
// does, so that the agent runs it again in its next pass.
//
// To use it, build it as software/instantiate of a release; to see it at work,
// with services, promises and all that belongs to a partition, run
// examples/quickstart, whose webrelease is this at full length.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/slapos/slapos-go/slap"
)

// settings are the instance parameters of a root instance.
type settings struct {
	Database string `json:"database"`
}

// place is what the database publishes.
type place struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	err := run(ctx, os.Environ(), os.Stdout)
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "recipe:", err) // the agent reports this to the master
		os.Exit(1)
	}
}

func run(ctx context.Context, environ []string, out io.Writer) error {
	client, self, err := slap.PartitionFromEnvironment(ctx, environ)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	kind, err := self.Type()
	if err != nil {
		return err
	}
	if kind == "database" {
		return database(ctx, self)
	}
	return root(ctx, self, out)
}

// database is the child: it publishes where it listens. What it would install is
// left out.
func database(ctx context.Context, self *slap.ComputerPartition) error {
	addresses := self.IPList()
	if len(addresses) == 0 {
		return errors.New("the partition has no address")
	}
	published, err := slap.EncodeParameters(place{Host: addresses[0].Address, Port: 5432})
	if err != nil {
		return err
	}
	return self.SetConnectionParameters(ctx, published)
}

// root requests the database, and publishes the URL to use it with.
func root(ctx context.Context, self *slap.ComputerPartition, out io.Writer) error {
	release, err := self.SoftwareRelease()
	if err != nil {
		return err
	}
	settings := settings{Database: "main"}
	if err := self.InstanceParameters().Decode(&settings); err != nil {
		return fmt.Errorf("instance parameters: %w", err)
	}
	child, err := self.Request(ctx, slap.Request{
		SoftwareRelease: release.URI(),
		SoftwareType:    "database",
		Reference:       "database",
		Parameters:      slap.Parameters{"name": settings.Database},
	})
	if errors.Is(err, slap.ErrNotReady) { // no partition for it yet
		fmt.Fprintln(out, "the database has no place yet: nothing to publish")
		return nil
	}
	if err != nil {
		return fmt.Errorf("requesting the database: %w", err)
	}
	var at place
	if err := child.ConnectionParameters().Decode(&at); err != nil {
		return fmt.Errorf("connection parameters of the database: %w", err)
	}
	if at.Host == "" {
		fmt.Fprintln(out, "the database is not ready yet: nothing to publish")
		return nil
	}
	there := url.URL{Scheme: "postgres", Host: net.JoinHostPort(at.Host, strconv.Itoa(at.Port)), Path: "/" + settings.Database}
	fmt.Fprintln(out, "publishing", &there)
	return self.SetConnectionParameters(ctx, slap.Parameters{"url": there.String()})
}
