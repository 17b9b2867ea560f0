//go:build linux

package versus

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/testpeer"
	"github.com/slapos/slapos-go/tio"
)

const validateText = `
import json, os, sys, time
from lxml import etree
import slapos.slap
with open(sys.argv[1], "rb") as f:
    document = f.read()
with open(os.path.join(os.path.dirname(slapos.slap.__file__), "doc", "computer_consumption.xsd"), "rb") as f:
    schema = f.read()
times = int(sys.argv[2])

def validate():
    # As slapos.grid.slapgrid does for each report, the schema included.
    return etree.XMLSchema(etree.fromstring(schema)).validate(etree.fromstring(document))

assert validate()
start = time.process_time()
for _ in range(times):
    validate()
print(json.dumps(time.process_time() - start))
`

// BenchmarkTio validates the daily reports of small and large nodes with this
// project's package and in the way of the reference's agent, whose work is done by
// libxml2 in C. Besides the time of the clock for ours it reports the time of the
// processor for both, which other programs on the machine disturb less.
func BenchmarkTio(b *testing.B) {
	peer := testpeer.Get(b, testpeer.Newest)
	for _, partitions := range []int{1, 100, 10_000} {
		document := dayOfNode(b, partitions)
		b.Run("partitions="+strconv.Itoa(partitions)+"/ours", func(b *testing.B) {
			b.SetBytes(int64(len(document)))
			before := processorTime(b)
			for b.Loop() {
				require.NoError(b, tio.Validate(bytes.NewReader(document)))
			}
			reportProcessor(b, len(document), b.N, (processorTime(b) - before).Seconds())
		})
		b.Run("partitions="+strconv.Itoa(partitions)+"/reference", func(b *testing.B) {
			dir := b.TempDir()
			file := filepath.Join(dir, "journal.xml")
			require.NoError(b, os.WriteFile(file, document, 0o600))
			var seconds float64
			times := max(1, 2_000/(partitions+1))
			runPython(b, peer, dir, &seconds, validateText, file, strconv.Itoa(times))
			reportProcessor(b, len(document), times, seconds)
		})
	}
}

// reportProcessor reports what reading a document a number of times took.
func reportProcessor(b *testing.B, length, times int, seconds float64) {
	b.ReportMetric(seconds*float64(time.Second)/float64(times), "cpu-ns/document")
	b.ReportMetric(float64(length)*float64(times)/seconds/1e6, "cpu-MB/s")
}

// processorTime is what this process has used.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// dayOfNode is the daily report of a node.
func dayOfNode(b *testing.B, partitions int) []byte {
	b.Helper()
	day := tio.NodeDay{Computer: "COMP-1", CPUPercent: "76.43714285714287", MemoryBytes: "14211174517.028572"}
	for i := range partitions {
		number, err := tio.FormatNumber(float64(i) / 7)
		require.NoError(b, err)
		day.Users = append(day.Users, tio.UserDay{User: "slapuser" + strconv.Itoa(i), CPUPercent: number, MemoryMiB: number, DiskUsed: number})
	}
	var document bytes.Buffer
	require.NoError(b, tio.Encode(&document, day.Journal()))
	return document.Bytes()
}
