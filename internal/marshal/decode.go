package marshal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/slapos/slapos-go/internal/xmlscan"
)

// MaxBytes bounds the size of a document that is read.
const MaxBytes = 64 << 20

// maxElements is how deep the elements of values nest that are MaxDepth deep: one
// that is in nothing is 0 deep, and all are in a marshal element.
const maxElements = MaxDepth + 2

// maxExpansion bounds what the entities of a document expand to, in bytes.
const maxExpansion = 64 << 10

// Unmarshal reads a document and returns its value: nil, bool, int64, *big.Int
// (only for what int64 cannot hold), float64, complex128, string, Tuple,
// *List, *Set, *Dict or *Object. A reference gives the same pointer again, so
// that a value may contain itself; see Native.
//
// It accepts what the reference's reader accepts, but for the deviations that
// the package documentation lists.
func Unmarshal(data []byte) (any, error) {
	v, err := unmarshal(&decoder{}, data)
	if errors.Is(err, errReference) {
		v, err = unmarshal(&decoder{ids: map[string]any{}}, data)
	}
	if err != nil {
		return nil, fmt.Errorf("unmarshal: %w", err)
	}
	return v, nil
}

func unmarshal(d *decoder, data []byte) (v any, err error) {
	d.s, err = xmlscan.New(data, xmlscan.Limits{Bytes: MaxBytes, Depth: maxElements, Expansion: maxExpansion})
	if err != nil {
		return nil, err
	}
	err = d.s.Document(func() (err error) {
		v, err = d.root()
		return err
	})
	return v, err
}

// errReference is the error of a decoder without ids for a document that holds
// a reference.
var errReference = errors.New("document holds a reference")

type decoder struct {
	s *xmlscan.Scanner
	// ids holds the containers seen so far by id. It is nil on the first
	// attempt, for to fill it is costly and few documents need it.
	ids map[string]any
	// texts makes equal short texts, of which there are many, one.
	texts xmlscan.Interner
	// stack holds what has been read of the containers that are open, until
	// their size is known.
	stack []any
}

// root reads the root, whose element has just started.
func (d *decoder) root() (any, error) {
	if string(d.s.Name()) == "marshal" {
		return d.marshal()
	}
	return d.value()
}

// marshal reads the content of a marshal element: exactly one value, which may
// be in another marshal element.
func (d *decoder) marshal() (v any, err error) {
	found := false
	err = d.s.Children(func() (err error) {
		if found {
			return errors.New("more than one value at the root")
		}
		found = true
		v, err = d.root()
		return err
	})
	if err == nil && !found {
		err = errors.New("no value at the root")
	}
	return v, err
}

// value reads the value whose element has just started.
func (d *decoder) value() (any, error) {
	switch name := d.s.Name(); string(name) {
	case "string", "unicode":
		return d.text()
	case "int", "long":
		return scalar(d, "integer", parseInt)
	case "float":
		return scalar(d, "float", parseFloat)
	case "bool":
		return scalar(d, "boolean", func(s string) (any, error) {
			n, err := parseInt(s)
			return Truth(n), err
		})
	case "complex":
		return scalar(d, "complex number", parseComplex)
	case "none":
		_, err := d.s.Chars()
		return nil, err
	case "list":
		list := &List{}
		if err := d.remember(list); err != nil {
			return nil, err
		}
		items, err := d.items()
		list.Items = items
		return list, err
	case "tuple":
		items, err := d.items()
		if items == nil {
			items = []any{}
		}
		return Tuple(items), err
	case "dictionary":
		return d.dictionary()
	case "set":
		return d.set()
	case "object":
		return d.object()
	case "reference":
		return d.reference()
	case "marshal":
		return nil, errors.New("element marshal elsewhere than at the root")
	default:
		return nil, fmt.Errorf("unknown element %.40q", name)
	}
}

// remember notes a container under the id of its element. Of containers with
// the same id the last one counts.
func (d *decoder) remember(container any) error {
	if d.ids == nil {
		return nil
	}
	id, ok, err := d.s.Attr("id")
	if ok && err == nil {
		d.ids[string(id)] = container
	}
	return err
}

// reference reads a reference to one of the containers seen so far.
func (d *decoder) reference() (any, error) {
	if d.ids == nil {
		return nil, errReference
	}
	id, ok, err := d.s.Attr("id")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("reference without id")
	}
	v, ok := d.ids[string(id)]
	if !ok {
		return nil, fmt.Errorf("reference to unknown id %.40q", id)
	}
	_, err = d.s.Chars()
	return v, err
}

