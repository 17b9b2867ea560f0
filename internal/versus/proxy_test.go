//go:build linux

package versus

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// BenchmarkFullComputer reads a computer of 500 instances, which is what each
// pass of an agent begins with.
func BenchmarkFullComputer(b *testing.B) {
	read(b, "getFullComputerInformation?computer_id=computer", 4)
}

// BenchmarkPartition reads one partition of a computer of 500 instances.
func BenchmarkPartition(b *testing.B) {
	read(b, "registerComputerPartition?computer_reference=computer&computer_partition_reference=slappart250", 80)
}

// BenchmarkAllocate requests instances for free partitions, each answered once
// it is stored durably, with 16 clients at a time.
func BenchmarkAllocate(b *testing.B) {
	const count, clients = 160, 16
	for _, implementation := range masters {
		b.Run(implementation.name, func(b *testing.B) {
			m := implementation.start(b)
			b.StopTimer()
			var spent time.Duration
			for i := range b.N {
				computer := fmt.Sprintf("computer%d", i)
				m.format(b, computer, count)
				start := time.Now()
				b.StartTimer()
				m.allocate(b, computer, count, clients)
				b.StopTimer()
				spent += time.Since(start)
			}
			b.ReportMetric(float64(b.N*count)/spent.Seconds(), "allocations/s")
			b.ReportMetric(m.memory(b)/(1<<20), "MiB")
		})
	}
}

// read measures one address: an operation is a number of requests by 4 clients.
func read(b *testing.B, address string, least int) {
	const partitions, clients = 500, 4
	for _, implementation := range masters {
		b.Run(implementation.name, func(b *testing.B) {
			requests := least * implementation.times
			m := implementation.start(b)
			m.format(b, "computer", partitions)
			m.allocate(b, "computer", partitions, 1)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
			defer client.CloseIdleConnections()
			size := get(b, client, m.url+address)
			b.ResetTimer()
			for range b.N {
				done := make(chan bool)
				for range clients {
					go func() {
						for range requests / clients {
							if get(b, client, m.url+address) != size {
								b.Error("the answer changed")
							}
						}
						done <- true
					}()
				}
				for range clients {
					<-done
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N*requests)/b.Elapsed().Seconds(), "requests/s")
			b.ReportMetric(m.memory(b)/(1<<20), "MiB")
		})
	}
}

// get returns the length of an answer.
func get(b *testing.B, client *http.Client, url string) int64 {
	answer, err := client.Get(url)
	if err != nil {
		b.Error(err)
		return -1
	}
	defer answer.Body.Close()
	size, err := io.Copy(io.Discard, answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		b.Errorf("%s: %s, %v", url, answer.Status, err)
	}
	return size
}
