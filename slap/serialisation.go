package slap

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/slapos/slapos-go/internal/pytext"
)

// Serialisation is how the parameters of a software type travel, which its
// software release declares, under the key serialisation of the JSON document
// beside it (wire.md 3.4). Package softwareschema reads the declaration; programs that know it
// use the constants.
type Serialisation string

const (
	// SerialisationXML sends each parameter by itself. Masters are free to
	// make text of the values.
	SerialisationXML Serialisation = "xml"
	// SerialisationJSONInXML sends all parameters as one JSON text, in the
	// parameter "_", so that types survive.
	SerialisationJSONInXML Serialisation = "json-in-xml"
)

// serialised is the parameter that holds all others as JSON.
const serialised = "_"

// errSerialisation is a serialisation that is not known.
var errSerialisation = errors.New(`the serialisation is neither "xml" nor "json-in-xml"`)

// Encode returns a value as parameters: [EncodeParameters] or
// [EncodeJSONParameters].
func (s Serialisation) Encode(v any) (Parameters, error) {
	switch s {
	case SerialisationXML:
		return EncodeParameters(v)
	case SerialisationJSONInXML:
		return EncodeJSONParameters(v)
	}
	return nil, fmt.Errorf("parameters: %w", errSerialisation)
}

// Decode is [Parameters.Decode] for a serialisation that is known: "_" is an
// ordinary parameter in xml, and must be there in json-in-xml (ErrNotFound).
func (s Serialisation) Decode(p Parameters, into any) error {
	switch s {
	case SerialisationXML:
		return decodePlain(p, into)
	case SerialisationJSONInXML:
		return p.JSON(serialised, into)
	}
	return fmt.Errorf("parameters: %w", errSerialisation)
}

// Serialisation tells how the parameters seem to be serialised: as JSON if
// there is a parameter "_" and no other but those that masters add.
func (p Parameters) Serialisation() Serialisation {
	if v, ok := p[serialised]; !ok || v == nil {
		return SerialisationXML
	}
	for key := range p {
		if key != serialised && !addedByMaster(key) {
			return SerialisationXML
		}
	}
	return SerialisationJSONInXML
}

// unwrapped returns the parameters in the JSON of "_" if they are serialised so,
// and else the parameters themselves.
func (p Parameters) unwrapped() Parameters {
	if p.Serialisation() == SerialisationJSONInXML {
		var inside Parameters
		if p.JSON(serialised, &inside) == nil {
			return inside
		}
	}
	return p
}

// Requested returns the parameters without those that masters add to them, as
// they are to be compared with a schema.
func (p Parameters) Requested() Parameters {
	requested := p.Clone()
	maps.DeleteFunc(requested, func(key string, _ any) bool { return addedByMaster(key) })
	return requested
}

// Decode stores the parameters in what into points to: a struct, by the json
// tags of its fields, a map with text keys, or an any. It reads both
// serialisations. If the only parameter is "_", beside those that masters add,
// its JSON is decoded as [Parameters.JSON] does.
//
// Otherwise each parameter goes into the field of its name, and values are
// converted, because a stand-alone master makes text of everything:
//
//   - booleans and numbers as by [Parameters.Bool], [Parameters.Int] and
//     [Parameters.Float]; a number must fit its field;
//   - text fields take any value, in its Python notation;
//   - lists, maps and structs also from text that is JSON or a Python literal:
//     "[1, 'a']"; []byte from base64, as in JSON;
//   - types with UnmarshalText from text, other types with UnmarshalJSON from
//     JSON or from text as a JSON string;
//   - an any takes the value as it is, a pointer is made when there is a value.
//
// Null, "" and "None" leave a field as it is, so that it may hold a default; a
// text field takes the last two as text. Parameters without a field are
// ignored, as are fields without a parameter. All that does not fit is told,
// each as a [ParameterError].
func (p Parameters) Decode(into any) error {
	if p.Serialisation() == SerialisationJSONInXML {
		return p.JSON(serialised, into)
	}
	return decodePlain(p, into)
}

