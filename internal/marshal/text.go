package marshal

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxValues bounds how many values a value is when it is written out, by Native
// or as text: a small document can refer many times to the same list.
const maxValues = 1 << 20

// maxText bounds the text of a value that is not text, in bytes.
const maxText = MaxBytes

// ErrTextTooLong is returned by StrWithin.
var ErrTextTooLong = errors.New("value too large or nested too deep to be written as text")

// Str returns the text Python's str gives for a value: text itself, and Repr
// of everything else. Bytes count as the text they encode.
func Str(v any) string {
	text, _ := str(v)
	return text
}

// StrWithin is Str, but fails with ErrTextTooLong where Str would leave
// something out.
func StrWithin(v any) (string, error) {
	text, whole := str(v)
	if !whole {
		return "", ErrTextTooLong
	}
	return text, nil
}

// StrUpTo is Str, but writes no more of a value that is not text when there are more
// than n bytes of it, and tells whether it is the whole.
func StrUpTo(v any, n int) (text string, whole bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	}
	return reprUpTo(v, n)
}

func str(v any) (text string, whole bool) { return StrUpTo(v, maxText) }

// Repr returns the text Python's repr gives for a value. Natives are accepted
// beside the types of this package; the keys of a Go map are sorted. A
// container inside itself is shown as [...] or {...}, as in Python. What is
// nested more than MaxDepth deep, and what is beyond a million values or MaxBytes
// bytes, is shown as "...".
func Repr(v any) string {
	text, _ := repr(v)
	return text
}

func repr(v any) (text string, whole bool) { return reprUpTo(v, maxText) }

func reprUpTo(v any, n int) (text string, whole bool) {
	p := printer{open: map[any]bool{}, most: n}
	p.value(v, 0)
	return p.b.String(), !p.cut
}

type printer struct {
	b      strings.Builder
	open   map[any]bool
	values int
	most   int // of bytes
	// cut tells that something was left out, full that nothing more is written.
	cut, full bool
}

// leaveOut tells whether there is no room for another value at a depth.
func (p *printer) leaveOut(depth int) bool {
	if p.full {
		return true
	}
	p.values++
	p.full = p.values > maxValues || p.b.Len() > p.most
	if !p.full && depth <= MaxDepth {
		return false
	}
	p.cut = true
	p.b.WriteString("...")
	return true
}

// value appends the repr of one value.
func (p *printer) value(v any, depth int) {
	if p.leaveOut(depth) {
		return
	}
	switch v := v.(type) {
	case nil:
		p.b.WriteString("None")
	case bool:
		if v {
			p.b.WriteString("True")
		} else {
			p.b.WriteString("False")
		}
	case int:
		p.b.WriteString(strconv.Itoa(v))
	case int64:
		p.b.WriteString(strconv.FormatInt(v, 10))
	case *big.Int:
		p.b.WriteString(v.String())
	case float64:
		p.b.WriteString(FloatText(v))
	case complex128:
		p.b.WriteString(complexText(v))
	case string:
		p.b.WriteString(quote(v))
	case []byte:
		p.b.WriteString("b" + quoteBytes(v))
	default:
		p.container(v, depth)
	}
}

// container appends the repr of a value that holds others.
func (p *printer) container(v any, depth int) {
	if isNil(v) {
		p.b.WriteString("None")
		return
	}
	switch v := v.(type) {
	case Tuple:
		p.tuple(v, depth)
	case []any:
		p.sequence("[", v, "]", depth)
	case []string:
		items := make([]any, len(v))
		for i, s := range v {
			items[i] = s
		}
		p.sequence("[", items, "]", depth)
	case *List:
		p.once(v, "[...]", func() { p.sequence("[", v.Items, "]", depth) })
	case *Set:
		if len(v.Items) == 0 {
			p.b.WriteString("set()")
			return
		}
		p.once(v, "{...}", func() { p.sequence("{", v.Items, "}", depth) })
	case *Dict:
		p.once(v, "{...}", func() { p.pairs(v.pairs, depth) })
	case map[string]any:
		p.pairs(sortedPairs(v), depth)
	case map[string]string:
		p.pairs(sortedPairs(v), depth)
	case *Object:
		fmt.Fprintf(&p.b, "<%s.%s object>", v.Module, v.Class)
	default:
		fmt.Fprintf(&p.b, "<%s>", typeName(v))
	}
}

