package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy"
)

const release = "http://sr.example/software.cfg"

// benchmarked is a master on a file, called over sockets.
type benchmarked struct {
	tb     testing.TB
	url    string
	client *http.Client
}

func newBenchmarked(tb testing.TB, clients, partitions, busy int) *benchmarked {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s, err := proxy.Open(ctx, filepath.Join(tb.TempDir(), "x.db"))
	require.NoError(tb, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	transport := &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}
	m := &benchmarked{tb: tb, url: "http://" + l.Addr().String() + "/", client: &http.Client{Transport: transport}}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		stop()
		require.NoError(tb, <-served)
		require.NoError(tb, s.Close())
	})
	m.format(partitions)
	for i := range busy {
		m.request(fmt.Sprint("busy", i))
	}
	return m
}

func (m *benchmarked) format(n int) {
	list := make([]any, n)
	for i := range list {
		list[i] = map[string]any{
			"reference": fmt.Sprint("slappart", i), "tap": map[string]any{"name": fmt.Sprint("tap", i)},
			"address_list": []any{
				map[string]any{"addr": fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), "netmask": "255.255.255.255"},
				map[string]any{"addr": fmt.Sprintf("fd00::%x", i+1), "netmask": "ffff::"},
			},
		}
	}
	xml, err := marshal.Marshal(map[string]any{"reference": "computer", "address": "127.0.0.1", "netmask": "", "partition_list": list})
	require.NoError(m.tb, err)
	m.post("loadComputerConfigurationFromXML", url.Values{"xml": {string(xml)}})
}

func (m *benchmarked) request(title string) {
	m.post("requestComputerPartition", url.Values{
		"software_release": {release}, "software_type": {"default"}, "partition_reference": {title},
		"partition_parameter_xml": {`<marshal><dictionary id="i2"><string>port</string><string>8080</string><string>title</string><string>` + title + `</string></dictionary></marshal>`},
		"filter_xml":              {`<marshal><dictionary id="i2"/></marshal>`},
		"shared_xml":              {`<marshal><bool>0</bool></marshal>`},
		"state":                   {`<marshal><none/></marshal>`},
	})
}

func (m *benchmarked) post(path string, fields url.Values) {
	answer, err := m.client.Post(m.url+path, "application/x-www-form-urlencoded", strings.NewReader(fields.Encode()))
	m.drain(answer, err)
}

func (m *benchmarked) get(path string) int64 {
	answer, err := m.client.Get(m.url + path)
	return m.drain(answer, err)
}

func (m *benchmarked) drain(answer *http.Response, err error) int64 {
	if err != nil {
		m.tb.Error(err)
		return 0
	}
	defer answer.Body.Close()
	n, err := io.Copy(io.Discard, answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		m.tb.Errorf("%s: %v", answer.Status, err)
	}
	return n
}

// parallel runs b.N calls from a number of clients and reports their rate.
func parallel(b *testing.B, clients int, call func(i int64)) {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range clients {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					return
				}
				call(i)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

// BenchmarkFullComputer reads a computer of 500 busy partitions.
func BenchmarkFullComputer(b *testing.B) {
	m := newBenchmarked(b, 4, 500, 500)
	b.SetBytes(m.get("getFullComputerInformation?computer_id=computer"))
	parallel(b, 4, func(int64) { m.get("getFullComputerInformation?computer_id=computer") })
}

// BenchmarkFullComputerChanged reads it after a change each time.
func BenchmarkFullComputerChanged(b *testing.B) {
	m := newBenchmarked(b, 1, 500, 500)
	parallel(b, 1, func(i int64) {
		m.post("softwareInstanceRename", url.Values{
			"computer_id": {"computer"}, "computer_partition_id": {fmt.Sprint("slappart", i%500)}, "new_name": {fmt.Sprint("n", i)},
		})
		m.get("getFullComputerInformation?computer_id=computer")
	})
}

// BenchmarkPartition reads single partitions of a computer of 500.
func BenchmarkPartition(b *testing.B) {
	m := newBenchmarked(b, 8, 500, 500)
	parallel(b, 8, func(i int64) {
		m.get(fmt.Sprint("registerComputerPartition?computer_reference=computer&computer_partition_reference=slappart", i%500))
	})
}

// BenchmarkAllocate requests new instances, each durable before its answer.
func BenchmarkAllocate(b *testing.B) {
	m := newBenchmarked(b, 16, b.N, 0)
	parallel(b, 16, func(i int64) { m.request(fmt.Sprint("r", i)) })
}
