//go:build linux

package versus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/slap"
)

const (
	release      = "http://example.org/software.cfg"
	localAddress = "127.0.0.1"
	localNetmask = "255.255.255.255"
)

// master is a running master: a process.
type master struct {
	url    string
	config string // the file named on its command line
}

// masters are the implementations under measure. Where ours answers in
// microseconds an operation is more requests, so that there is something to measure.
var masters = []struct {
	name  string
	start func(b *testing.B) master
	times int
}{
	{"ours", startOurs, 200},
	{"reference", func(b *testing.B) master {
		p := testpeer.Get(b, testpeer.Newest).StartProxy(b, "computer")
		return master{url: p.URL, config: p.ConfigFile}
	}, 1},
}

// binary compiles the command once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "slapos-versus-")
	if err != nil {
		return "", err
	}
	binaryDir = dir
	path := filepath.Join(dir, "slapos")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "./examples/slapos")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the command: %w\n%s", err, out)
	}
	return path, nil
})

var binaryDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if binaryDir != "" {
		if err := os.RemoveAll(binaryDir); err != nil {
			fmt.Fprintln(os.Stderr, "remove the built command:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func startOurs(b *testing.B) master {
	b.Helper()
	program, err := binary()
	require.NoError(b, err)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(b, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(b, listener.Close())
	dir := b.TempDir()
	m := master{url: fmt.Sprintf("http://127.0.0.1:%d/", port), config: filepath.Join(dir, "proxy.cfg")}
	require.NoError(b, os.WriteFile(m.config, fmt.Appendf(nil,
		"[slapos]\ncomputer_id = computer\n\n[slapproxy]\nhost = 127.0.0.1\nport = %d\ndatabase_uri = %s\n",
		port, filepath.Join(dir, "proxy.db")), 0o600))
	cmd := exec.Command(program, "-q", "proxy", "start", "--cfg", m.config)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	require.NoError(b, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	b.Cleanup(func() {
		require.NoError(b, errors.Join(cmd.Process.Signal(os.Interrupt), <-ended))
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get(m.url + "getRunId")
		if err == nil {
			require.NoError(b, answer.Body.Close())
			return m
		}
		require.True(b, time.Now().Before(deadline), "our proxy does not answer: %v", err)
	}
}

// memory returns the resident memory of a master in bytes, its children included: of
// now (VmRSS:), or the most there was (VmHWM:).
func (m master) memory(b *testing.B, which string) float64 {
	b.Helper()
	total := 0.0
	for _, dir := range m.processes(b) {
		status, err := os.ReadFile(filepath.Join(dir, "status"))
		if err != nil {
			continue // ended
		}
		for text := range strings.Lines(string(status)) {
			if fields := strings.Fields(text); len(fields) >= 2 && fields[0] == which {
				kilobytes, err := strconv.ParseFloat(fields[1], 64)
				require.NoError(b, err)
				total += kilobytes * 1024
			}
		}
	}
	require.Positive(b, total, "no process has %s on its command line", m.config)
	return total
}

// ticks is how many times a second the system counts processor time.
const ticks = 100

// processor returns the processor time that a master has taken, its children
// included, in seconds.
func (m master) processor(b *testing.B) float64 {
	b.Helper()
	total := 0.0
	for _, dir := range m.processes(b) {
		stat, err := os.ReadFile(filepath.Join(dir, "stat"))
		if err != nil {
			continue // ended
		}
		_, after, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(after)
		require.Greater(b, len(fields), 12)
		for _, field := range fields[11:13] { // in user mode and in the system
			taken, err := strconv.ParseFloat(field, 64)
			require.NoError(b, err)
			total += taken / ticks
		}
	}
	return total
}

// processes returns the directories in /proc of the processes of a master.
func (m master) processes(b *testing.B) []string {
	b.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(b, err)
	var dirs []string
	for _, file := range files {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), m.config) {
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	return dirs
}

// client is a client that does not hide failures behind retries.
func (m master) client(b *testing.B) *slap.Client {
	b.Helper()
	c, err := slap.New(m.url, slap.WithRetry(0))
	require.NoError(b, err)
	return c
}

// format registers a computer with free partitions.
func (m master) format(b *testing.B, computer string, partitions int) {
	b.Helper()
	list := make([]any, partitions)
	for i := range list {
		name := fmt.Sprintf("slappart%d", i)
		list[i] = map[string]any{
			"reference":    name,
			"tap":          map[string]any{"name": "tap" + strconv.Itoa(i)},
			"address_list": []any{map[string]any{"addr": localAddress, "netmask": localNetmask}},
		}
	}
	xml, err := marshal.Marshal(map[string]any{
		"reference": computer, "address": localAddress, "netmask": localNetmask, "partition_list": list,
	})
	require.NoError(b, err)
	require.NoError(b, m.client(b).Computer(computer).UpdateConfiguration(b.Context(), xml))
}

// allocate requests one instance a partition with a number of clients at a time.
func (m master) allocate(b *testing.B, computer string, count, clients int) {
	b.Helper()
	client := m.client(b)
	next := make(chan int)
	failed := make(chan error, clients)
	for range clients {
		go func() {
			var err error
			for i := range next {
				if err == nil {
					err = request(b.Context(), client, computer, i)
				}
			}
			failed <- err
		}()
	}
	for i := range count {
		next <- i
	}
	close(next)
	for range clients {
		require.NoError(b, <-failed)
	}
}

func request(ctx context.Context, client *slap.Client, computer string, i int) error {
	_, err := client.OpenOrder().Request(ctx, slap.Request{
		SoftwareRelease: release,
		Reference:       fmt.Sprintf("%s instance %d", computer, i),
		Parameters:      slap.Parameters{"number": strconv.Itoa(i), "text": "some text of a usual length"},
		Filter:          slap.Parameters{"computer_guid": computer},
	})
	return err
}
