package tio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestDecodeValues(t *testing.T) {
	got, err := Decode(strings.NewReader(exampleBytes))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(example(), got))
}

// TestErrorPlace checks line, column, path and rule, and that all are told.
func TestErrorPlace(t *testing.T) {
	document := strings.NewReplacer("<currency></currency><payment_mode></payment_mode><category>", "<category>", "</category><arrow", "</category><payment_mode/><arrow", "<quantity>10<", "\n é <quantity>ten<", "<VAT>R&amp;D</VAT>", "\n<vat/>").Replace(exampleBytes)
	_, err := Decode(strings.NewReader(document))
	require.Equal(t, []string{
		`line 1, column 245: /journal/transaction[1]: transaction lacks currency (missing-element)`,
		`line 1, column 245: /journal/transaction[1]/category: category must come after payment_mode (order)`,
		`line 2, column 2: /journal/transaction[1]/movement[1]: movement holds elements only, no text (text)`,
		`line 2, column 14: /journal/transaction[1]/movement[1]/quantity: "ten" is no number (float)`,
		`line 2, column 89: /journal/transaction[1]/movement[2]: movement lacks VAT (missing-element)`,
		`line 3, column 1: /journal/transaction[1]/movement[2]/vat: movement cannot hold vat (unexpected-element)`,
	}, strings.Split(err.Error(), "\n"))
	one, ok := errors.AsType[*Error](err)
	require.True(t, ok)
	require.Equal(t, MissingElement, one.Rule, "the first")
}

