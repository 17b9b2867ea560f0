package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid"
)

const (
	computerID = "quickstart"
	reference  = "my site"
	partitions = 3
)

// cycle is one life of a service, and what it needs.
type cycle struct {
	dir     string // holds everything
	release string // software release: a directory
	owner   owner

	master *proxy.Server
	client *slap.Client
	node   *slapgrid.Node
	url    string // that the instance published

	out  io.Writer
	step int
}

// quickstart plays the whole life and cleans up, however it ends.
func quickstart(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "slapos-quickstart-")
	if err != nil {
		return err
	}
	c := &cycle{dir: dir, out: out}
	defer func() { err = errors.Join(err, c.cleanUp()) }()

	master, err := c.startMaster(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, master()) }()
	start := time.Now()
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"Prepare a node of three partitions and register it at the master", c.format},
		{"Supply a software release: a directory with a Go program", c.supply},
		{"Build the release on the node", c.software},
		{"Request an instance, with a parameter", c.request},
		{"Run the node until the promises of all instances pass", c.instances},
		{"Fetch the page that the instance published", c.fetch},
		{"Report usage", c.usage},
		{"Destroy the instance and remove the release", c.destroy},
		{"Look for anything left", c.nothingLeft},
	} {
		c.step++
		fmt.Fprintf(c.out, "\n%d. %s\n", c.step, step.title)
		err := step.do(ctx)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted in step %d (%s): %w", c.step, step.title, ctx.Err())
		}
		if err != nil {
			return fmt.Errorf("step %d (%s): %w", c.step, step.title, err)
		}
	}
	fmt.Fprintf(c.out, "\nAll done in %.1f seconds.\n", time.Since(start).Seconds())
	return nil
}

// say tells one thing that happened.
func (c *cycle) say(format string, arguments ...any) {
	fmt.Fprintf(c.out, "   "+format+"\n", arguments...)
}

// startMaster opens a master and serves it on a free port; the result ends it.
func (c *cycle) startMaster(ctx context.Context) (stop func() error, err error) {
	c.master, err = proxy.Open(ctx, filepath.Join(c.dir, "proxy.db"), proxy.WithComputerID(computerID))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, c.master.Close())
	}
	// The master has to answer until the very end, also after an interruption.
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- c.master.Serve(serving, listener) }()
	stop = func() error {
		end()
		return errors.Join(<-ended, c.master.Close())
	}
	c.client, err = slap.New("http://" + listener.Addr().String() + "/")
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	fmt.Fprintf(c.out, "A master answers at %s; everything is kept in %s.\n", c.client.URL(), c.dir)
	return stop, nil
}

// supply compiles the release and offers it on the computer.
func (c *cycle) supply(ctx context.Context) error {
	c.release = filepath.Join(c.dir, "release")
	program := filepath.Join(c.release, "software", "instantiate")
	compile := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/slapos/slapos-go/examples/quickstart/webrelease")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	output, err := compile.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("compiling the release (run the quick start inside its module): %w\n%s", err, output)
	}
	c.say("%s is compiled from examples/quickstart/webrelease", program)
	if err := c.client.Supply().Supply(ctx, c.release, computerID, slap.StateAvailable); err != nil {
		return err
	}
	c.say("the master wants %s on %s", c.release, computerID)
	return nil
}

func (c *cycle) software(ctx context.Context) error {
	report, err := c.node.Software(ctx, slapgrid.SoftwareOptions{})
	return c.pass(report, err)
}

// pass tells what a pass of the node did; a failure of any job is an error.
func (c *cycle) pass(report *slapgrid.Report, err error) error {
	if err != nil {
		return err
	}
	for _, outcome := range report.Outcomes {
		if outcome.Err != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", outcome.Name, outcome.Err))
			continue
		}
		c.say("%s: %s", outcome.Name, outcome.Action)
	}
	return err
}

// order is the wish of the person; asking again looks at the same instance.
func (c *cycle) order() slap.Request {
	return slap.Request{
		SoftwareRelease: c.release,
		Reference:       reference,
		Parameters:      slap.Parameters{"greeting": "Hello from SlapOS and Go"},
	}
}

