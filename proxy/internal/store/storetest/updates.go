package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

func updateIsAllOrNothing(t *testing.T, open Opener) {
	s := open(t)
	boom := errors.New("boom")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.EnsureComputer("lost")
		require.NoError(t, err)
		return boom
	})
	require.ErrorIs(t, err, boom)
	ensure(t, s, "kept")
	require.Equal(t, []string{"kept"}, references(t, s))
}

func panicOfOneUpdate(t *testing.T, open Opener) {
	s := open(t)
	err := s.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.EnsureComputer("lost")
		require.NoError(t, err)
		panic("oops")
	})
	var p *store.PanicError
	require.ErrorAs(t, err, &p)
	require.Equal(t, "oops", p.Value)
	require.NotEmpty(t, p.Stack)
	ensure(t, s, "kept")
	require.Equal(t, []string{"kept"}, references(t, s))
}

// Many updates at once share commits; those that fail do not disturb the
// others.
func sharedCommits(t *testing.T, open Opener) {
	s := open(t)
	const n = 200
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = s.Update(context.Background(), func(tx store.Tx) error {
				_, err := tx.EnsureComputer(fmt.Sprintf("c%03d", i))
				if i%3 == 0 {
					err = errors.Join(err, errors.New("refused"))
				}
				return err
			})
		})
	}
	wg.Wait()
	kept := references(t, s)
	for i := range n {
		if i%3 == 0 {
			require.Error(t, errs[i])
			require.NotContains(t, kept, fmt.Sprintf("c%03d", i))
		} else {
			require.NoError(t, errs[i])
			require.Contains(t, kept, fmt.Sprintf("c%03d", i))
		}
	}
}

func endedContextDoesNothing(t *testing.T, open Opener) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Update(ctx, func(store.Tx) error { t.Error("ran"); return nil })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.View(ctx, func(store.Reader) error { return nil }), context.Canceled)
}

func closed(t *testing.T, open Opener) {
	s := open(t)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Update(t.Context(), func(store.Tx) error { return nil }), store.ErrClosed)
	require.ErrorIs(t, s.View(t.Context(), func(store.Reader) error { return nil }), store.ErrClosed)
}

// ReadsDoNotWaitForWrites is a test of the stores that read on connections of
// their own.
func ReadsDoNotWaitForWrites(t *testing.T, open Opener) {
	s := open(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	written := make(chan error, 1)
	go func() {
		written <- s.Update(context.Background(), func(tx store.Tx) error {
			_, err := tx.EnsureComputer("new")
			close(inside)
			<-leave
			return err
		})
	}()
	<-inside
	require.Empty(t, references(t, s)) // neither waits nor sees the change
	close(leave)
	require.NoError(t, <-written)
	require.Equal(t, []string{"new"}, references(t, s))
}

func versions(t *testing.T, open Opener) {
	s := open(t)
	version := func(partition string) uint64 {
		v, err := s.Version(t.Context(), "c", partition)
		require.NoError(t, err)
		return v
	}
	require.Zero(t, version(""))
	var p *store.Partition
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		require.NoError(t, err)
		p, err = tx.InsertPartition(c, "p")
		return err
	}))
	before, beforeP := version(""), version("p")
	require.Positive(t, before)
	require.Positive(t, beforeP)
	require.Error(t, s.Update(t.Context(), func(tx store.Tx) error {
		require.NoError(t, tx.SaveTimestamp(p))
		return errors.New("no")
	}))
	require.Equal(t, before, version(""))
	require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error { return tx.SaveTimestamp(p) }))
	require.Greater(t, version(""), before)
	require.Greater(t, version("p"), beforeP)
	require.Zero(t, version("q"))
}
