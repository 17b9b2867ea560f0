package proxy

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// testCache is a master with a network cache.
type testCache struct {
	*testMaster
	content, metadata string
}

func newCache(t *testing.T, c Shacache) testCache {
	t.Helper()
	dir := t.TempDir()
	c.Content, c.Metadata = filepath.Join(dir, "data"), filepath.Join(dir, "dir")
	return testCache{newMaster(t, WithShacache(c)), c.Content, c.Metadata}
}

func (c testCache) send(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequest(method, "/shacache/"+path, strings.NewReader(body))
	r.Host = "localhost"
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, r)
	return w
}

func (c testCache) put(key, entry string) *httptest.ResponseRecorder {
	return c.send("PUT", "dir/"+key, entry, "Content-Type", "application/json")
}

func (c testCache) write(key, text string) {
	c.t.Helper()
	require.NoError(c.t, os.MkdirAll(c.metadata, 0o755))
	require.NoError(c.t, os.WriteFile(filepath.Join(c.metadata, key), []byte(text), 0o644))
}

func sha(text string) string {
	sum := sha512.Sum512([]byte(text))
	return hex.EncodeToString(sum[:])
}

// entryOf is an entry about content, as it is sent: JSON in JSON.
func entryOf(t *testing.T, content, signature string) string {
	t.Helper()
	inner, err := json.Marshal(map[string]string{"sha512": sha(content), "url": "http://x/" + content})
	require.NoError(t, err)
	outer, err := json.Marshal([]string{string(inner), signature})
	require.NoError(t, err)
	return string(outer)
}

