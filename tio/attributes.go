package tio

import (
	"regexp"
	"strings"
)

// attributes checks the attributes of an element and returns the value of its
// attribute type, or, for a leaf, the local name of its xsi:type.
func (e *engine) attributes(t token, typed bool, leaf *child) (string, error) {
	value, found := "", false
	for _, a := range t.attrs {
		var err error
		switch {
		case a.space == "" && a.local == "type" && typed:
			value, found = a.value, true
		case a.space == xsiNamespace && (a.local == "schemaLocation" || a.local == "noNamespaceSchemaLocation"):
		case a.space == xsiNamespace && a.local == "nil":
			err = e.report(t.pos, Nil, "%s: nothing in this format is nillable", a.raw)
		case a.space == xsiNamespace && a.local == "type":
			var ok bool
			if value, ok = e.xsiType(a.value, leaf); !ok {
				err = e.report(t.pos, XSIType, "%s does not name a type derived from the declared one", a.raw)
			}
		default:
			err = e.report(t.pos, UnknownAttribute, "the attribute %s is not allowed", a.raw)
		}
		if err != nil {
			return "", err
		}
	}
	if typed && !found {
		return "", e.report(t.pos, MissingAttribute, "%s lacks the attribute type", t.local)
	}
	return value, nil
}

// xsiType resolves the name of a type and tells whether a leaf may have it.
// Elements that hold elements have types without name: nothing is derived.
func (e *engine) xsiType(name string, leaf *child) (string, bool) {
	prefix, local, ok := split(name)
	if !ok || leaf == nil {
		return "", false
	}
	space, ok := e.s.lookup(prefix)
	switch {
	case !ok || space != xsdNamespace:
		return "", false
	case leaf.number:
		return "", local == "float"
	case local == "string":
		return "", true
	}
	_, known := derivedTypes[local]
	return local, known
}

// The characters of names in derived types. libxml2 has the long list of the
// fourth edition of XML here; this is the part of it that is in Latin-1.
const (
	typeNameStart = `a-zA-Z_\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{ff}`
	typeNameRest  = typeNameStart + `0-9.\x{b7}-`
)

// derivedTypes are the types derived from xs:string, with the form of their
// collapsed values. Those that refer to entities or to other places of the
// document do not make sense here.
var derivedTypes = map[string]*regexp.Regexp{
	"normalizedString": nil,
	"token":            nil,
	"language":         regexp.MustCompile(`^[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*$`),
	"Name":             regexp.MustCompile(`^[:` + typeNameStart + `][:` + typeNameRest + `]*$`),
	"NCName":           regexp.MustCompile(`^[` + typeNameStart + `][` + typeNameRest + `]*$`),
	"NMTOKEN":          regexp.MustCompile(`^[:` + typeNameRest + `]+$`),
}

// derived applies the type that a leaf chose by xsi:type.
func (e *engine) derived(pos position, name, value string, nested bool) (string, error) {
	switch name {
	case "":
		return value, nil
	case "normalizedString":
		return strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(value), nil
	}
	value = strings.Join(strings.FieldsFunc(value, func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\n' || r == '\r'
	}), " ")
	if form := derivedTypes[name]; form != nil && !nested && !form.MatchString(value) {
		return value, e.report(pos, XSIType, "%s is no %s", shorten(value), name)
	}
	return value, nil
}
