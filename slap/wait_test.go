package slap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWaitReady(t *testing.T) {
	tries := 0
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		tries++
		connection := map[string]any{}
		switch tries {
		case 1:
			http.Error(w, "", http.StatusRequestTimeout)
			return
		case 3:
			connection["url"] = "U"
		}
		fmt.Fprint(w, instance(map[string]any{
			"slap_computer_id": "C", "slap_computer_partition_id": "P", "_connection_dict": connection,
		}))
	}))
	quickly := Interval(time.Millisecond, 2*time.Millisecond)
	p, err := WaitConnectionParameters(context60(t), c.OpenOrder(), Request{SoftwareRelease: "sr", Reference: "ref"}, []string{"url"}, quickly)
	require.NoError(t, err)
	require.Equal(t, 3, tries)
	require.Equal(t, Parameters{"url": "U"}, p.ConnectionParameters())
}

func TestWaitReadyEnds(t *testing.T) {
	refused := client(t, serve(t, http.NotFound))
	_, err := WaitConnectionParameters(context60(t), refused.OpenOrder(), Request{}, []string{"url"})
	require.ErrorIs(t, err, ErrNotFound, "no free partition is not waited for")

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		var at []time.Time
		_, err := WaitReady(ctx, func(context.Context) (int, error) {
			at = append(at, time.Now())
			return 0, notReady("x", "not yet")
		})
		require.ErrorIs(t, err, ErrNotReady)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Greater(t, len(at), 6)
		for i := 1; i < len(at); i++ {
			pause := at[i].Sub(at[i-1])
			most := min(30*time.Second, time.Second<<(i-1))
			require.LessOrEqual(t, pause, most)
			require.GreaterOrEqual(t, pause, most/2)
		}
	})
}

// wanted is a requester without a master.
type wanted func(Request) (*ComputerPartition, error)

func (w wanted) Request(_ context.Context, r Request) (*ComputerPartition, error) { return w(r) }

func (wanted) Information(context.Context, string) (*Instance, error) { return nil, ErrNotFound }

// publishing returns an instance with connection parameters.
func publishing(connection Parameters) *ComputerPartition {
	return newPartition(&Client{}, &snapshot{computerID: "C", partitionID: "P", connection: connection})
}

func TestWaitingTellsWhatIsMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the shift is over"))
		defer cancel()
		reasons := 0
		_, err := WaitConnectionParameters(ctx, wanted(func(Request) (*ComputerPartition, error) {
			return publishing(Parameters{"url": "hunter2"}), nil
		}), Request{Reference: "ref"}, []string{"url", "user", "pass word"}, OnWait(func(err error, pause time.Duration) {
			reasons++
			require.ErrorIs(t, err, ErrNotReady)
			require.Positive(t, pause)
		}))
		require.ErrorIs(t, err, ErrNotReady)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, `waiting until ready: the shift is over; last answer: request: instance "ref" has not published "user", "pass word" yet`)
		require.Greater(t, reasons, 5)
	})
	// The context ends while a call is under way: what was missing before counts.
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		calls := 0
		_, err := WaitReady(ctx, func(ctx context.Context) (int, error) {
			if calls++; calls == 1 {
				return 0, notReady("x", "the moon")
			}
			<-ctx.Done()
			return 0, &Error{Op: "x", Kinds: []error{ErrConnection}, Err: ctx.Err()}
		})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "the moon")
	})
}

func TestWaitForPublishedJSON(t *testing.T) {
	r := wanted(func(Request) (*ComputerPartition, error) { return publishing(Parameters{"_": `{"url": "U"}`}), nil })
	p, err := WaitConnectionParameters(t.Context(), r, Request{}, []string{"url"})
	require.NoError(t, err)
	var got struct{ URL string }
	require.NoError(t, p.ConnectionParameters().Decode(&got))
	require.Equal(t, "U", got.URL)
	_, err = WaitConnectionParameters(t.Context(), r, Request{}, []string{"_"})
	require.NoError(t, err)
}

func TestWaitRequestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		r := wanted(func(Request) (*ComputerPartition, error) {
			if calls++; calls == 1 {
				return nil, ErrNotReady
			}
			return publishing(Parameters{"n": calls}), nil
		})
		p, err := WaitRequest(t.Context(), r, Request{})
		require.NoError(t, err)
		require.Equal(t, Parameters{"n": 2}, p.ConnectionParameters())
		p, err = WaitRequestUntil(t.Context(), r, Request{}, func(p *ComputerPartition) error {
			if n, _ := p.ConnectionParameters().Int("n"); n < 5 {
				return fmt.Errorf("five: %w", ErrNotReady)
			}
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, Parameters{"n": 5}, p.ConnectionParameters())
		_, err = WaitRequestUntil(t.Context(), r, Request{}, func(*ComputerPartition) error { return ErrCertificate })
		require.ErrorIs(t, err, ErrCertificate)
	})
}

func TestWaitThroughFailures(t *testing.T) {
	down := &Error{Op: "x", Kinds: []error{ErrConnection}}
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			err  error
			ends bool
		}{
			{down, false}, {&Error{Kinds: []error{ErrServer}}, false}, {&Error{Kinds: []error{ErrNotFound}}, true},
			{&Error{Kinds: []error{ErrAuthentication, ErrConnection}}, true}, {errors.New("other"), true},
		} {
			calls := 0
			try := func(context.Context) (int, error) {
				if calls++; calls < 4 {
					return 0, test.err
				}
				return calls, nil
			}
			_, err := WaitReady(t.Context(), try)
			require.ErrorIs(t, err, test.err)
			calls = 0
			n, err := WaitReady(t.Context(), try, ThroughFailures())
			if test.ends {
				require.ErrorIs(t, err, test.err)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, 4, n)
		}
	})
}

func TestRequestAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		var mu sync.Mutex
		running, most := 0, 0
		count := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			most = max(most, running)
		}
		order := wanted(func(r Request) (*ComputerPartition, error) {
			calls.Add(1)
			count(1)
			defer count(-1)
			time.Sleep(time.Second)
			switch {
			case r.Reference == "none":
				return nil, ErrNotFound
			case r.Reference == "late" && calls.Load() < 12:
				return nil, ErrNotReady
			}
			return publishing(Parameters{"name": r.Reference}), nil
		})
		var requests []Request
		for i := range 9 {
			requests = append(requests, Request{Reference: fmt.Sprint(i)})
		}
		requests[3].Reference, requests[5].Reference = "late", "none"
		parts, err := RequestAll(t.Context(), order, requests, 3)
		require.ErrorIs(t, err, ErrNotReady)
		require.ErrorIs(t, err, ErrNotFound)
		require.EqualError(t, err, "request \"late\": not ready\nrequest \"none\": not found")
		require.Equal(t, 3, most)
		for i, part := range parts {
			if i == 3 || i == 5 {
				require.Nil(t, part)
				continue
			}
			require.Equal(t, Parameters{"name": requests[i].Reference}, part.ConnectionParameters())
		}
		_, err = WaitRequestAll(t.Context(), order, requests, 0)
		require.EqualError(t, err, `request "none": not found`)

		calls.Store(0)
		requests[5].Reference = "5"
		parts, err = WaitRequestAll(t.Context(), order, requests, 0)
		require.NoError(t, err)
		require.NotContains(t, parts, (*ComputerPartition)(nil))
		require.EqualValues(t, 12, calls.Load(), "only the pending one is asked for again")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		calls.Store(0)
		_, err = RequestAll(ctx, order, requests, 0)
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, calls.Load())
		parts, err = RequestAll(t.Context(), order, nil, 0)
		require.NoError(t, err)
		require.Empty(t, parts)
	})
}

// What was waited for by its name is then read by its name, however it was
// published.
func TestConnectionParameterInJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"url": "http://x/", "port": 80}`: "http://x/",
		`{"url": null}`:                    "",
		`{`:                                "",
	} {
		p := newPartition(client(t, "http://localhost/"), &snapshot{connection: Parameters{"_": text}})
		got, err := p.ConnectionParameter("url")
		require.Equal(t, want, got)
		if want == "" {
			require.ErrorIs(t, err, ErrNotFound)
			require.ErrorIs(t, err, ErrNotReady)
			continue
		}
		require.NoError(t, err)
		got, err = p.ConnectionParameter("_")
		require.NoError(t, err)
		require.Equal(t, text, got)
	}
}
