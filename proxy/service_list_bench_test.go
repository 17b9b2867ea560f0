package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkServiceList measures the list of all services, of masters with 100 and
// 10,000 of them, one in ten of which hosts a shared instance. There is no network in
// it.
func BenchmarkServiceList(b *testing.B) {
	for _, services := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("services=%d", services), func(b *testing.B) {
			m := newScaled(b, services+computers)
			for i := 0; i < services; i += 10 {
				m.share(b, i)
			}
			path := "/hateoas/?mode=search&query=" + url.QueryEscape(`portal_type:"Instance Tree" AND validation_state:validated`)
			var size counter
			b.ReportAllocs()
			for b.Loop() {
				size = counter{header: http.Header{}}
				m.server.ServeHTTP(&size, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
				require.Equal(b, http.StatusOK, size.status)
			}
			b.ReportMetric(float64(size.bytes), "answer-B")
		})
	}
}

// share requests a shared instance on the computer of an instance.
func (m *scaled) share(b *testing.B, i int) {
	b.Helper()
	m.post(b, "requestComputerPartition", fields{
		"software_release": release, "software_type": "default", "partition_reference": fmt.Sprint("shared ", i),
		"partition_parameter_xml": `<marshal><dictionary id="i2"><string>port</string><string>8080</string></dictionary></marshal>`,
		"filter_xml":              filterFor(m.computer(i)),
		"shared_xml":              `<marshal><bool>1</bool></marshal>`,
		"state":                   `<marshal><none/></marshal>`,
	})
}

// counter takes an answer and keeps its size only.
type counter struct {
	header http.Header
	status int
	bytes  int64
}

var _ io.Writer = (*counter)(nil)

func (c *counter) Header() http.Header    { return c.header }
func (c *counter) WriteHeader(status int) { c.status = status }

func (c *counter) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	c.bytes += int64(len(b))
	return len(b), nil
}
