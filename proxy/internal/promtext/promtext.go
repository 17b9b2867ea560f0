// Package promtext writes metrics in the text format of Prometheus, version 0.0.4.
package promtext

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// ContentType is the media type of what a Writer writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kinds of families.
const (
	Counter   = "counter"
	Gauge     = "gauge"
	Histogram = "histogram"
)

// Writer collects metrics family by family. The zero value is ready for use.
type Writer struct {
	buffer bytes.Buffer
	family string
}

// Family begins a family of samples: they follow with Value or Distribution.
func (w *Writer) Family(name, kind, help string) {
	w.family = name
	w.buffer.WriteString("# HELP " + name + " " + helpEscapes.Replace(help) + "\n# TYPE " + name + " " + kind + "\n")
}

// Value writes a sample of the family; labels are names and values in turn.
func (w *Writer) Value(v float64, labels ...string) { w.sample(w.family, v, labels) }

// Distribution writes the samples of a histogram.
func (w *Writer) Distribution(d *Distribution, labels ...string) {
	var total int64
	for i := range d.counts {
		total += d.counts[i].Load()
		bound := "+Inf"
		if i < len(d.bounds) {
			bound = number(d.bounds[i])
		}
		w.sample(w.family+"_bucket", float64(total), append(slices.Clone(labels), "le", bound))
	}
	w.sample(w.family+"_sum", math.Float64frombits(d.sum.Load()), labels)
	w.sample(w.family+"_count", float64(total), labels)
}

func (w *Writer) sample(name string, v float64, labels []string) {
	w.buffer.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		separator := ","
		if i == 0 {
			separator = "{"
		}
		w.buffer.WriteString(separator + labels[i] + `="` + labelEscapes.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")) + `"`)
	}
	if len(labels) > 1 {
		w.buffer.WriteByte('}')
	}
	w.buffer.WriteString(" " + number(v) + "\n")
}

// Bytes returns what was written.
func (w *Writer) Bytes() []byte { return w.buffer.Bytes() }

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Distribution counts observations by size. It is safe for concurrent use.
type Distribution struct {
	bounds []float64
	counts []atomic.Int64 // one more than bounds: what is larger than all
	sum    atomic.Uint64  // a float64
}

// NewDistribution returns a histogram with buckets up to the given bounds, which
// must grow.
func NewDistribution(bounds ...float64) *Distribution {
	return &Distribution{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
}

// Observe counts one observation.
func (d *Distribution) Observe(v float64) {
	i, _ := slices.BinarySearch(d.bounds, v)
	d.counts[i].Add(1)
	for {
		before := d.sum.Load()
		if d.sum.CompareAndSwap(before, math.Float64bits(math.Float64frombits(before)+v)) {
			return
		}
	}
}
