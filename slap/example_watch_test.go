package slap_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/slapos/slapos-go/slap"
)

func ExampleComputer_Watch() {
	client, done := connect()
	defer done()

	// An agent would go on until its context ends.
	for change, err := range client.Computer("COMP-7").Watch(context.Background(), slap.WatchEvery(30*time.Second)) {
		if err != nil {
			log.Print(err) // the next look comes later
			continue
		}
		fmt.Println(change)
		if change.PartitionID == "slappart1" {
			break
		}
	}
	// Output:
	// software release https://example.org/db/software.cfg added
	// software release https://example.org/old/software.cfg added
	// partition slappart0 added
	// partition slappart1 added
}

// A program that is started now and then tells what changed since the last time
// from what it has stored.
func ExampleChanges() {
	var last, now slap.Snapshot
	for text, snapshot := range map[string]*slap.Snapshot{
		`{"computer": "COMP-7", "software_releases": {"https://example.org/db/software.cfg": {"state": "available"}},
			"partitions": {"slappart0": {"state": "started", "parameters": "kP0d", "timestamp": "17"}}}`: &last,
		`{"computer": "COMP-7", "software_releases": {},
			"partitions": {"slappart0": {"state": "started", "parameters": "x3Yq", "timestamp": "18"}}}`: &now,
	} {
		if err := json.Unmarshal([]byte(text), snapshot); err != nil {
			log.Fatal(err)
		}
	}
	for _, change := range slap.Changes(&last, &now) {
		fmt.Println(change)
		if change.Aspects.Has(slap.AspectParameters | slap.AspectState) {
			fmt.Println("to be processed:", change.PartitionID)
		}
		last.Apply(change)
	}
	fmt.Println(len(slap.Changes(&last, &now)), "changes left")
	// Output:
	// software release https://example.org/db/software.cfg removed
	// partition slappart0 changed: parameters, timestamp
	// to be processed: slappart0
	// 0 changes left
}

func ExampleWaitRequestUntil() {
	client, done := connect()
	defer done()

	part, err := slap.WaitRequestUntil(context.Background(), client.OpenOrder(),
		slap.Request{SoftwareRelease: "https://example.org/web/software.cfg", Reference: "my-site"},
		func(part *slap.ComputerPartition) error {
			var published struct {
				URL string `json:"url"`
			}
			if err := part.ConnectionParameters().Decode(&published); err != nil {
				return err
			}
			if published.URL == "" {
				return fmt.Errorf("the address of the site: %w", slap.ErrNotReady)
			}
			return nil
		},
		slap.Interval(time.Millisecond, time.Second),
		slap.OnWait(func(err error, _ time.Duration) { fmt.Println("waiting:", errors.Is(err, slap.ErrNotReady)) }),
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(part.ConnectionParameters())
	// Output:
	// waiting: true
	// map[url:http://[fd00::2]:8080/]
}

func ExampleRequestAll() {
	client, done := connect()
	defer done()

	const release = "https://example.org/web/software.cfg"
	requests := []slap.Request{{SoftwareRelease: release, Reference: "one"}, {SoftwareRelease: release, Reference: "two"}}
	_, err := slap.RequestAll(context.Background(), client.OpenOrder(), requests, 1)
	fmt.Println(errors.Is(err, slap.ErrNotReady))

	parts, err := slap.WaitRequestAll(context.Background(), client.OpenOrder(), requests, 1)
	fmt.Println(len(parts), err)
	// Output:
	// true
	// 2 <nil>
}
