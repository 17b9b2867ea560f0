package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// act sends an action of the panel and returns the answer, decoded.
func act(t *testing.T, h http.Handler, name string, body any, headers ...string) (int, map[string]any) {
	t.Helper()
	text, ok := body.(string)
	if !ok {
		encoded, err := json.Marshal(body)
		require.NoError(t, err)
		text = string(encoded)
	}
	r := httptest.NewRequest(http.MethodPost, "/panel/api/"+name, strings.NewReader(text))
	r.Host = "localhost:5000"
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"), "%s", w.Body)
	var answer map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	return w.Code, answer
}

// acted carries out an action that must succeed.
func acted(t *testing.T, h http.Handler, name string, body any) map[string]any {
	t.Helper()
	status, answer := act(t, h, name, body)
	require.Equal(t, 200, status, "%s: %v", name, answer)
	return answer
}

// refusedAction carries out an action that must fail, and returns why.
func refusedAction(t *testing.T, h http.Handler, status int, name string, body any, headers ...string) string {
	t.Helper()
	got, answer := act(t, h, name, body, headers...)
	require.Equal(t, status, got, "%s: %v", name, answer)
	failure := answer["error"].(map[string]any)
	require.EqualValues(t, status, failure["status"])
	require.NotEmpty(t, failure["message"])
	return failure["message"].(string)
}

// view reads a view of the panel.
func view[T any](t *testing.T, h http.Handler, target string) (v T) {
	t.Helper()
	w := get(h, "/panel/api/"+target)
	require.Equal(t, 200, w.Code, "%s: %s", target, w.Body)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), "%s", w.Body)
	return v
}

func TestPanelFiles(t *testing.T) {
	m := newMaster(t)
	for path, kind := range map[string]string{
		"/panel/": "text/html; charset=utf-8", "/panel/panel.html": "text/html; charset=utf-8",
		"/panel/panel.js": "text/javascript; charset=utf-8", "/panel/panel.css": "text/css; charset=utf-8",
		"/panel/icon.svg": "image/svg+xml",
	} {
		w := get(m.server, path)
		require.Equal(t, 200, w.Code, path)
		h := w.Header()
		require.Equal(t, kind, h.Get("Content-Type"))
		require.Equal(t, "no-cache", h.Get("Cache-Control"))
		require.Equal(t, "bytes", h.Get("Accept-Ranges"))
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		require.Equal(t, "DENY", h.Get("X-Frame-Options"))
		require.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
		policy := h.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.NotContains(t, policy, "unsafe")
		require.NotContains(t, policy, "*")
		require.Empty(t, h.Get("Access-Control-Allow-Origin"))
		require.NotContains(t, w.Body.String(), "//cdn", "no other host")
		require.NotEmpty(t, h.Get("Etag"))
		again := get(m.server, path, "If-None-Match", h.Get("Etag"))
		require.Equal(t, 304, again.Code)
		part := get(m.server, path, "Range", "bytes=0-3")
		require.Equal(t, 206, part.Code)
		require.Equal(t, w.Body.String()[:4], part.Body.String())
	}
	require.Equal(t, "inline; filename=panel.html", get(m.server, "/panel/").Header().Get("Content-Disposition"))
	require.Contains(t, get(m.server, "/panel/").Body.String(), `<script src="panel.js" defer></script>`)
	for _, path := range []string{"/panel/nothing", "/panel/panel/panel.js", "/panel/../doc.go", "/panel/%2e%2e/doc.go", "/panel/api", "/panel/api/", "/panel/api/nothing", "/panelx"} {
		require.Equal(t, 404, get(m.server, path).Code, path)
	}
	w := post(m.server, "/panel/")
	require.Equal(t, 405, w.Code)
	require.Equal(t, "GET, HEAD, OPTIONS", w.Header().Get("Allow"))
}

func TestPanelRedirects(t *testing.T) {
	m := newMaster(t)
	for _, test := range []struct {
		path, prefix, location string
		status                 int
	}{
		{"/", "", "panel/", 302},
		{"/panel", "", "panel/", 308},
		{"/", "/a/b", "/a/b/panel/", 302},
		{"/panel", "/a", "/a/panel/", 308},
		{"/", "//evil.example", "panel/", 302},
		{"/", "/\\evil.example", "panel/", 302},
	} {
		w := get(m.server, test.path, "X-Forwarded-Prefix", test.prefix)
		require.Equal(t, test.status, w.Code)
		require.Equal(t, test.location, w.Header().Get("Location"), "%+v", test)
	}
}

