package tio

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// movementOf is a movement with a price of 2.
func movementOf(resource, reference string, quantity Number) Movement {
	return Movement{Resource: resource, Reference: Text(reference), Quantity: quantity, Price: "2"}
}

func TestTotals(t *testing.T) {
	var all Totals
	for _, m := range []Movement{
		movementOf("memory", "p1", "1e16"), movementOf("memory", "p1", "1"), movementOf("memory", "p1", "-1e16"),
		movementOf("memory", "p0", "2.5"), {Resource: "cpu", Quantity: "INF", Price: "0.0"}, {Resource: "cpu", Quantity: "3", Price: "1"},
	} {
		require.NoError(t, all.Add("EUR", m))
	}
	require.NoError(t, all.Add("", Movement{Resource: "cpu", Reference: Text("p0"), Quantity: "1", Price: "NaN"}))
	require.Equal(t, []Total{
		{Resource: "cpu", Quantity: Sum{Value: 3, Movements: 2, Special: 1}},
		{Resource: "cpu", Reference: "p0", Quantity: Sum{Value: 1, Movements: 1}},
		{Resource: "memory", Reference: "p0", Quantity: Sum{Value: 2.5, Movements: 1}},
		{Resource: "memory", Reference: "p1", Quantity: Sum{Value: 1, Movements: 3}},
	}, all.ByReference())
	require.Equal(t, []Total{
		{Resource: "cpu", Quantity: Sum{Value: 4, Movements: 3, Special: 1}},
		{Resource: "memory", Quantity: Sum{Value: 3.5, Movements: 4}},
	}, all.ByResource())
	require.Equal(t, []PartitionTotal{
		{"", []Total{{Resource: "cpu", Quantity: Sum{Value: 3, Movements: 2, Special: 1}}}},
		{"p0", []Total{{Resource: "cpu", Quantity: Sum{Value: 1, Movements: 1}}, {Resource: "memory", Quantity: Sum{Value: 2.5, Movements: 1}}}},
		{"p1", []Total{{Resource: "memory", Quantity: Sum{Value: 1, Movements: 3}}}},
	}, all.ByPartition())
	require.Equal(t, []Amount{
		{"", Sum{Movements: 1, Special: 1}},
		{"EUR", Sum{Value: 10, Movements: 6, Special: 1}},
	}, all.ByCurrency())

	require.Error(t, all.Add("", Movement{Quantity: "12GB", Price: "0"}))
	require.Error(t, all.Add("", Movement{Quantity: "12", Price: ""}))
	require.Len(t, all.ByReference(), 4, "what is refused is not counted")

	var huge Totals
	require.NoError(t, huge.Add("", movementOf("r", "", "1e308")))
	require.NoError(t, huge.Add("", movementOf("r", "", "1e308")))
	require.True(t, math.IsInf(huge.ByResource()[0].Quantity.Value, 1), "a sum beyond the range")
	require.Equal(t, Sum{Value: 0, Movements: 2, Special: 2}, huge.ByCurrency()[0].Amount, "products beyond the range")
}

// TestHugeTotals: a sum within the range is right even if the sum of some of its
// numbers is not.
func TestHugeTotals(t *testing.T) {
	tests := []struct {
		quantities []Number
		want       float64
	}{
		{[]Number{"1e308", "1e308", "-1e308", "-1e308"}, 0},
		{[]Number{"1e308", "1e308", "-1e308", "5"}, 1e308},
		{[]Number{"1e308", "5", "-1e308", "-4.5"}, 0.5},
		{[]Number{"1.7e308", "1e308", "-1e307"}, math.Inf(1)},
		{[]Number{"-1.7e308", "-1e308"}, math.Inf(-1)},
		{[]Number{"1.7976931348623157e308"}, math.MaxFloat64},
	}
	for _, test := range tests {
		var one, split Totals
		for i, q := range test.quantities {
			require.NoError(t, one.Add("", Movement{Resource: "r", Quantity: q, Price: "1"}))
			require.NoError(t, split.Add("", Movement{Resource: "r", Reference: Text(fmt.Sprint(i / 2)), Quantity: q, Price: "0"}))
		}
		require.Equal(t, test.want, one.ByResource()[0].Quantity.Value, test.quantities)
		require.Equal(t, test.want, one.ByCurrency()[0].Amount.Value, test.quantities)
		require.Equal(t, test.want, split.ByResource()[0].Quantity.Value, test.quantities)
	}
}

