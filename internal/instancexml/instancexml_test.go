package instancexml

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

func TestHostileDocuments(t *testing.T) {
	for name, text := range map[string]string{
		"depth":         strings.Repeat("<a>", maxDepth+1),
		"entities":      `<!DOCTYPE i [<!ENTITY e "&e;">]><instance><parameter id="a">&e;</parameter></instance>`,
		"entity in id":  `<instance><parameter id="&e;">b</parameter></instance>`,
		"not UTF-8":     "<instance>\xff</instance>",
		"parameter end": `<instance><parameter id="a">b`,
	} {
		_, err := Decode(text)
		require.Error(t, err, name)
		require.ErrorContains(t, err, "instance document", name)
	}
}

func TestDeepMarkupInAParameter(t *testing.T) {
	got, err := Decode(`<instance><parameter id="a">b<parameter id="c">d</parameter></parameter></instance>`)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": "b"}, got)
}

func TestHashOfNatives(t *testing.T) {
	require.Equal(t, Hash(map[string]any{"a": marshal.NewList("b", int64(1))}), Hash(map[string]any{"a": []any{"b", 1}}))
	require.NotEqual(t, Hash(map[string]any{"a": nil}), Hash(map[string]any{"a": ""}))
	require.Equal(t, Hash(nil), Hash(map[string]any{}))
}

// FuzzDecode checks that what is read is written and read the same, but for
// empty texts, which become null.
func FuzzDecode(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.XML != nil {
			f.Add(*v.XML)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, err := Decode(text)
		if err != nil {
			return
		}
		for key, value := range first {
			// Null is written as the text None.
			if value == nil {
				delete(first, key)
			}
		}
		written, err := Encode(first)
		require.NoError(t, err)
		second, err := Decode(written)
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.Equal(t, Hash(first), Hash(second))
	})
}

// FuzzEncode checks that every text comes back as it was, but for the empty
// one.
func FuzzEncode(f *testing.F) {
	f.Add("k", "v")
	f.Add("<\"&'>\n\t\r", "<\"&'>\n\t\r")
	f.Fuzz(func(t *testing.T, key, value string) {
		text, err := Encode(map[string]any{key: value})
		if err != nil {
			require.ErrorIs(t, err, marshal.ErrText)
			return
		}
		got, err := Decode(text)
		require.NoError(t, err)
		if value == "" {
			require.Equal(t, map[string]any{key: nil}, got)
			return
		}
		require.Equal(t, map[string]any{key: value}, got)
	})
}

func parameters(n int) map[string]any {
	p := map[string]any{}
	for i := range n {
		p[fmt.Sprint("parameter-", i)] = fmt.Sprintf("http://[fd00::%x]:8080/?a=1&b=2", i)
	}
	return p
}

func BenchmarkEncode20(b *testing.B) {
	p := parameters(20)
	b.ReportAllocs()
	for b.Loop() {
		text, err := Encode(p)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(text)))
	}
}

func BenchmarkDecode20(b *testing.B) {
	text, err := Encode(parameters(20))
	require.NoError(b, err)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(text); err != nil {
			b.Fatal(err)
		}
	}
}
