package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/slapos/slapos-go/internal/xmlscan"
)

// DecodeCall reads the document of a call.
func DecodeCall(document []byte) (method string, args []any, err error) {
	err = decode(document, "methodCall", func(d *decoder) error {
		if err := d.open("methodName"); err != nil {
			return err
		}
		name, err := d.s.Chars()
		if err != nil {
			return err
		}
		if method = strings.TrimSpace(string(name)); method == "" {
			return malformed("empty method name")
		}
		more, err := d.s.Child()
		if err != nil || !more {
			return err
		}
		if args, err = d.params(); err != nil {
			return err
		}
		return d.end()
	})
	if err != nil {
		return "", nil, err
	}
	return method, args, nil
}

// DecodeResponse reads the document of an answer. A refused call is returned
// as a *Fault.
func DecodeResponse(document []byte) (any, error) {
	var result any
	var fault *Fault
	err := decode(document, "methodResponse", func(d *decoder) error {
		more, err := d.s.Child()
		if err != nil {
			return err
		}
		if !more {
			return malformed("empty methodResponse")
		}
		if string(d.s.Name()) == "fault" {
			fault, err = d.fault()
		} else {
			result, err = d.result()
		}
		if err != nil {
			return err
		}
		return d.end()
	})
	if err != nil {
		return nil, err
	}
	if fault != nil {
		return nil, fault
	}
	return result, nil
}

// maxElements bounds the nesting of elements so that MaxDepth is reached first:
// a value in a struct is four elements deeper.
const maxElements = 4*MaxDepth + 16

// decode reads a document whose root has the given name.
func decode(document []byte, root string, read func(*decoder) error) error {
	// supervisord sends log files as they are, characters included that XML
	// does not allow.
	s, err := xmlscan.New(document, xmlscan.Limits{Bytes: MaxDocument, Depth: maxElements, Repair: true})
	if err == nil {
		err = s.Document(func() error {
			if string(s.Name()) != root {
				return malformed("<%s> expected", root)
			}
			return read(&decoder{s: s})
		})
	}
	if err != nil && !errors.Is(err, ErrMalformed) {
		err = malformed("%v", err)
	}
	return err
}

// decoder reads the pieces of one document. What reads an element, whose start
// has just been read, goes to its end. As in Python's reader, text between
// elements is ignored, except beside the type of a value.
type decoder struct {
	s     *xmlscan.Scanner
	texts xmlscan.Interner
}

// open expects the start of the named element.
func (d *decoder) open(name string) error {
	more, err := d.s.Child()
	switch {
	case err != nil:
		return err
	case !more:
		return malformed("<%s> expected", name)
	}
	return d.expect(name)
}

// expect fails if the element that has just started has another name.
func (d *decoder) expect(name string) error {
	if string(d.s.Name()) != name {
		return malformed("<%.40s> instead of <%s>", d.s.Name(), name)
	}
	return nil
}

// end expects the end of the current element.
func (d *decoder) end() error {
	return d.s.Children(func() error { return malformed("unexpected <%.40s>", d.s.Name()) })
}

// result reads a <params> of one value.
func (d *decoder) result() (any, error) {
	values, err := d.params()
	if err != nil {
		return nil, err
	}
	if len(values) != 1 {
		return nil, malformed("an answer holds one value, not %d", len(values))
	}
	return values[0], nil
}

// params reads a <params>.
func (d *decoder) params() ([]any, error) {
	if err := d.expect("params"); err != nil {
		return nil, err
	}
	var values []any
	err := d.s.Children(func() error {
		if err := d.expect("param"); err != nil {
			return err
		}
		value, err := d.onlyValue()
		values = append(values, value)
		return err
	})
	return values, err
}

// fault reads a <fault>.
func (d *decoder) fault() (*Fault, error) {
	value, err := d.onlyValue()
	if err != nil {
		return nil, err
	}
	members, ok := value.(map[string]any)
	if !ok {
		return nil, malformed("a fault is a struct")
	}
	code, okCode := members["faultCode"].(int)
	text, okText := members["faultString"].(string)
	if !okCode || !okText {
		return nil, malformed("a fault has a faultCode and a faultString")
	}
	return &Fault{Code: code, String: text}, nil
}

// onlyValue reads an element that holds one <value>.
func (d *decoder) onlyValue() (any, error) {
	if err := d.open("value"); err != nil {
		return nil, err
	}
	value, err := d.value(0)
	if err != nil {
		return nil, err
	}
	return value, d.end()
}

// value reads a <value>. Text without a type is a string.
func (d *decoder) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, malformed("values nest too deep")
	}
	var bare []byte
	for {
		kind, err := d.s.Next()
		if err != nil {
			return nil, err
		}
		switch kind {
		case xmlscan.Text:
			bare = append(bare, d.s.Bytes()...)
		case xmlscan.End:
			return d.texts.Text(bare), nil
		case xmlscan.Start:
			if len(bytes.TrimSpace(bare)) > 0 {
				return nil, malformed("text beside <%.40s>", d.s.Name())
			}
			v, err := d.typed(depth)
			if err != nil {
				return nil, err
			}
			return v, d.end()
		}
	}
}

// typed reads a type element.
func (d *decoder) typed(depth int) (any, error) {
	name := d.s.Name()
	switch string(name) {
	case "array":
		return d.array(depth)
	case "struct":
		return d.members(depth)
	}
	text, err := d.s.Chars()
	if err != nil {
		return nil, err
	}
	if string(name) == "string" {
		return d.texts.Text(text), nil
	}
	return scalar(string(name), string(text))
}

// scalar reads the text of a type element.
func scalar(name, text string) (any, error) {
	text = strings.TrimSpace(text)
	var v any
	var err error
	switch name {
	case "int", "i4", "i8":
		v, err = strconv.Atoi(text)
	case "boolean":
		if text != "0" && text != "1" {
			return nil, malformed("boolean %.40q", text)
		}
		return text == "1", nil
	case "double":
		var f float64
		if f, err = strconv.ParseFloat(text, 64); err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, malformed("double %.40q", text)
		}
		v = f
	case "base64":
		v, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	case "dateTime.iso8601":
		v, err = time.ParseInLocation(dateTimeLayout, text, time.UTC)
	case "nil":
		return nil, nil
	default:
		return nil, malformed("unknown type <%.40s>", name)
	}
	if err != nil {
		return nil, malformed("%s %.40q", name, text)
	}
	return v, nil
}

// array reads an <array>.
func (d *decoder) array(depth int) (any, error) {
	if err := d.open("data"); err != nil {
		return nil, err
	}
	items := []any{}
	err := d.s.Children(func() error {
		if err := d.expect("value"); err != nil {
			return err
		}
		item, err := d.value(depth + 1)
		items = append(items, item)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, d.end()
}

// members reads a <struct>. Of members with the same name the last one counts.
func (d *decoder) members(depth int) (any, error) {
	members := map[string]any{}
	err := d.s.Children(func() error {
		if err := d.expect("member"); err != nil {
			return err
		}
		return d.member(members, depth)
	})
	return members, err
}

// member reads a <member>.
func (d *decoder) member(members map[string]any, depth int) error {
	if err := d.open("name"); err != nil {
		return err
	}
	text, err := d.s.Chars()
	if err != nil {
		return err
	}
	name, _ := d.texts.Text(text).(string)
	if err := d.open("value"); err != nil {
		return err
	}
	if members[name], err = d.value(depth + 1); err != nil {
		return err
	}
	return d.end()
}
