package proxy

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// jsonBodies are bodies that the methods accept, by their names.
func jsonBodies() map[string]string {
	const computer, guid = `"computer_guid": "computer"`, `"instance_guid": "A______0"`
	return map[string]string{
		"get.v0.hateoas_url":                                 `{}`,
		"post.v0.software_installation":                      `{"software_release_uri": "u", ` + computer + `, "state": "destroyed"}`,
		"allDocs.v0.compute_node_software_installation_list": `{` + computer + `}`,
		"put.v0.software_installation_reported_state":        `{"software_release_uri": "u", ` + computer + `, "reported_state": "building"}`,
		"put.v0.software_installation_error":                 `{"software_release_uri": "u", ` + computer + `, "message": "m"}`,
		"put.v0.compute_node_format":                         `{` + computer + `, "compute_partition_list": [{"partition_id": "p0", "ip_list": [{"ip-address": "a", "netmask": "n", "network-interface": "i"}]}, {"partition_id": "p1"}]}`,
		"put.v0.compute_node_bang":                           `{` + computer + `, "message": "m"}`,
		"get.v0.compute_node_status":                         `{` + computer + `}`,
		"post.v0.compute_node_usage":                         `{` + computer + `, "tioxml": "<journal></journal>"}`,
		"post.v0.compute_node_certificate":                   `{` + computer + `}`,
		"remove.v0.compute_node_certificate":                 `{` + computer + `}`,
		"get.v0.software_instance_certificate":               `{` + guid + `}`,
		"allDocs.v0.compute_node_instance_list":              `{` + computer + `}`,
		"allDocs.v0.instance_node_instance_list":             `{` + guid + `}`,
		"get.v0.software_instance":                           `{` + guid + `}`,
		"get.v0.compute_partition":                           `{` + computer + `, "compute_partition_id": "p0"}`,
		"post.v0.software_instance":                          `{"title": "S", "software_release_uri": "` + releaseA + `", "software_type": "default", "shared": true, "parameters": {"a": [1, {"b": null}]}, "sla_parameters": {"retention_delay": 1.5}}`,
		"get.v0.instance_tree":                               `{"title": "A"}`,
		"allDocs.v0.instance_tree_list":                      `{}`,
		"put.v0.software_instance_reported_state":            `{` + guid + `, "reported_state": "destroyed"}`,
		"put.v0.software_instance_bang":                      `{` + guid + `, "message": "m"}`,
		"put.v0.software_instance_title":                     `{` + guid + `, "title": "B"}`,
		"put.v0.software_instance_connection_parameter":      `{` + guid + `, "connection_parameter_dict": {"a": 1}}`,
		"put.v0.software_instance_error":                     `{` + guid + `, "message": "m"}`,
		"allDocs.WIP.compute_node_list":                      `{}`,
	}
}