// The names of the subtests are those of the items in web.md 11, of the reference's
// test_slapproxy_shacache.py.
func TestShacache(t *testing.T) {
	t.Run("five 503", func(t *testing.T) {
		for _, m := range []*testMaster{newMaster(t), newMaster(t, WithShacache(Shacache{Content: t.TempDir()}))} {
			c := testCache{testMaster: m}
			for _, call := range [][2]string{{"GET", "cache/" + sha("x")}, {"POST", "cache"}, {"GET", "dir/k"}, {"PUT", "dir/k"}, {"POST", "update"}} {
				w := c.send(call[0], call[1], "")
				require.Equal(t, 503, w.Code, call)
				require.Contains(t, w.Body.String(), "Shacache not configured")
			}
		}
	})
	t.Run("upload, download and 404", func(t *testing.T) {
		c := newCache(t, Shacache{})
		require.Equal(t, 404, c.send("GET", "cache/"+sha("data"), "").Code)
		for _, path := range []string{"cache", "cache/", "cache"} {
			w := c.send("POST", path, "data", "Content-Type", "text/anything")
			require.Equal(t, 201, w.Code)
			require.Equal(t, sha("data"), w.Body.String())
		}
		w := c.send("GET", "cache/"+sha("data"), "")
		require.Equal(t, 200, w.Code)
		require.Equal(t, "data", w.Body.String())
		require.Equal(t, "application/octet-stream", w.Header().Get("Content-Type"))
		require.Contains(t, w.Header().Get("Content-Disposition"), "attachment")
		require.Equal(t, "bytes", w.Header().Get("Accept-Ranges"))
		require.NotEmpty(t, w.Header().Get("Last-Modified"))
		tag := w.Header().Get("ETag")
		require.Equal(t, 304, c.send("GET", "cache/"+sha("data"), "", "If-None-Match", tag).Code)
		w = c.send("GET", "cache/"+sha("data"), "", "Range", "bytes=2-")
		require.Equal(t, 206, w.Code)
		require.Equal(t, "ta", w.Body.String())
		require.Empty(t, c.send("HEAD", "cache/"+sha("data"), "").Body.String())
		files, err := os.ReadDir(c.content)
		require.NoError(t, err)
		require.Len(t, files, 1, "nothing is left of uploads")
	})
	t.Run("PUT with a wrong digest", func(t *testing.T) {
		c := newCache(t, Shacache{})
		w := c.send("PUT", "cache/"+sha("data"), "other")
		require.Equal(t, 400, w.Code)
		require.Contains(t, w.Body.String(), "Checksum mismatch")
		require.Equal(t, 404, c.send("GET", "cache/"+sha("data"), "").Code)
		w = c.send("PUT", "cache/"+sha("data"), "data")
		require.Equal(t, 201, w.Code)
		require.Equal(t, sha("data"), w.Body.String())
		files, err := os.ReadDir(c.content)
		require.NoError(t, err)
		require.Len(t, files, 1)
	})
	t.Run("PUT dir", func(t *testing.T) {
		c := newCache(t, Shacache{})
		require.Equal(t, 404, c.send("GET", "dir/k", "").Code)
		require.Equal(t, 415, c.send("PUT", "dir/k", `["a","b"]`).Code)
		require.Equal(t, 415, c.send("PUT", "dir/k", `["a","b"]`, "Content-Type", "text/plain").Code)
		for _, body := range []string{`{"a":1}`, `"ab"`, `["a"]`, `["a","b","c"]`, `null`} {
			w := c.put("k", body)
			require.Equal(t, 400, w.Code, body)
			require.Contains(t, w.Body.String(), "Invalid entry format")
		}
		require.Equal(t, 400, c.put("k", `["a",`).Code)
		w := c.put("file-urlmd5:0a", entryOf(t, "one", "s"))
		require.Equal(t, 201, w.Code)
		require.Empty(t, w.Body.String())
		require.FileExists(t, filepath.Join(c.metadata, "file-urlmd5:0a"))
		require.JSONEq(t, "["+entryOf(t, "one", "s")+"]", c.send("GET", "dir/file-urlmd5:0a", "").Body.String())
		// The newest comes first, and the same entry signed again replaces itself.
		c.put("file-urlmd5:0a", entryOf(t, "two", "s"))
		c.put("file-urlmd5:0a", entryOf(t, "one", "again"))
		require.JSONEq(t, "["+entryOf(t, "one", "again")+","+entryOf(t, "two", "s")+"]", c.send("GET", "dir/file-urlmd5:0a", "").Body.String())
	})
	t.Run("update without upstream", func(t *testing.T) {
		c := newCache(t, Shacache{})
		require.JSONEq(t, `{"removed":[],"updated":[]}`, c.send("POST", "update", "").Body.String())
		c.send("POST", "cache", "here")
		here, gone := entryOf(t, "here", "s"), entryOf(t, "gone", "s")
		c.write("kept", "["+here+"]")
		c.write("shortened", "["+gone+","+here+","+`[1,2], "x", ["not json",""]`+"]")
		c.write("orphan", "["+gone+"]")
		c.write("pair", gone) // a bare pair, no list of pairs
		c.write("object", `{}`)
		c.write("empty", `[]`)
		c.write("unreadable", `[`)
		require.JSONEq(t, `{"removed":["object","orphan","pair","shortened"],"updated":[]}`, c.send("POST", "update", "").Body.String())
		require.JSONEq(t, "["+here+"]", c.send("GET", "dir/shortened", "").Body.String())
		require.Equal(t, 404, c.send("GET", "dir/orphan", "").Code)
		for _, key := range []string{"kept", "empty", "unreadable"} {
			require.FileExists(t, filepath.Join(c.metadata, key))
		}
	})
	t.Run("upstream", func(t *testing.T) {
		asked := map[string]int{}
		above := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked[r.URL.Path]++
			switch r.URL.Path {
			case "/cache/" + sha("content"):
				_, _ = io.WriteString(w, "content")
			case "/cache/" + sha("forged"):
				_, _ = io.WriteString(w, "something else")
			case "/cache/" + sha("broken"):
				w.WriteHeader(500)
			case "/cache/" + sha("elsewhere"):
				http.Redirect(w, r, "/cache/"+sha("content"), http.StatusFound)
			case "/dir/pypi:known=1":
				_, _ = io.WriteString(w, `[["entry",  "signature"]]`)
			case "/dir/empty":
				_, _ = io.WriteString(w, `[]`)
			case "/dir/broken":
				w.WriteHeader(500)
			case "/dir/nonsense":
				_, _ = io.WriteString(w, `<html>`)
			default:
				w.WriteHeader(404)
			}
		}))
		c := newCache(t, Shacache{UpstreamCache: above + "cache", UpstreamDir: above + "dir/"})
		for range 2 {
			require.Equal(t, "content", c.send("GET", "cache/"+sha("content"), "").Body.String())
			require.Equal(t, `[["entry",  "signature"]]`, c.send("GET", "dir/pypi:known=1", "").Body.String())
		}
		require.Equal(t, 1, asked["/cache/"+sha("content")], "a local hit needs no upstream")
		require.Equal(t, 1, asked["/dir/pypi:known=1"])
		for path, status := range map[string]int{
			"cache/" + sha("none"): 404, "cache/" + sha("forged"): 502, "cache/" + sha("broken"): 502, "cache/" + sha("elsewhere"): 502,
			"dir/none": 404, "dir/broken": 502, "dir/nonsense": 502,
		} {
			require.Equal(t, status, c.send("GET", path, "").Code, path)
		}
		require.Contains(t, c.send("GET", "dir/broken", "").Body.String(), "Upstream returned 500")
		require.NoFileExists(t, filepath.Join(c.content, sha("forged")))

		for _, key := range []string{"stale", "empty", "broken", "nonsense", "pypi:known=1"} {
			c.write(key, `["old"]`)
		}
		require.JSONEq(t, `{"removed":["empty","stale"],"updated":["pypi:known=1"]}`, c.send("POST", "update", "").Body.String())
		require.Equal(t, `[["entry",  "signature"]]`, c.send("GET", "dir/pypi:known=1", "").Body.String())
		require.FileExists(t, filepath.Join(c.metadata, "broken"))

		half := newCache(t, Shacache{UpstreamCache: "http://127.0.0.1:9"})
		w := half.send("GET", "cache/"+sha("x"), "")
		require.Equal(t, 502, w.Code)
		require.Contains(t, w.Body.String(), "Upstream error")
		require.Equal(t, 404, half.send("GET", "dir/x", "").Code)
	})
	t.Run("methods", func(t *testing.T) {
		c := newCache(t, Shacache{})
		for _, call := range [][2]string{{"GET", "cache"}, {"POST", "dir/x"}, {"GET", "update"}, {"DELETE", "cache/" + sha("x")}} {
			require.Equal(t, 405, c.send(call[0], call[1], "").Code, call)
		}
	})
}

