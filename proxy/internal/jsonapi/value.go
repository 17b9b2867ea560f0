package jsonapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/pytext"
)

// Limits of a text that is read.
const (
	// maxDepth bounds how deep values nest.
	maxDepth = 100
	// maxValues bounds how many values there are, keys not counted.
	maxValues = 1 << 19
)

// Errors of Read.
var (
	// ErrSyntax tells that a text is no JSON.
	ErrSyntax = errors.New("no JSON")
	// ErrLimit is wrapped by the error for JSON that is not accepted.
	ErrLimit = errors.New("JSON that is not accepted")
)

// Read reads a JSON text. Of equal keys in an object the last counts. Integers
// keep all their digits. It fails with ErrSyntax, or with ErrLimit on what could
// not be handed on: values nested more than 100 deep, more than half a million
// values, numbers beyond all measure, and text that is not Unicode.
func Read(text []byte) (any, error) {
	// The decoder overlooks some errors if it is asked for tokens.
	if !json.Valid(text) {
		return nil, ErrSyntax
	}
	if !utf8.Valid(text) || halfSurrogate(text) {
		return nil, fmt.Errorf("%w: a text in it is not Unicode", ErrLimit)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	r := reader{decoder: decoder}
	return r.value(0)
}

// halfSurrogate tells whether an escape in valid JSON stands for half a
// character: the decoder would replace it silently.
func halfSurrogate(text []byte) bool {
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			return false
		}
		text = text[at:]
		if text[1] != 'u' {
			text = text[2:]
			continue
		}
		first := escaped(text)
		text = text[6:]
		if !utf16.IsSurrogate(first) {
			continue
		}
		if utf16.DecodeRune(first, escaped(text)) == utf8.RuneError {
			return true
		}
		text = text[6:]
	}
}

// escaped returns the code of the escape at the beginning of a text, or 0.
func escaped(text []byte) rune {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(n)
}

type reader struct {
	decoder *json.Decoder
	values  int
}

func (r *reader) value(depth int) (any, error) {
	if r.values++; r.values > maxValues {
		return nil, fmt.Errorf("%w: it has more than %d values", ErrLimit, maxValues)
	}
	token, err := r.decoder.Token()
	if err != nil {
		return nil, ErrSyntax
	}
	switch token := token.(type) {
	case json.Number:
		n, err := pytext.Numbers(token)
		if err != nil {
			return nil, fmt.Errorf("%w: a number in it is too large", ErrLimit)
		}
		return n, nil
	case json.Delim:
		if depth == maxDepth {
			return nil, fmt.Errorf("%w: it is nested more than %d deep", ErrLimit, maxDepth)
		}
		if token == '{' {
			return r.object(depth + 1)
		}
		return r.array(depth + 1)
	}
	return token, nil
}

func (r *reader) array(depth int) (any, error) {
	list := marshal.NewList()
	for r.decoder.More() {
		item, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, item)
	}
	return list, r.end()
}

func (r *reader) object(depth int) (any, error) {
	dict := marshal.NewDict()
	for r.decoder.More() {
		token, err := r.decoder.Token()
		if err != nil {
			return nil, ErrSyntax
		}
		value, err := r.value(depth)
		if err != nil {
			return nil, err
		}
		dict.Set(token.(string), value)
	}
	return dict, r.end()
}

// end reads the end of an array or object.
func (r *reader) end() error {
	if _, err := r.decoder.Token(); err != nil {
		return ErrSyntax
	}
	return nil
}

// Append appends a tree of values as the reference's server writes it: a blank
// after commas and colons, everything beyond ASCII escaped, keys in their order.
// Sets and tuples become arrays, keys that are not text become text. What JSON
// cannot hold, such as infinities, is written as the text that Python's str gives.
func Append(b []byte, v any) ([]byte, error) { return appendValue(b, v) }

// maxShown bounds the text of values that Plain leaves as they are, in bytes.
const maxShown = 16 << 20

// Plain is a dictionary of the slap tool as a tree. There, a value may be inside
// itself, or a large one be referred to many times: such a value is replaced by
// the text "...".
func Plain(d *marshal.Dict) *marshal.Dict {
	plain, size := marshal.NewDict(), 0
	for key, value := range d.All() {
		text, err := marshal.StrWithin(value)
		if err == nil {
			_, err = marshal.Native(value)
		}
		if size += len(text); err != nil || size > maxShown {
			value = "..."
		}
		plain.Set(marshal.Str(key), value)
	}
	return plain
}

func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case *marshal.Dict:
		return appendPairs(b, v)
	case *marshal.List:
		return appendItems(b, v.Items)
	case *marshal.Set:
		return appendItems(b, v.Items)
	case marshal.Tuple:
		return appendItems(b, v)
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return pytext.AppendJSON(b, marshal.Str(v))
		}
	case complex128, *marshal.Object, []byte:
		return pytext.AppendJSON(b, marshal.Str(v))
	}
	return pytext.AppendJSON(b, v)
}

func appendPairs(b []byte, d *marshal.Dict) ([]byte, error) {
	b = append(b, '{')
	first := true
	var err error
	for k, v := range d.All() {
		if !first {
			b = append(b, ", "...)
		}
		first = false
		if b, err = pytext.AppendJSON(b, marshal.Str(k)); err != nil {
			return nil, err
		}
		b = append(b, ": "...)
		if b, err = appendValue(b, v); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendItems(b []byte, items []any) (_ []byte, err error) {
	b = append(b, '[')
	for i, item := range items {
		if i > 0 {
			b = append(b, ", "...)
		}
		if b, err = appendValue(b, item); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

// Sorted is a dictionary of the entries of a map, by key.
func Sorted(values map[string]any) *marshal.Dict {
	d := marshal.NewDict()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		d.Set(key, values[key])
	}
	return d
}

// native is a value as the validator wants it.
func native(v any) any {
	switch v := v.(type) {
	case *marshal.Dict:
		m := make(map[string]any, v.Len())
		for key, item := range v.All() {
			m[marshal.Str(key)] = native(item)
		}
		return m
	case *marshal.List:
		return natives(v.Items)
	case *marshal.Set:
		return natives(v.Items)
	case marshal.Tuple:
		return natives(v)
	case nil, bool, string, int, int64, float64:
		return v
	}
	// Whatever is left is written as a number or as text.
	if n, ok := v.(fmt.Stringer); ok {
		return json.Number(n.String())
	}
	return marshal.Str(v)
}

func natives(items []any) []any {
	out := make([]any, len(items))
	for i, item := range items {
		out[i] = native(item)
	}
	return out
}
