package slap

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// generations are the two releases of the reference whose clients were asked the
// same questions. What the one does that the other does not is the business of
// the field like of a probe.
const (
	oldGeneration = "1.6.10"
	newGeneration = "1.26.1"
)

// behaviour is what the client of a release did in a probe: what it sent to a
// master with prepared answers, and what its caller got.
type behaviour struct {
	Test     string `json:"test"`
	Requests []struct {
		Method  string            `json:"method"`
		Path    string            `json:"path"`
		Body    string            `json:"body"`
		Headers map[string]string `json:"headers"`
	} `json:"requests_seen"`
	Outcome struct {
		Returned any    `json:"returned"`
		Raised   string `json:"raised"`
		Message  string `json:"message"`
	} `json:"outcome"`
}

// outcome is what a probe is compared by.
type outcome struct {
	// Sent are the requests: method, path with query, body, and the headers that
	// say something.
	Sent []string
	// Kind is the kind of the error, empty if there was none.
	Kind string
	// Value is what the call returned, as JSON would have it.
	Value any
}

// carried are the headers that say something.
var carried = []string{
	"Accept", "Content-Type", "Authorization", "Cache-Control", "If-None-Match", "If-Modified-Since",
}

func sent(method, path, body string, headers http.Header) string {
	text := method + " " + path + " " + body
	for _, name := range carried {
		if v := headers.Get(name); v != "" {
			text += "\n" + name + ": " + v
		}
	}
	return text
}

// kinds are what the classes of the reference's errors are here. Those that are
// not of its own are what a caller of it has to catch besides.
var kinds = map[string]string{
	"slapos.slap.exception.NotFoundError":      "not found",
	"slapos.slap.exception.ResourceNotReady":   "not ready",
	"slapos.slap.exception.ServerError":        "server",
	"slapos.slap.exception.ConnectionError":    "connection",
	"requests.exceptions.HTTPError":            "server",
	"requests.exceptions.TooManyRedirects":     "server",
	"requests.exceptions.ChunkedEncodingError": "connection",
	"xml.sax._exceptions.SAXParseException":    "server",
	"builtins.RuntimeError":                    "server",
	"builtins.AttributeError":                  "server",
}

func errorKind(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrNotFound):
		return "not found"
	case errors.Is(err, ErrNotReady):
		return "not ready"
	case errors.Is(err, ErrServer):
		return "server"
	case errors.Is(err, ErrConnection):
		return "connection"
	}
	return "other: " + err.Error()
}

// readBehaviour returns the probes of a generation by name, and their order.
func readBehaviour(t *testing.T, generation string) (map[string]outcome, []string) {
	t.Helper()
	file, err := os.Open("testdata/client_behaviour_client-" + generation + ".jsonl")
	require.NoError(t, err)
	defer file.Close()
	all := map[string]outcome{}
	var names []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var b behaviour
		require.NoError(t, json.Unmarshal(lines.Bytes(), &b))
		o := outcome{Value: b.Outcome.Returned}
		if b.Outcome.Raised != "" {
			kind, ok := kinds[b.Outcome.Raised]
			require.True(t, ok, b.Outcome.Raised)
			o.Kind = kind
		}
		for _, r := range b.Requests {
			h := http.Header{}
			for name, value := range r.Headers {
				h.Set(name, value)
			}
			o.Sent = append(o.Sent, sent(r.Method, r.Path, r.Body, h))
		}
		all[b.Test] = o
		names = append(names, b.Test)
	}
	require.NoError(t, lines.Err())
	require.Len(t, all, 159)
	return all, names
}

// rig is what a probe works with: a master with prepared answers and a client
// of it that does not retry.
type rig struct {
	*Client
	t      *testing.T
	ctx    context.Context
	url    string
	answer http.HandlerFunc

	mu   sync.Mutex
	seen []string
}

func newRig(t *testing.T, answer http.HandlerFunc) *rig {
	r := &rig{t: t, ctx: context60(t), answer: answer}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	r.Client = r.another()
	return r
}

// another returns one more client.
func (r *rig) another(opts ...Option) *Client {
	return client(r.t, r.url, append([]Option{WithRetry(0)}, opts...)...)
}

