package slap

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// handled is a transport that answers by a handler, without a network.
type handled func(w http.ResponseWriter, r *http.Request)

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	h(w, r)
	if w.Code == 0 {
		return nil, io.EOF
	}
	return w.Result(), nil
}

// broken is a status by which a scripted master breaks the connection.
const broken = -1

// step is one read in the life of a cached answer.
type step struct {
	after  time.Duration // since the step before
	status int           // of the master, 200 if not given
	header string        // of the master, lines
	body   string        // of the master
	want   string        // what the read returns; an error if empty
	asked  bool          // whether the master is asked
	when   string        // with which condition
	write  bool          // another call changes something before
	noStop bool          // the request asks for no answer of a cache
}

func TestCacheRules(t *testing.T) {
	const (
		full     = "Cache-Control: public, max-age=1, stale-if-error=604800\nVary: REMOTE_USER"
		modified = "Last-Modified: Fri, 31 Dec 1999 23:00:00 GMT"
	)
	second := time.Second
	for name, steps := range map[string][]step{
		"fresh for max-age": {
			{header: full, body: "1", want: "1", asked: true},
			{after: second / 2, want: "1"},
			{after: second / 2, header: full, body: "2", want: "2", asked: true},
			{after: second - 1, want: "2"},
		},
		"Expires, unless there is max-age": {
			{header: "Expires: Sat, 01 Jan 2000 00:00:10 GMT", body: "1", want: "1", asked: true},
			{after: 9 * second, want: "1"},
			{after: second, header: "Expires: Sat, 01 Jan 2000 01:00:00 GMT\nCache-Control: max-age=0\nEtag: e", body: "2", want: "2", asked: true},
			{header: "", body: "3", want: "3", asked: true, when: "e"},
			{body: "4", want: "4", asked: true},
		},
		"Age counts": {
			{header: "Cache-Control: max-age=10\nAge: 8", body: "1", want: "1", asked: true},
			{after: second, want: "1"},
			{after: second, body: "2", want: "2", asked: true},
		},
		"nothing said, nothing kept": {
			{body: "1", want: "1", asked: true},
			{body: "2", want: "2", asked: true},
		},
		"numbers that are none": {
			{header: "Cache-Control: max-age=soon, stale-if-error=-5", body: "1", want: "1", asked: true},
			{body: "2", want: "2", asked: true},
		},
		"enormous numbers": {
			{header: "Cache-Control: max-age=99999999999999999999999", body: "1", want: "1", asked: true},
			{after: 1000 * time.Hour, want: "1"},
		},
		"the smaller of two": {
			{header: "Cache-Control: max-age=100\nCache-Control: MAX-AGE=\"2\", private=\"a, max-age=1000\"", body: "1", want: "1", asked: true},
			{after: second, want: "1"},
			{after: second, body: "2", want: "2", asked: true},
		},
		"Etag": {
			{header: `Etag: "a"`, body: "1", want: "1", asked: true},
			{status: 304, want: "1", asked: true, when: `"a"`},
			{header: `Etag: "b"`, body: "2", want: "2", asked: true, when: `"a"`},
			{status: 304, header: `Etag: W/"b"`, want: "2", asked: true, when: `"b"`},
		},
		"304 makes fresh again, and keeps what it does not say": {
			{header: `Cache-Control: max-age=5, stale-if-error=100` + "\n" + `Etag: "a"`, body: "1", want: "1", asked: true},
			{after: 5 * second, status: 304, want: "1", asked: true, when: `"a"`},
			{after: 4 * second, want: "1"},
			{after: 90 * second, status: 500, want: "1", asked: true, when: `"a"`},
		},
		"304 can forbid": {
			{header: `Etag: "a"`, body: "1", want: "1", asked: true},
			{status: 304, header: "Cache-Control: no-store", body: "", want: "2", asked: true, when: `"a"`},
		},
		"Last-Modified": {
			{header: modified, body: "1", want: "1", asked: true},
			{status: 304, want: "1", asked: true, when: "Fri, 31 Dec 1999 23:00:00 GMT"},
			{status: 304, want: "1", asked: true, when: "Fri, 31 Dec 1999 23:00:00 GMT"},
		},
		"a Last-Modified of now tells nothing": {
			{header: "Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT", body: "1", want: "1", asked: true},
			{after: time.Hour, body: "2", want: "2", asked: true},
		},
		"no-store": {
			{header: "Cache-Control: no-store, max-age=100\nEtag: e", body: "1", want: "1", asked: true},
			{body: "2", want: "2", asked: true},
		},
		"no-store forgets what was kept": {
			{header: "Cache-Control: max-age=1, stale-if-error=1000", body: "1", want: "1", asked: true},
			{after: second, header: "Cache-Control: no-store", body: "2", want: "2", asked: true},
			{status: 500, asked: true},
		},
		"no-cache is asked about, and does not stand in": {
			{header: "Cache-Control: no-cache, max-age=100, stale-if-error=100\nEtag: e", body: "1", want: "1", asked: true},
			{status: 304, want: "1", asked: true, when: "e"},
			{status: 503, asked: true, when: "e"},
		},
		"must-revalidate does not stand in": {
			{header: "Cache-Control: max-age=1, must-revalidate, stale-if-error=100", body: "1", want: "1", asked: true},
			{after: second / 2, want: "1"},
			{after: second, status: 503, asked: true},
		},
		"private": {
			{header: "Cache-Control: private, max-age=10", body: "1", want: "1", asked: true},
			{want: "1"},
		},
		"stale-if-error": {
			{header: full, body: "1", want: "1", asked: true},
			{after: time.Hour, status: 503, want: "1", asked: true},
			{status: 500, want: "1", asked: true},
			{status: 502, want: "1", asked: true},
			{status: 504, want: "1", asked: true},
			{status: broken, want: "1", asked: true},
			{status: 501, asked: true},
			{status: 404, asked: true},
			{status: 401, asked: true},
			{status: 403, asked: true},
			{status: 408, asked: true},
			{after: 604800*second - time.Hour, want: "1", status: 503, asked: true},
			{after: second, status: 503, asked: true},
			{header: full, body: "2", want: "2", asked: true},
		},
		"nothing stands in without stale-if-error": {
			{header: "Cache-Control: max-age=1\nEtag: e", body: "1", want: "1", asked: true},
			{after: second, status: 503, asked: true, when: "e"},
			{status: broken, asked: true, when: "e"},
		},
		"the master warms its cache": {
			{status: 503, asked: true},
			{header: full, body: "1", want: "1", asked: true},
			{after: 10 * second, status: 503, want: "1", asked: true},
		},
		"Vary of anything": {
			{header: "Cache-Control: max-age=10\nVary: *", body: "1", want: "1", asked: true},
			{body: "2", want: "2", asked: true},
		},
		"Vary of a header that differs": {
			{header: "Cache-Control: max-age=10\nVary: accept, cache-control", body: "1", want: "1", asked: true},
			{want: "1"},
			{noStop: true, body: "2", want: "2", asked: true},
		},
		"the request asks past the cache": {
			{header: full, body: "1", want: "1", asked: true},
			{noStop: true, status: 503, asked: true},
			{noStop: true, header: full, body: "2", want: "2", asked: true},
			{want: "2"},
		},
		"after a change the master is asked": {
			{header: "Cache-Control: max-age=60, stale-if-error=600\nEtag: e", body: "1", want: "1", asked: true},
			{after: second, write: true, status: 304, want: "1", asked: true, when: "e"},
			{after: second, want: "1"},
			{after: second, write: true, status: 500, want: "1", asked: true, when: "e"},
		},
		"an error page is not kept": {
			{status: 404, header: "Cache-Control: max-age=10", asked: true},
			{body: "1", want: "1", asked: true},
		},
	} {
		t.Run(name, func(t *testing.T) { runSteps(t, steps) })
	}
}

