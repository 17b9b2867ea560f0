package proxy

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// unlinkedMaster has a tree A: one and two requested by its root, grandchild and the
// shared s by one; and a host of a person.
func unlinkedMaster(t *testing.T, log *strings.Builder, opts ...Option) *testMaster {
	t.Helper()
	opts = append(opts, WithUnlinkedAge(time.Hour), WithLogger(slog.New(slog.NewTextHandler(log, nil))))
	m := newMaster(t, opts...)
	m.layout("computer", 5)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "one"})
	m.place(asking{by: "computer/p0", title: "two"})
	m.place(asking{by: "computer/p1", title: "grandchild"})
	m.place(asking{title: "host", release: releaseB})
	m.place(asking{by: "computer/p1", title: "s", release: releaseB, shared: true})
	return m
}

// keep tells what an instance requests now.
func (m *testMaster) keep(partition string, titles ...string) {
	m.t.Helper()
	require.NoError(m.t, m.relate(m.t.Context(), Principal{}, "computer", partition, titles))
}

// collected runs the hourly job and returns the partitions that changed and the
// wanted states of those of the tree.
func (m *testMaster) collected() (changed []string, states string) {
	m.t.Helper()
	places := []string{"computer/p0", "computer/p1", "computer/p2", "computer/p3", "computer/p4"}
	changed = m.changes(places, func() { m.server.destroyUnlinked(m.t.Context()) })
	for _, place := range places[:4] {
		states += m.at(place).Instance.State + " "
	}
	return changed, states
}

const allStarted = "started started started started "

func TestUnlinkedInstancesAreDestroyed(t *testing.T) {
	var log strings.Builder
	m := unlinkedMaster(t, &log)
	m.wait(24 * time.Hour)
	m.keep("p0", "two")
	m.wait(time.Hour - 2*time.Second)
	changed, states := m.collected()
	require.Empty(t, changed)
	require.Equal(t, allStarted, states)
	require.NotContains(t, log.String(), "unlinked")

	// It is destroyed once, and what it requested has its own hour.
	m.wait(2 * time.Second)
	changed, states = m.collected()
	require.Equal(t, []string{"computer/p1"}, changed)
	require.Equal(t, "started destroyed started started ", states)
	require.Contains(t, log.String(), `msg="an unlinked instance is destroyed" title=one tree=A computer=computer partition=p1 shared=false`)
	require.Equal(t, []string{"A_s"}, m.hosted("computer/p4"))
	changed, _ = m.collected()
	require.Empty(t, changed)

	m.wait(time.Hour)
	changed, states = m.collected()
	require.Equal(t, []string{"computer/p3", "computer/p4"}, changed)
	require.Equal(t, "started destroyed started destroyed ", states)
	require.Empty(t, m.hosted("computer/p4"))
	require.Contains(t, log.String(), "title=s tree=A computer=computer partition=p4 shared=true")
	changed, _ = m.collected()
	require.Empty(t, changed)
	require.Equal(t, 3, strings.Count(log.String(), "unlinked"))
}

// Who is adopted stays, and so is the time counted from the last unlinking.
func TestAdoptedInstancesStay(t *testing.T) {
	m := unlinkedMaster(t, new(strings.Builder))
	m.keep("p0", "two")
	m.keep("p1", "grandchild")
	m.wait(time.Minute)
	m.keep("p0", "two") // once more changes nothing
	require.Equal(t, seconds(start), m.at("computer/p1").Instance.Unlinked)
	m.place(asking{by: "computer/p2", title: "one"})
	m.place(asking{by: "computer/p2", title: "s", release: releaseB, shared: true})
	require.Zero(t, m.at("computer/p1").Instance.Unlinked)
	m.wait(2 * time.Hour)
	changed, states := m.collected()
	require.Empty(t, changed)
	require.Equal(t, allStarted, states)
	require.Equal(t, []string{"A_s"}, m.hosted("computer/p4"))

	m.keep("p2")
	changed, _ = m.collected()
	require.Empty(t, changed)
	m.wait(time.Hour)
	changed, states = m.collected()
	require.Equal(t, []string{"computer/p1", "computer/p4"}, changed)
	require.Equal(t, "started destroyed started started ", states)
}

// What a person changes is not adopted by that.
func TestUnlinkedInTreeOfStoppedRoot(t *testing.T) {
	for _, test := range []struct {
		opts []Option
		want string
	}{{nil, "stopped"}, {[]Option{WithDestroyInStoppedTrees()}, "destroyed"}} {
		m := unlinkedMaster(t, new(strings.Builder), test.opts...)
		m.keep("p0", "two")
		m.place(asking{title: "A", state: "stopped"})
		require.NoError(t, m.store.Update(t.Context(), func(tx store.Tx) error {
			p, err := tx.Occupied("computer", "p1")
			require.NoError(t, err)
			_, err = m.change(tx, p, instanceRequest{Release: releaseA, Type: "default", Filter: dictOf(nil)}, asker{})
			return err
		}))
		m.wait(2 * time.Hour)
		m.server.destroyUnlinked(t.Context())
		require.Equal(t, "started", m.at("computer/p3").Instance.State)
		if test.want == "stopped" {
			require.NotEqual(t, "destroyed", m.at("computer/p1").Instance.State)
			m.place(asking{title: "A", state: "started"})
			m.server.destroyUnlinked(t.Context())
		}
		require.Equal(t, "destroyed", m.at("computer/p1").Instance.State)
	}
}

func TestUnlinkedStayByDefault(t *testing.T) {
	m := newMaster(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.server.destroyUnlinkedHourly(t.Context()) // there is nothing to wait for
	}()
	<-done
	_, err := Open(t.Context(), "", WithUnlinkedAge(-1))
	require.ErrorContains(t, err, "age of unlinked")
}

// What is done every hour is done after each hour, not at once, until the context ends.
func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var done atomic.Int32
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			every(ctx, time.Hour, func(context.Context) { done.Add(1) })
		}()
		for hour := range 3 {
			synctest.Wait()
			require.EqualValues(t, hour, done.Load())
			time.Sleep(time.Hour)
		}
		synctest.Wait()
		require.EqualValues(t, 3, done.Load())
		cancel()
		<-ended
		time.Sleep(2 * time.Hour)
		require.EqualValues(t, 3, done.Load())
	})
}