// as returns a client with user and password in the URL of the master.
func (r *rig) as(user string) *Client {
	return client(r.t, strings.Replace(r.url, "//", "//"+user+"@", 1), WithRetry(0))
}

func (r *rig) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	r.seen = append(r.seen, sent(q.Method, q.RequestURI, string(body), q.Header))
	r.mu.Unlock()
	r.answer(w, q)
}

// requests returns what was sent.
func (r *rig) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

// forget drops what was sent so far.
func (r *rig) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = nil
}

// probe does in Go what the reference's client was made to do.
type probe struct {
	answer http.HandlerFunc
	run    func(*rig) (any, error)
	// like names the generation that the behaviour equals; empty means both.
	like string
	// deviates names the row of the deviations that the difference to both
	// generations is; the outcome is then that of the generation named by like,
	// or of the newer one, with these changes.
	deviates string
	change   func(*outcome)
}

// TestBehavesLikeTheReference repeats every recorded probe of both generations.
func TestBehavesLikeTheReference(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	recorded, names := readBehaviour(t, newGeneration)
	older, _ := readBehaviour(t, oldGeneration)
	all := probes()
	deviating := map[string][]string{}
	skipped := 0
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			if reason, ok := inexpressible[name]; ok {
				skipped++
				t.Skip(reason)
			}
			p, ok := all[name]
			require.True(t, ok, "no such probe here")
			r := newRig(t, p.answer)
			value, err := p.run(r)
			got := outcome{Sent: r.requests(), Kind: errorKind(err), Value: asJSON(t, value)}
			checkProbe(t, p, got, recorded[name], older[name])
			if p.deviates != "" {
				deviating[p.deviates] = append(deviating[p.deviates], name)
			}
		})
	}
	require.Equal(t, len(inexpressible), skipped)
	require.LessOrEqual(t, skipped, 3)
	require.Equal(t, len(names)-skipped, len(all), "probes that were not recorded")
	for _, d := range deviations {
		require.ElementsMatch(t, d.probes, deviating[d.name], "probes of the deviation %q", d.name)
		delete(deviating, d.name)
	}
	require.Empty(t, deviating, "deviations without a row")
	entries, err := os.ReadDir(home)
	require.NoError(t, err)
	require.Empty(t, entries, "nothing is kept between programs")
}

// checkProbe compares an outcome with what the probe says it is like.
func checkProbe(t *testing.T, p probe, got, newer, older outcome) {
	t.Helper()
	equal := func(a, b outcome) bool { return cmp.Diff(a, b) == "" }
	if p.deviates != "" {
		require.False(t, equal(got, newer) || equal(got, older), "this is no deviation")
		want := newer
		if p.like == oldGeneration {
			want = older
		}
		p.change(&want)
		require.Empty(t, cmp.Diff(want, got))
		return
	}
	if p.like != oldGeneration {
		require.Empty(t, cmp.Diff(newer, got), "differs from %s", newGeneration)
	}
	if p.like != newGeneration {
		require.Empty(t, cmp.Diff(older, got), "differs from %s", oldGeneration)
	}
	if p.like != "" {
		require.False(t, equal(newer, older), "both generations do this")
	}
}

// asJSON returns a value as it is after it went through JSON.
func asJSON(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	require.NoError(t, err)
	var out any
	require.NoError(t, json.Unmarshal(data, &out))
	return out
}

// inexpressible are the probes of what no method here does, with the reason.
var inexpressible = map[string]string{
	"query and path":          "no call has arguments in its path besides those in its fields",
	"POST other content type": "all calls send forms; the reference fails before it sends anything",
}

// body is a body as the recordings show it.
func body(data []byte) any { return map[string]any{"bytes": string(data)} }

// raw performs a call without a meaning.
func raw(method, path string, fields ...field) func(*rig) (any, error) {
	return func(r *rig) (any, error) {
		data, err := r.do(r.ctx, method, call{op: "probe", path: path, fields: fields})
		if err != nil {
			return nil, err
		}
		return body(data), nil
	}
}

// times performs a call several times.
func times(n int, once func(*rig) (any, error)) func(*rig) (any, error) {
	return func(r *rig) (any, error) {
		var all []any
		for range n {
			v, err := once(r)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		return all, nil
	}
}

// nothing is for calls that only fail or not.
func nothing(do func(*rig) error) func(*rig) (any, error) {
	return func(r *rig) (any, error) { return nil, do(r) }
}

// says answers with a status and a body.
func says(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			_, _ = io.WriteString(w, text)
		}
	}
}

