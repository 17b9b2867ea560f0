// Inventory tells an operator what there is: computers, the software releases
// they have, their partitions, the instances in these, their state, and what
// they have published, without secrets.
//
//	go run ./examples/inventory -master http://localhost:5000          # a table
//	go run ./examples/inventory -master http://localhost:5000 -json    # for programs
//	go run ./examples/inventory node1 node2                            # only these
//
// It teaches how to read all that a master knows, several computers at once,
// and how a program for scripts ends. The exit code is 0 if all is well, 1 if
// something is in error, 2 if the command line is wrong, and 3 if the master
// did not tell everything; what it told is printed then.
//
// The master may also be named by the environment variable SLAPOS_MASTER_URL.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/slapos/slapos-go/slap"
)

// Exit codes.
const (
	allIsWell = iota
	somethingIsInError
	wrongCommandLine
	notAllIsKnown
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv("SLAPOS_MASTER_URL"), os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, master string, out, problems io.Writer) int {
	if master == "" {
		master = "http://localhost:5000"
	}
	flags := flag.NewFlagSet("inventory", flag.ContinueOnError)
	flags.SetOutput(problems)
	flags.StringVar(&master, "master", master, "`URL` of the master")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	if flags.Parse(args) != nil {
		return wrongCommandLine
	}
	client, err := slap.New(master)
	if err != nil {
		fmt.Fprintln(problems, "inventory:", err)
		return wrongCommandLine
	}
	defer client.CloseIdleConnections()

	names := flags.Args()
	if len(names) == 0 {
		if names, err = allComputers(ctx, client); err != nil {
			fmt.Fprintln(problems, "inventory:", err)
			return notAllIsKnown
		}
	}
	computers := lookAt(ctx, client, names)
	if *asJSON {
		printed := json.NewEncoder(out)
		printed.SetIndent("", "  ")
		printed.SetEscapeHTML(false)
		err = printed.Encode(computers)
	} else {
		err = printTable(out, computers)
	}
	if err != nil {
		fmt.Fprintln(problems, "inventory:", err)
		return notAllIsKnown
	}
	return verdict(computers, problems)
}

// allComputers asks for the names of all computers.
func allComputers(ctx context.Context, client *slap.Client) ([]string, error) {
	all, err := client.Computers(ctx)
	var names []string
	for _, c := range all {
		names = append(names, c.Reference)
	}
	return names, err
}

// lookAt reads several computers at once, in the order of their names given.
func lookAt(ctx context.Context, client *slap.Client, names []string) []*computer {
	computers := make([]*computer, len(names))
	var all errgroup.Group
	all.SetLimit(8)
	for i, name := range names {
		all.Go(func() error {
			computers[i] = read(ctx, client.Computer(name))
			return nil // what went wrong is part of the inventory
		})
	}
	_ = all.Wait()
	return computers
}

// verdict says what was not told, and returns the exit code.
func verdict(computers []*computer, problems io.Writer) int {
	code := allIsWell
	for _, c := range computers {
		if c.inError() {
			code = max(code, somethingIsInError)
		}
		if c.Problem != "" {
			fmt.Fprintf(problems, "inventory: %s: %s\n", c.Computer, c.Problem)
			code = notAllIsKnown
		}
	}
	return code
}
