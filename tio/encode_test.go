package tio

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// example is a journal with every part.
func example() *Journal {
	return &Journal{Transactions: []Transaction{{
		Type: "Sale Packing List", Title: Text("TestJournal"), StartDate: "2019-10-07 00:00:00",
		StopDate: "2019-10-07 23:59:59", Reference: "reference-of-testjournal", Categories: []string{""},
		Arrows: []Arrow{{Type: "Destination"}, {Type: "A & B", Source: Text(""), Destination: Text("me")}},
		Movements: []Movement{{
			Resource: "ee", Title: Text("ZZ"), Reference: Text("BB"), Quantity: "10", Price: "0.0", Categories: []string{""},
		}, {Resource: "<r>", Quantity: " 1.50 ", Price: "-1e-07", VAT: "R&D"}},
	}}}
}

// exampleBytes has the byte form of the reference's own builder: no white
// space, both tags for empty texts, one tag for an arrow without ends.
const exampleBytes = `<?xml version='1.0' encoding='utf-8'?><journal><transaction type="Sale Packing List"><title>TestJournal</title>` +
	`<start_date>2019-10-07 00:00:00</start_date><stop_date>2019-10-07 23:59:59</stop_date>` +
	`<reference>reference-of-testjournal</reference><currency></currency><payment_mode></payment_mode><category></category>` +
	`<arrow type="Destination"/><arrow type="A &amp; B"><source></source><destination>me</destination></arrow>` +
	`<movement><resource>ee</resource><title>ZZ</title><reference>BB</reference><quantity>10</quantity><price>0.0</price><VAT></VAT><category></category></movement>` +
	`<movement><resource>&lt;r&gt;</resource><quantity> 1.50 </quantity><price>-1e-07</price><VAT>R&amp;D</VAT></movement>` +
	`</transaction></journal>`

func TestEncodeBytes(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Encode(&b, example()))
	require.Equal(t, exampleBytes, b.String())
}

func TestEncodeAggregatedReportBytes(t *testing.T) {
	want, err := os.ReadFile("testdata/valid/node-aggregated-partitions.xml")
	require.NoError(t, err)
	journal, err := Decode(bytes.NewReader(want))
	require.NoError(t, err)
	var b strings.Builder
	require.NoError(t, Encode(&b, journal, WithoutEncodingName()))
	require.Equal(t, strings.TrimSpace(string(want)), b.String())
}

func TestEncodeIndented(t *testing.T) {
	j := example()
	j.Transactions[0].Movements = j.Transactions[0].Movements[:1]
	var b strings.Builder
	require.NoError(t, Encode(&b, j, WithIndent("  ")))
	require.Contains(t, b.String(), "\n    <arrow type=\"Destination\"/>\n    <arrow type=\"A &amp; B\">\n      <source></source>\n")
	require.True(t, strings.HasSuffix(b.String(), "    </movement>\n  </transaction>\n</journal>\n"))
	back, err := Decode(strings.NewReader(b.String()))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(j, back))
	require.Error(t, Encode(io.Discard, j, WithIndent("x")))
	require.Error(t, Encode(io.Discard, j, WithIndent("")))
}

// TestRoundTrip keeps every value, absence and order of every valid document, in
// both layouts and through the streaming encoder.
func TestRoundTrip(t *testing.T) {
	eachFixture(t, "valid", func(t *testing.T, file string) {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		want, err := Decode(bytes.NewReader(data))
		require.NoError(t, err)
		for _, opts := range [][]EncodeOption{nil, {WithIndent("\t")}} {
			var whole, pieces bytes.Buffer
			require.NoError(t, Encode(&whole, want, opts...))
			require.NoError(t, encodePieces(&pieces, want, opts...))
			require.Equal(t, whole.String(), pieces.String())
			got, err := Decode(&whole)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(want, got))
		}
	})
}

func encodePieces(w io.Writer, j *Journal, opts ...EncodeOption) error {
	e := NewEncoder(w, opts...)
	for i := range j.Transactions {
		if err := e.Transaction(&j.Transactions[i]); err != nil {
			return err
		}
	}
	return e.Close()
}

func TestBuiltValuesThatAreNotValid(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Journal)
		rule   Rule
		path   string
	}{
		{"no transaction", func(j *Journal) { j.Transactions = nil }, MissingElement, "/journal"},
		{"no arrow", func(j *Journal) { j.Transactions[0].Arrows = nil }, MissingElement, "/journal/transaction[1]"},
		{"no movement", func(j *Journal) { j.Transactions[0].Movements = nil }, MissingElement, "/journal/transaction[1]"},
		{"no quantity", func(j *Journal) { j.Transactions[0].Movements[0].Quantity = "" }, Float, "/journal/transaction[1]/movement[1]/quantity"},
		{"price with unit", func(j *Journal) { j.Transactions[0].Movements[1].Price = "$5" }, Float, "/journal/transaction[1]/movement[2]/price"},
		{"control", func(j *Journal) { j.Transactions[0].Reference = "a\x00" }, Character, "/journal/transaction[1]/reference"},
		{"not a character", func(j *Journal) { j.Transactions[0].Movements[0].VAT = "\uffff" }, Character, "/journal/transaction[1]/movement[1]/VAT"},
		{"surrogate", func(j *Journal) { j.Transactions[0].Arrows[1].Source = Text("\xed\xa0\x80") }, Character, "/journal/transaction[1]/arrow[2]/source"},
		{"not UTF-8", func(j *Journal) { j.Transactions[0].Type = "\xff" }, Character, "/journal/transaction[1]"},
		{"second category", func(j *Journal) { j.Transactions[0].Categories = []string{"", "\x01"} }, Character, "/journal/transaction[1]/category[2]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := example()
			test.change(j)
			require.NotNil(t, find(j.Validate(), string(test.rule), test.path), "%v", j.Validate())
			var b strings.Builder
			require.NotNil(t, find(Encode(&b, j), string(test.rule), test.path))
			require.Empty(t, b.String(), "nothing is written")
			require.NotNil(t, find(encodePieces(io.Discard, j), string(test.rule), test.path))
		})
	}
	require.NoError(t, example().Validate())
}

