package slap

import (
	"fmt"
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

// errDeep is a value that no codec can write, such as one that contains itself.
var errDeep = fmt.Errorf("values nested more than %d deep", marshal.MaxDepth)

// plain turns the types of this package into those the codecs know. What is nested
// too deep stays as it is.
func plain(v any) any {
	p, err := plainWithin(v, 0)
	if err != nil {
		return v
	}
	return p
}

// plainWithin is plain for a value inside others, and fails with errDeep.
func plainWithin(v any, depth int) (any, error) {
	if depth > marshal.MaxDepth {
		return nil, errDeep
	}
	switch v := v.(type) {
	case Parameters:
		return plainMap(v, depth)
	case map[string]any:
		return plainMap(v, depth)
	case []any:
		out := make([]any, len(v))
		var err error
		for i, item := range v {
			if out[i], err = plainWithin(item, depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case State:
		return string(v), nil
	}
	return v, nil
}

func plainMap(m map[string]any, depth int) (map[string]any, error) {
	out := make(map[string]any, len(m))
	var err error
	for k, v := range m {
		if out[k], err = plainWithin(v, depth+1); err != nil {
			return nil, err
		}
	}
	return out, nil
}
