package marshal

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/slapos/slapos-go/internal/xmlscan"
)

// MaxBytes bounds the size of a document that is read.
const MaxBytes = 64 << 20

// maxExpansion bounds what the entities of a document expand to, in bytes.
const maxExpansion = 64 << 10

// maxDigits bounds the digits of an integer, as Python does.
const maxDigits = 4300

// Unmarshal reads a document and returns its value: nil, bool, int64, *big.Int
// (only for what int64 cannot hold), float64, complex128, string, Tuple,
// *List, *Set, *Dict or *Object. A reference gives the same pointer again, so
// that a value may contain itself; see Native.
//
// It accepts what the reference's reader accepts, and beyond that what the
// reference writes but cannot read: a state of null, references to objects, and
// partitions that are only requested.
func Unmarshal(data []byte) (any, error) {
	s, err := xmlscan.New(data, xmlscan.Limits{Bytes: MaxBytes, Depth: MaxDepth, Expansion: maxExpansion})
	if err != nil {
		return nil, fmt.Errorf("unmarshal: %w", err)
	}
	d := decoder{s: s, texts: map[string]any{}}
	if bytes.Contains(s.Data(), []byte("reference")) {
		d.ids = map[string]any{}
	}
	v, err := d.document()
	if err != nil {
		return nil, fmt.Errorf("unmarshal: %w", err)
	}
	return v, nil
}

type decoder struct {
	s *xmlscan.Scanner
	// ids holds the containers seen so far; nil if the document cannot refer
	// to them.
	ids map[string]any
	// texts holds short texts, of which many repeat, as values.
	texts map[string]any
	// stack and pairs hold what has been read of the containers that are
	// open, until their size is known.
	stack []any
	pairs []Pair
}

// document reads the root and what follows it.
func (d *decoder) document() (any, error) {
	for {
		kind, err := d.s.Next()
		if err != nil {
			return nil, err
		}
		if kind == xmlscan.Start {
			break
		}
	}
	v, err := d.root()
	if err != nil {
		return nil, err
	}
	for {
		kind, err := d.s.Next()
		if err != nil {
			return nil, err
		}
		if kind == xmlscan.EOF {
			return v, nil
		}
	}
}

func (d *decoder) root() (any, error) {
	if string(d.s.Name()) == "marshal" {
		return d.marshal()
	}
	return d.value()
}

// marshal reads the content of a marshal element: exactly one value, which may
// be in another marshal element.
func (d *decoder) marshal() (any, error) {
	var v any
	found := false
	for {
		more, err := d.child()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if found {
			return nil, errors.New("more than one value at the root")
		}
		if v, err = d.root(); err != nil {
			return nil, err
		}
		found = true
	}
	if !found {
		return nil, errors.New("no value at the root")
	}
	return v, nil
}

// child goes to the next element inside the current one. It is false at its
// end.
func (d *decoder) child() (bool, error) {
	for {
		kind, err := d.s.Next()
		if err != nil {
			return false, err
		}
		switch kind {
		case xmlscan.Start:
			return true, nil
		case xmlscan.End:
			return false, nil
		}
	}
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

// remember notes a container under the id of its element.
func (d *decoder) remember(container any) error {
	if d.ids == nil {
		return nil
	}
	id, ok, err := d.s.Attr("id")
	if ok && err == nil {
		d.ids[id] = container
	}
	return err
}

func (d *decoder) reference() (any, error) {
	id, ok, err := d.s.Attr("id")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("reference without id")
	}
	v, ok := d.ids[id]
	if !ok {
		return nil, fmt.Errorf("reference to unknown id %.40q", id)
	}
	_, err = d.s.Chars()
	return v, err
}

// items reads all values up to the end of the current element.
func (d *decoder) items() ([]any, error) {
	start := len(d.stack)
	for {
		more, err := d.child()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		d.stack = append(d.stack, v)
	}
	if len(d.stack) == start {
		return nil, nil
	}
	items := slices.Clone(d.stack[start:])
	clear(d.stack[start:])
	d.stack = d.stack[:start]
	return items, nil
}

func (d *decoder) dictionary() (any, error) {
	dict := &Dict{}
	if err := d.remember(dict); err != nil {
		return nil, err
	}
	start := len(d.pairs)
	for {
		more, err := d.child()
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		pair, err := d.pair()
		if err != nil {
			return nil, err
		}
		d.pairs = append(d.pairs, pair)
	}
	err := dict.fill(d.pairs[start:])
	clear(d.pairs[start:])
	d.pairs = d.pairs[:start]
	return dict, err
}

