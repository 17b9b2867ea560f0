package slap_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/slaptest"
)

// breaker is a server in front of a master that breaks the connections of
// changes, and notes what came.
type breaker struct {
	next http.Handler

	mu   sync.Mutex
	how  string
	came []string
}

func (b *breaker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		b.next.ServeHTTP(w, r)
		return
	}
	b.mu.Lock()
	how := b.how
	b.came = append(b.came, r.URL.Path)
	b.mu.Unlock()
	if how != "before" {
		answer := httptest.NewRecorder()
		b.next.ServeHTTP(answer, r)
		if how == "half" {
			w.Header().Set("Content-Length", "1000000")
			w.WriteHeader(answer.Code)
			_, _ = io.Copy(w, answer.Body)
		}
	}
	panic(http.ErrAbortHandler) // closes the connection
}

// TestChangesOverBrokenConnections has what the faults of slaptest stand for
// happen to connections, which were in use before: the rules of the client of
// net/http, which repeats some requests by itself, are in the way then.
func TestChangesOverBrokenConnections(t *testing.T) {
	r := newRig(t)
	b := &breaker{next: r.extras}
	server := httptest.NewServer(b)
	defer server.Close()
	line := slaptest.New(&http.Transport{})
	defer line.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	all := operations()
	for _, how := range []string{"before", "after", "half"} {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			o := all[name]
			if o.again == reads || name == "Client.Token" {
				continue
			}
			client, err := slap.New(server.URL, slap.WithTransport(line))
			require.NoError(t, err)
			r.client, r.root = client, client.PartitionReference("COMP-1", "slappart0")
			r.release = client.SoftwareRelease(faultsRelease).OnComputer("COMP-1")
			_, err = client.Computer("COMP-1").Status(ctx) // leaves a connection
			require.NoError(t, err)
			b.mu.Lock()
			b.how, b.came = how, nil
			b.mu.Unlock()
			// What was asked for may be refused by now; the answer does not come.
			err = o.do(ctx, t, r)
			require.ErrorIs(t, err, slap.ErrConnection, "%s %s", name, how)
			b.mu.Lock()
			require.Len(t, b.came, 1, "%s %s", name, how)
			b.mu.Unlock()
		}
	}
}
