// Provision makes a cluster: it supplies a software release on several
// computers, requests instances on each of them, all at the same time, waits
// until every one has published its URL, and prints a table.
//
//	go run ./examples/provision -master http://localhost:5000 \
//		-release https://example.org/web/software.cfg -instances 3 node1 node2
//
// It teaches how one client serves many goroutines, how to wait for what takes
// minutes with a context that bounds it, and how to tell in the end what is
// there and what is not. It may be run again at any time, after it was
// interrupted or to have more instances: what is there already is found by its
// reference.
//
// The exit code is 0 if all is ready, 1 if something is not, and 2 if the
// command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slapos/slapos-go/slap"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, problems io.Writer) int {
	flags := flag.NewFlagSet("provision", flag.ContinueOnError)
	flags.SetOutput(problems)
	master := flags.String("master", "http://localhost:5000", "`URL` of the master")
	release := flags.String("release", "", "`URL` of the software release")
	instances := flags.Int("instances", 1, "`number` of instances on each computer")
	timeout := flags.Duration("timeout", time.Hour, "how long to wait in all")
	poll := flags.Duration("poll", 5*time.Second, "longest pause between two looks")
	if flags.Parse(args) != nil {
		return 2
	}
	if *release == "" || flags.NArg() == 0 || *instances < 0 {
		fmt.Fprintln(problems, "provision: name a release with -release, and the computers to use")
		return 2
	}
	client, err := slap.New(*master)
	if err != nil {
		fmt.Fprintln(problems, "provision:", err)
		return 2
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()

	cluster := plan(*release, *instances, flags.Args())
	err = supply(ctx, client, *release, flags.Args())
	if err == nil {
		err = request(ctx, client, cluster, slap.Interval(*poll/5, *poll))
	}
	show(out, cluster)
	if err != nil {
		fmt.Fprintln(problems, "provision:", err)
		return 1
	}
	return 0
}

// member is an instance of the cluster.
type member struct {
	computer string
	request  slap.Request
	// place and url are known when it is ready.
	place, url string
}

// plan tells which instances the cluster has. An instance is named after its
// computer, so that it is the same one whenever this runs.
func plan(release string, instances int, computers []string) []*member {
	var cluster []*member
	for _, computer := range computers {
		for i := range instances {
			cluster = append(cluster, &member{computer: computer, request: slap.Request{
				SoftwareRelease: release,
				Reference:       fmt.Sprintf("%s-%d", computer, i),
				Filter:          slap.Parameters{"computer_guid": computer},
			}})
		}
	}
	return cluster
}

// supply offers the release on all computers. It may be told again and again.
func supply(ctx context.Context, client *slap.Client, release string, computers []string) error {
	for _, computer := range computers {
		if err := client.Supply().Supply(ctx, release, computer, slap.StateAvailable); err != nil {
			return err
		}
	}
	return nil
}

// request makes all members, each in a goroutine of its own, which writes to
// nothing else. If one fails, the others are made all the same.
func request(ctx context.Context, client *slap.Client, cluster []*member, pauses slap.WaitOption) error {
	var all errgroup.Group
	all.SetLimit(16) // a master has other things to do as well
	failures := make([]error, len(cluster))
	for i, m := range cluster {
		all.Go(func() error {
			failures[i] = m.make(ctx, client, pauses)
			return nil
		})
	}
	return errors.Join(all.Wait(), errors.Join(failures...))
}

// make requests the member until it has a place, and has published its URL.
func (m *member) make(ctx context.Context, client *slap.Client, pauses slap.WaitOption) error {
	part, err := slap.WaitConnectionParameters(ctx, client.OpenOrder(), m.request, []string{"url"}, pauses)
	if err != nil {
		return fmt.Errorf("%s: %w", m.request.Reference, err)
	}
	if m.place, err = part.ID(); err != nil {
		return err
	}
	m.url, err = part.ConnectionParameter("url")
	return err
}

func show(out io.Writer, cluster []*member) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REFERENCE\tCOMPUTER\tPARTITION\tURL")
	for _, m := range cluster {
		place, url := m.place, m.url
		if url == "" {
			place, url = "-", "not ready"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.request.Reference, m.computer, place, url)
	}
	table.Flush()
}
