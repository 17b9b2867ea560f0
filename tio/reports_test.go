package tio

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// TestAggregate makes the bytes of the aggregated report that a node recorded.
func TestAggregate(t *testing.T) {
	want, err := os.ReadFile("testdata/valid/node-aggregated-partitions.xml")
	require.NoError(t, err)
	at := time.Date(2021, 5, 3, 16, 58, 31, 0, time.UTC)
	movement := Movement{
		Resource: "CPU Consumption", Title: Text("Title Sale Packing List Line 1"), Reference: Text("something else"),
		Quantity: "42.42", Price: "0.00", VAT: "None", Categories: []string{"None"},
	}
	j := Aggregate("COMP-7", at, []Usage{{"slappart0", &Consumption{Movements: []Movement{movement}}}})
	var b strings.Builder
	require.NoError(t, Encode(&b, j, WithoutEncodingName()))
	require.Equal(t, strings.TrimSpace(string(want)), b.String())

	movement.Reference = Optional{}
	j = Aggregate("COMP-7", at, []Usage{{"slappart0", &Consumption{Movements: []Movement{movement}}}})
	require.False(t, j.Transactions[0].Movements[0].Reference.Present, "an absent reference stays absent")
	require.Error(t, Aggregate("COMP-7", at, nil).Validate())
}

// TestDaily compares with the daily report that a node recorded.
func TestDaily(t *testing.T) {
	f, err := os.Open("testdata/valid/node-daily-consumption.xml")
	require.NoError(t, err)
	defer f.Close()
	want, err := Decode(f)
	require.NoError(t, err)
	title := want.Transactions[0].Title.Value
	computer := strings.TrimSuffix(strings.TrimPrefix(title, "Eco Information for "), " ")
	day, err := time.Parse("2006-01-02 15:04:05", want.Transactions[0].StartDate)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, Daily(computer, day, want.Transactions[0].Movements)))
}

func TestTotals(t *testing.T) {
	var all Totals
	for _, m := range []Movement{
		{Resource: "memory", Reference: Text("p1"), Quantity: "1e16"},
		{Resource: "memory", Reference: Text("p1"), Quantity: "1"},
		{Resource: "memory", Reference: Text("p1"), Quantity: "-1e16"},
		{Resource: "memory", Reference: Text("p0"), Quantity: "2.5"},
		{Resource: "cpu", Quantity: "INF"},
		{Resource: "cpu", Quantity: "3"},
	} {
		require.NoError(t, all.Add(m))
	}
	require.Equal(t, []Total{
		{Resource: "cpu", Quantity: 3, Movements: 2, NotFinite: 1},
		{Resource: "memory", Reference: "p0", Quantity: 2.5, Movements: 1},
		{Resource: "memory", Reference: "p1", Quantity: 1, Movements: 3},
	}, all.ByReference())
	require.Equal(t, []Total{
		{Resource: "cpu", Quantity: 3, Movements: 2, NotFinite: 1},
		{Resource: "memory", Quantity: 3.5, Movements: 4},
	}, all.ByResource())
	require.Error(t, all.Add(Movement{Quantity: "12GB"}))

	var huge Totals
	require.NoError(t, huge.Add(Movement{Quantity: "1e308"}))
	require.NoError(t, huge.Add(Movement{Quantity: "1e308"}))
	require.True(t, math.IsInf(huge.ByResource()[0].Quantity, 1), "a sum beyond the range")

	totals, err := example().Totals()
	require.NoError(t, err)
	require.Len(t, totals.ByResource(), 2)
	bad := example()
	bad.Transactions[0].Movements[0].Quantity = "x"
	_, err = bad.Totals()
	require.Error(t, err)
}
