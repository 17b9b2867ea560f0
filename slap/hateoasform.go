package slap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// form is what a document shows, in the order of the document: of two fields that
// show the same, the last counts.
type form []shown

type shown struct {
	key string
	raw json.RawMessage
}

// UnmarshalJSON reads an object, or null as an empty one.
func (f *form) UnmarshalJSON(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	start, err := decoder.Token()
	if start == nil || err != nil {
		return err
	}
	if start != json.Delim('{') {
		return errors.New("the view of the document is no object")
	}
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := decoder.Decode(&raw); err != nil {
			return err
		}
		*f = append(*f, shown{fmt.Sprint(key), raw})
	}
	return nil
}

// fill adds the values of the fields that hold any.
func (f form) fill(fields Parameters) {
	for _, s := range f {
		name, ok := fieldName(s.key)
		if !ok {
			continue
		}
		var field struct {
			Type    string `json:"type"`
			Default any    `json:"default"`
		}
		if unmarshalJSON(s.raw, &field) == nil && fieldTypes[field.Type] {
			fields[name] = field.Default
		}
	}
}

// fieldTypes are the types of the fields of a form that hold values.
var fieldTypes = map[string]bool{
	"StringField": true, "EmailField": true, "IntegerField": true, "FloatField": true, "TextAreaField": true,
}

// fieldName returns the name of what a field of a form shows.
func fieldName(key string) (string, bool) {
	if name, ok := strings.CutPrefix(key, "my_"); ok {
		return name, true
	}
	return strings.CutPrefix(key, "your_")
}
