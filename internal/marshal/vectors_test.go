package marshal

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// vector is one line of the recorded behaviour of the reference.
type vector struct {
	ID            string  `json:"id"`
	Direction     string  `json:"direction"`
	Value         *tagged `json:"value"`
	Marshalled    *string `json:"marshalled"`
	MarshalledHex string  `json:"marshalled_hex"`
	ReloadsAs     *tagged `json:"reloads_as"`
	Error         string  `json:"error"`
}

// tagged is a value with its type.
type tagged struct {
	T          string               `json:"t"`
	V          json.RawMessage      `json:"v"`
	Name       string               `json:"name"`
	Class      string               `json:"class"`
	InitArgs   []tagged             `json:"initargs"`
	Attributes [][2]json.RawMessage `json:"attributes"`
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.Open("testdata/marshal_vectors.jsonl")
	require.NoError(t, err)
	defer file.Close()
	var all []vector
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var v vector
		require.NoError(t, json.Unmarshal(lines.Bytes(), &v))
		all = append(all, v)
	}
	require.NoError(t, lines.Err())
	require.Len(t, all, 527)
	return all
}

func (v vector) document(t testing.TB) []byte {
	if v.MarshalledHex != "" {
		data, err := hex.DecodeString(v.MarshalledHex)
		require.NoError(t, err)
		return data
	}
	require.NotNil(t, v.Marshalled)
	return []byte(*v.Marshalled)
}

// builder turns tagged values into values of this package.
type builder struct {
	t     testing.TB
	named map[string]any
}

func build(t testing.TB, g *tagged) any {
	return (&builder{t, map[string]any{}}).build(*g)
}

func (b *builder) raw(m json.RawMessage) any {
	var g tagged
	require.NoError(b.t, json.Unmarshal(m, &g))
	return b.build(g)
}

func (b *builder) text(m json.RawMessage) string {
	var s string
	require.NoError(b.t, json.Unmarshal(m, &s))
	if strings.ContainsRune(s, '\uFFFD') && strings.Contains(string(m), `\ud`) {
		// A lone surrogate, which a Go text can only hold as bytes that are
		// not UTF-8.
		return "\xed\xa0\x80"
	}
	return s
}

func (b *builder) items(m json.RawMessage) []any {
	var all []json.RawMessage
	require.NoError(b.t, json.Unmarshal(m, &all))
	items := []any{}
	for _, item := range all {
		items = append(items, b.raw(item))
	}
	return items
}

func (b *builder) name(g tagged, v any) {
	if g.Name != "" {
		b.named[g.Name] = v
	}
}

func (b *builder) build(g tagged) any {
	switch g.T {
	case "none":
		return nil
	case "bool":
		return string(g.V) == "true"
	case "int":
		n, ok := new(big.Int).SetString(b.text(g.V), 10)
		require.True(b.t, ok)
		if n.IsInt64() {
			return n.Int64()
		}
		return n
	case "float":
		f, err := strconv.ParseFloat(b.text(g.V), 64)
		require.NoError(b.t, err)
		return f
	case "str":
		return b.text(g.V)
	case "bytes":
		return []byte(b.text(g.V))
	case "bytes_hex":
		data, err := hex.DecodeString(b.text(g.V))
		require.NoError(b.t, err)
		return data
	case "list":
		l := &List{}
		b.name(g, l)
		l.Items = b.items(g.V)
		return l
	case "set":
		s := &Set{}
		b.name(g, s)
		s.Items = b.items(g.V)
		return s
	case "tuple":
		return Tuple(b.items(g.V))
	case "dict":
		d := NewDict()
		b.name(g, d)
		var pairs [][2]json.RawMessage
		require.NoError(b.t, json.Unmarshal(g.V, &pairs))
		for _, p := range pairs {
			require.NoError(b.t, d.SetAny(b.raw(p[0]), b.raw(p[1])))
		}
		return d
	case "complex":
		var parts [2]string
		require.NoError(b.t, json.Unmarshal(g.V, &parts))
		re, _ := strconv.ParseFloat(parts[0], 64)
		im, _ := strconv.ParseFloat(parts[1], 64)
		return complex(re, im)
	case "same":
		return b.named[g.Name]
	case "object":
		o := &Object{Module: Module, Class: g.Class, State: NewDict()}
		b.name(g, o)
		o.Args = Tuple{}
		for _, a := range g.InitArgs {
			o.Args = append(o.Args, b.build(a))
		}
		for _, a := range g.Attributes {
			o.State.Set(b.text(a[0]), b.raw(a[1]))
		}
		return o
	}
	b.t.Fatalf("unknown tag %q", g.T)
	return nil
}

