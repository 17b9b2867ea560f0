package tio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	xmlNamespace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsNamespace = "http://www.w3.org/2000/xmlns/"
	xsiNamespace   = "http://www.w3.org/2001/XMLSchema-instance"
	xsdNamespace   = "http://www.w3.org/2001/XMLSchema"
)

// What one tag may have; documents of this format have far less. Namespaces count as
// long as they are in force, since every name is looked up among them.
const (
	maxDepth      = 256
	maxName       = 1024 // of a namespace, too
	maxNamespaces = 256
	maxAttributes = 256
	maxValues     = 1 << 20 // bytes of all attributes together
)

// position is a place in a document, counted from 1.
type position struct{ line, column int }

type tokenKind int

const (
	startTag tokenKind = iota
	endTag
	charData
	endOfDocument
)

// attribute is one attribute of a start tag, namespace declarations excluded.
type attribute struct {
	raw   string // as written, with its prefix
	space string
	local string
	value string
}

// token is a piece of a document. The data of text is valid until the next call
// of the scanner; a run of text may come in several pieces.
type token struct {
	kind  tokenKind
	pos   position
	raw   string // name as written
	space string
	local string
	attrs []attribute
	data  []byte
}

// scanner cuts a document into tokens and enforces that it is well-formed XML
// 1.0 with namespaces and without document type. Its memory is bounded.
type scanner struct {
	chars *charReader
	buf   []byte
	at    int // buf[at:] is not consumed yet
	eof   bool
	err   error

	pos      position
	open     []string // raw names of the open elements
	scopes   []int    // how many bindings were in force outside each
	bindings []binding
	began    bool // the declaration is behind us
	rooted   bool // the document element has been seen
	closing  string
	data     []byte // text under construction
	brackets int    // how many ']' directly precede, in text
	cdata    bool   // inside a CDATA section
}

type binding struct{ prefix, space string }

const bufferSize = 16 << 10

func newScanner(r io.Reader) *scanner {
	return &scanner{chars: newCharReader(r), buf: make([]byte, 0, bufferSize), pos: position{1, 1}}
}

// fail makes the error for the current place.
func (s *scanner) fail(rule Rule, format string, args ...any) error {
	return s.failAt(s.pos, rule, format, args...)
}

func (s *scanner) failAt(at position, rule Rule, format string, args ...any) error {
	return &Error{Rule: rule, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)}
}

// want makes n bytes available and tells whether there are that many.
func (s *scanner) want(n int) bool {
	for len(s.buf)-s.at < n && !s.eof {
		if s.at > 0 {
			s.buf = s.buf[:copy(s.buf, s.buf[s.at:])]
			s.at = 0
		}
		k, err := s.chars.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+k]
		if err != nil {
			s.eof = true
			if err != io.EOF {
				s.err = err
			}
		}
	}
	return len(s.buf)-s.at >= n
}

// broken is the error for a document that ends or breaks where it must not.
func (s *scanner) broken(where string) error {
	var bad *badCharacter
	if errors.As(s.err, &bad) {
		return s.fail(WellFormedness, "%s", bad.message)
	}
	switch {
	case errors.Is(s.err, errTooLarge):
		return s.fail(Limit, "%s", s.err)
	case errors.Is(s.err, errOtherEncoding):
		return s.fail(Encoding, "%s", s.err)
	}
	if s.err != nil {
		return s.err
	}
	return s.fail(WellFormedness, "the document ends %s", where)
}

// skip consumes n available bytes.
func (s *scanner) skip(n int) {
	rest := s.buf[s.at : s.at+n]
	s.at += n
	for len(rest) >= 8 && printable(binary.LittleEndian.Uint64(rest)) {
		s.pos.column += 8
		rest = rest[8:]
	}
	for _, b := range rest {
		switch {
		case b == '\n':
			s.pos.line++
			s.pos.column = 1
		case b&0xc0 != 0x80:
			s.pos.column++
		}
	}
}

func (s *scanner) peek() (byte, bool) {
	if s.at == len(s.buf) && !s.want(1) {
		return 0, false
	}
	return s.buf[s.at], true
}

func (s *scanner) has(text string) bool {
	return s.want(len(text)) && string(s.buf[s.at:s.at+len(text)]) == text
}