func probes() map[string]probe {
	all := map[string]probe{}
	for _, group := range []func(map[string]probe){
		statusProbes, redirectProbes, brokenProbes, charsetProbes, encodingProbes, computerProbes,
		requestProbes, pendingProbes, reportProbes, startProbes, credentialProbes, cacheProbes, journalProbes,
	} {
		group(all)
	}
	return all
}

func statusProbes(all map[string]probe) {
	for _, status := range []int{
		200, 201, 204, 206, 300, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 413, 415, 422, 429, 451,
		500, 501, 502, 503, 504, 507, 520, 521, 522, 523, 524, 525, 526, 530,
	} {
		for _, method := range []string{"GET", "POST"} {
			all[fmt.Sprintf("status %d %s", status, method)] = probe{
				answer: says(status, "<marshal><int>1</int></marshal>"),
				run:    raw(method, "s", field{"a", "b"}),
			}
		}
	}
}

func redirectProbes(all map[string]probe) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		path := fmt.Sprintf("r%d", status)
		answer := func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/target" {
				_, _ = io.WriteString(w, "arrived")
				return
			}
			w.Header().Set("Location", "/target")
			w.WriteHeader(status)
		}
		all[fmt.Sprintf("redirect %d POST", status)] = probe{answer: answer, run: raw("POST", path, field{"a", "b"})}
		p := probe{answer: answer, run: times(2, raw("GET", path, field{"a", "b"}))}
		if status == 301 || status == 308 {
			p.like = newGeneration // the older one remembers where it was sent
		}
		all[fmt.Sprintf("redirect %d GET", status)] = p
	}
	all["redirect loop"] = probe{
		answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/loop")
			w.WriteHeader(http.StatusFound)
		},
		run: raw("GET", "loop"),
	}
}

func brokenProbes(all map[string]probe) {
	abort := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	all["connection closed without answer GET"] = probe{answer: abort, run: raw("GET", "close")}
	all["connection closed without answer POST"] = probe{answer: abort, run: raw("POST", "close", field{"a", "b"})}
	all["body shorter than Content-Length"] = probe{
		answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "abc")
		},
		run: raw("GET", "short"),
	}
	all["timeout=1, answer after 3 s"] = probe{
		// Nobody waits here for longer than it takes.
		answer: func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() },
		run: func(r *rig) (any, error) {
			c := r.another(WithTimeout(50 * time.Millisecond))
			_, err := c.get(r.ctx, call{op: "probe", path: "slow"})
			return nil, err
		},
		deviates: "start of a session",
		change:   func(o *outcome) { o.Sent = o.Sent[1:] },
	}
}

func charsetProbes(all map[string]probe) {
	for contentType, data := range map[string]string{
		"None": "é", "text/html": "é", "text/html; charset=utf-8": "é", "text/xml": "é",
		"application/xml": "é", "application/json": `"é"`, "text/plain; charset=latin-1": "\xe9",
	} {
		p := probe{
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", contentType)
				if contentType == "None" {
					w.Header()["Content-Type"] = nil
				}
				_, _ = io.WriteString(w, data)
			},
			run: raw("GET", "c"),
		}
		if contentType == "text/html" || contentType == "text/xml" {
			p.deviates = "character sets"
			p.change = func(o *outcome) { o.Value = body([]byte("é")) }
		}
		all["charset "+contentType] = p
	}
}

func encodingProbes(all map[string]probe) {
	ok := says(200, "ok")
	all["form encoding"] = probe{answer: ok, run: raw("POST", "v",
		field{"none", pyNone}, field{"empty", ""}, field{"int", "3"}, field{"bytes", "a b&c"},
		field{"unicode", "é ~-_.!*()'\""}, field{"list", "x"}, field{"list", "y"}, field{"bool", "True"})}
	all["query encoding"] = probe{answer: ok, run: raw("GET", "v",
		field{"empty", ""}, field{"int", "3"}, field{"unicode", "é ~-_.!*()'\"/:"}, field{"list", "x"}, field{"list", "y"})}
	all["GET default headers"] = probe{answer: ok, run: raw("GET", "v")}
	all["POST default headers"] = probe{answer: ok, run: raw("POST", "v", field{"a", "b"})}
	all["POST without data"] = probe{answer: ok, run: raw("POST", "v")}
	all["GET with headers"] = probe{answer: ok, run: func(r *rig) (any, error) {
		data, err := r.get(r.ctx, call{op: "probe", path: "v", noCache: true})
		return body(data), err
	}}
}