func TestPublicDirectory(t *testing.T) {
	dir := t.TempDir()
	public := filepath.Join(dir, "public")
	require.NoError(t, os.MkdirAll(filepath.Join(public, "software"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(public, "software", "a.cfg.json"), []byte(`{"name": "a"}`), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(public, "page é.html"), []byte("<script>"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600))
	require.NoError(t, os.Symlink("../secret", filepath.Join(public, "link")))
	require.NoError(t, syscall.Mkfifo(filepath.Join(public, "pipe"), 0o600))
	m := newMaster(t, WithPublicDirectory(public))

	w := get(m.server, "/panel/public/software/a.cfg.json")
	require.Equal(t, 200, w.Code)
	require.Equal(t, `{"name": "a"}`, w.Body.String())
	require.Equal(t, "attachment; filename=a.cfg.json", w.Header().Get("Content-Disposition"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Equal(t, 206, get(m.server, "/panel/public/software/a.cfg.json", "Range", "bytes=2-5").Code)
	require.Equal(t, 304, get(m.server, "/panel/public/software/a.cfg.json", "If-None-Match", w.Header().Get("Etag")).Code)
	require.Equal(t, 304, get(m.server, "/panel/public/software/a.cfg.json", "If-Modified-Since", w.Header().Get("Last-Modified")).Code)
	w = get(m.server, "/panel/public/page%20%C3%A9.html")
	require.Equal(t, 200, w.Code)
	require.True(t, strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment; filename"), w.Header().Get("Content-Disposition"))

	for _, path := range []string{
		"", "none", "software", "software/", "link", "pipe", "../secret", "%2e%2e/secret", "software/../../secret", "%2fetc%2fpasswd", "a%00b",
		"..%2fsecret", "..%5csecret", "software%2f..%2f..%2fsecret",
	} {
		w := get(m.server, "/panel/public/"+path)
		require.Equal(t, 404, w.Code, "%s: %s", path, w.Body)
		require.NotContains(t, w.Body.String(), "secret\n")
	}
	for _, unset := range []*testMaster{newMaster(t), newMaster(t, WithPublicDirectory(""))} {
		w := get(unset.server, "/panel/public/doc.go")
		require.Equal(t, 403, w.Code)
		require.Contains(t, w.Body.String(), "The public directory path is not configured.")
	}
	_, err := Open(t.Context(), "", WithPublicDirectory("relative"))
	require.ErrorContains(t, err, "not an absolute path")
}

// TestPanelActionsAreNotForOtherSites sends what a page of another site could.
func TestPanelActionsAreNotForOtherSites(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	body := map[string]any{"computer": "computer", "release": "r", "state": "available"}
	refusedAction(t, m.server, 415, "supply", body, "Content-Type", "text/plain")
	refusedAction(t, m.server, 415, "supply", body, "Content-Type", "application/x-www-form-urlencoded")
	refusedAction(t, m.server, 415, "supply", body, "Content-Type", "")
	refusedAction(t, m.server, 403, "supply", body, "Sec-Fetch-Site", "cross-site")
	refusedAction(t, m.server, 403, "supply", body, "Sec-Fetch-Site", "same-site")
	for _, host := range []string{"evil.example", "localhost:5000"} {
		r := httptest.NewRequest(http.MethodPost, "/panel/api/supply", strings.NewReader(`{"computer":"computer","release":"r","state":"available"}`))
		r.Host = host
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", "http://evil.example")
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		require.Equal(t, 403, w.Code)
	}
	// What a browser asks first gets no permission.
	r := httptest.NewRequest(http.MethodOptions, "/panel/api/supply", nil)
	r.Host = "localhost:5000"
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, r)
	for name := range w.Header() {
		require.False(t, strings.HasPrefix(name, "Access-Control-"), name)
	}
	require.Equal(t, 405, get(m.server, "/panel/api/supply").Code)
	require.Empty(t, view[shownComputer](t, m.server, "computer?computer=computer").Software)
	acted(t, m.server, "supply", body)
	require.Len(t, view[shownComputer](t, m.server, "computer?computer=computer").Software, 1)
}

func TestPanelBodies(t *testing.T) {
	m := newMaster(t, WithMaxBody(200))
	for _, body := range []string{"", "{", "[]", `"text"`, `{"unknown": 1}`, `{"title": 1}`, `{} {}`, "null null"} {
		refusedAction(t, m.server, 400, "request", body)
	}
	refusedAction(t, m.server, 413, "request", `{"title": "`+strings.Repeat("x", 300)+`"}`)
	refusedAction(t, m.server, 400, "request", map[string]any{"title": "a\x01", "release": "r"})
	refusedAction(t, m.server, 400, "request", map[string]any{"title": "a", "release": "r", "parameters": map[string]string{"k": "\x01"}})
	refusedAction(t, m.server, 400, "request", map[string]any{"title": "a", "release": "r", "state": "flying"})
	refusedAction(t, m.server, 400, "request", map[string]any{"release": "r"})
}

// TestPanelLife walks through the life of an instance.
func TestPanelLife(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 3)
	refusedAction(t, m.server, 404, "supply", map[string]any{"computer": "unknown", "release": "r", "state": "available"})
	refusedAction(t, m.server, 400, "supply", map[string]any{"computer": "computer", "release": "", "state": "available"})
	refusedAction(t, m.server, 400, "supply", map[string]any{"computer": "computer", "release": "r", "state": "other"})
	acted(t, m.server, "supply", map[string]any{"computer": "computer", "release": "r", "state": "available"})
	require.Equal(t, "r", view[listed[releaseRow]](t, m.server, "releases").Rows[0].URL)

	where := acted(t, m.server, "request", map[string]any{"title": "web", "release": "r", "computer": "computer", "parameters": map[string]string{"a": "1", "é": "<b>"}})
	require.Equal(t, map[string]any{"computer": "computer", "partition": "p0"}, where)
	require.Contains(t, refusedAction(t, m.server, 409, "request", map[string]any{"title": "web", "release": "other"}), "p0")
	refusedAction(t, m.server, 404, "request", map[string]any{"title": "w", "release": "r", "computer": "nowhere"})

	v := view[shownInstance](t, m.server, "instance?computer=computer&partition=p0")
	require.Equal(t, "web", v.Title)
	require.Equal(t, "started", v.State)
	require.Equal(t, healthUnknown, v.Status.Health)
	require.Equal(t, map[string]string{"a": "1", "é": "<b>"}, v.Parameters.Values)
	require.Equal(t, map[string]string{"computer_guid": "computer"}, v.Filter)
	require.Len(t, v.Tree, 1)

	// Parameters change only if they are those that were seen.
	change := func(body map[string]any) map[string]any {
		body["computer"], body["partition"] = "computer", "p0"
		return body
	}
	refusedAction(t, m.server, 409, "change", change(map[string]any{"parameters": map[string]string{}}))
	refusedAction(t, m.server, 409, "change", change(map[string]any{"parameters": map[string]string{}, "version": "other"}))
	refusedAction(t, m.server, 409, "change", change(map[string]any{"state": "stopped", "title": "another"}))
	refusedAction(t, m.server, 400, "change", change(map[string]any{"state": "paused"}))
	refusedAction(t, m.server, 400, "change", change(map[string]any{"release": ""}))
	before := v.Timestamp
	m.wait(1e9)
	acted(t, m.server, "change", change(map[string]any{"parameters": map[string]string{"b": ""}, "version": v.Parameters.Version, "type": "special"}))
	v = view[shownInstance](t, m.server, "instance?computer=computer&partition=p0")
	require.Equal(t, map[string]string{"b": ""}, v.Parameters.Values)
	require.Equal(t, "special", v.Type)
	require.Greater(t, v.Timestamp, before)

	require.Equal(t, map[string]any{"state": "stopped"}, acted(t, m.server, "change", change(map[string]any{"state": "stopped", "title": "web"})))
	v = view[shownInstance](t, m.server, "instance?computer=computer&partition=p0")
	require.Equal(t, "stopped", v.State)
	require.Equal(t, map[string]string{"b": ""}, v.Parameters.Values, "what is not named stays")
	acted(t, m.server, "change", change(map[string]any{"state": "started"}))

	acted(t, m.server, "request", map[string]any{"title": "second", "release": "r"})
	refusedAction(t, m.server, 409, "rename", change(map[string]any{"title": "web", "new_title": "second"}))
	refusedAction(t, m.server, 409, "rename", change(map[string]any{"title": "old", "new_title": "new"}))
	refusedAction(t, m.server, 400, "rename", change(map[string]any{"title": "web", "new_title": ""}))
	acted(t, m.server, "rename", change(map[string]any{"title": "web", "new_title": "site"}))
	acted(t, m.server, "bang", change(map[string]any{"message": "look \x1b[1m"}))
	v = view[shownInstance](t, m.server, "instance?computer=computer&partition=p0")
	require.Equal(t, "site", v.Title)
	require.Equal(t, "look \uFFFD[1m", v.Bang.Text)

	acted(t, m.server, "change", change(map[string]any{"state": "destroyed"}))
	post(m.server, "/destroyedComputerPartition", "computer_id", "computer", "computer_partition_id", "p0")
	require.Equal(t, 404, get(m.server, "/panel/api/instance?computer=computer&partition=p0").Code)
	refusedAction(t, m.server, 409, "change", change(map[string]any{"state": "started"}))
	acted(t, m.server, "supply", map[string]any{"computer": "computer", "release": "r", "state": "destroyed"})
	require.Equal(t, "destroyed", view[listed[releaseRow]](t, m.server, "releases").Rows[0].Computers[0].State)
}

// TestPanelTree shows children with their requesters, and leaves those alone
// when a person changes them.
func TestPanelTree(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 4)
	acted(t, m.server, "request", map[string]any{"title": "root", "release": "r"})
	ask := func(partition, title string, more ...string) {
		w := post(m.server, "/requestComputerPartition", append([]string{
			"computer_id", "computer", "computer_partition_id", partition, "software_release", "r", "software_type", "t",
			"partition_reference", title, "state", "<marshal><string>started</string></marshal>",
		}, more...)...)
		require.Equal(t, 200, w.Code, "%s", w.Body)
	}
	ask("p0", "child")
	ask("p1", "grandchild")
	ask("p1", "guest", "shared_xml", "<marshal><bool>1</bool></marshal>")
	v := view[shownInstance](t, m.server, "instance?computer=computer&partition=p2")
	require.Equal(t, &partitionRef{"computer", "p1"}, v.Requester)
	var titles []string
	for _, row := range v.Tree {
		titles = append(titles, row.Title+" "+row.Key)
	}
	require.Equal(t, []string{"root ", "child ", "grandchild ", "guest root_guest"}, titles)
	require.Equal(t, &partitionRef{"computer", "p1"}, v.Tree[3].Requester)
	services := view[listed[serviceRow]](t, m.server, "services")
	require.Equal(t, 1, services.Count)
	require.Equal(t, 3, services.Rows[0].Instances)

	refusedAction(t, m.server, 400, "rename", map[string]any{"computer": "computer", "partition": "p2", "title": "grandchild", "new_title": "x"})
	acted(t, m.server, "change", map[string]any{"computer": "computer", "partition": "p2", "state": "stopped"})
	v = view[shownInstance](t, m.server, "instance?computer=computer&partition=p2")
	require.Equal(t, "stopped", v.State)
	require.Equal(t, &partitionRef{"computer", "p1"}, v.Requester)

	s := view[shownShared](t, m.server, "shared?computer=computer&key=root_guest")
	require.Equal(t, "guest", s.Title)
	acted(t, m.server, "change", map[string]any{"computer": "computer", "key": "root_guest", "parameters": map[string]string{"k": "v"}, "version": s.Parameters.Version})
	refusedAction(t, m.server, 409, "change", map[string]any{"computer": "computer", "key": "root_guest", "parameters": map[string]string{}, "version": s.Parameters.Version})
	refusedAction(t, m.server, 400, "change", map[string]any{"computer": "computer", "key": "root_guest", "release": "other"})
	refusedAction(t, m.server, 404, "change", map[string]any{"computer": "computer", "key": "none", "state": "stopped"})
	s = view[shownShared](t, m.server, "shared?computer=computer&key=root_guest")
	require.Equal(t, map[string]string{"k": "v"}, s.Parameters.Values)
	require.Equal(t, "t", s.Type)
	require.Equal(t, &partitionRef{"computer", "p1"}, s.Requester)

	acted(t, m.server, "request", map[string]any{"title": "mine", "release": "r", "shared": true, "parameters": map[string]string{"url": "x"}})
	refusedAction(t, m.server, 409, "request", map[string]any{"title": "mine", "release": "r", "shared": true})
	require.Equal(t, 2, view[listed[serviceRow]](t, m.server, "services").Count)
	acted(t, m.server, "change", map[string]any{"computer": "computer", "key": "_mine", "state": "destroyed"})
	require.Equal(t, 1, view[listed[serviceRow]](t, m.server, "services").Count)
}

// A host shows what it serves, also while it is stopped, until it is destroyed.
func TestPanelHosted(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	acted(t, m.server, "request", map[string]any{"title": "host", "release": "r"})
	for _, title := range []string{"first", "second"} {
		acted(t, m.server, "request", map[string]any{"title": title, "release": "r", "shared": true})
	}
	hosted := func() (all []string) {
		for _, row := range view[shownInstance](t, m.server, "instance?computer=computer&partition=p0").Hosted {
			all = append(all, row.Title+" "+row.State)
		}
		return all
	}
	require.Equal(t, []string{"first started", "second started"}, hosted())
	for _, change := range []struct {
		state string
		want  []string
	}{
		{"stopped", []string{"first stopped", "second started"}},
		{"started", []string{"second started", "first started"}}, // it came to the host again
		{"destroyed", []string{"second started"}},
	} {
		acted(t, m.server, "change", map[string]any{"computer": "computer", "key": "_first", "state": change.state})
		require.Equal(t, change.want, hosted())
	}
}

func TestPanelProblems(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 2)
	require.Zero(t, view[shownProblems](t, m.server, "problems").InstanceCount)
	acted(t, m.server, "supply", map[string]any{"computer": "computer", "release": "r", "state": "available"})
	acted(t, m.server, "request", map[string]any{"title": "web", "release": "r"})
	post(m.server, "/softwareReleaseError", "computer_id", "computer", "url", "r", "error_log", "no compiler")
	post(m.server, "/softwareInstanceError", "computer_id", "computer", "computer_partition_id", "p0", "error_log", "no port")
	v := view[shownProblems](t, m.server, "problems")
	require.Equal(t, 1, v.InstanceCount)
	require.Equal(t, 1, v.ReleaseCount)
	require.Equal(t, "no compiler", v.Releases[0].Error.Text)
	require.Equal(t, "no port", view[shownInstance](t, m.server, "instance?computer=computer&partition=p0").Error.Text)
	c := view[shownComputer](t, m.server, "computer?computer=computer")
	require.Equal(t, 1, c.Failing)
	require.Equal(t, 1, c.Free)
	require.Equal(t, 1, c.Software[0].Instances)

	get(m.server, "/getFullComputerInformation?computer_id=computer")
	m.master.seen.writers.Wait()
	require.Equal(t, healthOK, view[listed[computerRow]](t, m.server, "computers").Rows[0].Status.Health)
	m.wait(3600e9)
	require.Equal(t, healthSilent, view[listed[computerRow]](t, m.server, "computers").Rows[0].Status.Health)
	require.Equal(t, 1, view[shownProblems](t, m.server, "problems").ComputerCount)
}

func TestPanelListsAndEtags(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 60)
	for i := range 55 {
		acted(t, m.server, "request", map[string]any{"title": fmt.Sprintf("Web %02d", i), "release": "r"})
	}
	titles := func(v listed[serviceRow]) string {
		require.NotEmpty(t, v.Rows)
		return fmt.Sprint(v.Rows[0].Title, " to ", v.Rows[len(v.Rows)-1].Title, " of ", v.Count)
	}
	services := func(query string) listed[serviceRow] { return view[listed[serviceRow]](t, m.server, "services?"+query) }
	first := services("")
	require.Equal(t, "Web 00 to Web 49 of 55", titles(first))
	require.Empty(t, first.Previous)
	second := services("after=" + url.QueryEscape(first.Next))
	require.Equal(t, "Web 50 to Web 54 of 55", titles(second))
	require.Empty(t, second.Next)
	require.Equal(t, first, services("before="+url.QueryEscape(second.Previous)))
	require.Equal(t, "Web 52 to Web 54 of 55", titles(services("limit=3&after="+url.QueryEscape("i999:zzz"))), "the last page")
	found := services("q=" + url.QueryEscape("WEB 1"))
	require.Equal(t, "Web 01 to Web 51 of 15", titles(found), "01, 10 to 19, 21, 31, 41, 51")
	require.Empty(t, services("q=none").Rows)
	require.Empty(t, services("q="+url.QueryEscape("% _")).Rows)
	for _, odd := range []string{"services?limit=0", "services?limit=x", "computers?limit=99999999999999999999"} {
		require.Equal(t, 200, get(m.server, "/panel/api/"+odd).Code)
	}
	for _, refused := range []string{"after=x", "before=i:x", "after=i1:a&before=i1:a", "q=" + strings.Repeat("a", 201), "q=" + strings.Repeat("a+", 11)} {
		for _, list := range []string{"services?", "computers?", "releases?", "release?release=r&", "computer?computer=computer&"} {
			w := get(m.server, "/panel/api/"+list+refused)
			require.Equal(t, 400, w.Code, "%s%s: %s", list, refused, w.Body)
		}
	}
	c := view[shownComputer](t, m.server, "computer?computer=computer&q=free")
	require.Equal(t, 5, c.Partitions.Count)

	etag := get(m.server, "/panel/api/services").Header().Get("Etag")
	w := get(m.server, "/panel/api/services", "If-None-Match", etag)
	require.Equal(t, 304, w.Code)
	require.Empty(t, w.Body)
	acted(t, m.server, "change", map[string]any{"computer": "computer", "partition": "p0", "state": "stopped"})
	require.Equal(t, 200, get(m.server, "/panel/api/services", "If-None-Match", etag).Code)
	for _, unknown := range []string{"instance?computer=x&partition=y", "instance", "computer?computer=x", "shared?computer=x&key=y", "shared?computer=computer&key=y", "schema?release=x"} {
		w := get(m.server, "/panel/api/"+unknown)
		require.Equal(t, 404, w.Code, unknown)
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	}
}

