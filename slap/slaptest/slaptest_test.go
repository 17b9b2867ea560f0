package slaptest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/slaptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counting is a master that counts what reaches it.
type counting struct{ calls atomic.Int64 }

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.calls.Add(1)
	w.Header().Set("X-From", "master")
	_, _ = fmt.Fprintf(w, "hello %s", r.FormValue("name"))
}

// ask makes one call and reads the answer to its end.
func ask(ctx context.Context, line http.RoundTripper, method, url, form string) (status int, body string, err error) {
	var content io.Reader
	if method == http.MethodPost {
		content = strings.NewReader(form)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := line.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return response.StatusCode, string(data), err
}

func TestFaults(t *testing.T) {
	for name, test := range map[string]struct {
		fault  slaptest.Fault
		acted  int64
		status int
		body   string
		err    string
		took   time.Duration
	}{
		"refused":        {slaptest.Refuse(), 0, 0, "", "connection refused", 0},
		"cut before":     {slaptest.CutBefore(), 0, 0, "", "connection reset", 0},
		"cut after":      {slaptest.CutAfter(), 1, 0, "", "connection reset", 0},
		"delay":          {slaptest.Delay(time.Minute), 1, 200, "hello you", "", time.Minute},
		"delay after":    {slaptest.DelayAfter(time.Minute), 1, 200, "hello you", "", time.Minute},
		"too long":       {slaptest.Delay(2 * time.Hour), 0, 0, "", "deadline", time.Hour},
		"too long after": {slaptest.DelayAfter(2 * time.Hour), 1, 0, "", "deadline", time.Hour},
		"status":         {slaptest.Status(503, "busy"), 0, 503, "busy", "", 0},
		"status after":   {slaptest.StatusAfter(504, "late"), 1, 504, "late", "", 0},
		"garbled":        {slaptest.Garble("<a><b></a>"), 1, 200, "<a><b></a>", "", 0},
		"truncated":      {slaptest.Truncate(5), 1, 200, "hello", "unexpected EOF", 0},
		"not truncated":  {slaptest.Truncate(9), 1, 200, "hello you", "", 0},
		"slow":           {slaptest.Slow(4, time.Second), 1, 200, "hello you", "", 4 * time.Second},
		"too slow":       {slaptest.Slow(4, 2*time.Hour), 1, 200, "", "deadline", time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				master := &counting{}
				line := slaptest.New(slaptest.Handler(master), test.fault)
				start := time.Now()
				status, body, err := ask(ctx, line, http.MethodPost, "http://master/hello", "name=you")
				require.Equal(t, test.took, time.Since(start))
				require.Equal(t, test.acted, master.calls.Load())
				require.Equal(t, test.status, status)
				require.Equal(t, test.body, body)
				if test.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, test.err)
				}
				call := line.Calls()[0]
				require.Equal(t, test.acted == 1, call.Reached)
				require.Equal(t, test.status, call.Status)
				require.True(t, call.Done)
				require.Len(t, call.Faults, 1)
			})
		})
	}
}

func TestWhichCallsAreStruck(t *testing.T) {
	cut := slaptest.CutBefore()
	for name, test := range map[string]struct {
		fault slaptest.Fault
		want  string // of GET a, POST a, POST b and so on: x is struck
	}{
		"all":           {cut, "xxxxxxxxx"},
		"method":        {cut.OnMethod("GET"), "x..x..x.."},
		"path":          {cut.OnPath("b"), "..x..x..x"},
		"path and base": {cut.OnPath("/base/b"), "..x..x..x"},
		"not a part":    {cut.OnPath("se/b"), "........."},
		"field":         {cut.OnField("i", "4"), "....x...."},
		"function":      {cut.When(func(c slaptest.Call) bool { return c.Field("i") > "6" }), ".......xx"},
		"once":          {cut.Once(), "x........"},
		"first":         {cut.First(2).OnPath("b"), "..x..x..."},
		"nth":           {cut.OnPath("a").Nth(4), "....x...."},
		"every":         {cut.Every(4), "...x...x."},
		"every of some": {cut.Every(2).OnMethod("POST").OnPath("a"), "....x...."},
		"never":         {cut.Every(0), "........."},
		"last counts":   {cut.Every(2).Once(), "x........"},
	} {
		t.Run(name, func(t *testing.T) {
			line := slaptest.New(slaptest.Handler(&counting{}), test.fault)
			got := ""
			for i := range 9 {
				method, path := http.MethodGet, "a"
				if i%3 > 0 {
					method = http.MethodPost
				}
				if i%3 == 2 {
					path = "b"
				}
				url, form := "http://master/base/"+path, fmt.Sprintf("i=%d", i)
				if method == http.MethodGet {
					url += "?" + form
				}
				if _, _, err := ask(t.Context(), line, method, url, form); err != nil {
					got += "x"
				} else {
					got += "."
				}
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestFaultsActTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		line := slaptest.New(slaptest.Handler(&counting{}), slaptest.Delay(time.Second))
		line.Inject(slaptest.Truncate(5), slaptest.Delay(time.Minute))
		start := time.Now()
		_, body, err := ask(t.Context(), line, "GET", "http://master/?name=you", "")
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, "hello", body)
		require.Equal(t, time.Minute+time.Second, time.Since(start))
		require.Equal(t, []string{"delayed before", "truncated", "delayed before"}, line.Calls()[0].Faults)
		require.Equal(t, "GET / (delayed before, truncated, delayed before): 200", line.Calls()[0].String())

		line.Reset(slaptest.Refuse().Once())
		require.Empty(t, line.Calls())
		_, _, err = ask(t.Context(), line, "GET", "http://master/a", "")
		require.Error(t, err)
		_, _, err = ask(t.Context(), line, "GET", "http://master/a", "")
		require.NoError(t, err)
		require.Equal(t, "GET /a (refused): dial tcp: connect: connection refused", line.Calls()[0].String())
		require.Len(t, line.CallsTo("a"), 2)
		require.Empty(t, line.CallsTo("b"))
	})
}

// TestFaultIsAValue gives one fault to two transports.
func TestFaultIsAValue(t *testing.T) {
	once := slaptest.Refuse().Once()
	onlyPost := once.OnMethod("POST")
	for range 2 {
		line := slaptest.New(slaptest.Handler(&counting{}), once)
		_, _, err := ask(t.Context(), line, "GET", "http://master/", "")
		require.Error(t, err)
		line = slaptest.New(slaptest.Handler(&counting{}), onlyPost)
		_, _, err = ask(t.Context(), line, "GET", "http://master/", "")
		require.NoError(t, err)
	}
}

func TestChangesAreNotRepeatedOnceTheyWereSent(t *testing.T) {
	for name, test := range map[string]struct {
		fault slaptest.Fault
		calls int
	}{
		"refused": {slaptest.Refuse(), 3}, "before": {slaptest.CutBefore(), 1}, "after": {slaptest.CutAfter(), 1},
		"503": {slaptest.Status(503, ""), 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			line := slaptest.New(slaptest.Handler(&counting{}), test.fault)
			client, err := slap.New("http://master/", slap.WithTransport(line))
			require.NoError(t, err)
			require.Error(t, client.Computer("C").Bang(t.Context(), "m"), name)
			require.Len(t, line.Calls(), test.calls, name)
		})
	}
}

