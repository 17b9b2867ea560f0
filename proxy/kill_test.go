//go:build linux

package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

const (
	// killWriters write at the same time.
	killWriters = 32
	// titlesPerWriter are written in turn by one writer.
	titlesPerWriter = 8
)

// writes is what one writer knows of one of its instances. A write that was sent
// and not answered may have been made or not.
type writes struct {
	place string // where the last answer put it; empty when it is not there
	// The number of the last write that was answered, and of the last one sent.
	// The number is in the parameters, the connection and the supply.
	parameters, connection, supply struct{ answered, sent int }
	leaving                        bool // its removal was sent and not answered
}

// writer sends calls of the protocol for instances of its own.
type writer struct {
	name  string
	count int
	// answered is count for those that look while it writes on.
	answered atomic.Int64
	known    map[string]*writes
}

// A master that is killed while it is written to has everything that it answered
// 200: instances, their parameters and what they publish, removals, supplies.
func TestKilledMasterKeepsWhatItAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	m := &testMaster{t: t, master: s.master}
	m.layout("computer", killWriters*titlesPerWriter+killWriters)
	require.NoError(t, s.Close())
	writers := newWriters()
	idle := 0
	for round := range rounds(5, 200) {
		killed, address := startChild(t, path)
		transport := &http.Transport{MaxIdleConnsPerHost: killWriters}
		client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
		before := answeredBy(writers)
		var wg sync.WaitGroup
		for _, w := range writers {
			wg.Go(func() { w.write(t, client, address) })
		}
		time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		require.NoError(t, killed.Signal(syscall.SIGKILL))
		wg.Wait()
		transport.CloseIdleConnections()
		_, err := killed.Wait()
		require.NoError(t, err)
		if answeredBy(writers) == before {
			idle++
		}
		check(t, path)
		verifyWrites(t, path, writers, round)
	}
	require.Less(t, idle, rounds(5, 200), "no round was killed while writes were answered")
	t.Logf("%d writes of %d writers answered and found again, %d rounds killed before the first", answeredBy(writers), killWriters, idle)
}

func newWriters() []*writer {
	writers := make([]*writer, killWriters)
	for i := range writers {
		writers[i] = &writer{name: fmt.Sprint("w", i), known: map[string]*writes{}}
	}
	return writers
}

func answeredBy(writers []*writer) (n int) {
	for _, w := range writers {
		n += w.count
	}
	return n
}

// write sends one call after the other until the master does not answer.
func (w *writer) write(t *testing.T, client *http.Client, address string) {
	for {
		title := fmt.Sprintf("%s-%d", w.name, rand.IntN(titlesPerWriter))
		k := w.known[title]
		if k == nil {
			k = &writes{}
			w.known[title] = k
		}
		if err := w.step(client, "http://"+address, title, k); err != nil {
			var refused *refusedError
			if errors.As(err, &refused) {
				t.Errorf("%s: %v", title, err)
			}
			return
		}
		w.count++
	}
}

// persist writes one call after the other until ctx ends. Masters that answer 503 are
// asked again; it returns how often.
func (w *writer) persist(ctx context.Context, t *testing.T, client *http.Client, address string) (refusals int) {
	for ctx.Err() == nil {
		title := fmt.Sprintf("%s-%d", w.name, rand.IntN(titlesPerWriter))
		k := w.known[title]
		if k == nil {
			k = &writes{}
			w.known[title] = k
		}
		err := w.step(client, "http://"+address, title, k)
		var refused *refusedError
		switch {
		case err == nil:
			w.answered.Add(1)
			w.count++
		case errors.As(err, &refused) && strings.HasPrefix(refused.status, "503"):
			refusals++
			time.Sleep(20 * time.Millisecond)
		default:
			t.Errorf("%s: %v", title, err)
			return refusals
		}
	}
	return refusals
}

// step makes one change to an instance, whichever is possible. While it is not known
// whether the last one was made, only that is repeated, or the instance requested.
func (w *writer) step(client *http.Client, master, title string, k *writes) error {
	what := rand.IntN(8)
	switch {
	case k.place == "" || k.leaving || what < 4:
		k.parameters.sent++
		body, err := send(client, master+"/requestComputerPartition", url.Values{
			"software_release": {releaseA}, "software_type": {""}, "partition_reference": {title}, "state": {"<marshal><none/></marshal>"},
			"partition_parameter_xml": {numbered(k.parameters.sent)},
		})
		if err != nil {
			return err
		}
		if k.leaving || k.place == "" {
			k.connection.answered = 0 // it may be a new instance
		}
		k.parameters.answered, k.leaving = k.parameters.sent, false
		_, rest, _ := strings.Cut(body, "<string>slap_computer_partition_id</string><string>")
		k.place, _, _ = strings.Cut(rest, "<")
	case what < 6:
		k.connection.sent++
		_, err := send(client, master+"/setComputerPartitionConnectionXml", url.Values{
			"computer_id": {"computer"}, "computer_partition_id": {k.place}, "connection_xml": {numbered(k.connection.sent)},
		})
		if err != nil {
			return err
		}
		k.connection.answered = k.connection.sent
	case what < 7:
		if k.supply.sent == k.supply.answered {
			k.supply.sent++
		}
		_, err := send(client, master+"/supplySupply", url.Values{
			"url": {title}, "computer_id": {"computer"}, "state": {supplyState(k.supply.sent)},
		})
		if err != nil {
			return err
		}
		k.supply.answered = k.supply.sent
	default:
		k.leaving = true
		_, err := send(client, master+"/destroyedComputerPartition", url.Values{"computer_id": {"computer"}, "computer_partition_id": {k.place}})
		if err != nil {
			return err
		}
		supply := k.supply
		*k = writes{supply: supply}
	}
	return nil
}

