package slap

import (
	"bytes"
	"encoding"
	"encoding/json"
	"reflect"

	"github.com/slapos/slapos-go/internal/pytext"
)

// unmarshalJSON is [json.Unmarshal], except that numbers in an any are those of
// Parameters: integers of any size stay what they are, and 1 differs from 1.0.
func unmarshalJSON(data []byte, into any) error {
	// A decoder stops after the first value.
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(whole))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	n := numbering{}
	return n.value(reflect.ValueOf(into))
}

// numbering replaces each [json.Number] in what was decoded. It holds the pointers
// it has followed.
type numbering map[any]bool

func (n numbering) value(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || n[v.Interface()] || readsItself(v.Type()) {
			return nil
		}
		n[v.Interface()] = true
		return n.value(v.Elem())
	case reflect.Interface:
		if v.NumMethod() > 0 || v.IsNil() {
			return nil
		}
		exact, err := pytext.Numbers(v.Interface())
		if err == nil {
			v.Set(reflect.ValueOf(exact))
		}
		return err
	case reflect.Struct:
		return n.fields(v)
	case reflect.Slice, reflect.Array:
		return n.items(v)
	case reflect.Map:
		return n.entries(v)
	}
	return nil
}

// readsItself tells whether a pointer of a type is to something that reads JSON by
// itself.
func readsItself(pointer reflect.Type) bool {
	return pointer.Implements(reflect.TypeFor[json.Unmarshaler]()) || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// scalar tells whether there is no number in an any in values of a type.
func scalar(t reflect.Type) bool {
	return t.Kind() <= reflect.Complex128 || t.Kind() == reflect.String
}

func (n numbering) fields(v reflect.Value) error {
	if readsItself(reflect.PointerTo(v.Type())) {
		return nil
	}
	for _, f := range fieldsOf(v.Type()) {
		// A field in an embedded struct that is nil was not decoded.
		field, err := v.FieldByIndexErr(f.index)
		if err != nil {
			continue
		}
		if err := n.value(field); err != nil {
			return err
		}
	}
	return nil
}

func (n numbering) items(v reflect.Value) error {
	if scalar(v.Type().Elem()) {
		return nil
	}
	for i := range v.Len() {
		if err := n.value(v.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (n numbering) entries(v reflect.Value) error {
	if scalar(v.Type().Elem()) {
		return nil
	}
	for _, key := range v.MapKeys() {
		item := reflect.New(v.Type().Elem()).Elem()
		item.Set(v.MapIndex(key))
		if err := n.value(item); err != nil {
			return err
		}
		v.SetMapIndex(key, item)
	}
	return nil
}
