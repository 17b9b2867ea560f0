package testpeer

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// startTimeout is generous: tests share two cores.
const startTimeout = 90 * time.Second

// Proxy is a running proxy of the reference: a master of its own.
type Proxy struct {
	// URL of the master, with a final slash.
	URL string
	// ConfigFile is what it was started with.
	ConfigFile string
	// Database is its SQLite file.
	Database string

	output *lockedBuffer
	stop   func()
}

// Output returns what the proxy has printed so far.
func (p *Proxy) Output() string { return p.output.String() }

// Stop ends the proxy. It is called at the end of the test in any case.
func (p *Proxy) Stop() { p.stop() }

// StartProxy starts the proxy of the reference on a free port of 127.0.0.1, with
// an empty database, for the given computer; it is ended with the test.
func (p *Peer) StartProxy(tb testing.TB, computerID string) *Proxy {
	tb.Helper()
	return p.ServeDatabase(tb, computerID, filepath.Join(tb.TempDir(), "proxy.db"))
}

// ServeDatabase is StartProxy with a database that may exist.
func (p *Peer) ServeDatabase(tb testing.TB, computerID, database string) *Proxy {
	tb.Helper()
	return p.serve(tb, computerID, database, "")
}

// StartProxyWith is StartProxy with more sections in its configuration.
func (p *Peer) StartProxyWith(tb testing.TB, computerID, sections string) *Proxy {
	tb.Helper()
	return p.ServeDatabaseWith(tb, computerID, filepath.Join(tb.TempDir(), "proxy.db"), sections)
}

// ServeDatabaseWith is ServeDatabase with more keys of [slapproxy], and sections.
func (p *Peer) ServeDatabaseWith(tb testing.TB, computerID, database, sections string) *Proxy {
	tb.Helper()
	return p.serve(tb, computerID, database, sections)
}

func (p *Peer) serve(tb testing.TB, computerID, database, sections string) *Proxy {
	tb.Helper()
	dir := tb.TempDir()
	release, err := Guard(dir)
	if err != nil {
		tb.Fatalf("guard %s: %v", dir, err)
	}
	tb.Cleanup(release)
	const attempts = 3
	for attempt := 1; ; attempt++ {
		proxy, err := p.startProxy(tb, dir, computerID, database, sections)
		if err == nil {
			tb.Cleanup(proxy.Stop)
			return proxy
		}
		if attempt == attempts {
			tb.Fatalf("start the proxy of the reference %s: %v", p.version, err)
		}
	}
}

func (p *Peer) startProxy(tb testing.TB, dir, computerID, database, sections string) (*Proxy, error) {
	tb.Helper()
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	proxy := &Proxy{
		URL:        fmt.Sprintf("http://127.0.0.1:%d/", port),
		ConfigFile: filepath.Join(dir, "proxy.cfg"),
		Database:   database,
		output:     &lockedBuffer{},
	}
	config := "[slapos]\ncomputer_id = " + computerID + "\n\n[slapproxy]\nhost = 127.0.0.1\nport = " +
		strconv.Itoa(port) + "\ndatabase_uri = " + proxy.Database + "\n" + sections
	if err := os.WriteFile(proxy.ConfigFile, []byte(config), 0o644); err != nil {
		return nil, err
	}
	cmd := p.Command(context.Background(), "slapos", "proxy", "start", "--cfg", proxy.ConfigFile)
	cmd.Env = append(cmd.Env, "HOME="+dir)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = proxy.output, proxy.output
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// How it ended does not matter: it is killed, or its output tells.
		_ = cmd.Wait()
	}()
	proxy.stop = stopper(cmd, ended)
	if err := waitAnswering(proxy, ended); err != nil {
		proxy.stop()
		return nil, err
	}
	return proxy, nil
}

// stopper returns a function that kills a process and waits for its end.
func stopper(cmd *exec.Cmd, ended <-chan struct{}) func() {
	return sync.OnceFunc(func() {
		// An error means that it has ended already.
		_ = cmd.Process.Kill()
		<-ended
	})
}

// waitAnswering waits until the proxy answers over HTTP.
func waitAnswering(proxy *Proxy, ended <-chan struct{}) error {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	deadline := time.Now().Add(startTimeout)
	for {
		// A path that it does not know: even that makes it create its tables.
		resp, err := client.Get(proxy.URL + "getHateoasUrl")
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case <-ended:
			return fmt.Errorf("it ended at once:\n%s", proxy.Output())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no answer after %s: %w\n%s", startTimeout, err, proxy.Output())
		}
	}
}

// freePort returns a port of 127.0.0.1 that nothing listened on a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// lockedBuffer collects output that a test may read while it grows.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