// TestStricter are documents that libxml2 accepts and this package does not.
func TestStricter(t *testing.T) {
	body := strings.TrimPrefix(exampleBytes, `<?xml version='1.0' encoding='utf-8'?>`)
	tests := []struct {
		name, document string
		rule           Rule
	}{
		{"exponent without digits", strings.Replace(body, ">10<", ">1e<", 1), Float},
		{"exponent with sign only", strings.Replace(body, ">10<", ">1e+<", 1), Float},
		{"document type", "<!DOCTYPE journal>" + body, Doctype},
		{"internal entity", `<!DOCTYPE journal [<!ENTITY a "b">]>` + strings.Replace(body, "ZZ", "&a;", 1), Doctype},
		{"XML 1.1", `<?xml version="1.1"?>` + body, Version},
		{"32 bits", "\xff\xfe\x00\x00<\x00\x00\x00", Encoding},
		{"32 bits, big-endian", "\x00\x00\xfe\xff\x00\x00\x00<", Encoding},
		{"32 bits without mark", "<\x00\x00\x00j\x00\x00\x00", Encoding},
		{"EBCDIC", "\x4c\x6f\xa7\x94\x93", Encoding},
		{"other encoding", `<?xml version="1.0" encoding="windows-1252"?>` + body, Encoding},
		{"depth", strings.Replace(body, "ZZ", strings.Repeat("<a>", 1000), 1), Limit},
		{"attributes", strings.Replace(body, "<title>", "<title "+attributes(1000)+">", 1), Limit},
		{"long name", strings.Replace(body, "<title>", "<"+strings.Repeat("t", 5000)+">", 1), Limit},
		{"long text", strings.Replace(body, "ZZ", strings.Repeat("z", DefaultMaxText+1), 1), Limit},
		{"attributes together", strings.Replace(body, "<title>", "<title a='"+strings.Repeat("z", 600_000)+"' b='"+strings.Repeat("z", 600_000)+"'>", 1), Limit},
		{"long namespace", strings.Replace(body, "<journal>", "<journal xmlns:p='"+strings.Repeat("z", 5000)+"'>", 1), Limit},
		{"namespaces together", namespaces(150) + namespaces(150), Limit},
		{"texts of a header", strings.Replace(body, "<category></category>", strings.Repeat("<category>"+strings.Repeat("z", 1<<20)+"</category>", 17), 1), Limit},
		{"texts of a movement", strings.Replace(body, "<VAT></VAT>", "<VAT></VAT>"+strings.Repeat("<category>"+strings.Repeat("z", 1<<20)+"</category>", 17), 1), Limit},
		{"types of arrows", strings.Replace(body, "<arrow", strings.Repeat("<arrow type='"+strings.Repeat("z", 1<<20)+"'/>", 17)+"<arrow", 1), Limit},
		{"long attribute", strings.Replace(body, "A &amp; B", strings.Repeat("z", 1<<20+1), 1), Limit},
		{"many arrows", strings.Replace(body, `<arrow type="Destination"/>`, strings.Repeat(`<arrow type=""/>`, DefaultMaxMany), 1), Limit},
		{"many categories", strings.Replace(body, "<category></category>", strings.Repeat("<category/>", DefaultMaxMany+1), 1), Limit},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := find(Validate(strings.NewReader(test.document)), string(test.rule), "")
			require.NotNil(t, e, "%v", Validate(strings.NewReader(test.document)))
			require.Positive(t, e.Line)
			require.Positive(t, e.Column)
		})
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d=""`, i)
	}
	return b.String()
}

// namespaces is a start tag that declares so many.
func namespaces(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` xmlns:p%d="n"`, i)
	}
	return "<journal" + b.String() + ">"
}

// TestEncodingOfInstruction: what a processing instruction at the start says about
// an encoding, as that of a style sheet does, is not about the document.
func TestEncodingOfInstruction(t *testing.T) {
	document := "<?xml-stylesheet encoding='%s'?>" + strings.Replace(strings.TrimPrefix(exampleBytes, `<?xml version='1.0' encoding='utf-8'?>`), "ZZ", "%s", 1)
	for _, encoding := range []string{"iso-8859-1", "us-ascii"} {
		j, err := Decode(strings.NewReader(fmt.Sprintf(document, encoding, "é")))
		require.NoError(t, err)
		require.Equal(t, "é", j.Transactions[0].Movements[0].Title.Value)
		require.NotNil(t, find(Validate(strings.NewReader(fmt.Sprintf(document, encoding, "\xe9"))), string(WellFormedness), ""))
	}
}

// TestShortMessage: a message does not repeat what a document has of any length.
func TestShortMessage(t *testing.T) {
	err := Validate(strings.NewReader("<journal><a xmlns='" + strings.Repeat("n", 1000) + "'/></journal>"))
	e := find(err, string(Namespace), "/journal/a")
	require.NotNil(t, e, "%v", err)
	require.Less(t, len(e.Message), 200)
}

func TestHostileInput(t *testing.T) {
	laughs := `<!DOCTYPE journal [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><journal>&c;</journal>`
	outside := `<!DOCTYPE journal [<!ENTITY a SYSTEM "file:///etc/passwd">]><journal>&a;</journal>`
	tests := map[string]struct {
		document string
		rule     Rule
	}{
		"laughs":                {laughs, Doctype},
		"external entity":       {outside, Doctype},
		"entity without type":   {"<journal>&a;</journal>", WellFormedness},
		"reference after root":  {exampleBytes + "&#32;", WellFormedness},
		"CDATA after root":      {exampleBytes + "<![CDATA[ ]]>", WellFormedness},
		"huge reference":        {"<journal>&#99999999999999999999;</journal>", WellFormedness},
		"surrogate reference":   {"<journal>&#xd800;</journal>", WellFormedness},
		"end of CDATA in text":  {"<journal>]]></journal>", WellFormedness},
		"half of a 16-bit unit": {"\xff\xfe<", WellFormedness},
		"lone surrogate":        {"\xff\xfe<\x00\x00\xd8a\x00", WellFormedness},
		"xmlns redeclared":      {`<journal xmlns:xmlns="a"/>`, WellFormedness},
		"same name twice":       {`<journal xmlns:a="n" xmlns:b="n" a:x="" b:x=""/>`, WellFormedness},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(strings.NewReader(test.document))
			require.NotNil(t, find(err, string(test.rule), ""), "%v", err)
		})
	}
}

func TestLimits(t *testing.T) {
	decode := func(o DecodeOption) error {
		_, err := Decode(strings.NewReader(exampleBytes), o)
		return err
	}
	require.NoError(t, decode(WithMaxBytes(int64(len(exampleBytes)))))
	e := find(decode(WithMaxBytes(int64(len(exampleBytes)-1))), string(Limit), "")
	require.NotNil(t, e)
	require.Greater(t, e.Column, 500, "where the limit was reached")
	require.NotNil(t, find(decode(WithMaxText(3)), string(Limit), "/journal/transaction[1]/title"))
	require.NotNil(t, find(decode(WithMaxMany(1)), string(Limit), "/journal/transaction[1]/arrow[2]"))
	for _, o := range []DecodeOption{WithMaxBytes(0), WithMaxText(-1), WithMaxMany(0), WithMaxErrors(0)} {
		require.Error(t, decode(o))
	}
	bad := strings.ReplaceAll(exampleBytes, "<quantity>", "<quantity>x")
	err := Validate(strings.NewReader(bad), WithMaxErrors(1))
	all, _ := errors.AsType[Errors](err)
	require.Len(t, all, 1)
}

func TestReaderError(t *testing.T) {
	r := func() io.Reader {
		return io.MultiReader(strings.NewReader(exampleBytes[:600]), iotest.ErrReader(errFull))
	}
	_, err := Decode(r())
	require.ErrorIs(t, err, errFull)
	require.ErrorIs(t, Validate(r()), errFull)
	require.ErrorIs(t, Validate(io.MultiReader(strings.NewReader("<journal>\xc3"), iotest.ErrReader(errFull))), errFull, "in the middle of a character")
	var last error
	for x, err := range NewDecoder(r()).Transactions() {
		if last = err; err == nil {
			for _, err := range x.Movements() {
				if err != nil {
					require.EqualError(t, err, "tio: full")
				}
			}
		}
	}
	require.EqualError(t, last, "tio: full")
}

func TestDecoder(t *testing.T) {
	d := NewDecoder(strings.NewReader(exampleBytes))
	var got []Movement
	for x, err := range d.Transactions() {
		require.NoError(t, err)
		require.Equal(t, "reference-of-testjournal", x.Reference)
		require.Len(t, x.Arrows, 2)
		for m, err := range x.Movements() {
			require.NoError(t, err)
			got = append(got, m)
		}
	}
	require.Empty(t, cmp.Diff(example().Transactions[0].Movements, got))
	for _, err := range d.Transactions() {
		require.Error(t, err, "a second time")
	}

	for range NewDecoder(strings.NewReader(exampleBytes)).Transactions() {
		break // leaving early is no error
	}

	// Movements that nobody reads are checked all the same.
	bad := strings.Replace(exampleBytes, "<quantity> 1.50 ", "<quantity>x", 1)
	last := lastError(NewDecoder(strings.NewReader(bad)).Transactions())
	one, ok := errors.AsType[*Error](last)
	require.True(t, ok)
	require.Equal(t, "/journal/transaction[1]/movement[2]/quantity", one.Path)
}

// TestDecoderVerdicts reads all documents by decoder. It answers before the end of
// an element, and so calls missing, at the parent, what may only be late.
func TestDecoderVerdicts(t *testing.T) {
	read := func(t *testing.T, file string) error {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		return lastError(NewDecoder(bytes.NewReader(data)).Transactions())
	}
	eachFixture(t, "valid", func(t *testing.T, file string) { require.NoError(t, read(t, file)) })
	eachFixture(t, "invalid", func(t *testing.T, file string) {
		one, ok := errors.AsType[*Error](read(t, file))
		require.True(t, ok)
		want := expected(t, file)
		if one.Rule == MissingElement && want["rule"] == string(Order) {
			want["rule"], want["path"] = string(MissingElement), path.Dir(want["path"])
		}
		require.Equal(t, want["rule"], string(one.Rule))
		require.Equal(t, want["path"], one.Path)
	})
}

func TestNumber(t *testing.T) {
	valid := map[Number]float64{
		"0": 0, "-0": 0, "+1": 1, "007": 7, "1.": 1, ".5": .5, "-.5": -.5, "1e5": 1e5, "1E-5": 1e-5, "1.e5": 1e5,
		".5e05": .5e5, "1e400": math.Inf(1), "1e-400": 0, " 12.5\n": 12.5, "INF": math.Inf(1), "-INF": math.Inf(-1),
		"14211174517.028572": 14211174517.028572,
	}
	for n, want := range valid {
		require.True(t, n.Valid(), n)
		got, err := n.Float64()
		require.NoError(t, err)
		require.InDelta(t, want, got, 0, n)
	}
	got, err := NotANumber.Float64()
	require.NoError(t, err)
	require.True(t, math.IsNaN(got))
	for _, n := range []Number{
		"", " ", "+INF", "inf", "Infinity", "nan", "-NaN", ".", "-", "e5", ".e5", "1e", "1e+", "1e1.5", "1 000", "1,5",
		"1_000", "0x10", "INF ", "NaN\n", "1f", "12GB", "50%", "$5", "1/2", "true", "\u00a01", "\u0661", "\u22121",
	} {
		require.False(t, n.Valid(), n)
		_, err := n.Float64()
		require.Error(t, err)
	}
	zeros := strings.Repeat("0", 200_000)
	for n, want := range map[Number]float64{
		Number("-0." + zeros + "15e200001"): -1.5, Number("1" + zeros + "e-200000"): 1, Number("1e" + zeros + "5"): 1e5,
		Number("1" + zeros + "e-99999999999"): 0, Number("0." + zeros + "1e99999999999"): math.Inf(1), Number("0." + zeros + "e99999999999"): 0,
	} {
		got, err := n.Float64()
		require.NoError(t, err)
		require.InDelta(t, want, got, 0, "%.20s", n)
	}
	text, err := FormatNumber(76.43714285714287)
	require.NoError(t, err)
	require.Equal(t, Number("76.43714285714287"), text)
	for _, f := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
		_, err := FormatNumber(f)
		require.Error(t, err)
	}
	for _, f := range []float64{1e-7, 1e21, -1, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		n, err := FormatNumber(f)
		require.NoError(t, err)
		require.True(t, n.Valid())
		back, err := n.Float64()
		require.NoError(t, err)
		require.InDelta(t, f, back, 0)
	}
}