func (p *printer) once(key any, again string, print func()) {
	if p.open[key] {
		p.b.WriteString(again)
		return
	}
	p.open[key] = true
	print()
	delete(p.open, key)
}

func (p *printer) sequence(left string, items []any, right string, depth int) {
	p.b.WriteString(left)
	for i, item := range items {
		if p.full {
			return
		}
		if i > 0 {
			p.b.WriteString(", ")
		}
		p.value(item, depth+1)
	}
	p.b.WriteString(right)
}

func (p *printer) tuple(items Tuple, depth int) {
	if len(items) == 1 {
		p.b.WriteString("(")
		p.value(items[0], depth+1)
		p.b.WriteString(",)")
		return
	}
	p.sequence("(", items, ")", depth)
}

func (p *printer) pairs(pairs []Pair, depth int) {
	p.b.WriteString("{")
	for i, pair := range pairs {
		if p.full {
			return
		}
		if i > 0 {
			p.b.WriteString(", ")
		}
		p.value(pair.Key, depth+1)
		p.b.WriteString(": ")
		p.value(pair.Value, depth+1)
	}
	p.b.WriteString("}")
}

// sortedPairs returns the entries of a Go map by key.
func sortedPairs[V any](m map[string]V) []Pair {
	pairs := make([]Pair, 0, len(m))
	for k, v := range m {
		pairs = append(pairs, Pair{k, v})
	}
	sort.Slice(pairs, func(i, j int) bool { return pairs[i].Key.(string) < pairs[j].Key.(string) })
	return pairs
}

// FloatText returns the shortest decimal that reads back as f, in the notation
// Python uses: fixed for exponents from -4 to 15, always with a fraction.
func FloatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	exponent, err := strconv.Atoi(text[strings.IndexByte(text, 'e')+1:])
	if err == nil && exponent >= -4 && exponent < 16 {
		text = strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
	}
	return text
}

func complexText(c complex128) string {
	part := func(f float64) string { return strings.TrimSuffix(FloatText(f), ".0") }
	if real(c) == 0 && !math.Signbit(real(c)) {
		return part(imag(c)) + "j"
	}
	im := part(imag(c))
	if im[0] != '-' {
		im = "+" + im
	}
	return "(" + part(real(c)) + im + "j)"
}

// quote writes text as a Python literal.
func quote(s string) string {
	mark := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		mark = '"'
	}
	b := make([]byte, 0, len(s)+2)
	b = append(b, mark)
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = fmt.Appendf(b, `\udc%02x`, s[i])
			i++
			continue
		}
		i += size
		b = appendQuoted(b, r, mark)
	}
	return string(append(b, mark))
}

func appendQuoted(b []byte, r rune, mark byte) []byte {
	switch {
	case r == rune(mark) || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, `\n`...)
	case r == '\r':
		return append(b, `\r`...)
	case r == '\t':
		return append(b, `\t`...)
	case r == ' ' || printable(r):
		return utf8.AppendRune(b, r)
	case r < 0x100:
		return fmt.Appendf(b, `\x%02x`, r)
	case r < 0x10000:
		return fmt.Appendf(b, `\u%04x`, r)
	}
	return fmt.Appendf(b, `\U%08x`, r)
}

// printable follows Python's notion: separators other than the space, and
// everything of the category "other", are escaped.
func printable(r rune) bool {
	return !unicode.In(r, unicode.Z, unicode.C) && unicode.IsGraphic(r)
}

func quoteBytes(data []byte) string {
	mark := byte('\'')
	if strings.Contains(string(data), "'") && !strings.Contains(string(data), `"`) {
		mark = '"'
	}
	b := []byte{mark}
	for _, c := range data {
		if c >= 0x80 {
			b = fmt.Appendf(b, `\x%02x`, c)
			continue
		}
		b = appendQuoted(b, rune(c), mark)
	}
	return string(append(b, mark))
}

// typeName names the type of a value in messages.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case *List, []any, []string:
		return "list"
	case *Dict, map[string]any, map[string]string:
		return "dictionary"
	case *Set:
		return "set"
	case Tuple:
		return "tuple"
	case string, []byte:
		return "text"
	case int, int64, *big.Int:
		return "integer"
	case float64:
		return "float"
	case bool:
		return "boolean"
	case *Object:
		if v != nil {
			return v.Module + "." + v.Class
		}
	}
	return fmt.Sprintf("%T", v)
}