// shower turns a value into one that can be compared as text: containers are
// numbered in order of appearance.
type shower struct{ seen map[any]int }

func shown(t testing.TB, v any) string {
	text, err := json.Marshal((&shower{map[any]int{}}).show(v))
	require.NoError(t, err)
	return string(text)
}

func (s *shower) show(v any) any {
	switch v := v.(type) {
	case *List:
		if n, ok := s.once(v); ok {
			return n
		}
		return []any{"list", s.all(v.Items)}
	case *Set:
		return []any{"set", s.all(v.Items)}
	case Tuple:
		return []any{"tuple", s.all(v)}
	case *Dict:
		if n, ok := s.once(v); ok {
			return n
		}
		out := []any{"dict"}
		for _, p := range sortPairs(v.pairs) {
			out = append(out, []any{s.show(p.Key), s.show(p.Value)})
		}
		return out
	case *Object:
		if n, ok := s.once(v); ok {
			return n
		}
		return []any{"object", v.Class, s.show(v.Attributes())}
	case []byte:
		return string(v)
	case *big.Int:
		return v.String()
	case complex128:
		return complexText(v)
	case float64:
		if math.IsNaN(v) {
			return "nan"
		}
		return FloatText(v)
	}
	return v
}

func (s *shower) once(v any) (any, bool) {
	if n, ok := s.seen[v]; ok {
		return []any{"same", n}, true
	}
	s.seen[v] = len(s.seen)
	return nil, false
}

func (s *shower) all(items []any) []any {
	out := []any{}
	for _, item := range items {
		out = append(out, s.show(item))
	}
	return out
}

func TestVectorsOfTheReference(t *testing.T) {
	for _, v := range readVectors(t) {
		t.Run(v.ID, func(t *testing.T) {
			if v.Direction == "load" {
				checkLoad(t, v)
			} else {
				checkDump(t, v)
			}
		})
	}
}

// moreLiberal are documents that the reference refuses and that are read here,
// with the reason.
var moreLiberal = map[string]string{
	"object-load-004":     "a null state is what its own writer produces",
	"new-object-load-004": "a null state is what its own writer produces",
}

func checkLoad(t *testing.T, v vector) {
	got, err := Unmarshal(v.document(t))
	if v.Error != "" && moreLiberal[v.ID] == "" {
		require.Error(t, err, "the reference raises %s", v.Error)
		return
	}
	require.NoError(t, err)
	if v.Value != nil {
		require.Equal(t, shown(t, build(t, v.Value)), shown(t, got))
	}
}

func checkDump(t *testing.T, v vector) {
	if v.Value == nil {
		t.Skip("a value that exists in Python only")
	}
	value := build(t, v.Value)
	data, err := Marshal(value)
	if v.Marshalled == nil {
		require.Error(t, err, "the reference raises %s", v.Error)
		require.Nil(t, data)
		return
	}
	require.NoError(t, err)
	require.Equal(t, *v.Marshalled, string(data))

	got, err := Unmarshal(data)
	require.NoError(t, err)
	require.Equal(t, shown(t, value), shown(t, got))
	again, err := Marshal(got)
	require.NoError(t, err)
	require.Equal(t, string(data), string(again))
}