// runSteps reads again and again from a master that follows a script.
func runSteps(t *testing.T, steps []step) {
	synctest.Test(t, func(t *testing.T) {
		var now step
		asked := 0
		master := handled(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				return
			}
			asked++
			for line := range strings.Lines(now.header) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				w.Header().Add(name, value)
			}
			conditional := r.Header.Get("If-None-Match") + r.Header.Get("If-Modified-Since")
			if asked > 1 { // what was refused is asked for once more
				require.Empty(t, conditional)
				_, _ = io.WriteString(w, "2")
				return
			}
			require.Equal(t, now.when, conditional)
			if now.status == broken {
				w.(*httptest.ResponseRecorder).Code = 0
				return
			}
			if now.status != 0 {
				w.WriteHeader(now.status)
			}
			_, _ = io.WriteString(w, now.body)
		})
		c := client(t, "http://master/", WithTransport(master), WithRetry(0), WithCache(NewMemoryCache(1<<20)))
		for i, s := range steps {
			now, asked = s, 0
			time.Sleep(s.after)
			if s.write {
				require.NoError(t, c.Computer("C").Bang(t.Context(), "m"))
				time.Sleep(time.Millisecond)
			}
			body, err := c.get(t.Context(), call{op: "x", path: "y", fields: []field{{"a", "b"}}, noCache: s.noStop})
			require.Equal(t, s.asked, asked > 0, "step %d", i)
			if s.want == "" {
				require.Error(t, err, "step %d", i)
				continue
			}
			require.NoError(t, err, "step %d", i)
			require.Equal(t, s.want, string(body), "step %d", i)
		}
	})
}

