package slap

import (
	"encoding"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/pytext"
)

// assign stores a value in a Go variable, converting it as Parameters.Decode
// documents. The key is the way to the value.
func assign(key string, v any, to reflect.Value) error {
	if to.Kind() == reflect.Pointer {
		return assignPointer(key, v, to)
	}
	if done, err := assignByMethod(key, v, to); done {
		return err
	}
	switch to.Kind() {
	case reflect.String:
		if v != nil {
			to.SetString(marshal.Str(v))
		}
		return nil
	case reflect.Interface:
		if to.NumMethod() == 0 {
			to.Set(reflect.ValueOf(&v).Elem())
			return nil
		}
	}
	if isNull(v) {
		return nil
	}
	switch to.Kind() {
	case reflect.Slice, reflect.Array:
		return assignList(key, v, to)
	case reflect.Map:
		return assignMap(key, v, to)
	case reflect.Struct:
		return assignStruct(key, v, to)
	}
	if want := assignScalar(v, to); want != "" {
		return &ParameterError{Key: key, Want: want, Got: typeOf(v)}
	}
	return nil
}

// assignScalar stores a boolean or a number. If the value is none, or too large,
// it returns what is wanted.
func assignScalar(v any, to reflect.Value) (want string) {
	switch {
	case to.Kind() == reflect.Bool:
		truth, ok := boolOf(v)
		if !ok {
			return "a boolean"
		}
		to.SetBool(truth)
	case to.CanInt():
		n, ok := integerOf(v)
		if !ok || !n.IsInt64() || to.OverflowInt(n.Int64()) {
			return "an integer of type " + to.Type().String()
		}
		to.SetInt(n.Int64())
	case to.CanUint():
		n, ok := integerOf(v)
		if !ok || !n.IsUint64() || to.OverflowUint(n.Uint64()) {
			return "an integer of type " + to.Type().String()
		}
		to.SetUint(n.Uint64())
	case to.CanFloat():
		f, ok := floatOf(v)
		if !ok || to.OverflowFloat(f) {
			return "a number of type " + to.Type().String()
		}
		to.SetFloat(f)
	default:
		return "a type that can hold it, not " + to.Type().String()
	}
	return ""
}

func assignPointer(key string, v any, to reflect.Value) error {
	text := to.Type()
	for text.Kind() == reflect.Pointer {
		text = text.Elem()
	}
	if v == nil || text.Kind() != reflect.String && isNull(v) {
		return nil
	}
	if to.IsNil() {
		to.Set(reflect.New(to.Type().Elem()))
	}
	return assign(key, v, to.Elem())
}

// assignByMethod stores a value in a type that reads text or JSON by itself.
func assignByMethod(key string, v any, to reflect.Value) (done bool, err error) {
	if !to.CanAddr() {
		return false, nil
	}
	failed := func(err error) error {
		if err == nil {
			return nil
		}
		return &ParameterError{Key: key, Want: "a " + to.Type().String(), Got: typeOf(v), Err: err}
	}
	address := to.Addr().Interface()
	if method, ok := address.(encoding.TextUnmarshaler); ok && !isContainer(v) {
		if isNull(v) {
			return true, nil
		}
		return true, failed(method.UnmarshalText([]byte(marshal.Str(v))))
	}
	method, ok := address.(json.Unmarshaler)
	if !ok {
		return false, nil
	}
	if isNull(v) {
		return true, nil
	}
	text, isText := v.(string)
	if isText && json.Valid([]byte(text)) {
		return true, failed(method.UnmarshalJSON([]byte(text)))
	}
	data, err := pytext.AppendJSON(nil, v)
	if err != nil {
		return true, failed(err)
	}
	return true, failed(method.UnmarshalJSON(data))
}

func isContainer(v any) bool {
	switch v.(type) {
	case []any, []string, map[string]any, map[string]string:
		return true
	}
	return false
}

func assignList(key string, v any, to reflect.Value) error {
	if to.Kind() == reflect.Slice && to.Type().Elem().Kind() == reflect.Uint8 {
		if text, ok := v.(string); ok {
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return &ParameterError{Key: key, Want: "base64", Got: "text"}
			}
			to.SetBytes(data)
			return nil
		}
	}
	items, ok := listOrDictionary(v).([]any)
	if !ok {
		if texts, isTexts := v.([]string); isTexts {
			for _, text := range texts {
				items = append(items, text)
			}
		} else {
			return &ParameterError{Key: key, Want: "a list", Got: typeOf(v)}
		}
	}
	list := to
	if to.Kind() == reflect.Slice {
		list = reflect.MakeSlice(to.Type(), len(items), len(items))
	} else {
		list.SetZero()
	}
	for i, item := range items[:min(len(items), list.Len())] {
		if err := assign(fmt.Sprintf("%s[%d]", key, i), item, list.Index(i)); err != nil {
			return err
		}
	}
	if to.Kind() == reflect.Slice {
		to.Set(list)
	}
	return nil
}

// entries returns the entries of a dictionary.
func entries(key string, v any) (map[string]any, error) {
	switch m := listOrDictionary(v).(type) {
	case map[string]any:
		return m, nil
	case map[string]string:
		out := make(map[string]any, len(m))
		for name, text := range m {
			out[name] = text
		}
		return out, nil
	}
	return nil, &ParameterError{Key: key, Want: "a dictionary", Got: typeOf(v)}
}

// within is the way to a value inside another.
func within(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func assignMap(key string, v any, to reflect.Value) error {
	m, err := entries(key, v)
	if err != nil {
		return err
	}
	if to.Type().Key().Kind() != reflect.String {
		return &ParameterError{Key: key, Want: "a map with text keys, not " + to.Type().String(), Got: typeOf(v)}
	}
	if to.IsNil() {
		to.Set(reflect.MakeMapWithSize(to.Type(), len(m)))
	}
	var failures []error
	for _, name := range Parameters(m).Keys() {
		item := reflect.New(to.Type().Elem()).Elem()
		if err := assign(within(key, name), m[name], item); err != nil {
			failures = append(failures, err)
			continue
		}
		to.SetMapIndex(reflect.ValueOf(name).Convert(to.Type().Key()), item)
	}
	return errors.Join(failures...)
}

func assignStruct(key string, v any, to reflect.Value) error {
	m, err := entries(key, v)
	if err != nil {
		return err
	}
	folded := map[string]string{}
	for _, name := range Parameters(m).Keys() {
		if _, taken := folded[strings.ToLower(name)]; !taken {
			folded[strings.ToLower(name)] = name
		}
	}
	var failures []error
	for _, f := range fieldsOf(to.Type()) {
		name := f.name
		item, ok := m[name]
		if !ok {
			if name, ok = folded[strings.ToLower(name)]; !ok {
				continue
			}
			item = m[name]
		}
		if err := assignField(within(key, name), item, to, f.index); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// assignField goes to a field, which may be in embedded structs.
func assignField(key string, v any, to reflect.Value, index []int) error {
	for _, i := range index {
		if to.Kind() == reflect.Pointer {
			if to.IsNil() {
				if !to.CanSet() {
					return &ParameterError{Key: key, Want: "a field outside an embedded pointer to an unexported struct", Got: typeOf(v)}
				}
				to.Set(reflect.New(to.Type().Elem()))
			}
			to = to.Elem()
		}
		to = to.Field(i)
	}
	return assign(key, v, to)
}
