package slapformat_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/slapos/slapos-go/slapformat"
)

func timeOf(t *testing.T) time.Time {
	t.Helper()
	return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
}

// A plan is data: it can be looked at before it is applied.
func ExampleNewPlan() {
	ctx := context.Background()
	cfg := slapformat.Config{
		ComputerID: "computer", MasterURL: "http://127.0.0.1:5000/", PartitionAmount: 2,
		SoftwareRoot: "/nowhere/software", InstanceRoot: "/nowhere/instances", ComputerXML: "/nowhere/slapos.xml",
	}
	computer, err := slapformat.Load(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	found, err := slapformat.Inspect(ctx, newPlace(1000), cfg, computer)
	if err != nil {
		fmt.Println(err)
		return
	}
	plan, err := slapformat.NewPlan(cfg, computer, found, time.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range plan.Steps {
		if step.Kind == slapformat.MakeDirectory {
			fmt.Println(step.Command(), "#", step.Reason)
		}
	}
	// Output:
	// mkdir -p -m 0755 /nowhere/instances # root of instances or software
	// mkdir -p -m 0755 /nowhere/software # root of instances or software
	// mkdir -p -m 0750 /nowhere/instances/slappart0 # partition slappart0
	// mkdir -p -m 0750 /nowhere/instances/slappart1 # partition slappart1
}