const emptyComputer = `<marshal><object id="i2" module="slapos.slap.slap" class="Computer"><tuple><string>COMP-1</string></tuple>` +
	`<dictionary id="i3"><string>_computer_id</string><string>COMP-1</string><string>_computer_partition_list</string><list id="i4"/>` +
	`<string>_software_release_list</string><list id="i5"/></dictionary></object></marshal>`

func computerProbes(all map[string]probe) {
	partitions := func(r *rig) (any, error) {
		list, err := r.Computer("COMP-1").Partitions(r.ctx)
		if err != nil {
			return nil, err
		}
		return make([]any, len(list)), nil
	}
	certificate := func(r *rig) (any, error) {
		c, err := r.Computer("COMP-1").GenerateCertificate(r.ctx)
		if err != nil {
			return nil, err
		}
		return map[string]any{"key": c.Key, "certificate": c.Certificate}, nil
	}
	all["getFullComputerInformation falls back on 404"] = probe{run: partitions,
		answer: func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path == "/getFullComputerInformation" {
				http.NotFound(w, q)
				return
			}
			_, _ = io.WriteString(w, emptyComputer)
		}}
	all["both 404"] = probe{run: partitions, answer: http.NotFound}
	all["getFullComputerInformation 503"] = probe{run: partitions, answer: says(503, "")}
	all["second call does not fetch again"] = probe{answer: says(200, emptyComputer), run: func(r *rig) (any, error) {
		computer := r.Computer("COMP-1")
		releases, err := computer.SoftwareReleases(r.ctx)
		if err != nil {
			return nil, err
		}
		list, err := computer.Partitions(r.ctx)
		return []any{make([]any, len(releases)), make([]any, len(list))}, err
	}}
	all["answer is not well-formed"] = probe{run: partitions, answer: says(200, "<marshal>")}
	all["answer holds a class that is not allowed"] = probe{run: partitions,
		answer: says(200, `<marshal><object id="i2" module="os" class="system"><tuple/><dictionary id="i3"/></object></marshal>`)}
	all["computer status"] = probe{
		answer: says(200, `<marshal><dictionary id="i2"><string>created_at</string><string>Tue, 24 Nov 2026 10:00:00 GMT</string>`+
			`<string>text</string><string>#access</string><string>user</string><string>COMP-1</string></dictionary></marshal>`),
		run: func(r *rig) (any, error) {
			s, err := r.Computer("COMP-1").Status(r.ctx)
			return map[string]any{"created_at": s.CreatedAt, "text": s.Text, "user": s.User}, err
		}}
	all["generate certificate"] = probe{run: certificate,
		answer: says(200, `<marshal><dictionary id="i2"><string>certificate</string><string>C</string><string>key</string><string>K</string></dictionary></marshal>`)}
	all["generate certificate 404"] = probe{run: certificate, answer: http.NotFound}
	all["revoke certificate"] = probe{answer: says(200, "None"),
		run: nothing(func(r *rig) error { return r.Computer("COMP-1").RevokeCertificate(r.ctx) })}
	all["requestComputer"] = probe{
		answer: says(200, `<marshal><object id="i2" module="slapos.slap.slap" class="Computer"><tuple><string>COMP-77</string></tuple>`+
			`<dictionary id="i3"><string>_computer_id</string><string>COMP-77</string></dictionary></object></marshal>`),
		run: func(r *rig) (any, error) {
			computer, err := r.OpenOrder().RequestComputer(r.ctx, "title")
			if err != nil {
				return nil, err
			}
			return map[string]any{"class": "Computer", "attributes": map[string]any{"_computer_id": computer.ID()}}, nil
		}}
	all["supply 404"] = probe{answer: http.NotFound,
		run: nothing(func(r *rig) error { return r.Supply().Supply(r.ctx, "sr", "COMP-9", "") })}
}

