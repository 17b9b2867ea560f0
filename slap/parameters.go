package slap

import (
	"maps"
	"slices"

	"github.com/slapos/slapos-go/internal/marshal"
)

// Parameters is a dictionary of instance parameters, connection parameters or
// filters. Values to send may be nil, bool, int, int64, *big.Int, float64,
// string, []byte, []string, []any, map[string]any, map[string]string and
// Parameters. Values received are nil, bool, int64, *big.Int, float64,
// string, []any and map[string]any; a stand-alone master stores everything as
// text, so that 3 comes back as "3", and the empty text as nil.
//
// [Parameters.Decode] turns them into a Go struct and [EncodeParameters] and
// [EncodeJSONParameters] do the reverse; Text, Int, Float, Bool and JSON read
// one parameter. All of them look through what a stand-alone master made of a
// value. Their errors name the parameter and the types, never the value.
type Parameters map[string]any

// String returns the parameter as text: text itself, and everything else in its
// Python notation. It is false if the parameter is missing or null.
// [Parameters.Text] says the same with an error.
func (p Parameters) String(key string) (string, bool) {
	v, ok := p[key]
	if !ok || v == nil {
		return "", false
	}
	return marshal.Str(plain(v)), true
}

// Keys returns the names of the parameters, sorted.
func (p Parameters) Keys() []string { return slices.Sorted(maps.Keys(p)) }

// Clone returns a copy that shares the values.
func (p Parameters) Clone() Parameters {
	if p == nil {
		return Parameters{}
	}
	return maps.Clone(p)
}

// plain turns the types of this package into those the codec knows.
func plain(v any) any {
	switch v := v.(type) {
	case Parameters:
		return plainMap(v)
	case map[string]any:
		return plainMap(v)
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = plain(item)
		}
		return out
	case State:
		return string(v)
	}
	return v
}

func plainMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = plain(v)
	}
	return out
}
