package slap

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": -1, "soon": -1, "-5": -1, "1.5": -1, "99999999999999": -1,
		"0": 0, " 7 ": 7 * time.Second, "86400": 24 * time.Hour,
		"Fri, 02 Jan 2026 03:04:15 GMT": 10 * time.Second, "Fri, 02 Jan 2026 03:04:00 GMT": 0,
	} {
		wait, ok := retryAfter(&http.Response{Header: http.Header{"Retry-After": {text}}}, now)
		require.Equal(t, want >= 0, ok, text)
		require.Equal(t, max(0, want), wait, text)
	}
	_, ok := retryAfter(nil, now)
	require.False(t, ok)
}

// TestPauses measures the time between attempts, which is not real.
func TestPauses(t *testing.T) {
	for name, test := range map[string]struct {
		asked       string
		within      time.Duration // of the context
		attempts    int
		least, most time.Duration // in all
		hint        string
	}{
		"back-off":                 {"", time.Hour, 3, 300 * time.Millisecond, 600 * time.Millisecond, "try again later"},
		"as the master asks":       {"7", time.Hour, 3, 14 * time.Second, 14 * time.Second, "after 7s"},
		"until a date":             {"date", time.Hour, 3, 20 * time.Second, 20 * time.Second, "after 0s"},
		"not less":                 {"0", time.Hour, 3, 300 * time.Millisecond, 600 * time.Millisecond, "after 0s"},
		"too long":                 {"31", time.Hour, 1, 0, 0, "after 31s"},
		"beyond the context":       {"7", 5 * time.Second, 1, 0, 0, "after 7s"},
		"not for a date in a year": {"Sun, 31 Dec 2000 00:00:00 GMT", time.Hour, 1, 0, 0, "after 8760h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, attempts := time.Now(), 0
				c := client(t, "http://master/", WithTransport(handled(func(w http.ResponseWriter, _ *http.Request) {
					attempts++
					switch test.asked {
					case "":
					case "date":
						w.Header().Set("Retry-After", start.Add(20*time.Second).UTC().Format(http.TimeFormat))
					default:
						w.Header().Set("Retry-After", test.asked)
					}
					w.WriteHeader(http.StatusServiceUnavailable)
				})))
				ctx, cancel := context.WithTimeout(t.Context(), test.within)
				defer cancel()
				_, err := c.get(ctx, call{op: "x", path: "y"})
				require.ErrorIs(t, err, ErrServer)
				require.NotErrorIs(t, err, context.DeadlineExceeded)
				require.ErrorContains(t, err, test.hint)
				require.Equal(t, test.attempts, attempts)
				elapsed := time.Since(start)
				require.GreaterOrEqual(t, elapsed, test.least)
				if name != "until a date" {
					require.LessOrEqual(t, elapsed, test.most)
				}
			})
		})
	}
}

func TestPausesDoNotOverflow(t *testing.T) {
	const most = time.Duration(math.MaxInt64)
	for _, least := range []time.Duration{time.Millisecond, 1000 * time.Hour, most / 3, most} {
		for attempt := range 70 {
			require.GreaterOrEqual(t, backoff(least, most, attempt), least/2)
			require.LessOrEqual(t, backoff(least, 2*time.Second, attempt), 2*time.Second)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c, looks := watchedComputer(t, func(int) string { return look{}.object(t) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.Empty(t, collect(ctx, c, -1, WatchEvery(most)))
		require.Len(t, looks(), 1)
	})
}

func TestCancelWhilePausing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, "http://master/", WithTransport(handled(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "20")
			w.WriteHeader(http.StatusServiceUnavailable)
		})))
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		time.AfterFunc(time.Second, cancel)
		_, err := c.get(ctx, call{op: "x", path: "y"})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestChangesAreRepeatedOnlyIfNothingWasSent(t *testing.T) {
	// A master that takes the request and closes, one that is not there, and a
	// proxy that is not there.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	accepted := make(chan struct{}, 100)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- struct{}{}
			_, _ = conn.Read(make([]byte, 10))
			conn.Close()
		}
	}()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	nobody := "http://" + gone.Addr().String()

	for name, test := range map[string]struct {
		master   string
		opts     []Option
		attempts int
	}{
		"closes after the request began": {"http://" + listener.Addr().String(), nil, 1},
		"nobody there":                   {nobody, nil, 2},
		"no proxy there":                 {"http://master.example", []Option{proxyAt(t, nobody)}, 2},
		"no proxy for https":             {"https://master.example", []Option{proxyAt(t, nobody)}, 2},
	} {
		o := &tracer{name: "o"}
		c := client(t, test.master, append(test.opts, WithObserver(o), WithRetry(1))...)
		err := c.Computer("C").Bang(context60(t), "m")
		require.ErrorIs(t, err, ErrConnection, name)
		require.Len(t, o.told, test.attempts, name)
	}
	require.Len(t, accepted, 1)
}

func TestReadIsRepeatedOverANewConnection(t *testing.T) {
	n := 0
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n++; n < 3 {
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(strconv.Itoa(n)))
	}))
	body, err := c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Equal(t, "3", string(body))
	require.False(t, errors.Is(err, ErrConnection))
}