func TestStaleAnswerIsTheLastResort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		calls, good := 0, 1
		c := client(t, "http://u:secret@master/", WithCache(NewMemoryCache(1<<20)), WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
			WithTransport(handled(func(w http.ResponseWriter, _ *http.Request) {
				if calls++; calls > good {
					w.WriteHeader(http.StatusServiceUnavailable)
				}
				w.Header().Set("Cache-Control", "max-age=1, stale-if-error=60")
				fmt.Fprint(w, calls)
			})))
		read := func(ctx context.Context) (string, error) {
			body, err := c.get(ctx, call{op: "x", path: "y", fields: []field{{"token", "hidden"}}})
			return string(body), err
		}
		body, err := read(t.Context())
		require.NoError(t, err)
		require.Equal(t, "1", body)
		time.Sleep(10 * time.Second)
		good = 3
		calls = 1
		body, err = read(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2", body)
		time.Sleep(10 * time.Second)
		good, calls = 0, 0
		body, err = read(t.Context())
		require.NoError(t, err)
		require.Equal(t, "2", body)
		require.Equal(t, 1+DefaultRetries, calls, "the retries come first")
		require.Contains(t, log.String(), "an earlier answer is used")
		require.NotContains(t, log.String(), "secret")
		require.NotContains(t, log.String(), "hidden")

		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = read(canceled)
		require.ErrorIs(t, err, context.Canceled, "whoever gives up gets no old answer")
	})
}

func TestChangesAreNeverCached(t *testing.T) {
	posts := 0
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		posts++
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, posts)
	}), WithCache(NewMemoryCache(1<<20)))
	for want := range 3 {
		body, err := c.post(context60(t), call{op: "x", path: "y"})
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(want+1), string(body))
	}
}

func TestKeysOfPartitionsAreNotKept(t *testing.T) {
	calls := 0
	dir := t.TempDir()
	cache := newDirectoryCache(t, dir)
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.Header().Set("Cache-Control", "max-age=60")
		fmt.Fprint(w, `<marshal><dictionary><string>key</string><string>k</string></dictionary></marshal>`)
	}), WithCache(cache))
	for range 2 {
		_, _ = c.PartitionReference("C", "P").Certificate(context60(t))
	}
	require.Equal(t, 2, calls)
	require.Empty(t, files(t, dir))
}

func TestRedirectedAnswersAreNotKept(t *testing.T) {
	var ends []http.Header
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Etag", "e")
		if r.URL.Path == "/end" {
			ends = append(ends, r.Header.Clone())
			return
		}
		http.Redirect(w, r, mount+"/end", http.StatusFound)
	}), WithCache(NewMemoryCache(1<<20)))
	for range 2 {
		_, err := c.get(context60(t), call{op: "x", path: "start"})
		require.NoError(t, err)
	}
	require.Len(t, ends, 2)
}

// echo answers with whom it sees, and allows to keep that.
func echo(calls *int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*calls++
		w.Header().Set("Cache-Control", "public, max-age=600, stale-if-error=600")
		w.Header().Set("Vary", "REMOTE_USER")
		w.Header().Set("Etag", "same for all")
		user, password, _ := r.BasicAuth()
		fmt.Fprint(w, user+":"+password+r.Header.Get("X-Who"))
		if r.TLS != nil {
			for _, certificate := range r.TLS.PeerCertificates {
				fmt.Fprint(w, certificate.Subject.CommonName)
			}
		}
	}
}

