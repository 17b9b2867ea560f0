package tio

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"
)

// sizes are numbers of movements; what one costs should not depend on it.
var sizes = []int{100, 1_000, 10_000, 100_000}

// benchmarkSizes measures work on journals of all sizes. The cost of a movement is
// reported.
func benchmarkSizes(b *testing.B, work func(j *Journal, document []byte) error) {
	b.Helper()
	for _, n := range sizes {
		j := example()
		x := &j.Transactions[0]
		for i := len(x.Movements); i < n; i++ {
			m := x.Movements[0]
			m.Reference, m.Quantity = Text("slappart"+strconv.Itoa(i%500)), Number(strconv.Itoa(i)+".25")
			x.Movements = append(x.Movements, m)
		}
		var out bytes.Buffer
		if err := Encode(&out, j); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("movements=%d", n), func(b *testing.B) {
			b.SetBytes(int64(out.Len()))
			b.ReportAllocs()
			for b.Loop() {
				if err := work(j, out.Bytes()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed()/time.Nanosecond)/float64(b.N)/float64(n), "ns/movement")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	benchmarkSizes(b, func(_ *Journal, document []byte) error {
		_, err := Decode(bytes.NewReader(document))
		return err
	})
}

func BenchmarkValidate(b *testing.B) {
	benchmarkSizes(b, func(_ *Journal, document []byte) error { return Validate(bytes.NewReader(document)) })
}

func BenchmarkCheck(b *testing.B) {
	benchmarkSizes(b, func(_ *Journal, document []byte) error {
		_, err := Check(bytes.NewReader(document))
		return err
	})
}

func BenchmarkEncode(b *testing.B) {
	benchmarkSizes(b, func(j *Journal, _ []byte) error { return Encode(io.Discard, j) })
}

func BenchmarkTotals(b *testing.B) {
	for _, exact := range []bool{false, true} {
		b.Run(fmt.Sprintf("exact=%t", exact), func(b *testing.B) {
			benchmarkSizes(b, func(j *Journal, _ []byte) error {
				totals := Totals{Exact: exact}
				return totals.AddJournal(j)
			})
		})
	}
}