// justRequest is the request of the probes.
var justRequest = Request{SoftwareRelease: "sr", Reference: "ref"}

func requestProbes(all map[string]probe) {
	all["request 408"] = probe{answer: says(408, ""),
		run: func(r *rig) (any, error) {
			p, err := r.OpenOrder().Request(r.ctx, justRequest)
			require.Nil(r.t, p)
			pending, ok := errors.AsType[*NotReadyError](err)
			require.True(r.t, ok)
			require.Equal(r.t, justRequest, pending.Request)
			return nil, err
		},
		deviates: "instances that are not ready",
		change:   func(o *outcome) { o.Kind, o.Value = "not ready", nil },
	}
	all["request answered by an old proxy (connection_xml only)"] = probe{
		answer: says(200, instance(map[string]any{
			"slap_computer_id": "C", "slap_computer_partition_id": "P",
			"connection_xml": `<instance><parameter id="url">U</parameter></instance>`,
		})),
		run: func(r *rig) (any, error) {
			p, err := r.OpenOrder().Request(r.ctx, justRequest)
			if err != nil {
				return nil, err
			}
			return p.ConnectionParameters(), nil
		},
		deviates: "getters",
		change:   func(o *outcome) { o.Sent = o.Sent[:1] },
	}
	all["request answered by a dictionary"] = probe{
		like:   newGeneration, // of whose software types ours are
		answer: says(200, `<marshal><dictionary id="i2"/></marshal>`),
		run: nothing(func(r *rig) error {
			_, err := r.OpenOrder().Request(r.ctx, justRequest)
			return err
		}),
	}
}

// pendingProbes are about the object that the reference returns for a request
// that is not ready. Here that is an error; what is nearest to the object is a
// partition of which nothing is known.
func pendingProbes(all map[string]probe) {
	add := func(name string, p probe, run func(context.Context, *ComputerPartition) (any, error)) {
		p.answer = http.NotFound
		p.run = func(r *rig) (any, error) { return run(r.ctx, r.PartitionReference("", "")) }
		all["not ready: "+name] = p
	}
	fails := func(err error) (any, error) { return nil, err }
	type partition = *ComputerPartition
	add("getId", probe{}, func(_ context.Context, p partition) (any, error) { _, err := p.ID(); return fails(err) })
	add("getInstanceGuid", probe{}, func(_ context.Context, p partition) (any, error) { _, err := p.InstanceGUID(); return fails(err) })
	add("getState", probe{}, func(_ context.Context, p partition) (any, error) { _, err := p.State(); return fails(err) })
	add("getType", probe{}, func(_ context.Context, p partition) (any, error) { _, err := p.Type(); return fails(err) })
	add("getInstanceParameterDict", probe{like: oldGeneration}, func(_ context.Context, p partition) (any, error) { return p.InstanceParameters(), nil })
	add("getConnectionParameterDict", probe{like: oldGeneration}, func(_ context.Context, p partition) (any, error) { return p.ConnectionParameters(), nil })
	add("getSoftwareRelease", probe{deviates: "getters", change: func(o *outcome) { o.Kind = "not found" }},
		func(_ context.Context, p partition) (any, error) { _, err := p.SoftwareRelease(); return fails(err) })
	add("getAccessStatus", probe{deviates: "null texts", change: func(o *outcome) { o.Value = "" }},
		func(_ context.Context, p partition) (any, error) { return p.AccessStatus(), nil })
	add("getConnectionParameter", probe{like: oldGeneration}, func(_ context.Context, p partition) (any, error) {
		_, err := p.ConnectionParameter("x")
		return fails(err)
	})
	add("getInstanceParameter", probe{}, func(_ context.Context, p partition) (any, error) {
		_, err := p.InstanceParameter("x")
		return fails(err)
	})
	add("destroyed", probe{}, func(ctx context.Context, p partition) (any, error) { return fails(p.Destroyed(ctx)) })
	add("started", probe{}, func(ctx context.Context, p partition) (any, error) { return fails(p.Started(ctx)) })
	add("stopped", probe{}, func(ctx context.Context, p partition) (any, error) { return fails(p.Stopped(ctx)) })
	add("error", probe{like: newGeneration}, func(ctx context.Context, p partition) (any, error) { return fails(p.ReportError(ctx, "x")) })
	add("bang", probe{}, func(ctx context.Context, p partition) (any, error) { return fails(p.Bang(ctx, "x")) })
	add("rename", probe{}, func(ctx context.Context, p partition) (any, error) { return fails(p.Rename(ctx, "x")) })
	add("setConnectionDict", probe{deviates: "unknown partitions", change: func(o *outcome) { o.Sent, o.Kind = nil, "not ready" }},
		func(ctx context.Context, p partition) (any, error) {
			return fails(p.SetConnectionParameters(ctx, Parameters{"a": "b"}))
		})
}