func TestNobodyGetsTheAnswerOfAnother(t *testing.T) {
	a := newAuthority(t)
	calls := 0
	server := a.serveHandler(echo(&calls), tls.RequestClientCert, false)
	certA, keyA := a.issue("A")
	certB, keyB := a.issue("B")
	pair, err := tls.LoadX509KeyPair(certB, keyB)
	require.NoError(t, err)
	withUser := func(user string) string { return strings.Replace(server, "https://", "https://"+user+"@", 1) }
	for name, cache := range map[string]Cache{"memory": NewMemoryCache(1 << 20), "directory": newDirectoryCache(t, t.TempDir())} {
		t.Run(name, func(t *testing.T) {
			options := func(more ...Option) []Option { return append(more, WithCAFile(a.file), WithCache(cache)) }
			who := func() map[string]*Client {
				return map[string]*Client{
					":":     client(t, server, options()...),
					":A":    client(t, server, options(WithKeyPair(certA, keyA))...),
					":B":    client(t, server, options(WithKeyPair(certB, keyB))...),
					"u:p":   client(t, withUser("u:p"), options()...),
					"u:q":   client(t, withUser("u:q"), options()...),
					"v:p":   client(t, withUser("v:p"), options()...),
					"u:pA":  client(t, withUser("u:p"), options(WithKeyPair(certA, keyA))...),
					":bob":  client(t, server, options(WithHTTPClient(&http.Client{Transport: named{"bob", a}}))...),
					":jane": client(t, server, options(WithTransport(named{"jane", a}))...),
				}
			}
			for round := range 2 {
				for want, c := range who() {
					before := calls
					for range 2 {
						body, err := c.get(context60(t), call{op: "x", path: "y"})
						require.NoError(t, err)
						require.Equal(t, want, string(body))
					}
					known := !strings.HasSuffix(want, "bob") && !strings.HasSuffix(want, "jane")
					if round == 1 && known {
						require.Equal(t, before, calls, "%s: kept in the first round", want)
					} else {
						require.Equal(t, before+1, calls, "%s: the second read finds the first", want)
					}
				}
			}
			own := client(t, server, options(WithTLSConfig(&tls.Config{Certificates: []tls.Certificate{pair}}))...)
			body, err := own.get(context60(t), call{op: "x", path: "y"})
			require.NoError(t, err)
			require.Equal(t, ":B", string(body))
			before := calls
			blind := client(t, server, WithoutVerification(), WithCache(cache))
			_, err = blind.get(context60(t), call{op: "x", path: "y"})
			require.NoError(t, err)
			require.Equal(t, before+1, calls, "verified and unverified answers are kept apart")
		})
	}
}

// named is a transport that says who asks in its own way.
type named struct {
	name string
	a    *authority
}

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Who", n.name)
	t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: n.a.pool()}, DisableKeepAlives: true}
	return t.RoundTrip(r)
}

func TestRenewedCertificateIsAnotherIdentity(t *testing.T) {
	a := newAuthority(t)
	calls := 0
	server := a.serveHandler(echo(&calls), tls.RequestClientCert, false)
	certFile, keyFile := a.issue("first")
	c := client(t, server, WithCAFile(a.file), WithKeyPair(certFile, keyFile), WithCache(NewMemoryCache(1<<20)))
	body, err := c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Equal(t, ":first", string(body))
	a.renew("second", certFile, keyFile)
	body, err = c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Equal(t, ":second", string(body))
	require.Equal(t, 2, calls)
}

func TestCertificateThatChangesDuringACall(t *testing.T) {
	a := newAuthority(t)
	certFile, keyFile := a.issue("first")
	calls := 0
	server := a.serveHandler(echo(&calls), tls.RequestClientCert, false)
	cache := &meddling{Cache: NewMemoryCache(1 << 20)}
	c := client(t, server, WithCAFile(a.file), WithKeyPair(certFile, keyFile), WithCache(cache))
	cache.get = func() { a.renew("second", certFile, keyFile) }
	body, err := c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Equal(t, ":second", string(body))
	require.Zero(t, cache.sets, "the answer to the second is not kept for the first")
}