// No name leads out of the directories, and none is that of a file being written.
func TestShacacheNames(t *testing.T) {
	c := newCache(t, Shacache{})
	require.NoError(t, os.MkdirAll(c.content, 0o755))
	secret := filepath.Join(filepath.Dir(c.content), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	for _, name := range []string{
		"..%2Fsecret", "%2e%2e/secret", "%2e%2e", ".hidden", "a%2Fb", "a/b", "%00", "a%0ab", "..%5Csecret", strings.Repeat("x", 201),
	} {
		for _, part := range []string{"cache/", "dir/"} {
			for _, method := range []string{"GET", "PUT"} {
				w := c.send(method, part+name, `["a","b"]`, "Content-Type", "application/json")
				require.Equal(t, 404, w.Code, "%s %s%s", method, part, name)
			}
		}
	}
	require.Equal(t, 404, c.send("GET", "cache/"+strings.ToUpper(sha("x")), "").Code)
	require.NoError(t, os.MkdirAll(filepath.Join(c.metadata, "directory"), 0o755))
	require.Equal(t, 404, c.send("GET", "dir/directory", "").Code)
	require.Equal(t, 403, c.send("POST", "cache", "x", "Origin", "http://evil.example").Code)
}

// Content is larger than other bodies may be, and bounded by itself.
func TestShacacheSizes(t *testing.T) {
	c := newCache(t, Shacache{MaxContent: 3 << 20})
	c.server.config.maxBody = 1 << 20
	large := strings.Repeat("x", 2<<20)
	w := c.send("POST", "cache", large)
	require.Equal(t, 201, w.Code)
	require.Equal(t, large, c.send("GET", "cache/"+sha(large), "").Body.String())
	huge := strings.Repeat("x", 3<<20+1)
	require.Equal(t, 413, c.send("POST", "cache", huge).Code)
	require.Equal(t, 413, c.send("PUT", "cache/"+sha(huge), huge).Code)
	require.Equal(t, 413, c.put("k", `["`+large+`",""]`).Code)
	files, err := os.ReadDir(c.content)
	require.NoError(t, err)
	require.Len(t, files, 1)
}

// A network cache above that hangs does not keep entries from being put.
func TestShacacheUpdateHoldsNobody(t *testing.T) {
	asked, release := make(chan bool, 1), make(chan bool)
	above := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- true
		<-release
		http.NotFound(w, nil)
	}))
	defer above.Close()
	c := newCache(t, Shacache{UpstreamDir: above.URL})
	require.Equal(t, 201, c.put("k", entryOf(t, "x", "")).Code)
	updated := make(chan int)
	go func() { updated <- c.send("POST", "update", "").Code }()
	<-asked
	require.Equal(t, 201, c.put("other", entryOf(t, "y", "")).Code)
	close(release)
	require.Equal(t, 200, <-updated)
}