func TestExactTotals(t *testing.T) {
	exact := Totals{Exact: true}
	for _, q := range []Number{"0.1", " 0.2\n", "1e20", "-1e20", "1e400000000", "1e-400000000", "NaN", "0e999999999", "-INF"} {
		require.NoError(t, exact.Add("EUR", Movement{Resource: "r", Quantity: q, Price: ".3"}))
	}
	require.Equal(t, Sum{Value: 0.3, Exact: "0.3", Movements: 9, Special: 4}, exact.ByResource()[0].Quantity)
	require.Equal(t, Sum{Value: 0.09, Exact: "0.09", Movements: 9, Special: 4}, exact.ByCurrency()[0].Amount)
	require.Error(t, exact.Add("", Movement{Quantity: "1e", Price: "1"}))

	require.NoError(t, exact.Add("EUR", Movement{Resource: "r", Reference: Text("p"), Quantity: "-12.300", Price: "1e2"}))
	require.Equal(t, Sum{Value: -12, Exact: "-12", Movements: 10, Special: 4}, exact.ByResource()[0].Quantity)
	require.Equal(t, Number("-12.3"), exact.ByReference()[1].Quantity.Exact)
	require.Equal(t, Number("-1229.91"), exact.ByCurrency()[0].Amount.Exact)
	require.Equal(t, Number("-12.3"), exact.ByPartition()[1].Resources[0].Quantity.Exact)
}

func TestRat(t *testing.T) {
	for n, want := range map[Number]string{
		"0": "0", "-0": "0", "+1": "1", "007": "7", "1.": "1", ".5": "1/2", "-.5": "-1/2", "1e5": "100000", "1E-5": "1/100000", "1.e5": "100000",
		".5e05": "50000", " 12.5\n": "25/2", "1200e-2": "12", "0.0012e+0004": "12", "0e999999999999999999999": "0",
		Number("0." + strings.Repeat("0", 5000) + "1e5001"): "1",
		Number("1" + strings.Repeat("0", 5000) + "e-5000"):  "1",
		"1e1099": "1" + strings.Repeat("0", 1099),
	} {
		got, err := n.Rat()
		require.NoError(t, err)
		expected, ok := new(big.Rat).SetString(want)
		require.True(t, ok)
		require.Zero(t, expected.Cmp(got), "%s is %s", n, got)
	}
	for _, n := range []Number{"INF", "-INF", "NaN", "1e400000000", "-1e-400000000", "1e1100", "1e-1101", "1e99999999999999999999", "1e-99999999999999999999"} {
		_, err := n.Rat()
		require.ErrorIs(t, err, ErrRange, n)
	}
	_, err := Number("x").Rat()
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrRange)
	for _, f := range []float64{math.MaxFloat64, math.SmallestNonzeroFloat64, math.Pi} {
		n, err := FormatNumber(f)
		require.NoError(t, err)
		_, err = n.Rat()
		require.NoError(t, err)
		_, err = Number(new(big.Float).SetFloat64(f).Text('f', 1100)).Rat()
		require.NoError(t, err, "all digits of a number of 64 bits")
	}
}

func TestTotalsOfDocuments(t *testing.T) {
	want, err := example().Totals()
	require.NoError(t, err)
	var read Totals
	require.NoError(t, read.Read(strings.NewReader(exampleBytes)))
	require.Empty(t, cmp.Diff(want.ByReference(), read.ByReference()))
	require.Empty(t, cmp.Diff(want.ByCurrency(), read.ByCurrency()))
	require.NoError(t, read.Read(strings.NewReader(exampleBytes)), "and another document")
	require.Equal(t, 4, read.ByCurrency()[0].Amount.Movements)

	require.Error(t, read.Read(strings.NewReader("<journal/>")))
	require.Error(t, read.Read(strings.NewReader(strings.Replace(exampleBytes, "<price>-1e-07", "<price>x", 1))))
	require.Equal(t, 5, read.ByCurrency()[0].Amount.Movements, "what came before the error")

	bad := example()
	bad.Transactions[0].Movements[0].Quantity = "x"
	_, err = bad.Totals()
	require.Error(t, err)

	// The report of a partition amounts to what its part of the journal does.
	report := &Consumption{Movements: []Movement{movementOf("cpu", "something else", "1"), {Resource: "cpu", Quantity: "1", Price: "0"}}}
	var ofReport, ofJournal Totals
	require.NoError(t, ofReport.AddConsumption("slappart0", report))
	require.NoError(t, ofJournal.AddJournal(Aggregate("c", day(2026, 1, 31), []Usage{{"slappart0", report}})))
	require.Empty(t, cmp.Diff(ofJournal.ByReference(), ofReport.ByReference()))
	require.Error(t, ofReport.AddConsumption("", &Consumption{Movements: []Movement{{}}}))
}

func TestTotalsAreBounded(t *testing.T) {
	small := Totals{MaxBytes: 10_000}
	var err error
	added := 0
	for ; err == nil && added < 1000; added++ {
		err = small.Add("", movementOf(fmt.Sprint("resource ", added), "", "1"))
	}
	require.ErrorIs(t, err, ErrTooMany)
	require.Greater(t, added, 10)
	require.Len(t, small.ByResource(), added-1)
	require.NoError(t, small.Add("", movementOf("resource 0", "", "1")), "what is known goes on")
	require.ErrorIs(t, small.Add(strings.Repeat("x", 20_000), movementOf("resource 0", "", "1")), ErrTooMany)
}