// TestPanelAsksForRights forbids each action in turn.
func TestPanelAsksForRights(t *testing.T) {
	guard := &forbidding{}
	m := newMaster(t, WithAuthorizer(guard))
	m.layout("computer", 1)
	acted(t, m.server, "request", map[string]any{"title": "web", "release": "r"})
	place := map[string]any{"computer": "computer", "partition": "p0"}
	for _, test := range []struct {
		action Action
		name   string
		body   map[string]any
	}{
		{ActionRequest, "request", map[string]any{"title": "new", "release": "r"}},
		{ActionRequest, "change", map[string]any{"computer": "computer", "partition": "p0", "state": "stopped"}},
		{ActionRequest, "rename", map[string]any{"computer": "computer", "partition": "p0", "title": "web", "new_title": "new"}},
		{ActionReport, "bang", place},
		{ActionSupply, "supply", map[string]any{"computer": "computer", "release": "r", "state": "available"}},
		{ActionRead, "validate", map[string]any{"release": "r", "entry": "e", "parameters": map[string]any{}}},
	} {
		guard.action = test.action
		require.Contains(t, refusedAction(t, m.server, 403, test.name, test.body), "not you")
	}
	guard.action = ActionRead
	for name := range panelViews() {
		require.Equal(t, 403, get(m.server, "/panel/api/"+name).Code, name)
	}
	require.Equal(t, 403, get(m.server, "/panel/api/schema").Code)
	require.Equal(t, 403, get(m.server, "/panel/public/x").Code)
	guard.action = ""
	require.Equal(t, "started", view[shownInstance](t, m.server, "instance?computer=computer&partition=p0").State)
}

