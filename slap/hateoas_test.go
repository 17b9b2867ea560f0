package slap

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// hateoasExchange is a recorded question to a HATEOAS interface. The first part
// of its step is the server: the reference's stand-alone master of a release, or
// an imitation of a real master that a client of a release asked.
type hateoasExchange struct {
	Step     string            `json:"step"`
	Method   string            `json:"method"`
	Target   string            `json:"path"`
	Asked    map[string]string `json:"request_headers"`
	Body     string            `json:"request_body"`
	Status   int               `json:"status"`
	Answered map[string]string `json:"response_headers"`
	Answer   string            `json:"response_body"`

	server, name string
	url          *url.URL
	query        url.Values
}

func readHateoas(t testing.TB) []hateoasExchange {
	t.Helper()
	file, err := os.Open("testdata/hateoas.jsonl")
	require.NoError(t, err)
	defer file.Close()
	var all []hateoasExchange
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e hateoasExchange
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		e.server, e.name, _ = strings.Cut(e.Step, "/")
		e.url, err = url.Parse(e.Target)
		require.NoError(t, err)
		e.query = e.url.Query()
		all = append(all, e)
	}
	require.NoError(t, lines.Err())
	require.Len(t, all, 227)
	return all
}

// recorded is a master that answers as one of the recorded servers did.
type recorded struct {
	url       string
	server    string
	exchanges []hateoasExchange

	mu   sync.Mutex
	seen []string
	// raw are the requests as they came.
	raw []string
}

// otherwise are parts of the names of steps that show a server in another state,
// or asked in another way.
var otherwise = []string{"list/empty", "after-", "freed", "found-then", "x-forwarded", "behind-prefix"}

func replay(t *testing.T, server string) *recorded {
	t.Helper()
	r := &recorded{server: server}
	for _, e := range readHateoas(t) {
		strange := slices.ContainsFunc(otherwise, func(part string) bool { return strings.Contains(e.name, part) })
		if e.server == server && e.Method == http.MethodGet && !strange {
			r.exchanges = append(r.exchanges, e)
		}
	}
	require.NotEmpty(t, r.exchanges)
	started := httptest.NewServer(r)
	t.Cleanup(started.Close)
	r.url = started.URL
	return r
}

// here replaces the address of the recorded server.
func (r *recorded) here(text string) string {
	return strings.NewReplacer("http://127.0.0.1:18710", r.url, "http://127.0.0.1:18730", r.url).Replace(text)
}

