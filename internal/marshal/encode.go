package marshal

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth bounds how deeply values may be nested, on reading and on writing.
const MaxDepth = 1000

var errTooDeep = fmt.Errorf("values nested more than %d deep", MaxDepth)

// ErrText is wrapped by the error of Marshal for text that XML cannot carry:
// control characters other than tab, line feed and carriage return, U+FFFE,
// U+FFFF, and bytes that are not UTF-8.
var ErrText = errors.New("text not allowed in XML")

// Marshal returns the document of a value: the types of this package and nil,
// bool, int, int64, *big.Int, float64, complex128, string, []byte (as text),
// []any, []string, map[string]any, map[string]string and Made. Go slices and maps
// have no identity on the wire: they are never written as a reference. Any
// other type, and an object of a class outside the protocol, is an error, and
// nothing is returned with it.
func Marshal(v any) ([]byte, error) {
	return Append(make([]byte, 0, usual), v)
}

// usual is the size of an instance on the wire, in bytes.
const usual = 1 << 10

// Append is Marshal onto the end of a buffer.
func Append(b []byte, v any) ([]byte, error) {
	e := encoder{b: append(b, "<marshal>"...), id: 1}
	if err := e.value(v, 0); err != nil {
		return nil, fmt.Errorf("marshal: %w", err)
	}
	return append(e.b, "</marshal>"...), nil
}

type encoder struct {
	b    []byte
	id   int
	seen map[any]int
}

// longFrom is the first integer written as <long>.
var longFrom = mustInt("999999999999999983222784")

func mustInt(text string) *big.Int {
	n, _ := new(big.Int).SetString(text, 10)
	return n
}

func (e *encoder) value(v any, depth int) error {
	if depth > MaxDepth {
		return errTooDeep
	}
	switch v := v.(type) {
	case nil:
		e.b = append(e.b, "<none/>"...)
	case bool:
		if v {
			e.b = append(e.b, "<bool>1</bool>"...)
		} else {
			e.b = append(e.b, "<bool>0</bool>"...)
		}
	case int:
		e.integer(int64(v))
	case int64:
		e.integer(v)
	case *big.Int:
		return e.bigInteger(v)
	case float64:
		e.b = append(e.b, "<float>"...)
		e.b = append(e.b, FloatText(v)...)
		e.b = append(e.b, "</float>"...)
	case complex128:
		e.b = fmt.Appendf(e.b, "<complex>%s %s</complex>", FloatText(real(v)), FloatText(imag(v)))
	case string:
		return e.text(v)
	case []byte:
		return e.text(string(v))
	default:
		return e.container(v, depth)
	}
	return nil
}

func (e *encoder) container(v any, depth int) error {
	if isNil(v) {
		return fmt.Errorf("refusing to marshal a nil %T", v)
	}
	switch v := v.(type) {
	case Tuple:
		e.b = append(e.b, "<tuple"...)
		return e.sequence("tuple", v, depth)
	case *List:
		if e.referred(v) {
			return nil
		}
		e.open("<list", v)
		return e.sequence("list", v.Items, depth)
	case *Set:
		if e.referred(v) {
			return nil
		}
		e.open("<set", v)
		return e.sequence("set", v.Items, depth)
	case []any:
		e.open("<list", nil)
		return e.sequence("list", v, depth)
	case []string:
		items := make([]any, len(v))
		for i, s := range v {
			items[i] = s
		}
		e.open("<list", nil)
		return e.sequence("list", items, depth)
	case *Dict:
		if e.referred(v) {
			return nil
		}
		e.open("<dictionary", v)
		return e.dictionary(sortPairs(v.pairs), depth)
	case map[string]any:
		e.open("<dictionary", nil)
		return e.dictionary(sortedPairs(v), depth)
	case map[string]string:
		e.open("<dictionary", nil)
		return e.dictionary(sortedPairs(v), depth)
	case *Object:
		return e.object(v, depth)
	case Made:
		return e.made(v, depth)
	}
	return fmt.Errorf("refusing to marshal a value of type %s", typeName(v))
}

