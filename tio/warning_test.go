package tio

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

// sound is a journal about which there is nothing to say.
func sound() *Journal {
	return &Journal{Transactions: []Transaction{{
		Type: "t", StartDate: "2026-01-31 00:00:00", StopDate: "2026-01-31 23:59:59", Reference: "r",
		Categories: []string{"c"}, Arrows: []Arrow{{Type: "a", Source: Text("me")}},
		Movements: []Movement{{Resource: "cpu", Quantity: "1", Price: "0.0", VAT: "v", Categories: []string{"", "d"}}},
	}}}
}

// check returns the warnings about a journal read from its document, which but for
// the places must be those about the values.
func check(t *testing.T, j *Journal) []Warning {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, Encode(&b, j, WithIndent("\t")))
	warnings, err := Check(&b)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(warnings, j.Warnings(), cmpopts.IgnoreFields(Warning{}, "Line", "Column")))
	for _, w := range warnings {
		require.Positive(t, w.Line, w)
		require.Positive(t, w.Column, w)
	}
	return warnings
}

func TestWarnings(t *testing.T) {
	const transaction, movement = "/journal/transaction[1]", "/journal/transaction[1]/movement[1]"
	tests := []struct {
		name   string
		change func(*Transaction)
		rule   WarningRule
		path   string
	}{
		{"start after stop", func(x *Transaction) { x.StartDate = "2026-02-01 00:00:00" }, DateOrder, transaction + "/stop_date"},
		{"start after stop, node's form", func(x *Transaction) { x.StopDate = "2026-01-30 at 16:58:31" }, DateOrder, transaction + "/stop_date"},
		{"start after stop, day", func(x *Transaction) { x.StopDate = "2026-01-30" }, DateOrder, transaction + "/stop_date"},
		{"start after stop, ISO 8601", func(x *Transaction) { x.StartDate = "2026-02-01T00:00:00.5" }, DateOrder, transaction + "/stop_date"},
		{"start after stop, zones", func(x *Transaction) {
			x.StartDate, x.StopDate = "2026-01-31T00:00:00-02:00", "2026-01-31T01:00:00Z"
		}, DateOrder, transaction + "/stop_date"},
		{"start of no form", func(x *Transaction) { x.StartDate = "yesterday" }, DateForm, transaction + "/start_date"},
		{"stop of no form", func(x *Transaction) { x.StopDate = "2026-02-30 00:00:00" }, DateForm, transaction + "/stop_date"},
		{"arrow from nobody to nobody", func(x *Transaction) { x.Arrows = append(x.Arrows, Arrow{Source: Text("")}) }, EmptyArrow, transaction + "/arrow[2]"},
		{"None as category of a transaction", func(x *Transaction) { x.Categories = []string{"None"} }, NoneText, transaction + "/category"},
		{"empty resource", func(x *Transaction) { x.Movements[0].Resource = "" }, EmptyResource, movement + "/resource"},
		{"None as VAT", func(x *Transaction) { x.Movements[0].VAT = "None" }, NoneText, movement + "/VAT"},
		{"None as category", func(x *Transaction) { x.Movements[0].Categories[1] = "None" }, NoneText, movement + "/category[2]"},
		{"negative", func(x *Transaction) { x.Movements[0].Quantity = "-1e-300" }, NegativeQuantity, movement + "/quantity"},
		{"negative beyond 64 bits", func(x *Transaction) { x.Movements[0].Quantity = "-1e-400" }, NegativeQuantity, movement + "/quantity"},
		{"special", func(x *Transaction) { x.Movements[0].Quantity = " -INF" }, SpecialQuantity, movement + "/quantity"},
		{"not a number", func(x *Transaction) { x.Movements[0].Quantity = "NaN" }, SpecialQuantity, movement + "/quantity"},
		{"too large", func(x *Transaction) { x.Movements[0].Quantity = "3.5e38" }, SingleRange, movement + "/quantity"},
		{"beyond 64 bits", func(x *Transaction) { x.Movements[0].Quantity = "1e400000000" }, SingleRange, movement + "/quantity"},
		{"too small", func(x *Transaction) { x.Movements[0].Quantity = "1e-50" }, SingleRange, movement + "/quantity"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := sound()
			test.change(&j.Transactions[0])
			warnings := check(t, j)
			require.NotEmpty(t, warnings)
			require.Equal(t, test.rule, warnings[0].Rule)
			require.Equal(t, test.path, warnings[0].Path)
			require.NoError(t, j.Validate(), "never an error")
		})
	}
	require.Empty(t, check(t, sound()))
	c := &Consumption{Movements: []Movement{{Resource: "r", Quantity: "1"}, {Resource: "r", Quantity: "1", VAT: "None"}}}
	require.Equal(t, []Warning{{
		Rule: NoneText, Path: "/consumption/movement[2]/VAT", Message: "the text None, likely of an old node that means an empty one",
	}}, c.Warnings())
}