// read reads all values up to the end of the current element onto the stack,
// from a position that it returns. The caller drops them.
func (d *decoder) read() (from int, err error) {
	from = len(d.stack)
	err = d.s.Children(func() error {
		v, err := d.value()
		d.stack = append(d.stack, v)
		return err
	})
	return from, err
}

// drop takes the values from a position off the stack.
func (d *decoder) drop(from int) {
	clear(d.stack[from:])
	d.stack = d.stack[:from]
}

// items reads all values up to the end of the current element.
func (d *decoder) items() ([]any, error) {
	from, err := d.read()
	if err != nil || len(d.stack) == from {
		return nil, err
	}
	items := slices.Clone(d.stack[from:])
	d.drop(from)
	return items, nil
}

func (d *decoder) dictionary() (any, error) {
	dict := &Dict{}
	if err := d.remember(dict); err != nil {
		return nil, err
	}
	from, err := d.read()
	if err != nil {
		return nil, err
	}
	err = dict.fill(d.stack[from:])
	d.drop(from)
	return dict, err
}

// fill sets the pairs of an empty dictionary: keys and values alternate.
func (d *Dict) fill(values []any) error {
	n := len(values)
	if n%2 != 0 {
		return fmt.Errorf("dictionary whose last key, of type %s, has no value", typeName(values[n-1]))
	}
	if n == 0 {
		return nil
	}
	d.pairs = make([]Pair, 0, n/2)
	plain := n/2 < indexFrom && ascending(values)
	for i := 0; i < n; i += 2 {
		if plain {
			d.pairs = append(d.pairs, Pair{values[i], values[i+1]})
		} else if err := d.SetAny(values[i], values[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// ascending tells whether all keys are texts, each greater than the one before:
// the order in which dictionaries are written.
func ascending(values []any) bool {
	before := ""
	for i := 0; i < len(values); i += 2 {
		key, ok := values[i].(string)
		if !ok || i > 0 && key <= before {
			return false
		}
		before = key
	}
	return true
}

func (d *decoder) set() (any, error) {
	set := &Set{}
	if err := d.remember(set); err != nil {
		return nil, err
	}
	items, err := d.items()
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, item := range items {
		id, err := keyID(item)
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			seen[id] = true
			set.Items = append(set.Items, item)
		}
	}
	return set, nil
}

func (d *decoder) object() (any, error) {
	module, okModule, err := d.s.Attr("module")
	if err != nil {
		return nil, err
	}
	name, okClass, err := d.s.Attr("class")
	if err != nil {
		return nil, err
	}
	if !okModule || !okClass {
		return nil, errors.New("object without module or class")
	}
	class, ok := travels(string(module), string(name))
	if !ok {
		return nil, fmt.Errorf("refusing to unmarshal an object of class %.60s.%.60s", module, name)
	}
	o := &Object{Module: Module, Class: class}
	if err := d.remember(o); err != nil {
		return nil, err
	}
	parts, err := d.items()
	if err != nil {
		return nil, err
	}
	if len(parts) != 2 {
		return nil, fmt.Errorf("object of class %s with %d parts instead of arguments and state", class, len(parts))
	}
	return o, o.fill(parts[0], parts[1])
}

// fill sets arguments and state of an object that is read.
func (o *Object) fill(args, state any) error {
	switch args := args.(type) {
	case Tuple:
		o.Args = args
	case *List:
		o.Args = args.Items
	default:
		return fmt.Errorf("object of class %s with arguments that are no tuple", o.Class)
	}
	switch state := state.(type) {
	case nil:
		o.State = NewDict()
	case *Dict:
		o.State = state
	default:
		return fmt.Errorf("object of class %s with a state that is no dictionary", o.Class)
	}
	for key := range o.State.All() {
		if _, ok := key.(string); !ok {
			return fmt.Errorf("object of class %s with an attribute whose name is no text", o.Class)
		}
	}
	return o.checkArgs()
}

// text reads a text: the characters of its element, unescaped once more.
func (d *decoder) text() (any, error) {
	b, err := d.s.Chars()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(b, '&') < 0 {
		return d.texts.Text(b), nil
	}
	b = bytes.ReplaceAll(b, []byte("&gt;"), []byte(">"))
	b = bytes.ReplaceAll(b, []byte("&lt;"), []byte("<"))
	b = bytes.ReplaceAll(b, []byte("&amp;"), []byte("&"))
	return string(b), nil
}

// scalar reads the text of the current element as a value.
func scalar(d *decoder, what string, parse func(string) (any, error)) (any, error) {
	b, err := d.s.Chars()
	if err != nil {
		return nil, err
	}
	v, err := parse(strings.TrimFunc(string(b), unicode.IsSpace))
	if err != nil {
		return nil, fmt.Errorf("%.40q is no %s", b, what)
	}
	return v, nil
}