// FuzzShacache sends arbitrary calls to a network cache. None fails for a reason of
// the caller's, and what is taken is there afterwards, inside its directories.
func FuzzShacache(f *testing.F) {
	f.Add("PUT", "dir/k", `["{\"sha512\": \"x\"}", "sig"]`)
	f.Add("PUT", "dir/pypi:a=1", `[null, [1, {"a": 2}]]`)
	f.Add("POST", "cache", "content")
	f.Add("PUT", "cache/"+sha("content"), "content")
	f.Add("GET", "cache/"+sha("content"), "")
	f.Add("GET", "dir/../k", "")
	f.Add("POST", "update", "")
	dir := f.TempDir()
	s, err := Open(f.Context(), "", WithShacache(Shacache{Content: filepath.Join(dir, "data"), Metadata: filepath.Join(dir, "dir")}))
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	f.Fuzz(func(t *testing.T, method, path, body string) {
		r, err := http.NewRequest(method, "http://localhost/shacache/", strings.NewReader(body))
		if err != nil {
			t.Skip("no method")
		}
		r.URL.Path += path
		r.Header.Set("Content-Type", "application/json")
		send := func(r *http.Request) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			require.NotEqual(t, 500, w.Code, "%s %q: %s", method, path, w.Body)
			return w
		}
		w := send(r)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, e := range entries {
			require.Contains(t, []string{"data", "dir"}, e.Name())
		}
		if w.Code != 201 {
			return
		}
		read, err := http.NewRequest("GET", "http://localhost/shacache/", nil)
		require.NoError(t, err)
		read.URL.Path += path
		if digest := w.Body.String(); digest != "" {
			require.Equal(t, sha(body), digest)
			read.URL.Path = "/shacache/cache/" + digest
			require.Equal(t, body, send(read).Body.String())
			return
		}
		var list [][]json.RawMessage
		require.NoError(t, json.Unmarshal(send(read).Body.Bytes(), &list))
		var pair []any
		require.NoError(t, json.Unmarshal([]byte(body), &pair))
		first, err := json.Marshal(list[0])
		require.NoError(t, err)
		var got []any
		require.NoError(t, json.Unmarshal(first, &got))
		require.Equal(t, pair, got)
	})
}

// An upload may take longer than the answer to another call: it is told that it came.
func TestSlowUploadIsAnswered(t *testing.T) {
	dir := t.TempDir()
	const limit = 200 * time.Millisecond
	s := newServed(t, WithShacache(Shacache{Content: dir, Metadata: filepath.Join(dir, "dir")}),
		WithLimits(Limits{WriteTimeout: limit, ReadTimeout: limit}))
	client := newClient(t, &http.Transport{})
	for _, path := range []string{"/shacache/cache", "/shacache/cache/" + sha("12345678")} {
		slow, feed := io.Pipe()
		go func() {
			for _, c := range []byte("12345678") {
				time.Sleep(limit / 4)
				_, _ = feed.Write([]byte{c})
			}
			_ = feed.Close()
		}()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+s.address+path, slow)
		require.NoError(t, err)
		if strings.HasSuffix(path, "cache") {
			r.Method = http.MethodPost
		}
		answer, err := client.Do(r)
		require.NoError(t, err, path)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, errors.Join(err, answer.Body.Close()))
		require.Equal(t, 201, answer.StatusCode)
		require.Equal(t, sha("12345678"), string(text))
	}
}