// TestNil is taken for what is empty.
func TestNil(t *testing.T) {
	var j *Journal
	require.ErrorContains(t, Encode(io.Discard, j), "journal lacks transaction")
	require.Empty(t, j.Warnings())
	require.Empty(t, j.Usages())
	totals, err := j.Totals()
	require.NoError(t, err)
	require.Empty(t, totals.ByResource())
	_, err = ParseNodeDay(j)
	require.ErrorContains(t, err, "0 transactions")
	var c *Consumption
	require.ErrorContains(t, EncodeConsumption(io.Discard, c), "consumption lacks movement")
	require.Empty(t, c.Warnings())
	require.Empty(t, Aggregate("c", time.Time{}, []Usage{{"p", c}}).Transactions[0].Movements)
}

func TestConsumption(t *testing.T) {
	const document = `<consumption><movement><resource>r</resource><quantity>1</quantity><price>0</price><VAT/><category>c</category></movement></consumption>`
	want := &Consumption{Movements: []Movement{{Resource: "r", Quantity: "1", Price: "0", Categories: []string{"c"}}}}
	got, err := ParseConsumption(strings.NewReader(document))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got))
	var b strings.Builder
	require.NoError(t, EncodeConsumption(&b, got))
	again, err := ParseConsumption(strings.NewReader(b.String()))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, again))

	require.NotNil(t, find(EncodeConsumption(io.Discard, &Consumption{}), string(MissingElement), "/consumption"))
	refused := []struct {
		document string
		rule     Rule
		path     string
	}{
		{exampleBytes, Root, "/journal"},
		{`<consumption/>`, MissingElement, "/consumption"},
		{`<consumption type=""/>`, UnknownAttribute, "/consumption"},
		{strings.Replace(document, "<price>0</price>", "", 1), MissingElement, "/consumption/movement[1]"},
		{strings.Replace(document, ">1<", ">1,5<", 1), Float, "/consumption/movement[1]/quantity"},
		{strings.Replace(document, "</consumption>", "<transaction/></consumption>", 1), UnexpectedElement, "/consumption/transaction[1]"},
	}
	for _, r := range refused {
		_, err := ParseConsumption(strings.NewReader(r.document))
		require.NotNil(t, find(err, string(r.rule), r.path), "%s: %v", r.document, err)
	}
}

var errFull = errors.New("full")

// fullAfter accepts so many bytes.
type fullAfter int

func (f *fullAfter) Write(p []byte) (int, error) {
	if len(p) > int(*f) {
		return int(*f), errFull
	}
	*f -= fullAfter(len(p))
	return len(p), nil
}

func TestEncoderKeepsItsError(t *testing.T) {
	room := fullAfter(10)
	require.ErrorIs(t, Encode(&room, example()), errFull)

	room = 20 << 10
	e := NewEncoder(&room)
	require.NoError(t, e.Open(&example().Transactions[0]))
	one := &Movement{Quantity: "1", Price: "0"}
	var err error
	for range 10000 {
		if err = e.Movement(one); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, errFull)
	require.ErrorIs(t, e.CloseTransaction(), errFull)
	require.ErrorIs(t, e.Close(), errFull)
	require.Error(t, NewEncoder(io.Discard, WithIndent("x")).Close())
}

// TestEncoderOrder calls the methods in an order that makes no document.
func TestEncoderOrder(t *testing.T) {
	whole, one := &example().Transactions[0], &Movement{Quantity: "1", Price: "0"}
	e := NewEncoder(io.Discard)
	require.Error(t, e.Movement(one), "no transaction is open")
	require.Error(t, e.CloseTransaction())
	require.NoError(t, e.Open(whole), "wrong order is no lasting error")
	require.Error(t, e.Open(whole), "one is open")
	require.Error(t, e.Close(), "one is open")
	require.NoError(t, e.Movement(one))
	require.NoError(t, e.CloseTransaction())
	require.NoError(t, e.Close())
	require.Error(t, e.Close(), "closed")
	require.Error(t, e.Open(whole), "closed")

	empty := NewEncoder(io.Discard)
	require.NoError(t, empty.Open(whole))
	require.NotNil(t, find(empty.CloseTransaction(), string(MissingElement), "/journal/transaction[1]"))
	require.NotNil(t, find(NewEncoder(io.Discard).Close(), string(MissingElement), "/journal"))
}
