package pytext

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

func big10(digits string) *big.Int {
	n, _ := new(big.Int).SetString(digits, 10)
	return n
}

var equal = cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })

func TestParse(t *testing.T) {
	for text, want := range map[string]any{
		`None`: nil, `null`: nil, ` True `: true, `false`: false, `3`: int64(3), `-4`: int64(-4), `1.0`: 1.0, `1e16`: 1e16,
		`12345678901234567890`: big10("12345678901234567890"), `'a'`: "a", `"a"`: "a", `inf`: math.Inf(1), `[-inf]`: []any{math.Inf(-1)},
		`[1, 'a', None]`: []any{int64(1), "a", nil}, `[1, "a", null]`: []any{int64(1), "a", nil}, `()`: []any{}, `(1,)`: []any{int64(1)},
		`('a')`: "a", `(1, 2)`: []any{int64(1), int64(2)}, `[1,]`: []any{int64(1)},
		`{'a': {'b': [True]}, 1: 'x', (1, 2): 0}`: map[string]any{"a": map[string]any{"b": []any{true}}, "1": "x", "[1, 2]": int64(0)},
		`{"a": "\u00e9\ud83d\ude00"}`:             map[string]any{"a": "é😀"},
		`'\\ \' " \n\t\xe9\u20ac\U0001f600'`:      "\\ ' \" \n\té€😀",
		`{}`:                                      map[string]any{}, `[]`: []any{},
	} {
		got, err := Parse(text)
		require.NoError(t, err, text)
		require.Empty(t, cmp.Diff(want, got, equal), text)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		``, `secret`, `'secret`, `"secret`, `[1`, `[1 2]`, `{'secret'}`, `{'a': }`, `{'a' 1}`, `{'a': 1`, `(`, `1 2`, `0x10`, `1_000`, `+`, `--`, `1.2.3`,
		`'\q'`, `'\x4'`, `'\ud800'`, `'\U00110000'`, `'\`, "'a\nb'", `b'secret'`, `1e999`, `[,]`, `infinity`, `1j`,
		strings.Repeat("9", 5000), strings.Repeat("[", 100000), strings.Repeat("[", 300) + strings.Repeat("]", 300), `{"a": 1} {"secret": 2}`,
		strings.Repeat(`{'a':`, 100000),
	} {
		_, err := Parse(text)
		require.Error(t, err, "%.40s", text)
		require.NotContains(t, err.Error(), "secret")
		require.Less(t, len(err.Error()), 200)
	}
}

// The wanted texts were written by Python 3: json.dumps(value, sort_keys=True).
func TestAppendJSON(t *testing.T) {
	type inner struct {
		Z int     `json:"z"`
		A float64 `json:"a"`
	}
	for _, test := range []struct {
		value any
		want  string
	}{
		{map[string]any{"b": []any{int64(1), "a", nil, true}, "a": map[string]any{}}, `{"a": {}, "b": [1, "a", null, true]}`},
		{"é€😀 <&> \"\\/ \n\r\t\b\f\x00\x1f\x7f\u2028", `"\u00e9\u20ac\ud83d\ude00 <&> \"\\/ \n\r\t\b\f\u0000\u001f\u007f\u2028"`},
		{[]any{1.0, 1.5, 1e16, 1e22, 1e-5, 0.0001, math.Copysign(0, -1), 123456789.125}, `[1.0, 1.5, 1e+16, 1e+22, 1e-05, 0.0001, -0.0, 123456789.125]`},
		{[]any{3, int64(-4), big10("12345678901234567890")}, `[3, -4, 12345678901234567890]`},
		{inner{Z: 1, A: 1.5}, `{"a": 1.5, "z": 1}`},
		{[]string{"b", "a"}, `["b", "a"]`},
		{map[string]string{"é": "x", "z": "y"}, `{"z": "y", "\u00e9": "x"}`},
		{[]any(nil), `null`}, {map[string]any(nil), `null`}, {(*big.Int)(nil), `null`},
		{json.RawMessage(`{"b":1,"a":1.50}`), `{"a": 1.5, "b": 1}`},
	} {
		got, err := AppendJSON(nil, test.value)
		require.NoError(t, err)
		require.Equal(t, test.want, string(got))
	}
	deep := any(nil)
	for range 300 {
		deep = []any{deep}
	}
	for _, bad := range []any{math.NaN(), math.Inf(1), "\xff", make(chan int), deep, []any{math.NaN()}, map[string]any{"a": "\xff"}, map[string]any{"\xff": 1}} {
		_, err := AppendJSON(nil, bad)
		require.Error(t, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{`[1, 'a', None]`, `{"a": [1.5, true]}`, `{'k': ('x', -1e5), 2: "é\n"}`, `'\x41'`, `inf`, `((((`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse(text)
		if err != nil {
			return
		}
		// What was read is read again from both notations.
		again, err := ParseLiteral(marshal.Repr(v))
		if err == nil {
			require.Equal(t, marshal.Repr(v), marshal.Repr(again))
		}
		written, err := AppendJSON(nil, v)
		if err != nil {
			return
		}
		back, err := ParseJSON(string(written))
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(v, back, equal))
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	value := map[string]any{}
	for _, key := range strings.Fields("url user password port backend-url monitor-setup-url cors log-access-url") {
		value[key] = []any{key, int64(1), 1.5, true}
	}
	for b.Loop() {
		if _, err := AppendJSON(nil, value); err != nil {
			b.Fatal(err)
		}
	}
}
