package tio

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode looks for panics, for errors without place, and for documents that
// change on their way through the encoder.
func FuzzDecode(f *testing.F) {
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
		var b bytes.Buffer
		if err := Encode(&b, journal); err != nil {
			t.Fatal(err)
		}
		again, err := Decode(&b)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(journal, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzParseConsumption does the same for reports of partitions.
func FuzzParseConsumption(f *testing.F) {
	f.Add([]byte(`<consumption><movement><resource>r</resource><quantity>1</quantity><price>0</price><VAT/></movement></consumption>`))
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
