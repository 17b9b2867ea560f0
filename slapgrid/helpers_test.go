package slapgrid_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"github.com/slapos/slapos-go/internal/supervise"
	"github.com/slapos/slapos-go/slapgrid"
)

// Roles that the test binary takes instead of running tests.
const (
	superviseRole = "slapos-supervise"
	agentRole     = "slapos-agent"
)

// parseForm reads a form body; what is no form is empty.
func parseForm(body string) map[string]string {
	values, err := url.ParseQuery(body)
	if err != nil {
		return nil
	}
	form := map[string]string{}
	for key := range values {
		form[key] = values.Get(key)
	}
	return form
}

// runAgentIfAsked turns the test binary into a supervisor, or into an agent
// for tests that kill one.
func runAgentIfAsked() {
	if len(os.Args) < 3 {
		return
	}
	var err error
	switch os.Args[1] {
	case superviseRole:
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
		err = supervise.Run(ctx, supervise.Options{ConfigFile: os.Args[2]})
		stop()
	case agentRole:
		err = runAgent(os.Args[2])
	default:
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// runAgent runs all passes with a configuration in JSON.
func runAgent(text string) error {
	var cfg slapgrid.Config
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return err
	}
	node, err := slapgrid.New(cfg)
	if err != nil {
		return err
	}
	return allPasses(context.Background(), node)
}

func allPasses(ctx context.Context, node *slapgrid.Node) error {
	software, err := node.Software(ctx, slapgrid.SoftwareOptions{})
	if err != nil {
		return err
	}
	if err := software.Err(); err != nil {
		return err
	}
	instances, err := node.Instances(ctx, slapgrid.InstanceOptions{})
	if err != nil {
		return err
	}
	if err := instances.Err(); err != nil {
		return err
	}
	promises, err := node.Promises(ctx, slapgrid.PromiseOptions{})
	if err != nil {
		return err
	}
	if err := promises.Err(); err != nil {
		return err
	}
	usage, err := node.Usage(ctx, slapgrid.UsageOptions{})
	if err != nil {
		return err
	}
	return usage.Err()
}