func (c *cycle) request(ctx context.Context) error {
	instance, err := c.client.OpenOrder().Request(ctx, c.order())
	if err != nil {
		return err
	}
	partition, err := instance.ID()
	if err != nil {
		return err
	}
	c.say("%q is allocated on %s", reference, partition)
	return nil
}

// instances runs passes until everything is deployed and every promise holds:
// the root requests its parts in the first pass, and republishes their
// addresses once they have some.
func (c *cycle) instances(ctx context.Context) error {
	const most = 10
	for pass := 1; ; pass++ {
		c.say("pass %d", pass)
		report, err := c.node.Instances(ctx, slapgrid.InstanceOptions{})
		if err != nil {
			return err
		}
		for _, outcome := range report.Outcomes {
			if outcome.Err != nil {
				c.say("   %s: %v", outcome.Name, outcome.Err)
			} else {
				c.say("   %s: %s", outcome.Name, outcome.Action)
			}
		}
		instance, err := c.client.OpenOrder().Request(ctx, c.order())
		if err != nil {
			return err
		}
		if url, ok := instance.ConnectionParameters().String("url"); ok && report.ExitCode() == 0 {
			c.url = url
			for _, key := range instance.ConnectionParameters().Keys() {
				value, _ := instance.ConnectionParameters().String(key)
				c.say("published: %s = %s", key, value)
			}
			return nil
		}
		if pass == most {
			return fmt.Errorf("not ready after %d passes", most)
		}
	}
}

// fetch prints the pages.
func (c *cycle) fetch(ctx context.Context) error {
	instance, err := c.client.OpenOrder().Request(ctx, c.order())
	if err != nil {
		return err
	}
	for _, key := range instance.ConnectionParameters().Keys() {
		url, err := instance.ConnectionParameter(key)
		if err != nil {
			return err
		}
		page, err := get(ctx, url)
		if err != nil {
			return err
		}
		c.say("GET %s\n      %s", url, strings.TrimSpace(page))
	}
	return nil
}

func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return string(page), nil
}

// usage collects the reports of the instances and shows what the master kept.
func (c *cycle) usage(ctx context.Context) error {
	report, err := c.node.Usage(ctx, slapgrid.UsageOptions{})
	if err := c.pass(report, err); err != nil {
		return err
	}
	accepted, err := c.master.UsageReports(ctx, computerID, 1)
	if err != nil {
		return err
	}
	if len(accepted) == 0 {
		return errors.New("the master has no usage report")
	}
	c.say("the master accepted, as TioFormat:\n%s", accepted[0].XML)
	return nil
}

// destroy takes the instance, its parts and the release away.
func (c *cycle) destroy(ctx context.Context) error {
	order := c.order()
	order.State = slap.StateDestroyed
	if _, err := c.client.OpenOrder().Request(ctx, order); err != nil {
		return err
	}
	if err := c.client.Supply().Supply(ctx, c.release, computerID, slap.StateDestroyed); err != nil {
		return err
	}
	// A tree dies from its leaves, a level a pass.
	const most = 5
	for pass := 1; ; pass++ {
		if _, err := c.node.Instances(ctx, slapgrid.InstanceOptions{}); err != nil {
			return err
		}
		report, err := c.node.Usage(ctx, slapgrid.UsageOptions{})
		if err := c.pass(report, err); err != nil {
			return err
		}
		left, err := c.allocated(ctx)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			break
		}
		if pass == most {
			return fmt.Errorf("%q are not free after %d passes", left, most)
		}
	}
	return c.software(ctx)
}

// allocated lists the partitions that the master holds for an instance.
func (c *cycle) allocated(ctx context.Context) ([]string, error) {
	all, err := c.client.Computer(computerID).Partitions(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, partition := range all {
		id, err := partition.ID()
		if err != nil {
			return nil, err
		}
		if _, err := partition.SoftwareRelease(); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
