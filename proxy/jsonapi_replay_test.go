package proxy

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// jsonExchange is a recorded call to the reference's proxy 1.26.1 (web.md 0).
type jsonExchange struct {
	Step            string
	Method          string
	Path            string
	RequestHeaders  map[string]string `json:"request_headers"`
	RequestBody     *string           `json:"request_body"`
	Status          int
	ResponseHeaders map[string]string `json:"response_headers"`
	ResponseBody    string            `json:"response_body"`
}

func readJSONRecording(tb testing.TB) (all []jsonExchange) {
	tb.Helper()
	f, err := os.Open("testdata/jsonrpc.jsonl")
	require.NoError(tb, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x jsonExchange
		require.NoError(tb, json.Unmarshal(lines.Bytes(), &x))
		all = append(all, x)
	}
	require.NoError(tb, lines.Err())
	require.Len(tb, all, 236)
	return all
}

// send calls a master as it was recorded.
func (x jsonExchange) send(s *Server) *httptest.ResponseRecorder {
	body := ""
	if x.RequestBody != nil {
		body = *x.RequestBody
	}
	r := httptest.NewRequest(x.Method, x.Path, strings.NewReader(body))
	for key, value := range x.RequestHeaders {
		r.Header.Set(key, value)
	}
	r.Host = x.RequestHeaders["Host"]
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// jsonDeviation is an exchange that we answer otherwise than the reference, for
// the reason in a row of doc.go.
type jsonDeviation struct {
	row    string
	status int
	// body is ours; each "*" in it stands for anything. Empty, it is the
	// recorded one with the texts of change replaced, pairwise.
	body   string
	change []string
}

// shared403 is our answer about a shared instance that is gone.
func shared403(guid string) string {
	return `{"status": 403, "type": "Forbidden", "title": "No shared instance ` + guid + ` found."}`
}

var jsonDeviations = map[string]jsonDeviation{
	"transport/get-on-post-route":   {row: "J1", status: 405, body: "*405 Method Not Allowed*"},
	"transport/put-on-post-route":   {row: "J1", status: 405, body: "*405 Method Not Allowed*"},
	"transport/head-on-post-route":  {row: "J1", status: 405, body: "*"},
	"transport/unknown-method-name": {row: "J1", status: 404, body: "*404 Not Found*"},
	"transport/trailing-slash":      {row: "J1", status: 404, body: "*404 Not Found*"},

	"transport/options": {row: "J8", status: 403, body: `{"status": 403, "type": "Forbidden", "title": "Pages of http://example.com may *"}`},

	"put_compute_node_format/schema-valid-without-ip_list-is-500": {row: "J2", status: 200, body: `{"type": "success", "title": "Formatted"}`},
	"put_compute_node_format/schema-valid-without-netmask-is-500": {row: "J2", status: 200, body: `{"type": "success", "title": "Formatted"}`},

	"post_software_instance/control-character-parameter-is-500": {row: "J3", status: 400, body: `{"status": 400, "type": "Bad Request", "title": "parameters: *"}`},

	"post_software_instance/typed-parameters-become-strings": {row: "J4", status: 200, change: []string{`"o": "{'k': 'v'}", `, `"o": "{'k': 'v'}", "timestamp": "lost", `}},

	"get_software_instance/title-with-three-underscores-unreachable": {row: "J5", status: 200, body: `{"title": "a___b", "instance_guid": "a___b______0", *`},
	"names/trailing-underscore-guid-unreachable":                     {row: "J5", status: 200, body: `{"title": "tail_", "instance_guid": "tail_______0", *`},
	"names/list-splits-at-first-underscore":                          {row: "J5", status: 200, change: []string{`root_s___my___1`, `s___my_root___1`, `"title": "root_s"`, `"title": "s"`}},

	"post_shared/stopped-is-ignored":                    {row: "J6", status: 200, change: []string{`"started"`, `"stopped"`}},
	"get_instance_tree/shared":                          {row: "J6", status: 200, change: []string{`"started"`, `"stopped"`}},
	"post_shared/destroyed":                             {row: "J6", status: 200, change: []string{`"started"`, `"destroyed"`}},
	"get_software_instance/shared-after-destroy-is-500": {row: "J7", status: 403, body: shared403("MyFirstInstance______1")},
	"get_software_instance/shared-whose-host-was-freed": {row: "J7", status: 403, body: shared403("MyShared______1")},
	"instance_tree_list/destroyed-shared-still-listed":  {row: "J7", status: 200, change: []string{`, {"title": "MyFirstInstance"}]`, `]`}},
	"post_shared/destroy-on-host-without-list-is-500":   {row: "J7", status: 200, body: `{"title": "Never", "instance_guid": "Never______1", *"state": "destroyed"*`},
	"names/post-merges-ip-of-both-computers":            {row: "H", status: 200, change: []string{`["tap22", "10.0.0.22"], ["tap22", "fd00::22"], `, ``}},

	"output-validation/get_software_instance-is-500":      {row: "J10", status: 200, body: `{"title": "Odd", "instance_guid": "Odd______0", *"state": "weird"*`},
	"output-validation/compute_node_instance_list-is-500": {row: "J10", status: 200, body: `{"result_list": [*"instance_guid": "Odd______0", "state": "weird"*`},
	"output-validation/get_instance_tree-is-500":          {row: "J10", status: 200, body: `{"title": "Odd", "instance_guid": "Odd______0", *"state": "weird"*`},
	"compute_node_instance_list/after-drop":               {row: "J10", status: 200, body: `{"result_list": [*"instance_guid": "Odd______0", "state": "weird"*`},

	"multimaster/dead-master-523":               {row: "J9", status: 523, body: `{"status": 523, "type": "Unknown Error", "title": "The master http://127.0.0.1:9 cannot be reached*`},
	"multimaster/dead-master-by-master_url-523": {row: "J9", status: 523, body: `{"status": 523, "type": "Unknown Error", "title": "The master http://127.0.0.1:9 cannot be reached*`},
	"multimaster/remote-not-ready-is-500":       {row: "J9", status: 403, body: `{"status": 403, "type": "Forbidden", "title": "The master * has not allocated the instance yet*`},
	"multimaster/remote-404-is-500":             {row: "J9", status: 403, body: `{"status": 403, "type": "Forbidden", "title": "The master * cannot serve the request*`},
	"multimaster/unlisted-master-is-500":        {row: "J9", status: 403, body: `{"status": 403, "type": "Forbidden", "title": "External SlapOS Master URL http://127.0.0.1:11 is not listed*`},
	"multimaster/https-without-cert-is-500":     {row: "J9", status: 403, body: `{"status": 403, "type": "Forbidden", "title": "External master https://127.0.0.1:10 *`},
	"multimaster/remote-500-is-500":             {row: "J9", status: 502, body: `{"status": 502, "type": "Bad Gateway", "title": "The master * failed*`},
}

// notReadyMaster is the fake master of the recording: what it answers depends on
// the title.
func notReadyMaster(w http.ResponseWriter, r *http.Request) {
	status := http.StatusNotFound
	switch {
	case r.Method != http.MethodPost:
	case strings.Contains(r.PostFormValue("partition_reference"), "NotReady"):
		status = http.StatusRequestTimeout
	case strings.Contains(r.PostFormValue("partition_reference"), "ServerErr"):
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
}

var jsonTimestamp = regexp.MustCompile(`("processing_timestamp": )[1-9][0-9]{9}|(<string>timestamp</string><string>)[^<]*`)

func maskJSON(text string) string { return jsonTimestamp.ReplaceAllString(text, "${1}${2}T") }

// want is what we answer to an exchange.
func (x jsonExchange) want() (status int, body string) {
	d, deviates := jsonDeviations[x.Step]
	if !deviates {
		return x.Status, x.ResponseBody
	}
	if d.body != "" {
		return d.status, d.body
	}
	return d.status, strings.NewReplacer(d.change...).Replace(x.ResponseBody)
}

// resembles compares an answer with a text in which each "*" stands for anything.
func resembles(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`).MatchString(text)
}

// serving serves a master on a port and returns its URL.
func serving(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// All recorded exchanges of the JSON API, from an empty database.
func TestJSONRecording(t *testing.T) {
	remote, err := Open(t.Context(), "", WithComputerID("REMOTE"))
	require.NoError(t, err)
	defer remote.Close()
	remoteURL := serving(t, remote)
	m := newMaster(t, WithMultimaster(
		OtherMaster{URL: remoteURL, Releases: []string{"http://sr/remote"}},
		OtherMaster{URL: "http://127.0.0.1:9", Releases: []string{"http://sr/dead"}},
		OtherMaster{URL: serving(t, http.HandlerFunc(notReadyMaster)), Releases: []string{"http://sr/notready"}},
		OtherMaster{URL: "https://127.0.0.1:10", Releases: []string{"http://sr/nocert"}},
	))
	for _, x := range readJSONRecording(t) {
		if x.RequestBody != nil {
			body := strings.ReplaceAll(*x.RequestBody, "http://127.0.0.1:18711", remoteURL)
			x.RequestBody = &body
		}
		s := m.server
		if x.RequestHeaders["Host"] == "127.0.0.1:18711" {
			s = remote
		}
		w := x.send(s)
		status, body := x.want()
		require.Equal(t, status, w.Code, "%s: %s", x.Step, w.Body)
		require.Equal(t, x.ResponseHeaders["Allow"], w.Header().Get("Allow"), x.Step)
		if x.Status == status || status == 200 {
			want := x.ResponseHeaders["Content-Type"]
			require.Equal(t, want, w.Header().Get("Content-Type"), x.Step)
		}
		got, want := maskJSON(w.Body.String()), maskJSON(body)
		if strings.Contains(jsonDeviations[x.Step].body, "*") {
			require.True(t, resembles(want, got), "%s: %s\nwant %s", x.Step, got, want)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s\nanswer (-reference +ours):\n%s", x.Step, x.Path, diff)
		}
	}
}

func TestJSONDeviationsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	byStep := map[string]jsonExchange{}
	for _, x := range readJSONRecording(t) {
		byStep[x.Step] = x
	}
	used := map[string]bool{}
	for step, d := range jsonDeviations {
		x, ok := byStep[step]
		require.True(t, ok, "the recording has no step %q", step)
		require.Contains(t, string(doc), "//   - "+d.row+". ", step)
		status, body := x.want()
		require.False(t, status == x.Status && body == x.ResponseBody && x.Method != http.MethodHead, "%s is no deviation", step)
		used[d.row] = true
	}
	for _, row := range regexp.MustCompile(`(?m)^//   - (J\d+)\. `).FindAllStringSubmatch(string(doc), -1) {
		require.True(t, used[row[1]], "row %s has no exchange", row[1])
	}
}
