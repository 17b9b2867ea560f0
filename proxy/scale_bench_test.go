package proxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// computers is how many computers share the partitions of BenchmarkScale.
const computers = 100

// BenchmarkScale measures single calls of masters that have from 100 to 100,000
// partitions on 100 computers, all but one of each computer taken: their cost does not
// grow with the number. There is no network in it.
func BenchmarkScale(b *testing.B) {
	for _, partitions := range []int{100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("partitions=%d", partitions), func(b *testing.B) {
			m := newScaled(b, partitions)
			b.Run("allocate", m.benchmarkAllocate)
			b.Run("request-again", func(b *testing.B) {
				for i := range b.N {
					m.request(b, i%computers, fmt.Sprint("busy ", i%m.busy))
				}
			})
			b.Run("change", func(b *testing.B) {
				for i := range b.N {
					m.post(b, "softwareInstanceBang", m.place(i).with("message", fmt.Sprint("bang ", i)))
				}
			})
			b.Run("lookup", func(b *testing.B) { // of what changed, so that no kept answer serves
				for i := range b.N {
					b.StopTimer()
					m.post(b, "softwareInstanceBang", m.place(i).with("message", "again"))
					b.StartTimer()
					m.get(b, "registerComputerPartition?computer_reference="+m.computer(i)+"&computer_partition_reference="+m.partition(i))
				}
			})
		})
	}
}

// scaled is a master with many partitions, called without a network.
type scaled struct {
	server http.Handler
	busy   int // how many instances there are; that of partition i is "busy i"
}

func newScaled(b *testing.B, partitions int) *scaled {
	b.Helper()
	path := filepath.Join(b.TempDir(), "x.db")
	m := &scaled{busy: max(partitions-computers, computers)}
	populate(b, path, m.busy)
	s, err := proxy.Open(context.Background(), path)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	m.server = s
	return m
}

// populate writes a database with a number of instances, spread over the computers,
// and one free partition each.
func populate(b *testing.B, path string, busy int) {
	b.Helper()
	s, err := store.Open(b.Context(), path)
	require.NoError(b, err)
	defer func() { require.NoError(b, s.Close()) }()
	for c := range computers {
		require.NoError(b, s.Update(b.Context(), func(tx store.Tx) error {
			computer, err := tx.EnsureComputer(fmt.Sprint("computer", c))
			if err == nil {
				err = tx.FormatComputer(computer)
			}
			for i := c; i < busy && err == nil; i += computers {
				err = populatePartition(tx, computer, i, true)
			}
			if err == nil {
				err = populatePartition(tx, computer, busy+c, false)
			}
			return err
		}))
	}
}

func populatePartition(tx store.Tx, c *store.Computer, i int, taken bool) error {
	p, err := tx.InsertPartition(c, fmt.Sprint("slappart", i))
	if err != nil {
		return err
	}
	err = tx.ReplaceAddresses(p, []store.Address{{Interface: fmt.Sprint("tap", i), Address: "10.0.0.1", Netmask: "255.255.255.255"}})
	if err != nil || !taken {
		return err
	}
	p.Timestamp = 1
	return tx.Occupy(p, &store.Instance{
		Title: fmt.Sprint("busy ", i), Release: release, Type: "default", State: "started",
		Parameters: "<?xml version='1.0' encoding='utf-8'?>\n<instance>\n  <parameter id=\"port\">8080</parameter>\n</instance>\n",
		Filter:     filterFor(c.Reference),
	})
}

// filterFor is a filter that restricts a request to a computer, as it is sent and kept.
func filterFor(computer string) string {
	return `<marshal><dictionary id="i2"><string>computer_guid</string><string>` + computer + `</string></dictionary></marshal>`
}

func (m *scaled) computer(i int) string  { return fmt.Sprint("computer", i%m.busy%computers) }
func (m *scaled) partition(i int) string { return fmt.Sprint("slappart", i%m.busy) }

// place names the partition of an instance in a form.
func (m *scaled) place(i int) fields {
	return fields{"computer_id": m.computer(i), "computer_partition_id": m.partition(i)}
}

type fields map[string]string

func (f fields) with(name, value string) fields {
	f[name] = value
	return f
}

// benchmarkAllocate fills the free partition of each computer in turn; once all are
// taken they are freed, which is not measured.
func (m *scaled) benchmarkAllocate(b *testing.B) {
	for i := range b.N {
		if i > 0 && i%computers == 0 {
			b.StopTimer()
			m.freeAll(b, computers)
			b.StartTimer()
		}
		m.request(b, i%computers, fmt.Sprint("new ", i))
	}
	b.StopTimer()
	m.freeAll(b, (b.N-1)%computers+1)
	b.StartTimer()
}

// freeAll frees the partitions that benchmarkAllocate filled.
func (m *scaled) freeAll(b *testing.B, count int) {
	b.Helper()
	for c := range count {
		m.post(b, "destroyedComputerPartition", fields{
			"computer_id": fmt.Sprint("computer", c), "computer_partition_id": fmt.Sprint("slappart", m.busy+c),
		})
	}
}

// request requests an instance on a computer.
func (m *scaled) request(b *testing.B, computer int, title string) {
	b.Helper()
	m.post(b, "requestComputerPartition", fields{
		"software_release": release, "software_type": "default", "partition_reference": title,
		"partition_parameter_xml": `<marshal><dictionary id="i2"><string>port</string><string>8080</string></dictionary></marshal>`,
		"filter_xml":              filterFor(fmt.Sprint("computer", computer)),
		"shared_xml":              `<marshal><bool>0</bool></marshal>`,
		"state":                   `<marshal><none/></marshal>`,
	})
}

func (m *scaled) post(b *testing.B, path string, f fields) {
	b.Helper()
	form := url.Values{}
	for name, value := range f {
		form.Set(name, value)
	}
	r := httptest.NewRequest(http.MethodPost, "http://localhost/"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	m.serve(b, r)
}

func (m *scaled) get(b *testing.B, path string) {
	b.Helper()
	m.serve(b, httptest.NewRequest(http.MethodGet, "http://localhost/"+path, nil))
}

func (m *scaled) serve(b *testing.B, r *http.Request) {
	b.Helper()
	w := httptest.NewRecorder()
	m.server.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("%s: %d %s", r.URL.Path, w.Code, w.Body)
	}
}