// Bodies that no program sends are refused in words, quickly, and change
// nothing.
func TestJSONHostileBodies(t *testing.T) {
	c := newJSONClient(t)
	c.layout("computer", 2)
	c.place(asking{title: "A"})
	before := c.readable("before")
	request := func(field string) string {
		return `{"title": "S", "software_release_uri": "u", "software_type": "t", ` + field + `}`
	}
	for name, test := range map[string]struct {
		body   string
		status int
		title  string
	}{
		"nothing":                  {"", 400, "could not understand"},
		"deep":                     {request(`"parameters": {"a": ` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`), 400, "nested"},
		"very deep":                {strings.Repeat(`{"a":`, 1<<20), 400, "could not understand"},
		"too large":                {`{"title": "` + strings.Repeat("x", DefaultMaxBody) + `"}`, 413, "larger than"},
		"many values":              {request(`"parameters": {"a": [` + strings.Repeat("1,", 1<<19) + `1]}`), 400, "more than"},
		"large parameters":         {request(`"parameters": {"a": "` + strings.Repeat("x", maxKept) + `"}`), 413, "refused"},
		"huge number":              {request(`"parameters": {"a": 1e999}`), 400, "too large"},
		"many digits":              {request(`"parameters": {"a": ` + strings.Repeat("9", 5000) + `}`), 400, "too large"},
		"exponent":                 {request(`"parameters": {"a": 1e-999999999}, "x": 1`), 400, "'x' was unexpected"},
		"not a number":             {request(`"parameters": {"a": NaN}`), 400, "could not understand"},
		"NUL in a parameter":       {request(`"parameters": {"a": "\u0000"}`), 400, "not allowed in XML"},
		"NUL in a key":             {request(`"parameters": {"\u0000": "a"}`), 400, "not allowed in XML"},
		"NUL in a title":           {`{"title": "a\u0000", "software_release_uri": "u", "software_type": "t"}`, 400, "control character"},
		"NUL":                      {"{\x00}", 400, "could not understand"},
		"half a surrogate":         {request(`"parameters": {"a": "\ud800"}`), 400, "not Unicode"},
		"half a surrogate in key":  {request(`"parameters": {"\udfff": "a"}`), 400, "not Unicode"},
		"no UTF-8":                 {request("\"parameters\": {\"a\": \"\xff\"}"), 400, "not Unicode"},
		"two values":               {`{}{}`, 400, "could not understand"},
		"duplicate keys":           {`{"title": "S", "software_release_uri": "u", "software_type": "t", "title": 1}`, 400, "1 is not of type 'string'"},
		"empty title":              {`{"title": "", "software_release_uri": "u", "software_type": "t"}`, 400, "'' is too short"},
		"control character U+FFFF": {request(`"sla_parameters": {"computer_guid": "\uffff"}`), 403, "No free computer partition found for: S"},
	} {
		w := sendJSON(c.server, "post.v0.software_instance", test.body)
		require.Equal(t, test.status, w.Code, "%s: %s", name, w.Body)
		require.Contains(t, w.Body.String(), test.title, name)
		require.Less(t, w.Body.Len(), 2*maxMessage, name)
		require.True(t, json.Valid(w.Body.Bytes()), name)
	}
	for method, body := range map[string]string{
		"put.v0.compute_node_format":              `{"computer_guid": "", "compute_partition_list": []}`,
		"post.v0.software_installation":           `{"computer_guid": "c\u0001", "software_release_uri": "u"}`,
		"put.v0.software_instance_title":          `{"instance_guid": "A______0", "title": "\u0001"}`,
		"put.v0.software_instance_error":          `{"instance_guid": "A______0", "message": 1}`,
		"put.v0.software_instance_bang":           `{"instance_guid": "________________0", "message": [1e5]}`,
		"put.v0.software_instance_reported_state": `{"instance_guid": "A______0", "reported_state": "destroyed", "instance_guid": null}`,
	} {
		w := sendJSON(c.server, method, body)
		require.Equal(t, 400, w.Code, "%s: %s", method, w.Body)
	}
	w := sendJSON(c.server, "put.v0.compute_node_format", `{"computer_guid": "computer", "compute_partition_list": [{"partition_id": "a"}, {"partition_id": ""}]}`)
	require.Equal(t, 400, w.Code)
	require.Equal(t, before, c.readable("after"))
	require.NoError(t, c.store.(*store.SQLite).Check(t.Context()))
}

// A web page of another site cannot call the API through somebody's browser.
func TestJSONBrowserSafety(t *testing.T) {
	c := newJSONClient(t)
	c.layout("computer", 1)
	c.place(asking{title: "A"})
	before := c.readable("before")
	bodies := jsonBodies()
	require.ElementsMatch(t, slices.Collect(maps.Keys(c.server.json)), slices.Collect(maps.Keys(bodies)))
	for method, body := range bodies {
		for _, headers := range [][]string{
			{"Origin", "http://evil.example"}, {"Origin", "null"}, {"Origin", "http://localhost:1"}, {"Host", "evil.example"},
			{"Host", "evil.example", "X-Forwarded-Host", "localhost"},
		} {
			w := sendJSON(c.server, method, body, headers...)
			require.Equal(t, 403, w.Code, "%s %v", method, headers)
			require.Equal(t, "application/json", w.Header().Get("Content-Type"))
			for key := range w.Header() {
				require.False(t, strings.HasPrefix(key, "Access-Control"), key)
			}
		}
		// What a page can send without being asked has another type.
		for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "text/plain; application/json"} {
			require.Equal(t, 415, sendJSON(c.server, method, body, "Content-Type", kind).Code, kind)
		}
	}
	require.Equal(t, before, c.readable("after"))
	require.Equal(t, 200, sendJSON(c.server, "get.v0.instance_tree", bodies["get.v0.instance_tree"], "Origin", "http://localhost").Code)
}

// FuzzJSON calls every method with arbitrary bodies. None crashes the master or
// is answered 500; what is refused changes nothing, and what is accepted keeps
// the promises of the store and can be shown to nodes.
func FuzzJSON(f *testing.F) {
	bodies := jsonBodies()
	names := slices.Sorted(maps.Keys(bodies))
	for i, name := range names {
		f.Add(i, bodies[name], "")
		f.Add(i, strings.ReplaceAll(bodies[name], "A______0", "S______1"), "")
	}
	seen := map[string]bool{}
	for _, x := range readJSONRecording(f) {
		kind := fmt.Sprint(x.Path, x.Status) // one of each will do
		if at := slices.Index(names, strings.TrimPrefix(x.Path, "/slapos.")); at >= 0 && x.RequestBody != nil && !seen[kind] {
			seen[kind] = true
			f.Add(at, *x.RequestBody, x.RequestHeaders["Authorization"])
		}
	}
	f.Add(slices.Index(names, "post.v0.software_instance"), bodies["post.v0.software_instance"], "X-SlapPartition computer_id=computer, computer_partition_id=p1")
	log := &lockedBuffer{}
	s, err := Open(f.Context(), "", WithLogger(slog.New(slog.NewTextHandler(log, nil))), WithMaxBody(1<<20))
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	calls := 0
	f.Fuzz(func(t *testing.T, method int, body, authorization string) {
		m := &testMaster{t: t, master: s.master, server: s}
		m.layout("computer", 0)
		m.layout("computer", 3)
		m.place(asking{title: "A"})
		m.place(asking{by: "computer/p0", title: "child"})
		m.place(asking{title: "S", shared: true, parameters: object{"k": []any{int64(1), "v"}}})
		before := m.readable("before")
		name := names[(method%len(names)+len(names))%len(names)]
		headers := []string{}
		if !strings.ContainsFunc(authorization, func(r rune) bool { return r < ' ' }) {
			headers = []string{"Authorization", authorization}
		}
		w := sendJSON(s, name, body, headers...)

		require.NotEqual(t, 500, w.Code, "%s %s: %s", name, body, w.Body)
		require.NotContains(t, log.String(), "panic")
		log.reset()
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
		var answer any
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), w.Body)
		after := m.readable("after")
		if w.Code >= 400 && !strings.Contains(w.Body.String(), "Not destroying yet") {
			require.Equal(t, before, after)
		}
		if calls++; w.Code == 200 || calls%100 == 0 {
			require.NoError(t, s.master.store.(*store.SQLite).Check(t.Context()))
		}
		for name, body := range map[string]string{
			"allDocs.v0.compute_node_instance_list": bodies["allDocs.v0.compute_node_instance_list"], "allDocs.v0.instance_tree_list": "{}",
		} {
			if w := sendJSON(s, name, body); w.Code != 403 {
				require.Equal(t, 200, w.Code, w.Body)
			}
		}
	})
}

// BenchmarkJSONInstance reads one instance among 500.
func BenchmarkJSONInstance(b *testing.B) {
	s, err := Open(b.Context(), "")
	require.NoError(b, err)
	defer s.Close()
	c := computerConfiguration{reference: "computer"}
	for i := range 500 {
		c.partitions = append(c.partitions, partitionConfiguration{reference: fmt.Sprint("p", i)})
	}
	require.NoError(b, s.master.format(b.Context(), Principal{}, c))
	for i := range 500 {
		body := `{"title": "i` + fmt.Sprint(i) + `", "software_release_uri": "u", "software_type": "t", "parameters": {"port": "8080"}}`
		w := sendJSON(s, "post.v0.software_instance", body)
		require.Equal(b, 200, w.Code, w.Body)
	}
	var w *httptest.ResponseRecorder
	b.ReportAllocs()
	for b.Loop() {
		w = sendJSON(s, "get.v0.software_instance", `{"instance_guid": "i250______0"}`)
	}
	require.Equal(b, 200, w.Code, w.Body)
}