// TestNoWarning are values that look odd and are not.
func TestNoWarning(t *testing.T) {
	tests := map[string]func(*Transaction){
		"no dates":                 func(x *Transaction) { x.StartDate, x.StopDate = "", "" },
		"no start":                 func(x *Transaction) { x.StartDate = "" },
		"one day":                  func(x *Transaction) { x.StartDate, x.StopDate = "2026-01-31", "2026-01-31" },
		"the end of a day":         func(x *Transaction) { x.StopDate = "2026-01-31" },
		"zone of one date unknown": func(x *Transaction) { x.StartDate = "2026-01-31T23:59:59.9Z" },
		"basic form":               func(x *Transaction) { x.StartDate = "20260131T000000Z" },
		"zero":                     func(x *Transaction) { x.Movements[0].Quantity = "-0.0e-999" },
		"one, at length": func(x *Transaction) {
			x.Movements[0].Quantity = Number("1" + strings.Repeat("0", 200_000) + "e-200000")
		},
		"largest in 32 bits": func(x *Transaction) { x.Movements[0].Quantity = "3.4028234e38" },
		"special price":      func(x *Transaction) { x.Movements[0].Price = "INF" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			j := sound()
			change(&j.Transactions[0])
			require.Empty(t, check(t, j))
		})
	}
}

func TestDuplicateReferences(t *testing.T) {
	j := &Journal{}
	for _, reference := range []string{"a", "b", "", "a", "", "a"} {
		x := sound().Transactions[0]
		x.Reference = reference
		j.Transactions = append(j.Transactions, x)
	}
	warnings := check(t, j)
	require.Len(t, warnings, 2)
	require.Equal(t, "line 63, column 14: /journal/transaction[4]/reference: transaction 1 has the reference \"a\" too (duplicate-reference)", warnings[0].String())
	require.Equal(t, "/journal/transaction[6]/reference", warnings[1].Path)

	// What was remembered is still found when there is no room for more.
	var b bytes.Buffer
	require.NoError(t, Encode(&b, j))
	warnings, err := Check(&b, WithMaxReferences(1))
	require.NoError(t, err)
	require.Len(t, warnings, 3)
	require.Equal(t, UncheckedReferences, warnings[0].Rule)
	require.Equal(t, "/journal/transaction[2]/reference", warnings[0].Path)
	require.Equal(t, DuplicateReference, warnings[1].Rule)
	_, err = Check(&b, WithMaxReferences(0))
	require.Error(t, err)
}

func TestWarningsAreCounted(t *testing.T) {
	j := sound()
	for range 9 {
		j.Transactions[0].Movements = append(j.Transactions[0].Movements, Movement{Quantity: "1", Price: "0"})
	}
	var b bytes.Buffer
	require.NoError(t, Encode(&b, j))
	warnings, err := Check(bytes.NewReader(b.Bytes()), WithMaxErrors(4))
	require.NoError(t, err)
	require.Len(t, warnings, 5)
	require.Equal(t, Warning{Rule: MoreWarnings, Message: "5 more"}, warnings[4])

	// A broken document has warnings too.
	broken := bytes.Replace(b.Bytes(), []byte("<price>0.0<"), []byte("<price>x<"), 1)
	warnings, err = Check(bytes.NewReader(broken))
	require.NotNil(t, find(err, string(Float), ""))
	require.Len(t, warnings, 9)
}

// TestWarningsOfRecordedDocuments: the reports of nodes are odd in known ways only.
func TestWarningsOfRecordedDocuments(t *testing.T) {
	want := map[string]string{
		"node-daily-consumption":     "empty-arrow negative-quantity",
		"node-aggregated-partitions": "empty-arrow none-text none-text",
		"negative-quantity":          "negative-quantity",
		"float-special-values":       "special-quantity special-quantity",
		"float-out-of-range":         "single-range single-range",
	}
	for name, rules := range want {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(filepath.Join("testdata/valid", name+".xml"))
			require.NoError(t, err)
			defer f.Close()
			warnings, err := Check(f)
			require.NoError(t, err)
			var got []string
			for _, w := range warnings {
				got = append(got, fmt.Sprint(w.Rule))
			}
			require.Equal(t, rules, strings.Join(got, " "), "%v", warnings)
		})
	}
}
