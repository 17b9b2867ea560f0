package configparser

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxSize is how many bytes a configuration file may have.
const MaxSize = 16 << 20

// Parse reads a file in which values may hold references to other values, as
// Python's ConfigParser does. The name is used in errors only. Errors:
// *SyntaxError, or that of the reader.
func Parse(r io.Reader, name string) (*File, error) { return parse(r, name, true) }

// ParseRaw reads a file in which "%" means nothing, as Python's RawConfigParser
// does.
func ParseRaw(r io.Reader, name string) (*File, error) { return parse(r, name, false) }

// Load is Parse of the file at path. A missing file and one that cannot be
// read have the messages of the Python commands; both errors wrap their cause.
func Load(path string) (*File, error) { return load(path, Parse) }

// LoadRaw is ParseRaw of the file at path, otherwise as Load.
func LoadRaw(path string) (*File, error) { return load(path, ParseRaw) }

func load(path string, parse func(io.Reader, string) (*File, error)) (*File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &LoadError{Path: path, Missing: true, Err: err}
	}
	if err != nil {
		return nil, &LoadError{Path: path, Err: err}
	}
	defer f.Close()
	parsed, err := parse(f, path)
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return nil, &LoadError{Path: path, Err: err}
	}
	return parsed, err
}

func parse(r io.Reader, name string, interpolate bool) (*File, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("read %s: more than %d bytes; this is no configuration file", name, MaxSize)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	p := parser{
		file:     &File{name: name, interpolate: interpolate, sections: make(map[string]*section), defaults: newSection()},
		building: make(map[*section]map[string][]string),
		indent:   0,
	}
	number := 0
	for line := range lines(string(data)) {
		number++
		if !utf8.ValidString(line) {
			return nil, &SyntaxError{File: name, Line: number, Text: line, kind: notUTF8}
		}
		if err := p.line(number, line); err != nil {
			return nil, err
		}
	}
	if p.bad != nil {
		return nil, p.bad
	}
	p.join()
	return p.file, nil
}

// lines cuts text as Python's text files do: at LF, CRLF and CR alone. The
// ends come out as LF.
func lines(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for text != "" {
			i := strings.IndexAny(text, "\r\n")
			if i < 0 {
				yield(text)
				return
			}
			line := text[:i] + "\n"
			if text[i] == '\r' && i+1 < len(text) && text[i+1] == '\n' {
				i++
			}
			text = text[i+1:]
			if !yield(line) {
				return
			}
		}
	}
}

// parser is the state between two lines.
type parser struct {
	file     *File
	building map[*section]map[string][]string // lines of each value

	sect     *section // where keys go; nil before the first header
	sectName string
	key      string // the last key, "" after a header
	indent   int    // how deep the last key or header is
	bad      *SyntaxError
}

func (p *parser) line(number int, raw string) error {
	value := trim(raw)
	if value == "" {
		if p.inValue() {
			p.extend("")
		}
		return nil
	}
	if value[0] == '#' || value[0] == ';' {
		return nil
	}
	depth := indentation(raw)
	if p.inValue() && depth > p.indent {
		p.extend(value)
		return nil
	}
	p.indent = depth
	if name, ok := header(value); ok {
		return p.header(number, raw, name)
	}
	if p.sect == nil {
		return &SyntaxError{File: p.file.name, Line: number, Text: raw, kind: noHeader}
	}
	return p.option(number, raw, value)
}

func (p *parser) inValue() bool { return p.sect != nil && p.key != "" }

func (p *parser) extend(value string) {
	values := p.building[p.sect]
	values[p.key] = append(values[p.key], value)
}

// header finds the name in "[name]"; what follows the last bracket is ignored.
func header(value string) (string, bool) {
	if value[0] != '[' {
		return "", false
	}
	end := strings.LastIndexByte(value, ']')
	if end < 2 {
		return "", false
	}
	return value[1:end], true
}

func (p *parser) header(number int, raw, name string) error {
	p.key, p.sectName = "", name
	if name == defaultSection {
		p.use(p.file.defaults)
		return nil
	}
	if _, ok := p.file.sections[name]; ok {
		return &SyntaxError{File: p.file.name, Line: number, Text: raw, Section: name, kind: duplicateSection}
	}
	s := newSection()
	p.file.sections[name] = s
	p.file.order = append(p.file.order, name)
	p.use(s)
	return nil
}

func (p *parser) use(s *section) {
	p.sect = s
	if p.building[s] == nil {
		p.building[s] = make(map[string][]string)
	}
}

// option takes a line "key = value" or "key: value". Lines that are neither are
// collected, so that all of them are told at once.
func (p *parser) option(number int, raw, value string) error {
	i := strings.IndexAny(value, "=:")
	key := ""
	if i >= 0 {
		key = fold(trim(value[:i]))
	}
	if key == "" {
		p.reject(number, raw)
		return nil
	}
	if _, ok := p.sect.options[key]; ok {
		return &SyntaxError{File: p.file.name, Line: number, Text: raw, Section: p.sectName, Key: key, kind: duplicateOption}
	}
	p.key = key
	p.sect.order = append(p.sect.order, key)
	p.sect.options[key] = option{line: number}
	p.building[p.sect][key] = []string{trim(value[i+1:])}
	return nil
}

func (p *parser) reject(number int, raw string) {
	if p.bad == nil {
		p.bad = &SyntaxError{File: p.file.name, Line: number, Text: raw, kind: noOption}
		return
	}
	p.bad.more = append(p.bad.more, badLine{number, raw})
}

// join makes the values of their lines.
func (p *parser) join() {
	for s, values := range p.building {
		for key, parts := range values {
			o := s.options[key]
			o.value = strings.TrimRightFunc(strings.Join(parts, "\n"), isSpace)
			s.options[key] = o
		}
	}
}

func trim(s string) string { return strings.TrimFunc(s, isSpace) }

// isSpace is what Python's text methods take for white space.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// indentation counts the characters before the first visible one.
func indentation(line string) int {
	n := 0
	for _, r := range line {
		if !isSpace(r) {
			return n
		}
		n++
	}
	return math.MaxInt
}