// made writes a value that is made for it. What it consists of may be gone
// afterwards, and something else be in its place: its identities are forgotten.
func (e *encoder) made(make Made, depth int) error {
	v, err := make()
	if err != nil {
		return err
	}
	outside := e.seen
	e.seen = nil
	err = e.value(v, depth+1)
	e.seen = outside
	return err
}

// open gives the next id to a container and writes the start of its tag.
func (e *encoder) open(tag string, key any) {
	e.id++
	if key != nil {
		if e.seen == nil {
			e.seen = map[any]int{}
		}
		e.seen[key] = e.id
	}
	e.b = append(e.b, tag...)
	e.b = append(e.b, ` id="i`...)
	e.b = strconv.AppendInt(e.b, int64(e.id), 10)
	e.b = append(e.b, '"')
}

// referred writes a reference if the container was written before.
func (e *encoder) referred(key any) bool {
	id, ok := e.seen[key]
	if ok {
		e.b = fmt.Appendf(e.b, `<reference id="i%d"/>`, id)
	}
	return ok
}

// sample is the number of values of a sequence from whose length that of the others
// is guessed: a buffer that grows on the way takes several times its memory.
const sample = 16

// maxGuess bounds the memory that is taken on a guess, in bytes.
const maxGuess = 16 << 20

// sequence writes the rest of an element that holds values.
func (e *encoder) sequence(name string, items []any, depth int) error {
	if len(items) == 0 {
		e.b = append(e.b, "/>"...)
		return nil
	}
	e.b = append(e.b, '>')
	start := len(e.b)
	for i, item := range items {
		if err := e.value(item, depth+1); err != nil {
			return err
		}
		if i+1 == sample && len(items) > 2*sample {
			guess := (len(e.b) - start) / sample * (len(items) - sample)
			e.b = slices.Grow(e.b, min(guess+guess/16, maxGuess))
		}
	}
	e.close(name)
	return nil
}

// dictionary writes the rest of an element that holds pairs.
func (e *encoder) dictionary(pairs []Pair, depth int) error {
	if len(pairs) == 0 {
		e.b = append(e.b, "/>"...)
		return nil
	}
	e.b = append(e.b, '>')
	for _, p := range pairs {
		if err := e.value(p.Key, depth+1); err != nil {
			return err
		}
		if err := e.value(p.Value, depth+1); err != nil {
			return within(p.Key, err)
		}
	}
	e.close("dictionary")
	return nil
}

// within adds the key of a value to its error. That it is nested too deep is told
// without the way down.
func within(key any, err error) error {
	name, ok := key.(string)
	if !ok || errors.Is(err, errTooDeep) {
		return err
	}
	return fmt.Errorf("%.60q: %w", name, err)
}

func (e *encoder) object(o *Object, depth int) error {
	if _, ok := travels(o.Module, o.Class); !ok {
		return fmt.Errorf("refusing to marshal %s.%s", o.Module, o.Class)
	}
	if e.referred(o) {
		return nil
	}
	e.open("<object", o)
	e.b = append(e.b, ` module="`...)
	e.b = append(e.b, o.Module...)
	e.b = append(e.b, `" class="`...)
	e.b = append(e.b, o.Class...)
	e.b = append(e.b, `">`...)
	if err := e.value(o.Args, depth+1); err != nil {
		return err
	}
	var state any
	// Compat: Python 3.11 and later write null for an object that has no
	// attribute at all.
	if o.State.Len() > 0 {
		state = o.State
	}
	if err := e.value(state, depth+1); err != nil {
		return err
	}
	e.close("object")
	return nil
}

func (e *encoder) close(name string) {
	e.b = append(e.b, '<', '/')
	e.b = append(e.b, name...)
	e.b = append(e.b, '>')
}

func (e *encoder) integer(n int64) {
	e.b = append(e.b, "<int>"...)
	e.b = strconv.AppendInt(e.b, n, 10)
	e.b = append(e.b, "</int>"...)
}

func (e *encoder) bigInteger(n *big.Int) error {
	if n == nil {
		return errors.New("refusing to marshal a nil integer")
	}
	name := "int"
	if n.CmpAbs(longFrom) >= 0 {
		name = "long"
	}
	e.b = append(e.b, '<')
	e.b = append(e.b, name...)
	e.b = append(e.b, '>')
	e.b = n.Append(e.b, 10)
	e.close(name)
	return nil
}