func reportProbes(all map[string]probe) {
	release := func(r *rig) *SoftwareRelease { return r.SoftwareRelease("sr").OnComputer("C") }
	all["error() swallows failures"] = probe{answer: says(500, ""),
		run:      nothing(func(r *rig) error { return r.PartitionReference("C", "P").ReportError(r.ctx, "x") }),
		deviates: "reports of errors", change: func(o *outcome) { o.Kind = "server" },
	}
	all["SoftwareRelease.error() swallows failures"] = probe{answer: says(500, ""),
		run:      nothing(func(r *rig) error { return release(r).ReportError(r.ctx, "x") }),
		deviates: "reports of errors", change: func(o *outcome) { o.Kind = "server" },
	}
	all["reportUsage 400"] = probe{answer: says(400, ""),
		run: nothing(func(r *rig) error { return r.Computer("C").ReportUsage(r.ctx, []byte("<bad/>")) })}
	// The older generation says nothing to a master that knows already.
	all["building() when known state is building"] = probe{like: newGeneration, answer: says(200, "None"),
		run: nothing(func(r *rig) error { return release(r).Building(r.ctx) })}
	all["available() when known state is available"] = probe{like: newGeneration, answer: says(200, "None"),
		run: nothing(func(r *rig) error { return release(r).Available(r.ctx) })}
}

func startProbes(all map[string]probe) {
	// What the reference asks when it starts is asked here when it is needed.
	find := func(r *rig) (any, error) {
		where, err := r.HateoasURL(r.ctx)
		if err != nil {
			return nil, err
		}
		return strings.Replace(where, r.url, "http://127.0.0.1:18640", 1), nil
	}
	tells := func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.WriteString(w, "http://127.0.0.1:18640/hateoas")
	}
	all["getHateoasUrl first"] = probe{answer: tells, run: find}
	all["getHateoasUrl second, same arguments (cached in the process)"] = probe{answer: tells, run: func(r *rig) (any, error) {
		if _, err := find(r); err != nil {
			return nil, err
		}
		r.forget()
		return find(r)
	}}
	all["getHateoasUrl, other timeout"] = probe{answer: tells, run: func(r *rig) (any, error) {
		if _, err := find(r); err != nil {
			return nil, err
		}
		r.forget()
		r.Client = r.another(WithTimeout(34 * time.Second))
		return find(r)
	}}
	told := func(kind string) func(*outcome) { return func(o *outcome) { o.Kind = kind } }
	const row = "start of a session"
	all["getHateoasUrl empty"] = probe{answer: says(200, ""), run: find, deviates: row, change: told("not found")}
	all["getHateoasUrl empty again"] = probe{answer: says(200, ""), run: find, deviates: row, change: told("not found")}
	all["getHateoasUrl 500 is ignored"] = probe{answer: says(500, ""), run: find, deviates: row, change: told("server")}
}

func credentialProbes(all map[string]probe) {
	const user = "user:p%40ss"
	pair := `<marshal><dictionary id="i2"><string>certificate</string><string></string><string>key</string><string></string></dictionary></marshal>`
	certificate := func(c *Client, ctx context.Context) (any, error) {
		found, err := c.PartitionReference("C", "P").Certificate(ctx)
		return map[string]any{"key": found.Key, "certificate": found.Certificate}, err
	}
	all["url credentials, computer POST"] = probe{answer: says(200, "None"),
		run: nothing(func(r *rig) error { return r.as(user).Computer("C").Bang(r.ctx, "m") })}
	all["url credentials, partition POST"] = probe{answer: says(200, "None"), like: newGeneration,
		run: nothing(func(r *rig) error { return r.as(user).PartitionReference("C", "P").Started(r.ctx) })}
	all["url credentials, partition GET"] = probe{answer: says(200, pair),
		run: func(r *rig) (any, error) { return certificate(r.as(user), r.ctx) }}
	all["no credentials, partition GET"] = probe{answer: says(200, pair),
		run: func(r *rig) (any, error) { return certificate(r.Client, r.ctx) }}
}