// pair reads a key, whose element has just started, and its value.
func (d *decoder) pair() (Pair, error) {
	key, err := d.value()
	if err != nil {
		return Pair{}, err
	}
	more, err := d.child()
	if err != nil {
		return Pair{}, err
	}
	if !more {
		return Pair{}, fmt.Errorf("dictionary with a key, %.40s, that has no value", Repr(key))
	}
	v, err := d.value()
	return Pair{key, v}, err
}

// fill sets the pairs of an empty dictionary.
func (d *Dict) fill(pairs []Pair) error {
	if len(pairs) < indexFrom && ascending(pairs) {
		d.pairs = slices.Clone(pairs)
		return nil
	}
	for _, p := range pairs {
		if err := d.SetAny(p.Key, p.Value); err != nil {
			return err
		}
	}
	return nil
}

// ascending tells whether all keys are texts, each greater than the one before:
// the order in which dictionaries are written.
func ascending(pairs []Pair) bool {
	before := ""
	for i, p := range pairs {
		key, ok := p.Key.(string)
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
		id, err := keyID(item, 0)
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
	class, okClass, err := d.s.Attr("class")
	if err != nil {
		return nil, err
	}
	if !okModule || !okClass {
		return nil, errors.New("object without module or class")
	}
	if !allowed(module, class) {
		return nil, fmt.Errorf("refusing to unmarshal an object of class %.60s.%.60s", module, class)
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

// maxInterned bounds the length of texts that are looked up, and the number of
// them.
const (
	maxInternedLength = 48
	maxInterned       = 4096
)

// intern returns the bytes as a text, the same value for equal short texts.
func (d *decoder) intern(b []byte) any {
	if len(b) > maxInternedLength {
		return string(b)
	}
	if text, ok := d.texts[string(b)]; ok {
		return text
	}
	text := string(b)
	var v any = text
	if len(d.texts) < maxInterned {
		d.texts[text] = v
	}
	return v
}

// text reads a text: the characters of its element, unescaped once more.
func (d *decoder) text() (any, error) {
	b, err := d.s.Chars()
	if err != nil {
		return nil, err
	}
	if bytes.IndexByte(b, '&') < 0 {
		return d.intern(b), nil
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

var errNumber = errors.New("malformed number")

// parseInt reads an integer as Python does: a sign, digits of any script, and
// single underscores between digits.
func parseInt(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	digits, err := asciiDigits(text, false)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n, nil
	}
	if len(digits) > maxDigits {
		return nil, errNumber
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return nil, errNumber
	}
	return n, nil
}

// asciiDigits replaces the digits of other scripts and drops underscores
// between digits. Unless other characters are allowed, they are an error.
func asciiDigits(text string, others bool) (string, error) {
	var b strings.Builder
	digit := false
	for i, r := range text {
		switch {
		case r == '_':
			next := text[i+1:]
			if !digit || next == "" || next[0] == '_' {
				return "", errNumber
			}
			digit = false
			continue
		case r >= '0' && r <= '9':
			b.WriteRune(r)
			digit = true
			continue
		case r >= 0x80 && unicode.Is(unicode.Nd, r):
			b.WriteByte(byte('0' + digitValue(r)))
			digit = true
			continue
		case i == 0 && (r == '+' || r == '-'), others && r < 0x80:
			b.WriteRune(r)
			digit = false
			continue
		}
		return "", errNumber
	}
	return b.String(), nil
}

// digitValue returns the value of a decimal digit of any script: in Unicode they
// come in runs of ten, or of several times ten.
func digitValue(r rune) int {
	first := r
	for unicode.Is(unicode.Nd, first-1) {
		first--
	}
	return int(r-first) % 10
}

// parseFloat reads a float as Python does.
func parseFloat(text string) (any, error) {
	text, err := asciiDigits(text, true)
	if err != nil || strings.ContainsAny(text, "xXpP") {
		return nil, errNumber
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errNumber
	}
	return f, nil
}

// parseComplex reads the real and the imaginary part.
func parseComplex(text string) (any, error) {
	first, second, ok := strings.Cut(text, " ")
	if !ok {
		return nil, errNumber
	}
	re, err := parseFloat(first)
	if err != nil {
		return nil, err
	}
	im, err := parseFloat(strings.TrimSpace(second))
	if err != nil {
		return nil, err
	}
	return complex(re.(float64), im.(float64)), nil
}
