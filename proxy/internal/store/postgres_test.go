//go:build linux

package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/pgtest"
	"github.com/slapos/slapos-go/proxy/internal/store"
	"github.com/slapos/slapos-go/proxy/internal/store/storetest"
)

func openPostgres(t *testing.T, address string) *store.Postgres {
	t.Helper()
	s, err := store.OpenPostgres(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	open := func(t *testing.T) store.Store { return openPostgres(t, server.Address(t)) }
	t.Run("suite", func(t *testing.T) { storetest.Run(t, open) })
	t.Run("ReadsDoNotWaitForWrites", func(t *testing.T) { storetest.ReadsDoNotWaitForWrites(t, open) })
	for _, test := range []struct {
		name string
		run  func(*testing.T, *pgtest.Server)
	}{
		{"SeveralComeFirst", severalComeFirst},
		{"NothingIsAllocatedTwice", nothingIsAllocatedTwice},
		{"ChangesOfOthersAreSeenAtOnce", changesOfOthersAreSeenAtOnce},
		{"SnapshotDoesNotMove", snapshotDoesNotMove},
		{"CommitsAreDurable", commitsAreDurable},
		{"OlderSchemaIsBroughtForward", olderSchemaIsBroughtForward},
		{"RefusedDatabases", refusedDatabases},
		{"RefusedTexts", refusedTexts},
		{"StuckProxyGivesWay", stuckProxyGivesWay},
		{"LostConnections", lostConnections}, // restarts the server: the last one
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

// Of those that find no tables, one creates them, and all work.
func severalComeFirst(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	var wg sync.WaitGroup
	stores, errs := make([]*store.Postgres, 6), make([]error, 6)
	for i := range stores {
		wg.Go(func() {
			stores[i], errs[i] = store.OpenPostgres(t.Context(), address)
		})
	}
	wg.Wait()
	for i, s := range stores {
		require.NoError(t, errs[i])
		require.NoError(t, s.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.EnsureComputer(fmt.Sprint("c", i))
			return err
		}))
		require.NoError(t, s.Close())
	}
}

// Two stores that give free partitions away never give one twice.
func nothingIsAllocatedTwice(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	stores := []*store.Postgres{openPostgres(t, address), openPostgres(t, address)}
	const n = 64
	require.NoError(t, stores[0].Update(t.Context(), func(tx store.Tx) error {
		c, err := tx.EnsureComputer("c")
		for i := 0; i < n && err == nil; i++ {
			_, err = tx.InsertPartition(c, fmt.Sprint("p", i))
		}
		return err
	}))
	var wg sync.WaitGroup
	got, errs := make([]string, n), make([]error, n)
	for i := range n {
		wg.Go(func() {
			errs[i] = stores[i%2].Update(context.Background(), func(tx store.Tx) error {
				c, err := tx.Computer("c")
				if err != nil {
					return err
				}
				p, err := tx.FirstFree(c)
				if err != nil {
					return err
				}
				got[i] = p.Reference
				return tx.Occupy(p, &store.Instance{Title: fmt.Sprint("i", i)})
			})
		})
	}
	wg.Wait()
	places := map[string]bool{}
	for i := range n {
		require.NoError(t, errs[i])
		places[got[i]] = true
	}
	require.Len(t, places, n)
	require.NoError(t, stores[1].Check(t.Context()))
}

// Who asks for a version after another store has answered an update gets a new
// one, and what is read after that has the change.
func changesOfOthersAreSeenAtOnce(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	writer, reader := openPostgres(t, address), openPostgres(t, address)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			name, last := fmt.Sprint("c", i), uint64(0)
			for n := range 20 {
				err := writer.Update(context.Background(), func(tx store.Tx) error {
					c, err := tx.EnsureComputer(name)
					c.Address = fmt.Sprint(n)
					return errors.Join(err, tx.FormatComputer(c))
				})
				if err != nil {
					t.Error(err)
					return
				}
				version, err := reader.Version(context.Background(), name, "")
				if err != nil || version <= last {
					t.Errorf("%s: version %d after %d: %v", name, version, last, err)
					return
				}
				last = version
				err = reader.View(context.Background(), func(r store.Reader) error {
					c, err := r.Computer(name)
					if err == nil && c.Address != fmt.Sprint(n) {
						err = fmt.Errorf("%s: %s instead of %d", name, c.Address, n)
					}
					return err
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	before, err := reader.Version(t.Context(), "c0", "")
	require.NoError(t, err)
	later := openPostgres(t, address)
	version, err := later.Version(t.Context(), "c0", "")
	require.NoError(t, err)
	require.Zero(t, version, "nothing changed since it was opened")
	again, err := reader.Version(t.Context(), "c0", "")
	require.NoError(t, err)
	require.Equal(t, before, again)
}

func snapshotDoesNotMove(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	writer, reader := openPostgres(t, address), openPostgres(t, address)
	require.NoError(t, reader.View(t.Context(), func(r store.Reader) error {
		computers, err := r.Computers()
		require.NoError(t, err)
		require.Empty(t, computers)
		require.NoError(t, writer.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.EnsureComputer("c")
			return err
		}))
		computers, err = r.Computers()
		require.NoError(t, err)
		require.Empty(t, computers)
		return nil
	}))
}

// A server or a user that would answer before the disk has it is overruled.
func commitsAreDurable(t *testing.T, server *pgtest.Server) {
	for asked, want := range map[string]string{"off": "on", "on": "on", "remote_apply": "remote_apply"} {
		s := openPostgres(t, server.Address(t, "synchronous_commit", asked))
		got, err := s.Setting(t.Context(), "synchronous_commit")
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func olderSchemaIsBroughtForward(t *testing.T, server *pgtest.Server) {
	for version := 1; version < store.SchemaVersion; version++ {
		address := server.Address(t)
		require.NoError(t, server.Do(t.Context(), "SET search_path TO "+pgtest.Schema(address)+";"+store.OlderPostgres(version)+
			"INSERT INTO computer (reference) VALUES ('kept'); INSERT INTO partition (computer_id, reference) VALUES (1, 'p');"+
			"INSERT INTO address (partition_id, interface, address, netmask) VALUES (1, 'tap', '::1', 'ffff::');"))
		_, err := store.OpenPostgresViewer(t.Context(), address)
		require.ErrorContains(t, err, fmt.Sprint("its schema is ", version))
		s := openPostgres(t, address)
		require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
			p, err := r.Partition("kept", "p")
			require.NoError(t, err)
			require.False(t, p.Hidden)
			require.Equal(t, []store.Address{{Interface: "tap", Address: "::1", Netmask: "ffff::"}}, p.Addresses)
			_, err = r.FrontEnd("none")
			require.ErrorIs(t, err, store.ErrNotFound)
			return nil
		}))
		require.NoError(t, s.Check(t.Context()))
	}
}

func refusedDatabases(t *testing.T, server *pgtest.Server) {
	ctx := t.Context()
	newer := server.Address(t)
	running := openPostgres(t, newer)
	require.NoError(t, server.Do(ctx, fmt.Sprintf("UPDATE %s.slapos_schema SET version = %d", pgtest.Schema(newer), store.SchemaVersion+1)))
	stranger := server.Address(t)
	require.NoError(t, server.Do(ctx, fmt.Sprintf("CREATE TABLE %s.cats (x int)", pgtest.Schema(stranger))))
	const secret = "s3cr3t"
	for _, test := range []struct {
		name, address string
		want          error
		text          string
	}{
		{"newer", newer, store.ErrNewer, "use the newer program"},
		{"stranger", stranger, store.ErrForeign, "create a database for the proxy alone"},
		{"no schema", strings.Replace(stranger, pgtest.Schema(stranger), "nowhere", 1), nil, "there is no schema"},
		{"no database", strings.Replace(stranger, "/postgres?", "/none?", 1), store.ErrUnavailable, "there is no such database"},
		{"nobody listens", "postgres://user:" + secret + "@127.0.0.1:1/x", store.ErrUnavailable, "cannot be reached"},
		{"no address", "postgres://user:" + secret + "@127.0.0.1:x/x", nil, "cannot be read"},
		{"bad escape", "postgres://user:%" + secret + "@127.0.0.1/x", nil, "cannot be read"},
	} {
		_, err := store.OpenPostgres(ctx, test.address)
		require.ErrorContains(t, err, test.text, test.name)
		require.NotContains(t, err.Error(), secret, test.name)
		if test.want != nil {
			require.ErrorIs(t, err, test.want, test.name)
		}
		_, err = store.OpenPostgresViewer(ctx, test.address)
		require.Error(t, err, test.name)
		require.NotContains(t, err.Error(), secret, test.name)
	}
	_, err := store.OpenPostgresViewer(ctx, server.Address(t))
	require.ErrorContains(t, err, "no proxy has served it yet")
	// One that was there before changes nothing any more.
	require.ErrorIs(t, running.Update(ctx, func(store.Tx) error { t.Error("ran"); return nil }), store.ErrNewer)
}

func refusedTexts(t *testing.T, server *pgtest.Server) {
	s := openPostgres(t, server.Address(t))
	random := make([]byte, 0, 40_000)
	for i := range 10_000 {
		random = fmt.Append(random, i*7919%10_007)
	}
	var wg sync.WaitGroup
	for _, name := range []string{"a\x00b", "a\xffb", string(random)} {
		// The others that share its commit are not affected.
		wg.Go(func() {
			err := s.Update(context.Background(), func(tx store.Tx) error {
				_, err := tx.EnsureComputer(name)
				return err
			})
			if !errors.Is(err, store.ErrText) {
				t.Errorf("%.10q: %v", name, err)
			}
		})
		wg.Go(func() {
			err := s.Update(context.Background(), func(tx store.Tx) error {
				_, err := tx.EnsureComputer("good")
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A proxy that stopped in the middle of an update holds the others up for a while
// only: its server ends the session.
func stuckProxyGivesWay(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	stuck, other := openPostgres(t, address), openPostgres(t, address)
	value, err := stuck.Setting(t.Context(), "idle_in_transaction_session_timeout")
	require.NoError(t, err)
	require.Equal(t, "30s", value)
	inside, leave, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- stuck.Update(context.Background(), func(tx store.Tx) error {
			_, err := tx.EnsureComputer("never")
			close(inside)
			<-leave
			return err
		})
	}()
	<-inside
	require.NoError(t, server.Do(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'"))
	require.NoError(t, other.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.EnsureComputer("c")
		return err
	}))
	close(leave)
	require.ErrorIs(t, <-ended, store.ErrUnavailable)
	require.NoError(t, stuck.Update(t.Context(), func(tx store.Tx) error {
		computers, err := tx.Computers()
		require.Len(t, computers, 1)
		return err
	}))
}

// While the server is away everything fails and tells why; afterwards everything
// works again, and has what was answered.
func lostConnections(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	s := openPostgres(t, address)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	answered := make([]int, 8)
	for i := range answered {
		writers.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				err := s.Update(context.Background(), func(tx store.Tx) error { return tx.SaveSetting(fmt.Sprint("w", i), fmt.Sprint(n)) })
				switch {
				case err == nil:
					answered[i] = n
				case !errors.Is(err, store.ErrUnavailable):
					t.Errorf("writer: %v", err)
				default:
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	for range 2 {
		time.Sleep(200 * time.Millisecond)
		server.Stop(t)
		require.ErrorIs(t, s.View(ctx, func(r store.Reader) error { _, err := r.Computers(); return err }), store.ErrUnavailable)
		_, err := s.Version(ctx, "c", "")
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.ErrorIs(t, s.Update(ctx, func(store.Tx) error { return nil }), store.ErrUnavailable)
		server.Restart(t)
		// The connections that were open are dead, and nobody notices.
		require.NoError(t, s.View(ctx, func(r store.Reader) error { _, err := r.Computers(); return err }))
		_, err = s.Version(ctx, "c", "")
		require.NoError(t, err)
		require.NoError(t, s.Update(ctx, func(store.Tx) error { return nil }))
	}
	cancel()
	writers.Wait()
	require.NoError(t, s.View(t.Context(), func(r store.Reader) error {
		for i, n := range answered {
			require.Positive(t, n)
			text, err := r.Setting(fmt.Sprint("w", i))
			require.NoError(t, err)
			var kept int
			_, err = fmt.Sscan(text, &kept)
			require.NoError(t, err)
			require.GreaterOrEqual(t, kept, n)
		}
		return nil
	}))
}
