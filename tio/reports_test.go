package tio

import (
	"bytes"
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
	require.Len(t, Aggregate("COMP-7", at, []Usage{{Partition: "slappart1"}, {"slappart0", &Consumption{Movements: []Movement{movement}}}}).Transactions[0].Movements, 1)
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

// TestUsages takes journals apart and puts them together again.
func TestUsages(t *testing.T) {
	at := time.Date(2026, 1, 31, 1, 2, 3, 0, time.UTC)
	usages := []Usage{
		{"p1", &Consumption{Movements: []Movement{
			{Resource: "cpu", Reference: Text("p1"), Quantity: "1", Price: "0.0", VAT: "None"},
			{Resource: "memory", Reference: Text("p1"), Quantity: " 1.50", Price: "0.0", Categories: []string{""}},
		}}},
		{"p0", &Consumption{Movements: []Movement{{Resource: "cpu", Reference: Text("p0"), Quantity: "2", Price: "0.0"}}}},
	}
	j := Aggregate("COMP-1", at, usages)
	require.Empty(t, cmp.Diff(usages, j.Usages()))

	// Movements of one partition may be anywhere.
	j.Transactions = append(j.Transactions, Transaction{Movements: []Movement{{Resource: "disk", Reference: Text("p1")}, {Resource: "x"}}})
	got := j.Usages()
	require.Len(t, got, 3)
	require.Len(t, got[0].Report.Movements, 3)
	require.Equal(t, "", got[2].Partition)
	require.Nil(t, new(Journal).Usages())
}

// TestNodeDay reads the daily report that a node recorded and writes its bytes.
func TestNodeDay(t *testing.T) {
	document, err := os.ReadFile("testdata/valid/node-daily-consumption.xml")
	require.NoError(t, err)
	j, err := Decode(bytes.NewReader(document))
	require.NoError(t, err)
	day, err := ParseNodeDay(j)
	require.NoError(t, err)
	require.Equal(t, "COMP-7", day.Computer)
	require.Equal(t, Number("31.25"), day.CPUPercent)
	require.Equal(t, Number("2147483648.0"), day.MemoryBytes)
	require.Equal(t, Number("-1"), day.ZeroEmission)
	require.NotEmpty(t, day.Users)
	require.Equal(t, UserDay{User: "slapuser0", CPUPercent: "3.125", MemoryMiB: "512.0", DiskUsed: day.Users[0].DiskUsed}, day.Users[0])
	var b bytes.Buffer
	require.NoError(t, Encode(&b, day.Journal()))
	require.Equal(t, strings.TrimSpace(string(document)), b.String())
}

// TestNodeDayOrder: lines of users come grouped by what they are about, and nothing is
// written where there is no data.
func TestNodeDayOrder(t *testing.T) {
	report := &NodeDay{
		Computer: "COMP-1", Day: day(2026, 1, 31), CPUPercent: "76.43714285714287",
		Users: []UserDay{{User: "u0", CPUPercent: "1", DiskUsed: "4"}, {User: "u1", CPUPercent: "2", MemoryMiB: "3"}},
	}
	j := report.Journal()
	var lines []string
	for _, m := range j.Transactions[0].Movements {
		lines = append(lines, strings.Join([]string{m.Resource, m.Title.Value, m.Reference.Value, string(m.Quantity)}, "|"))
	}
	require.Equal(t, []string{
		"service_module/cpu_load_percent|CPU Load Percent Average|COMP-1|76.43714285714287",
		"service_module/zero_emission_ratio|Zero Emission Ratio|COMP-1|-1",
		"service_module/cpu_load_percent|CPU Load Percent Average for u0|u0|1",
		"service_module/cpu_load_percent|CPU Load Percent Average for u1|u1|2",
		"service_module/memory_used|Memory Used Average for u1|u1|3",
		"service_module/disk_used|Partition Disk Used Average for u0|u0|4",
	}, lines)
	require.NoError(t, j.Validate())
	back, err := ParseNodeDay(j)
	require.NoError(t, err)
	report.ZeroEmission = "-1"
	require.Empty(t, cmp.Diff(report, back))
}

func TestParseNodeDayRefuses(t *testing.T) {
	tests := map[string]func(*Journal){
		"no transaction":     func(j *Journal) { j.Transactions = nil },
		"two transactions":   func(j *Journal) { j.Transactions = append(j.Transactions, j.Transactions[0]) },
		"another title":      func(j *Journal) { j.Transactions[0].Title = Text("Eco Information for x") },
		"no title":           func(j *Journal) { j.Transactions[0].Title = Optional{} },
		"another reference":  func(j *Journal) { j.Transactions[0].Reference = "2026-01-31" },
		"no date":            func(j *Journal) { j.Transactions[0].Reference = "x-global" },
		"another day":        func(j *Journal) { j.Transactions[0].StopDate = "2026-02-01 23:59:59" },
		"unknown resource":   func(j *Journal) { j.Transactions[0].Movements[0].Resource = "x" },
		"unknown title":      func(j *Journal) { j.Transactions[0].Movements[0].Title = Text("x") },
		"a price":            func(j *Journal) { j.Transactions[0].Movements[0].Price = "0.01" },
		"VAT":                func(j *Journal) { j.Transactions[0].Movements[0].VAT = "20%" },
		"a category":         func(j *Journal) { j.Transactions[0].Movements[0].Categories = []string{"", "c"} },
		"a movement doubled": func(j *Journal) { x := &j.Transactions[0]; x.Movements = append(x.Movements, x.Movements[0]) },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			j := (&NodeDay{Computer: "c", Day: day(2026, 1, 31), CPUPercent: "1"}).Journal()
			_, err := ParseNodeDay(j)
			require.NoError(t, err)
			change(j)
			_, err = ParseNodeDay(j)
			require.ErrorIs(t, err, errNotDaily)
		})
	}
}

func day(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