// accept consumes text if it comes next.
func (s *scanner) accept(text string) bool {
	if !s.has(text) {
		return false
	}
	s.skip(len(text))
	return true
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// blanks consumes white space and tells whether there was any.
func (s *scanner) blanks() bool {
	found := false
	for {
		b, ok := s.peek()
		if !ok || !isBlank(b) {
			return found
		}
		s.skip(1)
		found = true
	}
}

// next returns the next token. After an error or the end of the document it
// must not be called again.
func (s *scanner) next() (token, error) {
	if !s.began {
		s.began = true
		if err := s.declaration(); err != nil {
			return token{}, err
		}
	}
	if s.closing != "" {
		return s.close()
	}
	for {
		if s.cdata {
			if t, ok, err := s.section(); ok || err != nil {
				return t, err
			}
		}
		b, ok := s.peek()
		switch {
		case !ok:
			return s.end()
		case b == '<':
			s.brackets = 0
			t, ok, err := s.markup()
			if ok || err != nil {
				return t, err
			}
		default:
			t, ok, err := s.text()
			if ok || err != nil {
				return t, err
			}
		}
	}
}

// end judges the end of the document.
func (s *scanner) end() (token, error) {
	switch {
	case s.err != nil:
		return token{}, s.broken("")
	case len(s.open) > 0:
		return token{}, s.broken(fmt.Sprintf("inside %s", s.open[len(s.open)-1]))
	case !s.rooted:
		return token{}, s.broken("without any element")
	}
	return token{kind: endOfDocument, pos: s.pos}, nil
}

// declaration consumes an XML declaration at the very start.
func (s *scanner) declaration() error {
	if !s.has("<?xml") || !s.want(6) || !isBlank(s.buf[s.at+5]) {
		return nil
	}
	s.skip(5)
	var values [3]string
	names := []string{"version", "encoding", "standalone"}
	for i := 0; ; {
		blank := s.blanks()
		if s.accept("?>") {
			break
		}
		for i < len(names) && !s.has(names[i]) {
			i++
		}
		if i == len(names) || !blank {
			return s.wrongDeclaration()
		}
		s.skip(len(names[i]))
		s.blanks()
		if !s.accept("=") {
			return s.wrongDeclaration()
		}
		s.blanks()
		value, err := s.quoted()
		if err != nil {
			return err
		}
		if value == "" {
			return s.failAt(position{1, 1}, WellFormedness, "the XML declaration has an empty %s", names[i])
		}
		values[i] = value
		i++
	}
	return s.judgeDeclaration(values[0], values[1], values[2])
}

func (s *scanner) wrongDeclaration() error {
	if _, ok := s.peek(); !ok {
		return s.broken("inside the XML declaration")
	}
	return s.fail(WellFormedness, "the XML declaration is malformed")
}

// quoted reads a short value of the XML declaration; it holds no references.
func (s *scanner) quoted() (string, error) {
	quote, ok := s.peek()
	if !ok || quote != '"' && quote != '\'' {
		return "", s.wrongDeclaration()
	}
	s.skip(1)
	var value []byte
	for {
		b, ok := s.peek()
		if !ok || b == '<' || len(value) > 64 {
			return "", s.wrongDeclaration()
		}
		s.skip(1)
		if b == quote {
			return string(value), nil
		}
		value = append(value, b)
	}
}

func (s *scanner) judgeDeclaration(version, encoding, standalone string) error {
	start := position{1, 1}
	switch {
	case version == "":
		return s.failAt(start, WellFormedness, "the XML declaration has no version")
	case version != "1.0":
		return s.failAt(start, Version, "XML version %q; only 1.0 is allowed", version)
	case encoding != "" && !s.chars.accepts(encoding):
		return s.failAt(start, Encoding, "the declared encoding %q is not supported or is not that of the bytes; use UTF-8", encoding)
	case standalone != "" && standalone != "yes" && standalone != "no":
		return s.failAt(start, WellFormedness, "standalone is neither yes nor no")
	}
	return nil
}

// markup consumes what begins with '<'. Comments and instructions give no
// token.
func (s *scanner) markup() (token, bool, error) {
	pos := s.pos
	if !s.want(2) {
		s.skip(1)
		_, err := s.name()
		return token{}, false, err
	}
	switch s.buf[s.at+1] {
	case '/':
		s.skip(2)
		t, err := s.endTag(pos)
		return t, true, err
	case '?':
		s.skip(2)
		return token{}, false, s.instruction(pos)
	case '!':
		if ok, err := s.declared(pos); ok || err != nil {
			return token{}, false, err
		}
	}
	s.skip(1)
	t, err := s.startTag(pos)
	return t, true, err
}

// declared consumes what begins with "<!", if it is anything known.
func (s *scanner) declared(pos position) (bool, error) {
	switch {
	case s.accept("<!--"):
		return true, s.comment()
	case s.accept("<![CDATA["):
		if len(s.open) == 0 {
			return true, s.failAt(pos, WellFormedness, "text outside of the document element")
		}
		s.cdata = true
		return true, nil
	case s.accept("<!DOCTYPE"):
		return true, s.failAt(pos, Doctype, "a document type is not allowed")
	}
	return false, nil
}

func (s *scanner) comment() error {
	for {
		b, ok := s.peek()
		switch {
		case !ok:
			return s.broken("inside a comment")
		case b != '-':
			s.skip(s.run('-'))
		case s.accept("-->"):
			return nil
		case s.has("--"):
			return s.fail(WellFormedness, "two hyphens inside a comment")
		default:
			s.skip(1)
		}
	}
}

// run counts the buffered bytes before the next b.
func (s *scanner) run(b byte) int {
	if i := bytes.IndexByte(s.buf[s.at:], b); i >= 0 {
		return i
	}
	return len(s.buf) - s.at
}

func (s *scanner) instruction(pos position) error {
	name, err := s.name()
	if err != nil {
		return err
	}
	switch {
	case strings.EqualFold(name, "xml"):
		return s.failAt(pos, WellFormedness, "an XML declaration must be the very first thing of the document")
	case strings.Contains(name, ":"):
		return s.failAt(pos, WellFormedness, "the name of a processing instruction has no colon")
	}
	if !s.blanks() && !s.has("?>") {
		if _, ok := s.peek(); ok {
			return s.fail(WellFormedness, "malformed processing instruction")
		}
	}
	for !s.accept("?>") {
		b, ok := s.peek()
		switch {
		case !ok:
			return s.broken("inside a processing instruction")
		case b == '?':
			s.skip(1)
		default:
			s.skip(s.run('?'))
		}
	}
	return nil
}

// section gives the next piece of a CDATA section, and false at its end.
func (s *scanner) section() (token, bool, error) {
	if s.accept("]]>") {
		s.cdata = false
		return token{}, false, nil
	}
	b, ok := s.peek()
	if !ok {
		return token{}, false, s.broken("inside a CDATA section")
	}
	pos, n := s.pos, 1
	if b != ']' {
		n = s.run(']')
	}
	s.data = append(s.data[:0], s.buf[s.at:s.at+n]...)
	s.skip(n)
	return token{kind: charData, pos: pos, data: s.data}, true, nil
}

// text gives the next piece of text: a run of plain characters or one
// reference.
func (s *scanner) text() (token, bool, error) {
	pos := s.pos
	s.data = s.data[:0]
	if b, _ := s.peek(); b == '&' {
		if len(s.open) == 0 {
			return token{}, false, s.failAt(pos, WellFormedness, "a reference outside of the document element")
		}
		s.brackets = 0
		r, err := s.reference()
		if err != nil {
			return token{}, false, err
		}
		s.data = utf8.AppendRune(s.data, r)
	} else {
		n, err := s.plainText()
		if err != nil {
			return token{}, false, err
		}
		s.data = append(s.data, s.buf[s.at:s.at+n]...)
		s.skip(n)
	}
	if len(s.open) > 0 {
		return token{kind: charData, pos: pos, data: s.data}, true, nil
	}
	if len(bytes.Trim(s.data, " \t\r\n")) > 0 {
		return token{}, false, s.failAt(pos, WellFormedness, "text outside of the document element")
	}
	return token{}, false, nil
}

// plainText counts the buffered bytes before the next markup, and watches for
// the end mark of CDATA sections, which plain text must not contain.
func (s *scanner) plainText() (int, error) {
	text := s.buf[s.at : s.at+s.run('<')]
	if i := bytes.IndexByte(text, '&'); i >= 0 {
		text = text[:i]
	}
	if s.brackets == 0 && bytes.IndexByte(text, ']') < 0 {
		return len(text), nil
	}
	for i, b := range text {
		switch b {
		case ']':
			s.brackets++
		case '>':
			if s.brackets >= 2 {
				s.skip(i)
				return 0, s.fail(WellFormedness, "]]> in text")
			}
			s.brackets = 0
		default:
			s.brackets = 0
		}
	}
	return len(text), nil
}

var predefined = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// reference consumes "&...;".
func (s *scanner) reference() (rune, error) {
	pos := s.pos
	s.skip(1)
	if s.accept("#") {
		return s.characterReference(pos)
	}
	name, err := s.name()
	if err != nil {
		return 0, s.orBroken(s.failAt(pos, WellFormedness, "a bare & must be written &amp;"))
	}
	if !s.accept(";") {
		return 0, s.orBroken(s.failAt(pos, WellFormedness, "a bare & must be written &amp;"))
	}
	r, ok := predefined[name]
	if !ok {
		return 0, s.failAt(pos, WellFormedness, "unknown entity %q", name)
	}
	return r, nil
}

// orBroken prefers the reason why the document breaks off here, if it does.
func (s *scanner) orBroken(err error) error {
	if _, ok := s.peek(); !ok && s.err != nil {
		return s.broken("")
	}
	return err
}

func (s *scanner) characterReference(pos position) (rune, error) {
	base := rune(10)
	if s.accept("x") {
		base = 16
	}
	var r rune
	for digits := 0; ; digits++ {
		b, ok := s.peek()
		if !ok {
			return 0, s.broken("inside a character reference")
		}
		s.skip(1)
		if b == ';' && digits > 0 {
			break
		}
		d := digit(b)
		if d < 0 || d >= base {
			return 0, s.failAt(pos, WellFormedness, "malformed character reference")
		}
		if r = r*base + d; r > 0x10ffff {
			r = 0x110000 // stays too large, whatever follows
		}
	}
	if !isChar(r) {
		return 0, s.failAt(pos, WellFormedness, "a reference to the character U+%04X, which is not allowed in XML", r)
	}
	return r, nil
}

func digit(b byte) rune {
	switch {
	case b >= '0' && b <= '9':
		return rune(b - '0')
	case b >= 'a' && b <= 'f':
		return rune(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return rune(b-'A') + 10
	}
	return -1
}