// cacheProbes ask without a cache, as the newer generation does; what WithCache
// does is tested with it.
func cacheProbes(all map[string]probe) {
	for _, c := range []struct {
		name, path string
		times      int
		headers    map[string]string
		older      bool // the older generation does the same
	}{
		{"no header", "cache-no-header", 3, nil, true},
		{"max-age", "cache-max-age", 3, map[string]string{"Cache-Control": "max-age=60"}, false},
		{"public max-age=1, pause 1.2 s", "cache-public-max-age-1-pause-1-2-s", 2, map[string]string{"Cache-Control": "public, max-age=1"}, true},
		{"no-store", "cache-no-store", 3, map[string]string{"Cache-Control": "no-store, no-cache, must-revalidate"}, true},
		{"etag", "cache-etag", 3, map[string]string{"ETag": `"abc"`}, false},
		{"last-modified", "cache-last-modified", 3, map[string]string{"Last-Modified": "Tue, 01 Sep 2026 10:00:00 GMT"}, true},
		{"max-age=0 must-revalidate last-modified", "cache-max-age-0-must-revalidate-last-modified", 3,
			map[string]string{"Cache-Control": "public, max-age=0, must-revalidate", "Last-Modified": "Tue, 01 Sep 2026 10:00:00 GMT"}, true},
		{"private max-age", "cache-private-max-age", 3, map[string]string{"Cache-Control": "private, max-age=60"}, false},
		{"expires", "cache-expires", 3, map[string]string{"Expires": "Tue, 24 Nov 2126 23:22:03 GMT"}, false},
		{"vary", "cache-vary", 3, map[string]string{"Cache-Control": "max-age=60", "Vary": "REMOTE_USER"}, false},
	} {
		p := probe{
			answer: func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range c.headers {
					w.Header().Set(name, value)
				}
				_, _ = io.WriteString(w, "body")
			},
			run: times(c.times, raw("GET", c.path, field{"k", "v"})),
		}
		if !c.older {
			p.like = newGeneration
		}
		all["cache: "+c.name] = p
	}
	all["cache: POST is never cached"] = probe{answer: says(200, "x"), run: times(2, raw("POST", "cp", field{"a", "b"}))}
	all["cache: files in home"] = probe{like: newGeneration, run: func(r *rig) (any, error) {
		entries, err := os.ReadDir(os.Getenv("HOME"))
		return make([]any, len(entries)), err
	}}
}

func journalProbes(all map[string]probe) {
	all["request transaction file"] = probe{
		answer: says(500, ""), like: newGeneration,
		run: func(r *rig) (any, error) {
			root := r.t.TempDir()
			require.NoError(r.t, os.Mkdir(filepath.Join(root, "part0"), 0o755))
			c := r.another(WithRequestJournal(root))
			content := func() string {
				data, err := os.ReadFile(filepath.Join(root, "part0", ".slapos-request-transaction-part0"))
				require.NoError(r.t, err)
				return string(data)
			}
			p := c.PartitionReference("C", "part0")
			found := []any{content()}
			for _, reference := range []string{"one", "two", "one"} {
				_, err := p.Request(r.ctx, Request{SoftwareRelease: "sr", Reference: reference})
				require.Equal(r.t, "server", errorKind(err))
				found = append(found, "ServerError", content())
			}
			c.PartitionReference("C", "part0")
			return append(found, content()), nil
		},
	}
	all["request transaction file, no partition directory"] = probe{run: func(r *rig) (any, error) {
		root := r.t.TempDir()
		require.NoError(r.t, os.Mkdir(filepath.Join(root, "part0"), 0o755))
		r.another(WithRequestJournal(root)).PartitionReference("C", "absent")
		entries, err := os.ReadDir(root)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		slices.Sort(names)
		return names, err
	}}
}