// meddling is a cache that does something the first time it is asked.
type meddling struct {
	Cache
	get  func()
	sets int
}

func (m *meddling) Get(key string) ([]byte, bool) {
	if m.get != nil {
		m.get()
		m.get = nil
	}
	return m.Cache.Get(key)
}

func (m *meddling) Set(key string, value []byte) {
	m.sets++
	m.Cache.Set(key, value)
}

func TestMemoryCacheIsBounded(t *testing.T) {
	m := NewMemoryCache(10 * (memoryOverhead + 101))
	for i := range 100 {
		m.Set(fmt.Sprint(i%10), make([]byte, 100))
		m.Set("x", make([]byte, 100))
		_, found := m.Get("x")
		require.True(t, found)
	}
	found := 0
	for i := range 10 {
		if _, ok := m.Get(fmt.Sprint(i)); ok {
			found++
		}
	}
	require.Equal(t, 9, found, "what was used last stays")
	m.Set("x", make([]byte, 1<<20))
	_, ok := m.Get("x")
	require.False(t, ok, "too large a value replaces the old one by nothing")
	m.Delete("9")
	_, ok = m.Get("9")
	require.False(t, ok)
	m.Delete("never set")
	require.LessOrEqual(t, m.(*memoryCache).used, int64(10*(memoryOverhead+101)))
}

func newDirectoryCache(t testing.TB, dir string) Cache {
	cache, err := NewDirectoryCache(filepath.Join(dir, "cache"), 1<<20)
	require.NoError(t, err)
	return cache
}

// files returns the paths of what is in the cache of a directory.
func files(t testing.TB, dir string) []string {
	all, err := filepath.Glob(filepath.Join(dir, "cache", "*"))
	require.NoError(t, err)
	return all
}

func TestDirectoryCache(t *testing.T) {
	dir := t.TempDir()
	d := newDirectoryCache(t, dir)
	_, found := d.Get("../../etc/passwd")
	require.False(t, found)
	d.Set("../../etc/passwd", []byte("value"))
	value, found := newDirectoryCache(t, dir).Get("../../etc/passwd")
	require.True(t, found)
	require.Equal(t, "value", string(value))
	all := files(t, dir)
	require.Len(t, all, 1)
	require.NotContains(t, filepath.Base(all[0]), "passwd")
	if runtime.GOOS == "windows" {
		t.Skip("modes and links of Unix")
	}
	info, err := os.Stat(all[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(filepath.Dir(all[0]))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	// A link is not followed, and a directory is nothing.
	require.NoError(t, os.Remove(all[0]))
	other := filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(other, []byte("foreign"), 0o600))
	require.NoError(t, os.Symlink(other, all[0]))
	_, found = d.Get("../../etc/passwd")
	require.False(t, found)
	d.Set("../../etc/passwd", []byte("mine"))
	foreign, err := os.ReadFile(other)
	require.NoError(t, err)
	require.Equal(t, "foreign", string(foreign))

	d.Delete("../../etc/passwd")
	d.Delete("../../etc/passwd")
	require.Empty(t, files(t, dir))

	// It keeps nothing after someone removed it, nor where others write.
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "cache")))
	d.Set("k", []byte("v"))
	_, found = d.Get("k")
	require.False(t, found)
	open := t.TempDir()
	require.NoError(t, os.Chmod(open, 0o777))
	_, err = NewDirectoryCache(open, 1)
	require.ErrorContains(t, err, "others may write")
	_, err = NewDirectoryCache(other, 1)
	require.Error(t, err)
	foreignDir := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	require.NoError(t, os.Chown(foreignDir, 65534, -1))
	require.NoError(t, os.Chmod(foreignDir, 0o755))
	_, err = NewDirectoryCache(foreignDir, 1)
	require.ErrorContains(t, err, "belongs to user 65534")
}

func TestDirectoryCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	d, err := NewDirectoryCache(filepath.Join(dir, "cache"), 10_000)
	require.NoError(t, err)
	old := filepath.Join(dir, "cache", ".x"+cacheSuffix+".tmp-1")
	require.NoError(t, os.WriteFile(old, []byte("left behind"), 0o600))
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-2*leftover)))
	for i := range 60 {
		d.Set(fmt.Sprint(i), make([]byte, 1000))
	}
	size := int64(0)
	for _, path := range files(t, dir) {
		info, err := os.Stat(path)
		require.NoError(t, err)
		size += info.Size()
	}
	require.LessOrEqual(t, size, int64(10_000))
	require.Positive(t, size)
	_, found := d.Get("59")
	require.True(t, found, "the newest stays")
	_, found = d.Get("0")
	require.False(t, found)
	require.NoFileExists(t, old)

	// What a process left that was killed a moment ago counts.
	recent := filepath.Join(dir, "cache", ".y"+cacheSuffix+".tmp-2")
	require.NoError(t, os.WriteFile(recent, make([]byte, 6000), 0o600))
	for i := range 60 {
		d.Set(fmt.Sprint(i), make([]byte, 1000))
	}
	require.FileExists(t, recent)
	require.LessOrEqual(t, len(files(t, dir)), 1+4)
	d.Set("59", make([]byte, 10_001))
	_, found = d.Get("59")
	require.False(t, found)
}

func TestDamagedFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	calls := 0
	master := serve(t, echo(&calls))
	read := func() {
		c := client(t, master, WithCache(newDirectoryCache(t, dir)))
		body, err := c.get(context60(t), call{op: "x", path: "y"})
		require.NoError(t, err)
		require.Equal(t, ":", string(body))
	}
	read()
	read()
	require.Equal(t, 1, calls, "the second process finds what the first kept")
	path := files(t, dir)[0]
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(good), master, "the URL is not in the file")
	for name, damaged := range map[string][]byte{
		"empty": nil, "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 'x'), "magic": good[1:],
		"changed": bytes.Replace(good, []byte("600"), []byte("900"), 1), "head only": good[:entryHeader],
		"body": append(bytes.Clone(good[:len(good)-1]), 'x'),
	} {
		require.NoError(t, os.WriteFile(path, damaged, 0o600))
		calls = 0
		read()
		require.Equal(t, 1, calls, name)
		read()
		require.Equal(t, 1, calls, "%s: replaced", name)
	}
	// A good file under the name of another key is of no use.
	other := client(t, master, WithCache(newDirectoryCache(t, dir)))
	_, err = other.get(context60(t), call{op: "x", path: "z"})
	require.NoError(t, err)
	for _, each := range files(t, dir) {
		require.NoError(t, os.WriteFile(each, good, 0o600))
	}
	calls = 0
	_, err = client(t, master, WithCache(newDirectoryCache(t, dir))).get(context60(t), call{op: "x", path: "z"})
	require.NoError(t, err)
	require.Equal(t, 1, calls)
}