func TestUseByManyGoroutines(t *testing.T) {
	master := &counting{}
	line := slaptest.New(slaptest.Handler(master), slaptest.Status(500, "").Every(10), slaptest.CutAfter().Nth(1))
	var failed atomic.Int64
	g, ctx := errgroup.WithContext(t.Context())
	for range 8 {
		g.Go(func() error {
			for i := range 100 {
				if status, _, err := ask(ctx, line, "GET", "http://master/", ""); err != nil || status != 200 {
					failed.Add(1)
				}
				if i%10 == 0 {
					line.Inject(slaptest.Refuse().OnPath("never"))
					_ = line.Calls()
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.EqualValues(t, 81, failed.Load())
	require.EqualValues(t, 720, master.calls.Load())
	require.Len(t, line.Calls(), 800)
}

func TestHandlerIsLikeAServer(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/abort":
			panic(http.ErrAbortHandler)
		case "/panic":
			panic("oops")
		case "/wait":
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusTeapot)
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, r.Host, " ", r.RequestURI, " ", r.RemoteAddr, " ", string(body), " ", err, " ", r.ContentLength)
	})
	line := slaptest.Handler(h)
	status, body, err := ask(t.Context(), line, "POST", "http://user:secret@master:80/a?b=c", "d=e")
	require.NoError(t, err)
	require.Equal(t, http.StatusTeapot, status)
	require.Equal(t, "master:80 /a?b=c 127.0.0.1:1 d=e <nil> 3", body)
	_, _, err = ask(t.Context(), line, "GET", "http://master/abort", "")
	require.ErrorContains(t, err, "connection reset")
	_, _, err = ask(t.Context(), line, "GET", "http://master/panic", "")
	require.ErrorContains(t, err, "the handler panicked: oops")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, _, err = ask(ctx, line, "GET", "http://master/wait", "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// TestOverASocket has no handler but a server.
func TestOverASocket(t *testing.T) {
	server := httptest.NewServer(&counting{})
	defer server.Close()
	line := slaptest.New(nil, slaptest.Truncate(2).Nth(2))
	defer line.CloseIdleConnections()
	_, body, err := ask(t.Context(), line, "POST", server.URL, "name=you")
	require.NoError(t, err)
	require.Equal(t, "hello you", body)
	_, body, err = ask(t.Context(), line, "POST", server.URL, "name=you")
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "he", body)
	require.Equal(t, []string{"you"}, line.Calls()[1].Fields["name"])
}

func TestFaultsThatStruckNothingAreTold(t *testing.T) {
	line := slaptest.New(slaptest.Handler(http.NotFoundHandler()),
		slaptest.Delay(0).OnPath("supplySupply"), slaptest.Refuse().OnPath("suplySupply"), slaptest.CutBefore().Nth(2))
	require.Equal(t, []string{"delayed before", "refused", "cut before"}, line.Unused())
	client, err := slap.New("http://localhost/", slap.WithTransport(line))
	require.NoError(t, err)
	require.Error(t, client.Supply().Supply(t.Context(), "sr", "c", ""))
	require.Equal(t, []string{"refused", "cut before"}, line.Unused())
	line.Reset()
	require.Empty(t, line.Unused())
}
