package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// DecodeCall reads the document of a call.
func DecodeCall(document []byte) (method string, args []any, err error) {
	d := newDecoder(document)
	if err := d.open("methodCall"); err != nil {
		return "", nil, err
	}
	if err := d.open("methodName"); err != nil {
		return "", nil, err
	}
	if method, err = d.text(); err != nil {
		return "", nil, err
	}
	method = strings.TrimSpace(method)
	if method == "" {
		return "", nil, malformed("empty method name")
	}
	if args, err = d.params(); err != nil {
		return "", nil, err
	}
	return method, args, nil
}

// DecodeResponse reads the document of an answer. A refused call is returned
// as a *Fault.
func DecodeResponse(document []byte) (any, error) {
	d := newDecoder(document)
	if err := d.open("methodResponse"); err != nil {
		return nil, err
	}
	start, err := d.child()
	if err != nil {
		return nil, err
	}
	switch {
	case start == nil:
		return nil, malformed("empty methodResponse")
	case start.Name.Local == "fault":
		return nil, d.fault()
	case start.Name.Local != "params":
		return nil, malformed("unexpected <%s>", start.Name.Local)
	}
	values, err := d.paramList()
	if err != nil {
		return nil, err
	}
	if len(values) != 1 {
		return nil, malformed("an answer holds one value, not %d", len(values))
	}
	return values[0], nil
}

// decoder walks the tokens of one document.
type decoder struct {
	xml *xml.Decoder
}

func newDecoder(document []byte) *decoder {
	d := xml.NewDecoder(bytes.NewReader(sanitize(document)))
	d.CharsetReader = func(_ string, input io.Reader) (io.Reader, error) { return input, nil }
	return &decoder{xml: d}
}

// sanitize replaces what XML forbids but supervisord sends all the same when a
// log file holds it: control characters and bytes that are not UTF-8.
func sanitize(document []byte) []byte {
	clean := true
	for i := 0; i < len(document) && clean; {
		r, size := utf8.DecodeRune(document[i:])
		clean = isXMLRune(r) && (r != utf8.RuneError || size > 1)
		i += size
	}
	if clean {
		return document
	}
	return bytes.Map(func(r rune) rune {
		if !isXMLRune(r) {
			return utf8.RuneError
		}
		return r
	}, document)
}

func (d *decoder) token() (xml.Token, error) {
	t, err := d.xml.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil, malformed("unexpected end")
	case err != nil:
		return nil, malformed("%v", err)
	}
	if _, ok := t.(xml.Directive); ok {
		return nil, malformed("document type declarations are refused")
	}
	return t, nil
}

// child returns the next start element, or nil at the end of the parent.
func (d *decoder) child() (*xml.StartElement, error) {
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return &t, nil
		case xml.EndElement:
			return nil, nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, malformed("unexpected text")
			}
		}
	}
}

// open expects the start of the named element.
func (d *decoder) open(name string) error {
	start, err := d.child()
	switch {
	case err != nil:
		return err
	case start == nil || start.Name.Local != name:
		return malformed("<%s> expected", name)
	}
	return nil
}

// end expects the end of the current element.
func (d *decoder) end() error {
	start, err := d.child()
	if err == nil && start != nil {
		return malformed("unexpected <%s>", start.Name.Local)
	}
	return err
}

// text returns the character data up to the end of the current element.
func (d *decoder) text() (string, error) {
	var b strings.Builder
	for {
		t, err := d.token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			b.Write(t)
		case xml.EndElement:
			return b.String(), nil
		case xml.StartElement:
			return "", malformed("unexpected <%s>", t.Name.Local)
		}
	}
}

// params reads an optional <params> and the end of its parent.
func (d *decoder) params() ([]any, error) {
	start, err := d.child()
	switch {
	case err != nil:
		return nil, err
	case start == nil:
		return nil, nil
	case start.Name.Local != "params":
		return nil, malformed("unexpected <%s>", start.Name.Local)
	}
	values, err := d.paramList()
	if err != nil {
		return nil, err
	}
	return values, d.end()
}