func TestCachesAreSharedByGoroutines(t *testing.T) {
	dir := t.TempDir()
	for name, caches := range map[string][]Cache{
		"memory":    {NewMemoryCache(5000)},
		"directory": {newDirectoryCache(t, dir), newDirectoryCache(t, dir)}, // as two processes
	} {
		var group errgroup.Group
		for i := range 8 {
			group.Go(func() error {
				cache := caches[i%len(caches)]
				for n := range 20 {
					key := fmt.Sprint(n % 3)
					e := &cacheEntry{Key: key, body: bytes.Repeat([]byte(key), 500)}
					value, err := e.encode()
					if err != nil {
						return err
					}
					cache.Set(key, value)
					if value, found := cache.Get(key); found {
						if e, err := decodeEntry(value); err != nil || e.Key != key {
							return fmt.Errorf("%s: %w", name, errors.Join(err, errors.New("torn")))
						}
					}
					if n%7 == 0 {
						cache.Delete(key)
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
	}
}

// TestAnswerThatCannotBeUnderstoodIsNotKept has an answer cut in a way that HTTP
// cannot tell, a page of something else, and then a master that is away: the last
// good answer is used.
func TestAnswerThatCannotBeUnderstoodIsNotKept(t *testing.T) {
	const xml, json = `<marshal><list><string>sr</string></list></marshal>`, `{"a": "b"}`
	for name, test := range map[string]struct {
		good string
		read func(c *Client) error
	}{
		"XML": {xml, func(c *Client) error {
			_, err := c.SoftwareReleasesOfProduct(t.Context(), "p")
			return err
		}},
		"JSON": {json, func(c *Client) error {
			var document map[string]string
			return c.getJSON(t.Context(), call{op: "x", path: "y"}, &document)
		}},
	} {
		answer, status := test.good, 200
		c := client(t, "http://master/", WithRetry(0), WithCache(NewMemoryCache(1<<20)), WithTransport(handled(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=0, stale-if-error=600")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, answer)
		})))
		require.NoError(t, test.read(c), name)
		for _, bad := range []string{test.good[:len(test.good)-3], "<html><p>Please log in", ""} {
			answer = bad
			require.ErrorIs(t, test.read(c), ErrServer, "%s %q", name, bad)
		}
		status = http.StatusServiceUnavailable
		require.NoError(t, test.read(c), "%s: the last good answer", name)
	}
}

func TestAnswerFromTheFutureIsIgnored(t *testing.T) {
	e := &cacheEntry{Key: "k", Asked: time.Now().Add(time.Hour), Lifetime: time.Hour, body: []byte("from the future")}
	m := NewMemoryCache(1 << 20)
	calls := 0
	master := serve(t, echo(&calls))
	c := client(t, master, WithCache(m))
	u, err := c.resolve("y")
	require.NoError(t, err)
	key := c.cacheKey("", "", u)
	e.Key = key
	value, err := e.encode()
	require.NoError(t, err)
	m.Set(key, value)
	body, err := c.get(context60(t), call{op: "x", path: "y"})
	require.NoError(t, err)
	require.Equal(t, ":", string(body))
}

// FuzzCacheEntry reads any bytes, and any object that has the right checksum.
func FuzzCacheEntry(f *testing.F) {
	e := &cacheEntry{Key: "k", Lifetime: time.Second, Etag: `"a"`, Vary: []string{"Accept"}, VaryDigest: "d", body: []byte("body")}
	value, err := e.encode()
	require.NoError(f, err)
	object, err := json.Marshal(e)
	require.NoError(f, err)
	f.Add(value, object)
	f.Add([]byte(entryMagic), []byte("{}"))
	f.Fuzz(func(t *testing.T, value, object []byte) {
		for _, value := range [][]byte{value, seal(object, []byte("body"))} {
			e, err := decodeEntry(value)
			if err != nil {
				continue
			}
			again, err := e.encode()
			require.NoError(t, err)
			same, err := decodeEntry(again)
			require.NoError(t, err)
			stable, err := same.encode()
			require.NoError(t, err)
			require.Equal(t, again, stable)
		}
	})
}

func FuzzCacheControl(f *testing.F) {
	f.Add(`public, max-age=1, stale-if-error=604800`)
	f.Add(`private="a,\"b", MAX-AGE="2",,=,`)
	f.Fuzz(func(t *testing.T, text string) {
		for name, value := range parseCacheControl([]string{text}) {
			require.NotEmpty(t, name)
			require.LessOrEqual(t, seconds(value), longest)
		}
	})
}

// BenchmarkCachedRead reads a partition from the cache.
func BenchmarkCachedRead(b *testing.B) {
	answer := fixture(b, "partition.xml")
	asked := 0
	master := handled(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Cache-Control", "max-age=3600")
		_, _ = io.WriteString(w, answer)
	})
	directory, err := NewDirectoryCache(filepath.Join(b.TempDir(), "cache"), 1<<20)
	require.NoError(b, err)
	for name, cache := range map[string]Cache{"memory": NewMemoryCache(1 << 20), "directory": directory} {
		b.Run(name, func(b *testing.B) {
			c := client(b, "http://master/", WithTransport(master), WithCache(cache))
			asked = 0
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.get(b.Context(), call{op: "x", path: "y"}); err != nil {
					b.Fatal(err)
				}
			}
			require.Equal(b, 1, asked)
		})
	}
}

// renew replaces the files of a certificate.
func (a *authority) renew(name, certFile, keyFile string) {
	newCert, newKey := a.issue(name)
	for from, to := range map[string]string{newCert: certFile, newKey: keyFile} {
		data, err := os.ReadFile(from)
		require.NoError(a.t, err)
		block, _ := pem.Decode(data)
		require.NotNil(a.t, block)
		require.NoError(a.t, os.WriteFile(to, data, 0o600))
	}
}
