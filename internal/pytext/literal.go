package pytext

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/slapos/slapos-go/internal/marshal"
)

// ParseLiteral reads a value in the notation of Python's repr: None, True,
// False, numbers, inf, nan, quoted text, lists, tuples and dictionaries. Tuples
// become lists, and keys that are not text become what Python's str makes of
// them.
func ParseLiteral(text string) (any, error) {
	p := &parser{text: text}
	v, err := p.value(0)
	if err == nil {
		p.blanks()
		if p.at < len(p.text) {
			err = p.fail()
		}
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// parser reads a literal from left to right.
type parser struct {
	text string
	at   int
}

func (p *parser) fail() error { return fmt.Errorf("no literal at byte %d", p.at) }

func (p *parser) blanks() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// next skips blanks and returns the byte after them, 0 at the end.
func (p *parser) next() byte {
	p.blanks()
	if p.at == len(p.text) {
		return 0
	}
	return p.text[p.at]
}

func (p *parser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errTooDeep
	}
	switch c := p.next(); {
	case c == '[':
		items, _, err := p.items(']', depth)
		return items, err
	case c == '(':
		items, commas, err := p.items(')', depth)
		if err == nil && len(items) == 1 && !commas {
			return items[0], nil // a value in brackets
		}
		return items, err
	case c == '{':
		return p.dictionary(depth)
	case c == '\'' || c == '"':
		return p.quoted()
	default:
		return p.word()
	}
}

// items reads values up to a closing bracket; a comma may follow the last.
func (p *parser) items(closing byte, depth int) (items []any, commas bool, err error) {
	p.at++
	items = []any{}
	for {
		if p.next() == closing {
			p.at++
			return items, commas, nil
		}
		item, err := p.value(depth + 1)
		if err != nil {
			return nil, false, err
		}
		items = append(items, item)
		switch p.next() {
		case ',':
			commas = true
			p.at++
		case closing:
		default:
			return nil, false, p.fail()
		}
	}
}

func (p *parser) dictionary(depth int) (any, error) {
	p.at++
	m := map[string]any{}
	for {
		if p.next() == '}' {
			p.at++
			return m, nil
		}
		key, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if p.next() != ':' {
			return nil, p.fail()
		}
		p.at++
		if m[marshal.Str(key)], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		switch p.next() {
		case ',':
			p.at++
		case '}':
		default:
			return nil, p.fail()
		}
	}
}

// word reads a name or a number.
func (p *parser) word() (any, error) {
	start := p.at
	for p.at < len(p.text) && isWord(p.text[p.at]) {
		p.at++
	}
	word := p.text[start:p.at]
	switch word {
	case "None":
		return nil, nil
	case "True":
		return true, nil
	case "False":
		return false, nil
	case "inf":
		return math.Inf(1), nil
	case "-inf":
		return math.Inf(-1), nil
	case "nan":
		return math.NaN(), nil
	}
	// Only what starts like a decimal number is one: Go knows more notations.
	digits := strings.TrimLeft(word, "+-")
	if digits == "" || digits[0] != '.' && (digits[0] < '0' || digits[0] > '9') || strings.ContainsAny(word, "xXpP_") {
		p.at = start
		return nil, p.fail()
	}
	n, err := number(word)
	if err != nil {
		p.at = start
		return nil, p.fail()
	}
	return n, nil
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("+-._", c) >= 0
}

// quoted reads text in single or double quotes.
func (p *parser) quoted() (any, error) {
	mark := p.text[p.at]
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch {
		case c == mark:
			p.at++
			return b.String(), nil
		case c == '\n':
			return nil, p.fail()
		case c == '\\':
			if err := p.escape(&b); err != nil {
				return nil, err
			}
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	return nil, p.fail()
}

// escape reads what follows a backslash.
func (p *parser) escape(b *strings.Builder) error {
	if p.at+1 >= len(p.text) {
		return p.fail()
	}
	c := p.text[p.at+1]
	if digits, ok := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]; ok {
		from := p.at + 2
		if from+digits > len(p.text) {
			return p.fail()
		}
		r, err := strconv.ParseUint(p.text[from:from+digits], 16, 32)
		if err != nil || r > utf8.MaxRune || !utf8.ValidRune(rune(r)) {
			return p.fail()
		}
		b.WriteRune(rune(r))
		p.at = from + digits
		return nil
	}
	at := strings.IndexByte(`\'"nrtabfv`, c)
	if at < 0 {
		return p.fail()
	}
	b.WriteByte("\\'\"\n\r\t\a\b\f\v"[at])
	p.at += 2
	return nil
}