// What is under a name of the network cache but is no file holds up nobody.
func TestShacacheWithPipes(t *testing.T) {
	c := newCache(t, Shacache{})
	for _, path := range []string{filepath.Join(c.content, sha("x")), filepath.Join(c.metadata, "k")} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		defer func() { // whoever opens it nevertheless is let go
			if pipe, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				_ = pipe.Close()
			}
		}()
	}
	for _, call := range []string{"cache/" + sha("x"), "dir/k"} {
		answered := make(chan int, 1)
		go func() { answered <- c.send("GET", call, "").Code }()
		select {
		case status := <-answered:
			require.Equal(t, 404, status)
		case <-time.After(patience):
			t.Fatal("no answer about", call)
		}
	}
	require.Equal(t, 201, c.put("k", entryOf(t, "one", "s")).Code)
	require.Equal(t, 201, c.send("POST", "cache", "x").Code)
	require.Equal(t, "x", c.send("GET", "cache/"+sha("x"), "").Body.String())
}

// An entry is kept with other escapes than it was sent with, and is still the same.
func TestShadirEntryWithEscapes(t *testing.T) {
	c := newCache(t, Shacache{})
	for _, signature := range []string{"first", "again"} {
		require.Equal(t, 201, c.put("k", `["{\"url\": \"http://x/?a=1&b=<2>é\"}", "`+signature+`"]`).Code)
	}
	require.Equal(t, 201, c.put("k", `["{\"url\": \"http://x/?a=1\u0026b=<2>\u00e9\"}", "last"]`).Code)
	require.JSONEq(t, `[["{\"url\": \"http://x/?a=1&b=<2>é\"}", "last"]]`, c.send("GET", "dir/k", "").Body.String())
}

// A file of entries that is larger than any that is written here is neither told in
// part nor replaced.
func TestShadirLargeFile(t *testing.T) {
	c := newCache(t, Shacache{})
	large := "[" + strings.Repeat(`["a","b"],`, maxDirectory/10) + `["a","b"]]`
	c.write("k", large)
	require.Equal(t, 500, c.send("GET", "dir/k", "").Code)
	require.Equal(t, 500, c.put("k", entryOf(t, "one", "s")).Code)
	kept, err := os.ReadFile(filepath.Join(c.metadata, "k"))
	require.NoError(t, err)
	require.True(t, string(kept) == large)
}

// Who waits for content from above may leave; getting it goes on for others, and ends
// with the master.
func TestShacacheEndsWithTheMaster(t *testing.T) {
	asked, over := make(chan struct{}, 2), make(chan struct{})
	above := serveMaster(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		asked <- struct{}{}
		<-r.Context().Done()
		close(over)
	}))
	c := newCache(t, Shacache{UpstreamCache: above, UpstreamDir: above})
	ctx, leave := context.WithCancel(t.Context())
	answered := make(chan int, 1)
	go func() {
		r := httptest.NewRequestWithContext(ctx, "GET", "/shacache/cache/"+sha("x"), nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		c.server.ServeHTTP(w, r)
		answered <- w.Code
	}()
	<-asked
	leave()
	select {
	case status := <-answered:
		require.Equal(t, 503, status)
	case <-time.After(patience):
		t.Error("the caller is gone, its call is not")
	}
	select {
	case <-over:
		t.Error("the content is no longer wanted")
	default:
	}
	require.NoError(t, c.server.Close())
	select {
	case <-over:
	case <-time.After(patience):
		t.Error("the master is closed and still gets content")
	}
}
