package tio

import (
	"bytes"
	"io"
	"testing"
)

// month is a journal of 1000 movements, with its document.
func month(b *testing.B) (*Journal, []byte) {
	j := example()
	x := &j.Transactions[0]
	for len(x.Movements) < 1000 {
		x.Movements = append(x.Movements, x.Movements[0])
	}
	var out bytes.Buffer
	if err := Encode(&out, j); err != nil {
		b.Fatal(err)
	}
	return j, out.Bytes()
}

func BenchmarkDecode(b *testing.B) {
	_, document := month(b)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(bytes.NewReader(document)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	_, document := month(b)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Validate(bytes.NewReader(document)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	j, document := month(b)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Encode(io.Discard, j); err != nil {
			b.Fatal(err)
		}
	}
}