func (r *recorded) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.seen = append(r.seen, strings.TrimSpace(q.URL.Path+" "+q.FormValue("query")+q.FormValue("relative_url")))
	r.raw = append(r.raw, q.Method+" "+q.RequestURI+" "+q.Header.Get("Cache-Control"))
	r.mu.Unlock()
	for _, e := range r.exchanges {
		if e.url.Path != q.URL.Path || e.query.Get("mode") != q.FormValue("mode") || e.query.Get("query") != q.FormValue("query") ||
			e.query.Get("relative_url") != q.FormValue("relative_url") {
			continue
		}
		if location := e.Answered["Location"]; location != "" {
			w.Header().Set("Location", r.here(location))
		}
		w.WriteHeader(e.Status)
		fmt.Fprint(w, r.here(e.Answer))
		return
	}
	if strings.HasPrefix(r.server, "server") && q.FormValue("mode") == "traverse" {
		http.Redirect(w, q, q.FormValue("relative_url"), http.StatusFound)
		return
	}
	if strings.HasPrefix(r.server, "server") && q.FormValue("mode") == "search" {
		http.Error(w, "Unhandled query", http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(r.server, "client") && q.FormValue("mode") == "search" {
		fmt.Fprint(w, `{"_embedded": {"contents": []}}`)
		return
	}
	http.NotFound(w, q)
}

// standalone are the stand-alone masters, with what they tell.
var standalone = []struct {
	server, hateoas string
	state           State
	kind            string
	shared          bool
	computers       int
}{
	{"server-1.26.1", "/hateoas", StateStopped, "MyType1", true, 2},
	{"server-1.26.1", "/hateoas/", StateStopped, "MyType1", true, 2},
	{"server-1.6.10", "/hateoas", "busy", "", false, 2},
	{"server-1.6.10", "/hateoas/", "busy", "", false, 2},
	{"server-1.6.10", "", "busy", "", false, 2},
}

func TestStandAloneMasters(t *testing.T) {
	for _, test := range standalone {
		t.Run(test.server+test.hateoas, func(t *testing.T) {
			r := replay(t, test.server)
			var opts []Option
			if test.hateoas != "" {
				opts = append(opts, WithHateoasURL(r.url+test.hateoas))
			}
			c := client(t, r.url, opts...)
			ctx := context60(t)

			orders, err := c.OpenOrders(ctx)
			require.NoError(t, err)
			var names []string
			for _, o := range orders {
				names = append(names, o.Reference)
				require.NotEmpty(t, o.SoftwareRelease)
			}
			require.IsIncreasing(t, names)
			require.Contains(t, names, "MyInstance0")
			require.Contains(t, names, "With Blank é")

			one, err := c.OpenOrder().Information(ctx, "MyInstance1")
			require.NoError(t, err)
			require.Equal(t, "http://sr1//", one.SoftwareRelease)
			require.Equal(t, test.state, one.State)
			require.Equal(t, test.kind, one.SoftwareType)
			require.Equal(t, Parameters{"couscous": "hello"}, one.Parameters)
			require.Empty(t, one.ConnectionParameters)
			require.False(t, one.Shared)

			for _, unknown := range []string{"Nope", "Child", ""} {
				_, err = c.OpenOrder().Information(ctx, unknown)
				require.ErrorIs(t, err, ErrNotFound, unknown)
			}
			_, err = c.OpenOrder().Information(ctx, `My"Inst`)
			require.ErrorIs(t, err, ErrServer)
			require.ErrorContains(t, err, "400")

			shared, err := c.PartitionReference("c", "p").Information(ctx, "MyShared")
			if test.shared {
				require.NoError(t, err)
				require.True(t, shared.Shared)
				require.Equal(t, Parameters{"a": "b"}, shared.Parameters)
			} else {
				require.ErrorIs(t, err, ErrNotFound)
			}

			computers, err := c.Computers(ctx)
			require.NoError(t, err)
			require.Len(t, computers, test.computers)
			computer, err := c.Computer("computer").Information(ctx)
			require.NoError(t, err)
			require.Equal(t, "computer", computer.Title)
			_, err = c.Computer("Nope").Information(ctx)
			require.ErrorIs(t, err, ErrNotFound)
			_, err = c.Token(ctx)
			require.ErrorIs(t, err, ErrNotFound)
		})
	}
}

func TestRealMasters(t *testing.T) {
	for _, server := range []string{"client-1.26.1", "client-1.6.10"} {
		t.Run(server, func(t *testing.T) {
			r := replay(t, server)
			c := client(t, r.url)
			ctx := context60(t)
			where, err := c.HateoasURL(ctx)
			require.NoError(t, err)
			require.Equal(t, r.url+"/hateoas", where)

			orders, err := c.OpenOrders(ctx)
			require.NoError(t, err)
			require.Len(t, orders, 1)
			require.Equal(t, "myrefe", orders[0].Reference)
			require.Equal(t, "http://sr/", orders[0].SoftwareRelease)
			require.NotContains(t, orders[0].Fields, "_links")

			info, err := c.OpenOrder().Information(ctx, "myrefe")
			require.NoError(t, err)
			require.Equal(t, Parameters{"_": map[string]any{"a": int64(1)}}, info.Parameters)
			require.EqualValues(t, "start_requested", info.State)
			require.Contains(t, info.ConnectionParameters, "k")

			computers, err := c.Computers(ctx)
			require.NoError(t, err)
			require.Len(t, computers, 1)
			require.Equal(t, "COMP-1", computers[0].Reference)
			require.Equal(t, "c1", computers[0].Title)
			token, err := c.Token(ctx)
			require.NoError(t, err)
			require.Equal(t, "1234567-90", token)

			r.mu.Lock()
			defer r.mu.Unlock()
			require.Equal(t, []string{"/getHateoasUrl", "/hateoas"}, r.seen[:2])
			for _, question := range r.seen[2:] {
				require.NotContains(t, []string{"/getHateoasUrl", "/hateoas"}, question, "asked once only")
			}
		})
	}
}

func TestMasterWithoutHateoas(t *testing.T) {
	c := client(t, serve(t, http.NotFound))
	_, err := c.HateoasURL(context60(t))
	require.ErrorIs(t, err, ErrNotFound)
	_, err = c.OpenOrders(context60(t))
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorContains(t, err, "master_rest_url")

	c = client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hateoas" {
			fmt.Fprint(w, "<html>")
		}
	}))
	_, err = c.OpenOrders(context60(t))
	require.ErrorIs(t, err, ErrServer)
	require.ErrorContains(t, err, "master_rest_url")
}

// TestLastFieldOfAFormCounts, whatever it is called, as in the reference.
func TestLastFieldOfAFormCounts(t *testing.T) {
	for want, view := range map[string]string{
		"yours": `{"my_title": {"type": "StringField", "default": "mine"}, "your_title": {"type": "StringField", "default": "yours"}}`,
		"mine":  `{"your_title": {"type": "StringField", "default": "yours"}, "my_title": {"type": "StringField", "default": "mine"}}`,
		"":      `null`,
	} {
		c := newAsked(t, 200, `{"_links": {"raw_search": {"href": "?s"}, "traverse": {"href": "?t"}}, "_embedded": {"_view": `+view+`}}`,
			WithHateoasURL("hateoas"))
		for range 20 { // maps have no order
			fields, err := c.traverse(context60(t), "x", "a")
			require.NoError(t, err)
			title, _ := fields.String("title")
			require.Equal(t, want, title)
		}
	}
	c := newAsked(t, 200, `{"_links": {"raw_search": {"href": "?s"}, "traverse": {"href": "?t"}}, "_embedded": {"_view": []}}`, WithHateoasURL("hateoas"))
	_, err := c.traverse(context60(t), "x", "a")
	require.ErrorIs(t, err, ErrServer)
}