// paramList reads the <param> elements up to the end of <params>.
func (d *decoder) paramList() ([]any, error) {
	var values []any
	for {
		start, err := d.child()
		switch {
		case err != nil:
			return nil, err
		case start == nil:
			return values, nil
		case start.Name.Local != "param":
			return nil, malformed("unexpected <%s>", start.Name.Local)
		}
		if err := d.open("value"); err != nil {
			return nil, err
		}
		value, err := d.value(0)
		if err != nil {
			return nil, err
		}
		if err := d.end(); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
}

// fault reads the content of <fault>; it always returns an error.
func (d *decoder) fault() error {
	if err := d.open("value"); err != nil {
		return err
	}
	value, err := d.value(0)
	if err != nil {
		return err
	}
	members, ok := value.(map[string]any)
	if !ok {
		return malformed("a fault is a struct")
	}
	code, okCode := members["faultCode"].(int)
	text, okText := members["faultString"].(string)
	if !okCode || !okText {
		return malformed("a fault has a faultCode and a faultString")
	}
	return &Fault{Code: code, String: text}
}

// value reads the content of a <value> and its end. Text without a type is a string.
func (d *decoder) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, malformed("values nest too deep")
	}
	var bare strings.Builder
	for {
		t, err := d.token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.CharData:
			bare.Write(t)
		case xml.EndElement:
			return bare.String(), nil
		case xml.StartElement:
			if strings.TrimSpace(bare.String()) != "" {
				return nil, malformed("text beside <%s>", t.Name.Local)
			}
			v, err := d.typed(t.Name.Local, depth)
			if err != nil {
				return nil, err
			}
			return v, d.end()
		}
	}
}

// typed reads the content of a type element and its end.
func (d *decoder) typed(name string, depth int) (any, error) {
	switch name {
	case "array":
		return d.array(depth)
	case "struct":
		return d.members(depth)
	}
	text, err := d.text()
	if err != nil {
		return nil, err
	}
	return scalar(name, text)
}

func scalar(name, text string) (any, error) {
	if name == "string" {
		return text, nil
	}
	text = strings.TrimSpace(text)
	var v any
	var err error
	switch name {
	case "int", "i4", "i8":
		v, err = strconv.Atoi(text)
	case "boolean":
		if text != "0" && text != "1" {
			return nil, malformed("boolean %q", text)
		}
		return text == "1", nil
	case "double":
		var f float64
		if f, err = strconv.ParseFloat(text, 64); err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, malformed("double %q", text)
		}
		v = f
	case "base64":
		v, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	case "dateTime.iso8601":
		v, err = time.ParseInLocation(dateTimeLayout, text, time.UTC)
	case "nil":
		return nil, nil
	default:
		return nil, malformed("unknown type <%s>", name)
	}
	if err != nil {
		return nil, malformed("%s %q", name, text)
	}
	return v, nil
}

func (d *decoder) array(depth int) (any, error) {
	if err := d.open("data"); err != nil {
		return nil, err
	}
	items := []any{}
	for {
		start, err := d.child()
		switch {
		case err != nil:
			return nil, err
		case start == nil:
			return items, d.end()
		case start.Name.Local != "value":
			return nil, malformed("unexpected <%s>", start.Name.Local)
		}
		item, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
}

func (d *decoder) members(depth int) (any, error) {
	members := map[string]any{}
	for {
		start, err := d.child()
		switch {
		case err != nil:
			return nil, err
		case start == nil:
			return members, nil
		case start.Name.Local != "member":
			return nil, malformed("unexpected <%s>", start.Name.Local)
		}
		if err := d.member(members, depth); err != nil {
			return nil, err
		}
	}
}

func (d *decoder) member(members map[string]any, depth int) error {
	if err := d.open("name"); err != nil {
		return err
	}
	name, err := d.text()
	if err != nil {
		return err
	}
	if err := d.open("value"); err != nil {
		return err
	}
	value, err := d.value(depth + 1)
	if err != nil {
		return err
	}
	members[name] = value
	return d.end()
}
