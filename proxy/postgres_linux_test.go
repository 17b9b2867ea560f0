package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/pgtest"
)

// Masters that share a PostgreSQL database are one master to their callers.
func TestMastersOnPostgreSQL(t *testing.T) {
	server := pgtest.Start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *pgtest.Server)
	}{
		{"Cycle", sharedCycle},
		{"ParallelRequests", sharedParallelRequests},
		{"KilledMasters", sharedKilledMasters},
		{"Commands", commandsOnPostgres},
		{"SoftwareRoot", sharedSoftwareRoot},
		{"RestartedServer", sharedRestartedServer},
		{"KilledServer", sharedKilledServer},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, server) })
	}
}

// cluster is a number of masters on one database.
type cluster struct {
	t       *testing.T
	servers []*Server
	urls    []string
	client  *http.Client
}

func newCluster(t *testing.T, address string, masters, partitions int) *cluster {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	c := &cluster{t: t, client: &http.Client{Transport: transport, Timeout: time.Minute}}
	t.Cleanup(transport.CloseIdleConnections)
	for range masters {
		s, err := Open(t.Context(), address)
		require.NoError(t, err)
		listening := httptest.NewServer(s)
		t.Cleanup(func() {
			listening.Close()
			require.NoError(t, s.Close())
		})
		c.servers, c.urls = append(c.servers, s), append(c.urls, listening.URL)
	}
	(&testMaster{t: t, master: c.servers[0].master}).layout("computer", partitions)
	return c
}

// post calls one of the masters and returns what it answered 200.
func (c *cluster) post(master int, path string, fields ...string) (string, error) {
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Set(fields[i], fields[i+1])
	}
	return send(c.client, c.urls[master%len(c.urls)]+"/"+path, values)
}

// request asks for an instance and returns its partition.
func (c *cluster) request(master int, title string) (string, error) {
	body, err := c.post(master, "requestComputerPartition", "software_release", releaseA, "software_type", "",
		"partition_reference", title, "state", "<marshal><none/></marshal>", "partition_parameter_xml", numbered(1))
	_, rest, _ := strings.Cut(body, "<string>slap_computer_partition_id</string><string>")
	place, _, _ := strings.Cut(rest, "<")
	return place, err
}

// told is what a master tells a node.
func (c *cluster) told(master int, path string) string {
	c.t.Helper()
	answer, err := c.client.Get(c.urls[master] + "/" + path)
	require.NoError(c.t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, answer.StatusCode, "%s", body)
	return string(body)
}

// Each step goes to another master, and all tell nodes the same after it.
func sharedCycle(t *testing.T, server *pgtest.Server) {
	c := newCluster(t, server.Address(t), 2, 3)
	require.Equal(t, c.told(0, "getRunId"), c.told(1, "getRunId"), "they are the same to other masters")
	last := ""
	seen := func(changed bool, texts ...string) {
		t.Helper()
		for _, path := range []string{"getFullComputerInformation?computer_id=computer", "registerComputerPartition?computer_reference=computer&computer_partition_reference=p0"} {
			body := c.told(0, path)
			require.Equal(t, body, c.told(1, path))
			for _, text := range texts {
				require.Contains(t, body, text)
			}
			if strings.HasPrefix(path, "getFull") {
				require.Equal(t, changed, body != last)
				last = body
			}
		}
	}
	seen(true)
	for i := range 5 {
		seen(false)
		_, err := c.post(i, "supplySupply", "url", releaseA, "computer_id", "computer", "state", supplyState(i+1))
		require.NoError(t, err)
		seen(true)
		place, err := c.request(i+1, "site")
		require.NoError(t, err)
		require.Equal(t, "p0", place)
		seen(true, releaseA, "<string>started</string>")
		mine := fmt.Sprintf(`<marshal><dictionary id="i2"><string>url</string><string>http://%d/</string></dictionary></marshal>`, i)
		_, err = c.post(i, "setComputerPartitionConnectionXml", "computer_id", "computer", "computer_partition_id", place, "connection_xml", mine)
		require.NoError(t, err)
		body, err := c.post(i+1, "requestComputerPartition", "software_release", releaseA, "software_type", "",
			"partition_reference", "site", "state", "<marshal><string>destroyed</string></marshal>", "partition_parameter_xml", numbered(1))
		require.NoError(t, err)
		require.Contains(t, body, fmt.Sprintf("http://%d/", i))
		seen(true, "<string>destroyed</string>")
		_, err = c.post(i, "destroyedComputerPartition", "computer_id", "computer", "computer_partition_id", place)
		require.NoError(t, err)
		seen(true)
		require.NotContains(t, last, "started")
	}
	_, err := c.post(0, "supplySupply", "url", "http://x/\x00", "computer_id", "computer", "state", "available")
	var refused *refusedError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.status, "400")
}

