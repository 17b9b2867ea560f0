package slap

import (
	"reflect"
	"strings"
)

// jsonField is a field of a struct as encoding/json sees it.
type jsonField struct {
	name   string
	tagged bool
	index  []int
}

// fieldsOf returns the fields of a struct and of the structs embedded in it by
// the rules of encoding/json: the outermost field of a name counts, then one
// with a tag, and none if it is still not clear which.
func fieldsOf(t reflect.Type) []jsonField {
	var all []jsonField
	taken, seen := map[string]bool{}, map[reflect.Type]bool{}
	for todo := []embedded{{t: t}}; len(todo) > 0; {
		var here []jsonField
		var deeper []embedded
		for _, at := range todo {
			if !seen[at.t] {
				fields, structs := at.fields()
				here, deeper = append(here, fields...), append(deeper, structs...)
			}
		}
		// Not before: the fields of what is embedded twice on one level are not
		// clear.
		for _, at := range todo {
			seen[at.t] = true
		}
		byName := map[string][]jsonField{}
		for _, f := range here {
			byName[f.name] = append(byName[f.name], f)
		}
		for _, f := range here {
			if taken[f.name] {
				continue
			}
			taken[f.name] = true
			if f, ok := dominant(byName[f.name]); ok {
				all = append(all, f)
			}
		}
		todo = deeper
	}
	return all
}

// embedded is a struct and the way to it.
type embedded struct {
	t     reflect.Type
	index []int
}

// fields returns the fields of a struct, and the structs embedded in it.
func (e embedded) fields() (fields []jsonField, structs []embedded) {
	for i := range e.t.NumField() {
		index := append(append([]int(nil), e.index...), i)
		f, inner := readField(e.t.Field(i))
		switch {
		case inner != nil:
			structs = append(structs, embedded{inner, index})
		case f.name != "":
			f.index = index
			fields = append(fields, f)
		}
	}
	return fields, structs
}

// readField returns a field, without a name if it does not count, or the type
// of an embedded struct.
func readField(f reflect.StructField) (jsonField, reflect.Type) {
	tag := f.Tag.Get("json")
	name, _, _ := strings.Cut(tag, ",")
	if f.Anonymous && name == "" && tag != "-" {
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.Struct {
			return jsonField{}, t
		}
	}
	if !f.IsExported() || tag == "-" {
		return jsonField{}, nil
	}
	if name == "" {
		return jsonField{name: f.Name}, nil
	}
	return jsonField{name: name, tagged: true}, nil
}

// dominant returns the field of those with one name that counts.
func dominant(fields []jsonField) (jsonField, bool) {
	if len(fields) == 1 {
		return fields[0], true
	}
	var tagged []jsonField
	for _, f := range fields {
		if f.tagged {
			tagged = append(tagged, f)
		}
	}
	if len(tagged) == 1 {
		return tagged[0], true
	}
	return jsonField{}, false
}
