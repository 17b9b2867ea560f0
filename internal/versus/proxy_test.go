//go:build linux

package versus

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/slapos/slapos-go/internal/marshal"
)

// BenchmarkFullComputer reads a computer of 500 instances, which is what each
// pass of an agent begins with.
func BenchmarkFullComputer(b *testing.B) {
	read(b, []string{"getFullComputerInformation?computer_id=computer"}, 4, 4)
}

// BenchmarkPartition reads single partitions of a computer of 500 instances, with 32
// clients at a time.
func BenchmarkPartition(b *testing.B) {
	paths := make([]string, 100)
	for i := range paths {
		paths[i] = fmt.Sprintf("registerComputerPartition?computer_reference=computer&computer_partition_reference=slappart%d", 5*i)
	}
	read(b, paths, 32, 160)
}

// BenchmarkAllocate requests instances for free partitions, each answered once
// it is stored durably.
func BenchmarkAllocate(b *testing.B) {
	for _, clients := range []int{16, 32} {
		b.Run(fmt.Sprintf("%d-clients", clients), func(b *testing.B) { allocate(b, clients) })
	}
}

// allocate measures allocations with a number of clients; an operation is a computer
// that is filled.
func allocate(b *testing.B, clients int) {
	const count = 480
	for _, implementation := range masters {
		b.Run(implementation.name, func(b *testing.B) {
			m := implementation.start(b)
			loads := make([]*loader, clients)
			for i := range loads {
				loads[i] = newLoader(b, m)
				b.Cleanup(func() { require.NoError(b, loads[i].close()) })
			}
			b.StopTimer()
			var spent time.Duration
			var processor float64
			for i := range b.N {
				computer := fmt.Sprintf("computer%d", i)
				m.format(b, computer, count)
				requests := make([][]byte, count)
				for j := range requests {
					requests[j] = loads[0].postRequest("requestComputerPartition", instanceForm(b, computer, j))
				}
				before := m.processor(b)
				start := time.Now()
				b.StartTimer()
				var group errgroup.Group
				for first, l := range loads {
					group.Go(func() error { return l.post(requests, first, clients) })
				}
				require.NoError(b, group.Wait())
				b.StopTimer()
				spent += time.Since(start)
				processor += m.processor(b) - before
			}
			b.ReportMetric(float64(b.N*count)/spent.Seconds(), "allocations/s")
			b.ReportMetric(processor/float64(b.N*count)*1e6, "processor-µs/allocation")
			b.ReportMetric(m.memory(b, "VmRSS:")/(1<<20), "MiB")
		})
	}
}

// instanceForm is what a client posts to request an instance on a computer.
func instanceForm(b *testing.B, computer string, i int) url.Values {
	b.Helper()
	form := url.Values{"software_release": {release}, "software_type": {"default"}, "partition_reference": {fmt.Sprintf("%s instance %d", computer, i)}}
	for field, value := range map[string]any{
		"partition_parameter_xml": map[string]any{"number": strconv.Itoa(i), "text": "some text of a usual length"},
		"filter_xml":              map[string]any{"computer_guid": computer},
		"state":                   nil,
		"shared_xml":              false,
	} {
		xml, err := marshal.Marshal(value)
		require.NoError(b, err)
		form.Set(field, string(xml))
	}
	return form
}

// post sends every step-th request, each once.
func (l *loader) post(requests [][]byte, first, step int) error {
	for i := first; i < len(requests); i += step {
		if _, err := l.get(requests[i]); err != nil {
			return err
		}
	}
	return nil
}

// read measures reads with a number of clients; an operation is a number of requests,
// which take the paths in turn. Every path was read once before the measure.
func read(b *testing.B, paths []string, clients, least int) {
	const partitions = 500
	for _, implementation := range masters {
		b.Run(implementation.name, func(b *testing.B) {
			requests := least * implementation.times
			m := implementation.start(b)
			m.format(b, "computer", partitions)
			m.allocate(b, "computer", partitions, 1)
			b.ReportMetric(m.memory(b, "VmRSS:")/(1<<20), "MiB-before")
			loads := make([]*load, clients)
			for i := range loads {
				loads[i] = newLoad(b, m, paths)
			}
			before := m.processor(b)
			b.ResetTimer()
			for range b.N {
				var group errgroup.Group
				for i, l := range loads {
					group.Go(func() error { return l.run(i, requests/clients) })
				}
				require.NoError(b, group.Wait())
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N*requests)/b.Elapsed().Seconds(), "requests/s")
			b.ReportMetric((m.processor(b)-before)/float64(b.N*requests)*1e6, "processor-µs/request")
			b.ReportMetric(m.memory(b, "VmRSS:")/(1<<20), "MiB")
		})
	}
}

// load reads paths whose answers it knows the length of.
type load struct {
	*loader
	requests [][]byte
	sizes    []int
}

// newLoad reads every path once.
func newLoad(b *testing.B, m master, paths []string) *load {
	b.Helper()
	l := &load{loader: newLoader(b, m)}
	b.Cleanup(func() { require.NoError(b, l.close()) })
	for _, path := range paths {
		request := l.getRequest(path)
		size, err := l.get(request)
		require.NoError(b, err, path)
		l.requests, l.sizes = append(l.requests, request), append(l.sizes, size)
	}
	return l
}

// run reads a number of answers.
func (l *load) run(first, count int) error {
	for i := first; i < first+count; i++ {
		n := i % len(l.requests)
		size, err := l.get(l.requests[n])
		if err != nil {
			return err
		}
		if size != l.sizes[n] {
			return fmt.Errorf("the answer changed: %d bytes instead of %d", size, l.sizes[n])
		}
	}
	return nil
}

// BenchmarkLargeCluster fills 100 computers of 100 partitions each, reads every
// computer and every partition, and tells the memory of our master at its highest and
// afterwards.
func BenchmarkLargeCluster(b *testing.B) {
	const computers, partitions, clients = 100, 100, 32
	for range b.N {
		m := startOurs(b)
		l := newLoader(b, m)
		requests := make([][]byte, 0, computers*partitions)
		for c := range computers {
			computer := fmt.Sprintf("computer%d", c)
			m.format(b, computer, partitions)
			for i := range partitions {
				requests = append(requests, l.postRequest("requestComputerPartition", instanceForm(b, computer, i)))
			}
		}
		start := time.Now()
		m.inParallel(b, requests, clients)
		b.ReportMetric(float64(len(requests))/time.Since(start).Seconds(), "allocations/s")
		requests = requests[:0]
		for c := range computers {
			requests = append(requests, l.getRequest(fmt.Sprintf("getFullComputerInformation?computer_id=computer%d", c)))
			for i := range partitions {
				requests = append(requests, l.getRequest(fmt.Sprintf(
					"registerComputerPartition?computer_reference=computer%d&computer_partition_reference=slappart%d", c, i)))
			}
		}
		start = time.Now()
		m.inParallel(b, requests, clients)
		b.ReportMetric(float64(len(requests))/time.Since(start).Seconds(), "first-reads/s")
		b.ReportMetric(m.memory(b, "VmHWM:")/(1<<20), "MiB-highest")
		b.ReportMetric(m.memory(b, "VmRSS:")/(1<<20), "MiB")
	}
}

// inParallel sends each request once, with a number of clients.
func (m master) inParallel(b *testing.B, requests [][]byte, clients int) {
	b.Helper()
	var group errgroup.Group
	for first := range clients {
		l := newLoader(b, m)
		group.Go(func() error { return errors.Join(l.post(requests, first, clients), l.close()) })
	}
	require.NoError(b, group.Wait())
}