// Requests that reach two masters at the same time get different partitions, and
// repeated ones the same.
func sharedParallelRequests(t *testing.T, server *pgtest.Server) {
	const n = 64
	c := newCluster(t, server.Address(t), 2, n)
	var wg sync.WaitGroup
	places, again, errs := make([]string, n), make([]string, n), make([]error, n)
	for i := range n {
		wg.Go(func() {
			var first, second error
			places[i], first = c.request(i, fmt.Sprint("i", i))
			again[i], second = c.request(i+1, fmt.Sprint("i", i))
			errs[i] = errors.Join(first, second)
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.Equal(t, places, again)
	different := map[string]bool{}
	for _, place := range places {
		different[place] = true
	}
	require.Len(t, different, n)
	_, err := c.request(0, "one more")
	var refused *refusedError
	require.ErrorAs(t, err, &refused)
	for _, s := range c.servers {
		require.NoError(t, s.master.store.Check(t.Context()))
	}
}

// Of two masters one is killed while both are written to, then the other: all that
// was answered is there.
func sharedKilledMasters(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	s, err := Open(t.Context(), address)
	require.NoError(t, err)
	(&testMaster{t: t, master: s.master}).layout("computer", killWriters*titlesPerWriter+killWriters)
	require.NoError(t, s.Close())
	writers := newWriters()
	idle := 0
	for round := range rounds(5, 200) {
		transport := &http.Transport{MaxIdleConnsPerHost: killWriters}
		client := &http.Client{Transport: transport, Timeout: time.Minute}
		killed, first := startChild(t, address)
		other, second := startChild(t, address)
		before := answeredBy(writers)
		var wg sync.WaitGroup
		for i, w := range writers {
			wg.Go(func() { w.write(t, client, []string{first, second}[i%2]) })
		}
		time.Sleep(time.Duration(400+rand.IntN(400)) * time.Millisecond)
		require.NoError(t, killed.Signal(syscall.SIGKILL))
		time.Sleep(time.Duration(100+rand.IntN(200)) * time.Millisecond)
		require.NoError(t, other.Signal(syscall.SIGKILL))
		wg.Wait()
		transport.CloseIdleConnections()
		if answeredBy(writers) == before {
			idle++
		}
		_, err := Check(t.Context(), address, "computer")
		require.NoError(t, err)
		verifyWrites(t, address, writers, round)
	}
	require.Less(t, idle, rounds(5, 200), "no round was killed while writes were answered")
	t.Logf("%d writes of %d writers answered and found again, %d rounds killed before the first", answeredBy(writers), killWriters, idle)
}

// The server is killed, or stopped at once, while two masters are written to: what
// was answered is there, and the masters work on without a restart.
func sharedKilledServer(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	c := newCluster(t, address, 2, killWriters*titlesPerWriter+killWriters)
	writers := newWriters()
	var refused atomic.Int64
	longest := time.Duration(0)
	for round := range rounds(3, 50) {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for i, w := range writers {
			wg.Go(func() { refused.Add(int64(w.persist(ctx, t, c.client, strings.TrimPrefix(c.urls[i%2], "http://")))) })
		}
		time.Sleep(time.Duration(200+rand.IntN(400)) * time.Millisecond)
		if round%2 == 0 {
			server.Kill(t)
		} else {
			server.Stop(t)
		}
		server.Restart(t)
		began := time.Now()
		before := make([]int64, len(writers))
		for i, w := range writers {
			before[i] = w.answered.Load()
		}
		for i, w := range writers {
			require.Eventually(t, func() bool { return w.answered.Load() > before[i] }, time.Minute, 5*time.Millisecond, "%s is not answered any more", w.name)
		}
		longest = max(longest, time.Since(began))
		cancel()
		wg.Wait()
		_, err := Check(t.Context(), address, "computer")
		require.NoError(t, err)
		verifyWrites(t, address, writers, round)
	}
	require.Positive(t, refused.Load())
	t.Logf("%d writes of %d writers answered and found again, %d refused meanwhile, all answered again within %v",
		answeredBy(writers), killWriters, refused.Load(), longest)
}

// The commands that read a database read this one, and what is told of it has no
// password.
func commandsOnPostgres(t *testing.T, server *pgtest.Server) {
	address := strings.Replace(server.Address(t), "@", ":s3cr3t@", 1)
	c := newCluster(t, address, 1, 2)
	_, err := c.request(0, "site")
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, Show(t.Context(), &out, address, ShowOptions{Partitions: true}))
	require.Contains(t, out.String(), "site")
	require.NotContains(t, out.String(), "s3cr3t")
	_, err = Check(t.Context(), address, "")
	require.NoError(t, err)
	exported := filepath.Join(t.TempDir(), "exported.db")
	_, err = Export(t.Context(), address, exported, ExportOptions{})
	require.NoError(t, err)
	imported, err := Open(t.Context(), exported)
	require.NoError(t, err)
	m := &testMaster{t: t, master: imported.master}
	require.Equal(t, "computer/p0", m.place(asking{title: "site"}))
	require.NoError(t, imported.Close())
	_, err = Backup(t.Context(), address, BackupOptions{})
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.NotContains(t, err.Error(), "s3cr3t")
	require.Contains(t, DatabaseName(address), "PostgreSQL database postgres on /")
	require.NotContains(t, DatabaseName("postgres://u:s3cr3t@host:x/d"), "s3cr3t")
}

// A move of the software root is one change for all masters, without a backup.
func sharedSoftwareRoot(t *testing.T, server *pgtest.Server) {
	address := server.Address(t)
	m, _ := openAtRoot(t, address, "/old")
	defer m.server.Close()
	require.NoError(t, m.supply(t.Context(), Principal{}, "/old/a.cfg", "computer", stateAvailable))
	for range 2 {
		other, logged := openAtRoot(t, address, "/new")
		defer other.server.Close()
		if len(logged) > 0 {
			require.Equal(t, "WARN the database is not backed up before URLs are rebased: pg_dump does that", logged[0])
		}
		all, root := releasesKept(t, m.store)
		require.Equal(t, []string{"/new/a.cfg available"}, all)
		require.Equal(t, "/new", root)
	}
}

// While the server restarts calls are refused with 503, nothing else, and those
// that are repeated are answered once it is there.
func sharedRestartedServer(t *testing.T, server *pgtest.Server) {
	const n = 96
	c := newCluster(t, server.Address(t), 2, n)
	titles := make(chan string)
	var wg sync.WaitGroup
	var mu sync.Mutex
	places, refusals := map[string]string{}, 0
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for i := range 16 {
		wg.Go(func() {
			for title := range titles {
				for {
					place, err := c.request(i, title)
					if err == nil {
						mu.Lock()
						places[title] = place
						mu.Unlock()
						break
					}
					var refused *refusedError
					if !errors.As(err, &refused) || !strings.HasPrefix(refused.status, "503") || ctx.Err() != nil {
						t.Errorf("%s: %v", title, err)
						break
					}
					mu.Lock()
					refusals++
					mu.Unlock()
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	for i := range n {
		if i == n/2 {
			server.Restart(t)
		}
		titles <- fmt.Sprint("i", i)
	}
	close(titles)
	wg.Wait()
	t.Logf("%d calls were refused meanwhile", refusals)
	require.Len(t, places, n)
	different := map[string]bool{}
	for _, place := range places {
		different[place] = true
	}
	require.Len(t, different, n)
	require.Equal(t, n, strings.Count(c.told(0, "getFullComputerInformation?computer_id=computer"), "<string>slap_software_release_url</string>"))
}

// BenchmarkPanelListOnPostgreSQL reads the pages of BenchmarkPanelList.
func BenchmarkPanelListOnPostgreSQL(b *testing.B) {
	server := pgtest.Start(b)
	for _, n := range []int{100, 1000, 5000} {
		benchmarkPanelList(b, server.Address(b), n)
	}
}
