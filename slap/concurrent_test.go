package slap_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

const watchedRelease = "http://sr.example/software.cfg"

// A watch over a master sees what happens there, and a second one in a loop of
// its own the same.
func TestWatchMaster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	m := proxytest.New(t)
	m.Format(t, "computer", 2)
	node := m.Client.Computer("computer")
	next := make(chan string)
	var group errgroup.Group
	for i := range 2 {
		group.Go(func() error {
			for change, err := range node.Watch(ctx, slap.WatchEvery(5*time.Millisecond)) {
				if err != nil {
					return err
				}
				select {
				case next <- fmt.Sprint(i, " ", change):
				case <-ctx.Done():
					return nil
				}
			}
			return nil
		})
	}
	expect := func(want ...string) {
		t.Helper()
		told := map[string]bool{}
		for range 2 * len(want) {
			select {
			case text := <-next:
				told[text] = true
			case <-ctx.Done():
				t.Fatalf("told only %v of %v", told, want)
			}
		}
		for i := range 2 {
			for _, text := range want {
				require.Contains(t, told, fmt.Sprint(i, " ", text))
			}
		}
	}
	expect("partition slappart0 added", "partition slappart1 added")
	require.NoError(t, m.Client.Supply().Supply(ctx, watchedRelease, "computer", slap.StateAvailable))
	expect("software release " + watchedRelease + " added")
	request := slap.Request{SoftwareRelease: watchedRelease, Reference: "a", Parameters: slap.Parameters{"n": 1}}
	part, err := m.Client.OpenOrder().Request(ctx, request)
	require.NoError(t, err)
	expect("partition slappart0 changed: state, software release, software type, parameters, addresses, titles, timestamp")
	require.NoError(t, part.SetConnectionParameters(ctx, slap.Parameters{"url": "U"}))
	expect("partition slappart0 changed: connection parameters")
	_, err = m.Client.OpenOrder().Request(ctx, request)
	require.NoError(t, err)
	request.Parameters["n"] = 2
	_, err = m.Client.OpenOrder().Request(ctx, request)
	require.NoError(t, err)
	expect("partition slappart0 changed: parameters, timestamp")
	require.NoError(t, part.Bang(ctx, "again"))
	expect("partition slappart0 changed: timestamp")
	require.NoError(t, m.Client.Supply().Supply(ctx, watchedRelease, "computer", slap.StateDestroyed))
	expect("software release " + watchedRelease + " changed: state")
	require.NoError(t, m.Client.SoftwareRelease(watchedRelease).OnComputer("computer").Destroyed(ctx))
	expect("software release " + watchedRelease + " removed")
	cancel()
	require.NoError(t, group.Wait())
}

// One client serves many goroutines that do everything at once.
func TestOneClientManyGoroutines(t *testing.T) {
	const goroutines = 64
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m := proxytest.New(t)
	m.Format(t, "computer", goroutines)
	require.NoError(t, m.Client.Supply().Supply(ctx, watchedRelease, "computer", slap.StateAvailable))
	node, order := m.Client.Computer("computer"), m.Client.OpenOrder()
	shared := m.Client.PartitionReference("computer", "slappart0")

	type settings struct {
		Index int    `json:"index"`
		Name  string `json:"name"`
	}
	one := func(i int) error {
		want := settings{i, fmt.Sprint("service ", i)}
		parameters, err := slap.EncodeJSONParameters(want)
		if err != nil {
			return err
		}
		request := slap.Request{SoftwareRelease: watchedRelease, Reference: fmt.Sprint(i), Parameters: parameters}
		part, err := slap.WaitRequest(ctx, order, request)
		if err != nil {
			return err
		}
		if err := part.SetConnectionParameters(ctx, slap.Parameters{"url": want.Name}); err != nil {
			return err
		}
		part, err = slap.WaitConnectionParameters(ctx, order, request, []string{"url"})
		if err != nil {
			return err
		}
		if err := part.Refresh(ctx); err != nil {
			return err
		}
		var got settings
		if err := part.InstanceParameters().Decode(&got); err != nil {
			return err
		}
		if url, err := part.ConnectionParameter("url"); err != nil || url != want.Name || got != want {
			return fmt.Errorf("%d got %+v and %q, %w", i, got, url, err)
		}
		if _, err := node.Partitions(ctx); err != nil {
			return err
		}
		if err := node.Refresh(ctx); err != nil {
			return err
		}
		return shared.Refresh(ctx)
	}
	var group errgroup.Group
	for i := range goroutines {
		group.Go(func() error { return one(i) })
	}
	require.NoError(t, group.Wait())

	requests := make([]slap.Request, goroutines+1)
	for i := range requests {
		requests[i] = slap.Request{SoftwareRelease: watchedRelease, Reference: fmt.Sprint(i), State: slap.StateStopped}
	}
	parts, err := slap.RequestAll(ctx, order, requests, 16)
	require.ErrorIs(t, err, slap.ErrNotFound, "there is one request more than partitions")
	require.Nil(t, parts[goroutines])
	places := map[string]bool{}
	for i, part := range parts[:goroutines] {
		require.NotNil(t, part, "%d", i)
		id, err := part.ID()
		require.NoError(t, err)
		places[id] = true
		require.Equal(t, slap.Parameters{"url": fmt.Sprint("service ", i)}, part.ConnectionParameters())
	}
	require.Len(t, places, goroutines)
	require.False(t, errors.Is(err, slap.ErrNotReady))
}
