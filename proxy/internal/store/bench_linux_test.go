package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/pgtest"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// BenchmarkStores measures both kinds of database at a small size: 100 partitions,
// half of them busy, on a disk that is waited for.
func BenchmarkStores(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		s, err := store.Open(b.Context(), filepath.Join(b.TempDir(), "x.db"))
		require.NoError(b, err)
		benchmarkStore(b, s)
	})
	b.Run("postgres", func(b *testing.B) {
		server := pgtest.Start(b, "fsync=on", "full_page_writes=on")
		s, err := store.OpenPostgres(b.Context(), server.Address(b))
		require.NoError(b, err)
		benchmarkStore(b, s)
	})
}

func benchmarkStore(b *testing.B, s store.Store) {
	defer func() { require.NoError(b, s.Close()) }()
	var computer *store.Computer
	require.NoError(b, s.Update(b.Context(), func(tx store.Tx) (err error) {
		if computer, err = tx.EnsureComputer("c"); err != nil {
			return err
		}
		for i := range 100 {
			p, err := tx.InsertPartition(computer, fmt.Sprint("p", i))
			if err == nil && i < 50 {
				err = tx.Occupy(p, &store.Instance{Title: fmt.Sprint("i", i), Release: "r", State: "started"})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
	allocate := func() error {
		return s.Update(context.Background(), func(tx store.Tx) error {
			p, err := tx.FirstFree(computer)
			if err != nil {
				return err
			}
			if err := tx.Occupy(p, &store.Instance{Title: "new", Release: "r", State: "started"}); err != nil {
				return err
			}
			return tx.Free(p)
		})
	}
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprintf("allocate-and-free/clients=%d", clients), func(b *testing.B) {
			inParallel(b, clients, allocate)
		})
		b.Run(fmt.Sprintf("version/clients=%d", clients), func(b *testing.B) {
			inParallel(b, clients, func() error {
				_, err := s.Version(context.Background(), "c", "p1")
				return err
			})
		})
	}
	b.Run("partition", func(b *testing.B) {
		inParallel(b, 1, func() error {
			return s.View(context.Background(), func(r store.Reader) error {
				_, err := r.Partition("c", "p1")
				return err
			})
		})
	})
	b.Run("computer", func(b *testing.B) {
		inParallel(b, 1, func() error {
			return s.View(context.Background(), func(r store.Reader) error {
				_, err := r.Shown(computer)
				return err
			})
		})
	})
}

// inParallel runs b.N calls from a number of clients.
func inParallel(b *testing.B, clients int, call func() error) {
	b.Helper()
	var begun atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range clients {
		wg.Go(func() {
			for begun.Add(1) <= int64(b.N) {
				if err := call(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