// text writes a text, escaped twice.
func (e *encoder) text(s string) error {
	e.b = append(e.b, "<string>"...)
	start := 0
	for i := 0; i < len(s); {
		if plain(s[i]) {
			i++
			continue
		}
		e.b = append(e.b, s[start:i]...)
		size, err := e.escape(s[i:])
		if err != nil {
			// Not what is there: it may be a part of a password.
			return fmt.Errorf("%w: byte %d of %d", err, i+1, len(s))
		}
		i += size
		start = i
	}
	e.b = append(e.b, s[start:]...)
	e.b = append(e.b, "</string>"...)
	return nil
}

// plain tells whether a byte is written as it is, quickly for letters.
func plain(c byte) bool {
	return c > '>' && c < utf8.RuneSelf || c >= ' ' && c < '>' && c != '&' && c != '<'
}

// escape writes the first character of a text, which is not plain, and returns
// its length.
func (e *encoder) escape(s string) (int, error) {
	switch c := s[0]; {
	case c == '&':
		e.b = append(e.b, "&amp;amp;"...)
	case c == '<':
		e.b = append(e.b, "&amp;lt;"...)
	case c == '>':
		e.b = append(e.b, "&amp;gt;"...)
	case c == '\r':
		e.b = append(e.b, "&#13;"...)
	case c == '\t', c == '\n':
		e.b = append(e.b, c)
	case c < utf8.RuneSelf:
		return 0, ErrText
	default:
		r, size := utf8.DecodeRuneInString(s)
		if (r == utf8.RuneError && size == 1) || r == 0xFFFE || r == 0xFFFF {
			return 0, ErrText
		}
		e.b = append(e.b, "&#"...)
		e.b = strconv.AppendInt(e.b, int64(r), 10)
		e.b = append(e.b, ';')
		return size, nil
	}
	return 1, nil
}

// sortPairs orders the pairs of a dictionary as they are written: by key, or
// by the repr of the key if some keys cannot be compared.
func sortPairs(pairs []Pair) []Pair {
	ordered := true
	for i := 1; i < len(pairs) && ordered; i++ {
		a, aText := pairs[i-1].Key.(string)
		b, bText := pairs[i].Key.(string)
		ordered = aText && bText && a < b
	}
	if ordered {
		return pairs
	}
	sorted := append([]Pair(nil), pairs...)
	comparable := true
	sort.SliceStable(sorted, func(i, j int) bool {
		c, ok := compare(sorted[i].Key, sorted[j].Key, 0)
		comparable = comparable && ok
		return c < 0
	})
	if !comparable {
		copy(sorted, pairs)
		sort.SliceStable(sorted, func(i, j int) bool { return Repr(sorted[i].Key) < Repr(sorted[j].Key) })
	}
	return sorted
}

// compare orders two keys; ok is false if Python could not, that is, if they are
// not equal and not both texts, numbers or tuples.
func compare(a, b any, depth int) (order int, ok bool) {
	if s, isText := a.(string); isText {
		t, isText := b.(string)
		return strings.Compare(s, t), isText
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		if !ok {
			return 0, false
		}
		return x.Cmp(y), true
	}
	s, sTuple := a.(Tuple)
	t, tTuple := b.(Tuple)
	if !sTuple || !tTuple {
		x, errX := keyID(a)
		y, errY := keyID(b)
		return 0, errX == nil && errY == nil && x == y
	}
	if depth > MaxDepth {
		return 0, false
	}
	for i := range min(len(s), len(t)) {
		if order, ok := compare(s[i], t[i], depth+1); order != 0 || !ok {
			return order, ok
		}
	}
	return len(s) - len(t), true
}

// number returns a key as a number. NaN, which has no order, is not one.
func number(v any) (*big.Float, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewFloat(1), true
		}
		return new(big.Float), true
	case int:
		return new(big.Float).SetInt64(int64(v)), true
	case int64:
		return new(big.Float).SetInt64(v), true
	case *big.Int:
		return new(big.Float).SetInt(v), true
	case float64:
		if v == v {
			return big.NewFloat(v), true
		}
	}
	return nil, false
}