// forbidding is an Authorizer that forbids one action.
type forbidding struct{ action Action }

func (f *forbidding) Authorize(_ context.Context, _ Principal, a Action, _ Object) error {
	if a == f.action {
		return errors.New("not you")
	}
	return nil
}

func TestSchemas(t *testing.T) {
	public := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(public, "software", "web"), 0o755))
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(public, "software", "web", name), []byte(text), 0o600))
	}
	write("software.cfg.json", `{"name": "Web", "serialisation": "json-in-xml", "software-type": {
		"default": {"title": "Server", "index": 0, "request": "in.json", "response": "out.json"},
		"escape": {"index": 1, "request": "../../../secret.json", "response": "out.json"}}}`)
	write("in.json", `{"type": "object", "required": ["name"], "properties": {"port": {"type": "integer", "maximum": 65535}, "name": {"type": "string"}}}`)
	m := newMaster(t, WithPublicDirectory(public))
	m.layout("computer", 1)
	local := "/srv/slapos/software/web/software.cfg"
	query := "schema?release=" + url.QueryEscape(local)
	require.Equal(t, 404, get(m.server, "/panel/api/"+query).Code, "not supplied")
	acted(t, m.server, "supply", map[string]any{"computer": "computer", "release": local, "state": "available"})
	v := view[shownSchemaView](t, m.server, query)
	require.Equal(t, "Web", v.Name)
	require.Equal(t, shownEntry{ID: "default", Type: "default", Title: "Server", Serialisation: "json-in-xml"}, v.Entries[0])
	require.Empty(t, v.Request)
	v = view[shownSchemaView](t, m.server, query+"&entry=default")
	require.Contains(t, string(v.Request), "65535")
	require.Equal(t, 404, get(m.server, "/panel/api/"+query+"&entry=escape").Code)

	found := acted(t, m.server, "validate", map[string]any{"release": local, "entry": "default", "parameters": map[string]any{"port": 70000}})
	require.Len(t, found["findings"], 2)
	found = acted(t, m.server, "validate", map[string]any{"release": local, "entry": "default", "parameters": map[string]any{"port": 70, "name": "n"}})
	require.Empty(t, found["findings"])
	refusedAction(t, m.server, 404, "validate", map[string]any{"release": local, "entry": "none", "parameters": 1})
	refusedAction(t, m.server, 400, "validate", map[string]any{"release": local, "entry": "default"})
}