// supplyState is what a writer's n-th supply asks for.
func supplyState(n int) string {
	if n%2 == 0 {
		return stateDestroyed
	}
	return stateAvailable
}

func numbered(n int) string {
	return fmt.Sprintf(`<marshal><dictionary id="i2"><string>n</string><string>%d</string></dictionary></marshal>`, n)
}

// refusedError is an answer that is not 200.
type refusedError struct{ status, body string }

func (e *refusedError) Error() string { return e.status + ": " + e.body }

// send posts a form and returns the answer's body, if it is 200.
func send(client *http.Client, address string, fields url.Values) (string, error) {
	answer, err := client.PostForm(address, fields)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != http.StatusOK {
		return "", &refusedError{answer.Status, string(body)}
	}
	return string(body), nil
}

// verifyWrites compares what the writers know with what a new master has, and
// takes over what turns out to have been made without an answer.
func verifyWrites(t *testing.T, path string, writers []*writer, round int) {
	t.Helper()
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	found, supplies := map[string]*store.Partition{}, map[string]string{}
	require.NoError(t, s.master.store.View(t.Context(), func(r store.Reader) error {
		c, err := r.Computer("computer")
		if err != nil {
			return err
		}
		software, err := r.Software(c)
		if err != nil {
			return err
		}
		for _, s := range software {
			supplies[s.URL] = s.State
		}
		partitions, err := r.Partitions(c)
		for _, p := range partitions {
			if p.Instance == nil {
				continue
			}
			require.NotContains(t, found, p.Instance.Title, "round %d: on two partitions", round)
			found[p.Instance.Title] = p
		}
		return err
	}))
	for _, w := range writers {
		for title, k := range w.known {
			k.verify(t, fmt.Sprintf("round %d: %s", round, title), found[title])
			verifySupply(t, fmt.Sprintf("round %d: %s", round, title), k, supplies[title])
			delete(found, title)
		}
	}
	require.Empty(t, found, "round %d: instances that nobody asked for", round)
}

// verify compares what is known of an instance with what is there.
func (k *writes) verify(t *testing.T, name string, p *store.Partition) {
	t.Helper()
	if p == nil {
		if k.place != "" {
			require.True(t, k.leaving, "%s was answered and is lost", name)
		}
		*k = writes{supply: k.supply}
		return
	}
	if k.place != "" {
		require.Equal(t, k.place, p.Reference, name)
	}
	k.place, k.leaving = p.Reference, false
	for _, part := range []struct {
		what string
		text string
		n    *struct{ answered, sent int }
	}{
		{"parameters", p.Instance.Parameters, &k.parameters},
		{"connection", p.Instance.Connection, &k.connection},
	} {
		n := numberIn(t, part.text)
		require.GreaterOrEqual(t, n, part.n.answered, "%s: %s that were answered are lost", name, part.what)
		require.LessOrEqual(t, n, part.n.sent, "%s: %s that nobody sent", name, part.what)
		part.n.answered, part.n.sent = n, n
	}
}

// verifySupply compares the last supplies of a writer with what is there.
func verifySupply(t *testing.T, name string, k *writes, state string) {
	t.Helper()
	n := k.supply.answered
	if n == 0 && state == "" {
		k.supply.sent = 0
		return
	}
	if n == 0 || state != supplyState(n) {
		n++
		require.Equal(t, k.supply.sent, n, "%s: its supply was answered and is lost", name)
		require.Equal(t, supplyState(n), state, name)
	}
	k.supply.answered, k.supply.sent = n, n
}

// numberIn reads the number of a write from instance XML.
func numberIn(t *testing.T, text string) int {
	t.Helper()
	_, rest, ok := strings.Cut(text, `<parameter id="n">`)
	if !ok {
		return 0
	}
	number, _, _ := strings.Cut(rest, "<")
	n, err := strconv.Atoi(number)
	require.NoError(t, err, text)
	return n
}
