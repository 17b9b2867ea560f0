package tio

import (
	"bytes"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// addDocuments gives the recorded documents to a fuzz target.
func addDocuments(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("testdata/*/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatal("no documents", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, seed := range extraSeeds {
		f.Add([]byte(seed))
	}
}

// FuzzDecode looks for panics, for errors without place, and for documents that
// change on their way through the encoder, in either layout.
func FuzzDecode(f *testing.F) {
	addDocuments(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		journal, err := Decode(bytes.NewReader(data))
		if err != nil {
			list, ok := err.(Errors)
			if !ok || len(list) == 0 {
				t.Fatalf("not a list of broken rules: %v", err)
			}
			for _, e := range list {
				if e.Line < 1 || e.Column < 1 || e.Rule == "" || e.Message == "" {
					t.Fatalf("an error without place: %#v", e)
				}
			}
			return
		}
		for _, opts := range [][]EncodeOption{nil, {WithIndent(" ")}} {
			var b bytes.Buffer
			if err := Encode(&b, journal, opts...); err != nil {
				t.Fatal(err)
			}
			again, err := Decode(&b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(journal, again); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// FuzzStreams compares all ways to read a document with Decode: the same verdict,
// movements, warnings and totals.
func FuzzStreams(f *testing.F) {
	addDocuments(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		journal, want := Decode(bytes.NewReader(data))
		agree := func(what string, err error) {
			if (err == nil) != (want == nil) {
				t.Fatalf("%s: %v, but Decode: %v", what, err, want)
			}
		}
		agree("Validate", Validate(bytes.NewReader(data)))
		warnings, err := Check(bytes.NewReader(data))
		agree("Check", err)
		exact := Totals{Exact: true}
		agree("Totals", exact.Read(bytes.NewReader(data)))
		var read []Movement
		err = nil
		for x, one := range NewDecoder(bytes.NewReader(data)).Transactions() {
			if err = one; err == nil {
				for m, one := range x.Movements() {
					if one == nil {
						read = append(read, m)
					}
				}
			}
		}
		agree("Decoder", err)
		if want != nil {
			return
		}
		var movements []Movement
		for _, x := range journal.Transactions {
			movements = append(movements, x.Movements...)
		}
		var all Totals
		if err := all.AddJournal(journal); err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, p := range exact.ByPartition() {
			for _, r := range p.Resources {
				count += r.Quantity.Movements
			}
		}
		if count != len(movements) || len(all.ByReference()) != len(exact.ByReference()) {
			t.Fatal("the totals are not of all movements")
		}
		if diff := cmp.Diff(movements, read); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(journal.Warnings(), warnings, cmpopts.IgnoreFields(Warning{}, "Line", "Column")); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzEncode builds values of any text: they are refused, or come back as they are,
// but for line ends of texts, which nothing changes either.
func FuzzEncode(f *testing.F) {
	f.Add("a", "b", " 1.5\n", "]]>&<\r\n\t\"'", true)
	f.Fuzz(func(t *testing.T, kind, text, number, other string, present bool) {
		j := &Journal{Transactions: []Transaction{{
			Type: kind, Title: Optional{text, present || text != ""}, StartDate: other, StopDate: text, Reference: kind, Currency: other, PaymentMode: text,
			Categories: []string{other, kind}, Arrows: []Arrow{{Type: text, Source: Text(other)}, {Type: other, Destination: Text(kind)}},
			Movements: []Movement{{Resource: text, Reference: Text(other), Quantity: Number(number), Price: "0.0", VAT: kind}},
		}}}
		var b bytes.Buffer
		if err := Encode(&b, j); err != nil {
			if j.Validate() == nil {
				t.Fatal("valid and not written", err)
			}
			return
		}
		back, err := Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(j, back); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzNumber compares the values of a number with those of math/big.
func FuzzNumber(f *testing.F) {
	for _, n := range []string{"1", "-1.50", ".5e-3", "1e400000000", "NaN", "INF ", "0e99999999999", "1e"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n := Number(text)
		value, floatErr := n.Float64()
		exact, ratErr := n.Rat()
		if n.Valid() != (floatErr == nil) || !n.Valid() && ratErr == nil {
			t.Fatal(n.Valid(), floatErr, ratErr)
		}
		if ratErr != nil {
			return
		}
		if want, ok := new(big.Rat).SetString(n.trim()); ok && want.Cmp(exact) != 0 {
			t.Fatalf("%s instead of %s", exact, want)
		}
		if near, _ := exact.Float64(); near != value {
			t.Fatalf("%v instead of %v", value, near)
		}
		d, ok := n.decimal()
		back, err := d.number().Rat()
		if !ok || err != nil || back.Cmp(exact) != 0 {
			t.Fatalf("%s written as %s: %v", exact, d.number(), err)
		}
	})
}

// FuzzDate: what is a date in one of the forms is one when it is written again.
func FuzzDate(f *testing.F) {
	for _, form := range dateForms {
		f.Add(form.layout)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := parseDate(text)
		if !ok {
			return
		}
		again, ok := parseDate(d.time.Format("2006-01-02T15:04:05.999999999Z07:00"))
		if d.time.Year() <= 9999 && (!ok || !again.time.Truncate(time.Second).Equal(d.time.Truncate(time.Second))) && !oddZone(d.time) {
			t.Fatal(d, again)
		}
	})
}

// oddZone tells whether the offset has seconds or is of a day and more.
func oddZone(at time.Time) bool {
	_, offset := at.Zone()
	return offset%60 != 0 || offset >= 24*3600 || offset <= -24*3600
}

// FuzzNodeDay: a daily report that is understood is written as it was.
func FuzzNodeDay(f *testing.F) {
	addDocuments(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := Decode(bytes.NewReader(data))
		if err != nil {
			return
		}
		day, err := ParseNodeDay(j)
		if err != nil {
			return
		}
		again, err := ParseNodeDay(day.Journal())
		if err != nil {
			t.Fatal(err)
		}
		if day.ZeroEmission == "" {
			day.ZeroEmission = noZeroEmission
		}
		if diff := cmp.Diff(day, again, cmpopts.SortSlices(func(a, b UserDay) bool { return strings.Compare(a.User, b.User) < 0 })); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzParseConsumption does the same for reports of partitions.
func FuzzParseConsumption(f *testing.F) {
	addDocuments(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		report, err := ParseConsumption(bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := EncodeConsumption(&b, report); err != nil {
			t.Fatal(err)
		}
		again, err := ParseConsumption(&b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(report, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