// TestSchemasComeFromPublicAddresses supplies releases at places that the master
// must not be made to reach.
func TestSchemasComeFromPublicAddresses(t *testing.T) {
	reached := 0
	inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		if r.URL.Path == "/away.json" {
			http.Redirect(w, r, "http://localhost:"+r.Host[strings.LastIndex(r.Host, ":")+1:]+"/web.json", http.StatusFound)
			return
		}
		fmt.Fprint(w, `{"software-type": {"default": {"request": "in.json", "response": "in.json"}}}`)
	}))
	defer inside.Close()
	secret := filepath.Join(t.TempDir(), "release")
	require.NoError(t, os.WriteFile(secret+".json", []byte(`{"name": "secret"}`), 0o600))
	address := strings.TrimPrefix(inside.URL, "http://")
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)

	m := newMaster(t)
	m.layout("computer", 1)
	read := func(m *testMaster, release string) *httptest.ResponseRecorder {
		acted(t, m.server, "supply", map[string]any{"computer": "computer", "release": release, "state": "available"})
		return get(m.server, "/panel/api/schema?release="+url.QueryEscape(release))
	}
	for _, release := range []string{
		inside.URL + "/web", "http://localhost:" + port + "/web", "http://[::ffff:127.0.0.1]:" + port + "/web",
		"http://169.254.169.254/latest", "http://10.0.0.1/web", "http://[fd00::1]/web", "http://0.0.0.0:" + port + "/web",
		"http://100.64.0.1/web", "http://[64:ff9b::7f00:1]/web",
		secret, "file://" + secret, "gopher://x/y", "not a url",
	} {
		w := read(m, release)
		require.Equal(t, 404, w.Code, "%s: %s", release, w.Body)
		require.NotContains(t, w.Body.String(), `"name":"secret"`)
	}
	require.Zero(t, reached)

	named := newMaster(t, WithSchemaHosts(address))
	named.layout("computer", 1)
	require.Equal(t, 200, read(named, inside.URL+"/web").Code)
	require.Equal(t, 404, read(named, inside.URL+"/away").Code, "another host")
	require.Equal(t, 404, read(named, "http://localhost:"+port+"/web").Code)
	_, err = Open(t.Context(), "", WithSchemaHosts(""))
	require.Error(t, err)
}