// EncodeParameters returns the fields of a struct, by their json tags, or the
// entries of a map as parameters of the serialisation xml. Texts, booleans and
// numbers keep their type, but for 1.0 in a float64 field, which Go writes as 1.
// Lists and dictionaries become the JSON text that Python's json.dumps gives, with
// sorted keys, so that the same value is the same text each time;
// [Parameters.Decode] reads it. Nulls are left out: they would come back as the
// text "None".
func EncodeParameters(v any) (Parameters, error) {
	m, err := dictionaryOf(v)
	if err != nil {
		return nil, err
	}
	p := Parameters{}
	for key, item := range m {
		switch item.(type) {
		case nil:
		case []any, map[string]any:
			text, err := pytext.AppendJSON(nil, item)
			if err != nil {
				return nil, notEncoded(key, err)
			}
			p[key] = string(text)
		default:
			p[key] = item
		}
	}
	return p, nil
}

// EncodeJSONParameters returns a value as parameters of the serialisation
// json-in-xml: one JSON text under "_". It is the text that Python's
// json.dumps(value, sort_keys=True) gives, so that the same value is the same
// text each time and never counts as a change.
//
// Go writes the number 1.0 of a float64 field as 1; in a map[string]any, a []any
// or a Parameters it stays 1.0. Infinities and NaN are refused.
func EncodeJSONParameters(v any) (Parameters, error) {
	text, err := pytext.AppendJSON(nil, plain(v))
	if err != nil {
		return nil, notEncoded("", err)
	}
	return Parameters{serialised: string(text)}, nil
}

// notEncoded is the error of a value that cannot be encoded. The errors of
// encoding/json name types, not values, but for those of methods.
func notEncoded(key string, err error) error {
	e := &ParameterError{Key: key, Want: "a value that JSON can hold", Err: err}
	if bad, ok := errors.AsType[*json.UnsupportedTypeError](err); ok {
		e.Got = bad.Type.String()
	} else if bad, ok := errors.AsType[*json.UnsupportedValueError](err); ok {
		e.Got = bad.Str // NaN, an infinity, or what refers to itself
	}
	return e
}

// dictionaryOf returns the fields of a struct or the entries of a map in the
// types of package pytext.
func dictionaryOf(v any) (map[string]any, error) {
	text, err := pytext.AppendJSON(nil, plain(v))
	if err != nil {
		return nil, notEncoded("", err)
	}
	decoded, err := pytext.ParseJSON(string(text))
	if err != nil {
		return nil, notEncoded("", err)
	}
	m, ok := decoded.(map[string]any)
	if !ok && decoded != nil {
		return nil, &ParameterError{Want: "a struct or a map", Got: typeOf(decoded)}
	}
	return m, nil
}

// decodeJSON decodes a JSON text, or a value that is decoded already.
func decodeJSON(key string, v, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return &ParameterError{Key: key, Want: "a pointer to decode into", Got: fmt.Sprintf("%T", into)}
	}
	text, ok := v.(string)
	if !ok {
		encoded, err := pytext.AppendJSON(nil, plain(v))
		if err != nil {
			return &ParameterError{Key: key, Want: "JSON", Got: typeOf(v), Err: err}
		}
		text = string(encoded)
	}
	return jsonError(key, unmarshalJSON([]byte(text), into))
}

// jsonError turns an error of encoding/json into one without values.
func jsonError(key string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field != "" {
			key += "." + e.Field
		}
		got, _, _ := strings.Cut(e.Value, " ") // a number follows
		return &ParameterError{Key: key, Want: e.Type.String(), Got: got + " as JSON"}
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return &ParameterError{Key: key, Want: "JSON", Got: fmt.Sprintf("text: no JSON at byte %d", e.Offset), Err: err}
	}
	return &ParameterError{Key: key, Want: "JSON of the type wanted", Err: err}
}

// decodePlain stores parameters that stand each by itself.
func decodePlain(p Parameters, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return &ParameterError{Want: "a pointer to decode into", Got: fmt.Sprintf("%T", into)}
	}
	values, err := plainMap(p, 0)
	if err != nil {
		return &ParameterError{Want: "values that can be read", Got: err.Error()}
	}
	return assign("", values, target.Elem())
}
