package promtext

import (
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestText(t *testing.T) {
	var w Writer
	w.Family("calls_total", Counter, "Calls.\nBack\\slash.")
	w.Value(3)
	w.Value(1.5, "path", "a\"b\\c\nd\xff", "method", "GET")
	d := NewDistribution(0.1, 1)
	for _, v := range []float64{0.05, 0.1, 0.5, 7} {
		d.Observe(v)
	}
	w.Family("took_seconds", Histogram, "Time.")
	w.Distribution(d, "surface", "x")
	want := `# HELP calls_total Calls.\nBack\\slash.
# TYPE calls_total counter
calls_total 3
calls_total{path="a\"b\\c\nd` + "\uFFFD" + `",method="GET"} 1.5
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{surface="x",le="0.1"} 2
took_seconds_bucket{surface="x",le="1"} 3
took_seconds_bucket{surface="x",le="+Inf"} 4
took_seconds_sum{surface="x"} 7.65
took_seconds_count{surface="x"} 4
`
	if diff := cmp.Diff(want, string(w.Bytes())); diff != "" {
		t.Error(diff)
	}
}

func TestObservationsAtTheSameTime(t *testing.T) {
	d := NewDistribution(1)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 1000 {
				d.Observe(2)
			}
		})
	}
	group.Wait()
	var w Writer
	w.Family("n", Histogram, "")
	w.Distribution(d)
	want := "# HELP n \n# TYPE n histogram\nn_bucket{le=\"1\"} 0\nn_bucket{le=\"+Inf\"} 8000\nn_sum 16000\nn_count 8000\n"
	if diff := cmp.Diff(want, string(w.Bytes())); diff != "" {
		t.Error(diff)
	}
}