// TestPanelRequestsAreNew has many persons request the same title at once.
func TestPanelRequestsAreNew(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 10)
	var granted atomic.Int32
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			body := fmt.Sprintf(`{"title": "web", "release": "r", "parameters": {"by": "%d"}}`, i)
			r := httptest.NewRequest(http.MethodPost, "/panel/api/request", strings.NewReader(body))
			r.Host = "localhost:5000"
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			m.server.ServeHTTP(w, r)
			if w.Code == 200 {
				granted.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, granted.Load())
	require.Equal(t, 1, view[listed[serviceRow]](t, m.server, "services").Count)
}

// FuzzPanel sends what a page never would: nothing makes the master fail or
// panic.
func FuzzPanel(f *testing.F) {
	for _, seed := range [][2]string{
		{"request", `{"title": "a", "release": "r", "parameters": {"k": "v"}}`}, {"change", `{"computer": "computer", "partition": "p0", "state": "stopped"}`},
		{"change", `{"computer": "computer", "key": "_s", "parameters": {}, "version": ""}`}, {"supply", `{"computer": "computer", "release": "x", "state": "available"}`},
		{"rename", `{"computer": "computer", "partition": "p0", "title": "web", "new_title": "é"}`}, {"bang", `{"computer": "computer", "partition": "p0"}`},
		{"validate", `{"release": "r", "entry": "e", "parameters": [1e999]}`}, {"instance?computer=computer&partition=p0", ""},
		{"services?q=%ff&offset=-9", ""}, {"shared?computer=computer&key=%00", ""}, {"public/../../etc/passwd", ""}, {"schema?release=r&entry=", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	s, err := Open(f.Context(), "", WithPublicDirectory(f.TempDir()))
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	partitions := []partitionConfiguration{{reference: "p0"}, {reference: "p1"}, {reference: "p2"}}
	require.NoError(f, s.master.format(f.Context(), Principal{}, computerConfiguration{reference: "computer", partitions: partitions}))
	f.Fuzz(func(t *testing.T, call, body string) {
		target := &url.URL{Path: "/panel/api/" + call}
		if path, query, found := strings.Cut(call, "?"); found {
			target = &url.URL{Path: "/panel/api/" + path, RawQuery: query}
		}
		if rest, found := strings.CutPrefix(call, "public/"); found {
			target = &url.URL{Path: "/panel/public/" + rest}
		}
		method := http.MethodGet
		if body != "" {
			method = http.MethodPost
		}
		r := &http.Request{
			Method: method, URL: target, Host: "localhost", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r.WithContext(t.Context()))
		require.Less(t, w.Code, 500, "%s", w.Body)
		require.True(t, w.Code != 200 || !strings.HasPrefix(target.Path, "/panel/public/"), "nothing is in the public directory")
	})
}

// A filter is kept as it came, small, though it may refer to the same list so often that
// its text is endless: the panel shows the beginning.
func TestPanelShowsEndlessFilters(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	var filter strings.Builder
	fmt.Fprintf(&filter, `<marshal><dictionary id="i1"><string>k</string><list id="i2"><string>%s</string></list>`, strings.Repeat("x", 1000))
	for i := 3; i < 25; i++ {
		fmt.Fprintf(&filter, `<string>k%d</string><list id="i%d"><reference id="i%d"/><reference id="i%d"/></list>`, i, i, i-1, i-1)
	}
	filter.WriteString("<string>last</string><string>text</string></dictionary></marshal>")
	w := m.call("/requestComputerPartition", map[string]string{
		"software_release": releaseA, "software_type": "", "partition_reference": "A", "state": "", "filter_xml": filter.String(),
	})
	require.Equal(t, 200, w.Code, w.Body)
	w = get(m.server, "/panel/api/instance?computer=computer&partition=p0")
	require.Equal(t, 200, w.Code)
	require.Less(t, w.Body.Len(), 2*maxKept)
	var shown struct {
		Filter map[string]string `json:"filter"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &shown))
	require.Equal(t, "['"+strings.Repeat("x", 1000)+"']", shown.Filter["k"])
	require.True(t, strings.HasSuffix(shown.Filter["k24"], "..."))
	require.Equal(t, "text", shown.Filter["last"])
}
