package xmlscan

import (
	"bytes"
	"fmt"
)

// Kind is the kind of a piece of a document.
type Kind uint8

// Kinds of pieces.
const (
	EOF   Kind = iota // the end of the document
	Start             // the start of an element; see Name and Attr
	End               // the end of an element
	Text              // text, see Bytes; adjacent pieces of text are not joined
	Misc              // a comment or a processing instruction
)

// Limits bound what a document may hold.
type Limits struct {
	// Bytes bounds the size of the document. It is mandatory.
	Bytes int
	// Depth bounds the nesting of elements. It is mandatory.
	Depth int
	// Expansion bounds what the document's own entities expand to, in bytes
	// over the whole document. If it is zero a document type declaration, and
	// with it every such entity, is refused.
	Expansion int
	// Repair reads U+FFFD instead of characters that XML does not allow and of
	// bytes that are not UTF-8, which are an error otherwise.
	Repair bool
}

// maxAttributes bounds the attributes of one element.
const maxAttributes = 64

// Error is a document that cannot be read.
type Error struct {
	// Line and Column tell where, counted from 1, in characters of one byte.
	Line, Column int
	// Message tells why.
	Message string
}

// Error returns position and reason.
func (e *Error) Error() string {
	return fmt.Sprintf("XML line %d, column %d: %s", e.Line, e.Column, e.Message)
}

// Scanner splits one document. It may not be used by several goroutines.
type Scanner struct {
	data   []byte
	pos    int
	limits Limits

	open       []element
	rootSeen   bool
	doctype    bool
	pendingEnd bool

	name  []byte // as written, with prefix
	local []byte // without prefix
	attrs []attribute
	text  []byte
	buf   []byte

	entities map[string]entity
	expanded int
}

// element is an element whose end has not come yet.
type element struct {
	name []byte
	// namespaced tells that names without prefix are in a namespace here.
	namespaced bool
}

type attribute struct {
	name, raw []byte
}

// New returns a scanner of a document, which must not change while it is used.
func New(data []byte, limits Limits) (*Scanner, error) {
	if len(data) > limits.Bytes {
		return nil, fmt.Errorf("XML document of %d bytes is larger than %d", len(data), limits.Bytes)
	}
	text, err := prepare(data, limits.Repair)
	if err != nil {
		return nil, fmt.Errorf("XML document: %w", err)
	}
	s := &Scanner{data: text, limits: limits}
	if isDeclaration(text) {
		if err := s.skipPast("?>", "XML declaration"); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Depth returns the number of elements that are open.
func (s *Scanner) Depth() int { return len(s.open) }

// Name returns the name of the element that Next returned the start of, without
// prefix. It is valid until the next call.
func (s *Scanner) Name() []byte { return s.local }

// Namespaced tells whether the element that Next returned the start of is in a
// namespace.
func (s *Scanner) Namespaced() bool {
	return len(s.local) < len(s.name) || len(s.open) > 0 && s.open[len(s.open)-1].namespaced
}

// Attr returns an attribute, by its name as written, of the element that Next
// returned the start of. The value may be kept, but not changed.
func (s *Scanner) Attr(name string) (value []byte, ok bool, err error) {
	for _, a := range s.attrs {
		if string(a.name) == name {
			value, err := s.attributeValue(a.raw)
			return value, true, err
		}
	}
	return nil, false, nil
}

// Bytes returns the text that Next returned. It is valid until the next call.
func (s *Scanner) Bytes() []byte { return s.text }

// Next returns the kind of the next piece.
func (s *Scanner) Next() (Kind, error) {
	if s.pendingEnd {
		s.pendingEnd = false
		s.open = s.open[:len(s.open)-1]
		return End, nil
	}
	for {
		if s.pos >= len(s.data) {
			return s.atEnd()
		}
		if s.data[s.pos] != '<' {
			more, err := s.characters()
			if err != nil || more {
				return Text, err
			}
			continue
		}
		kind, err := s.markup()
		if err != nil || kind != EOF {
			return kind, err
		}
	}
}

func (s *Scanner) atEnd() (Kind, error) {
	if len(s.open) > 0 {
		return EOF, s.fail("element %.40s has no end", s.open[len(s.open)-1].name)
	}
	if !s.rootSeen {
		return EOF, s.fail("no element found")
	}
	return EOF, nil
}

// characters reads text up to the next markup. It is false if that is only
// white space outside the root.
func (s *Scanner) characters() (bool, error) {
	end := bytes.IndexByte(s.data[s.pos:], '<')
	if end < 0 {
		end = len(s.data) - s.pos
	}
	raw := s.data[s.pos : s.pos+end]
	if len(s.open) == 0 {
		if len(bytes.TrimLeft(raw, " \t\n")) > 0 {
			return false, s.fail("text outside the root element")
		}
		s.pos += end
		return false, nil
	}
	text, err := s.expand(raw)
	if err != nil {
		return false, err
	}
	s.text = text
	s.pos += end
	return true, nil
}

// markup reads what begins with <. It returns EOF for what is not reported.
func (s *Scanner) markup() (Kind, error) {
	rest := s.data[s.pos:]
	if len(rest) < 2 {
		return EOF, s.fail("markup without end")
	}
	switch rest[1] {
	case '/':
		return s.endTag()
	case '?':
		if isDeclaration(rest) {
			return EOF, s.fail("XML declaration inside the document")
		}
		return Misc, s.skipPast("?>", "processing instruction")
	case '!':
		return s.declaration(rest)
	}
	return s.startTag()
}

func (s *Scanner) declaration(rest []byte) (Kind, error) {
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		s.pos += 4
		return Misc, s.skipPast("-->", "comment")
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		if len(s.open) == 0 {
			return EOF, s.fail("text outside the root element")
		}
		s.pos += len("<![CDATA[")
		start := s.pos
		if err := s.skipPast("]]>", "CDATA section"); err != nil {
			return EOF, err
		}
		s.text = s.data[start : s.pos-3]
		return Text, nil
	case bytes.HasPrefix(rest, []byte("<!DOCTYPE")):
		return EOF, s.readDoctype()
	}
	return EOF, s.fail("unknown declaration")
}

func (s *Scanner) skipPast(end, what string) error {
	i := bytes.Index(s.data[s.pos:], []byte(end))
	if i < 0 {
		return s.fail("%s without end", what)
	}
	s.pos += i + len(end)
	return nil
}

func (s *Scanner) endTag() (Kind, error) {
	at := s.pos
	s.pos += 2
	if s.closes(s.pos) {
		s.pos += len(s.open[len(s.open)-1].name) + 1
		s.open = s.open[:len(s.open)-1]
		return End, nil
	}
	name := s.readName()
	s.skipSpace()
	if s.pos >= len(s.data) || s.data[s.pos] != '>' {
		return EOF, s.failAt(at, "end of an element is malformed")
	}
	if len(s.open) == 0 || !bytes.Equal(s.open[len(s.open)-1].name, name) {
		return EOF, s.failAt(at, "end of element %.40s that is not open", name)
	}
	s.pos++
	s.open = s.open[:len(s.open)-1]
	return End, nil
}

// closes tells whether at a position there are the name of the innermost
// element and >.
func (s *Scanner) closes(at int) bool {
	if len(s.open) == 0 {
		return false
	}
	name := s.open[len(s.open)-1].name
	after := at + len(name)
	return after < len(s.data) && s.data[after] == '>' && string(s.data[at:after]) == string(name)
}

func (s *Scanner) startTag() (Kind, error) {
	at := s.pos
	s.pos++
	s.name = s.readName()
	if len(s.name) == 0 {
		return EOF, s.failAt(at, "markup that is no element")
	}
	s.local = s.name[bytes.LastIndexByte(s.name, ':')+1:]
	if len(s.open) == 0 && s.rootSeen {
		return EOF, s.failAt(at, "a second root element")
	}
	if len(s.open) >= s.limits.Depth {
		return EOF, s.failAt(at, "elements nested more than %d deep", s.limits.Depth)
	}
	namespaced := len(s.open) > 0 && s.open[len(s.open)-1].namespaced
	empty, err := s.readAttributes()
	if err != nil {
		return EOF, err
	}
	for _, a := range s.attrs {
		if string(a.name) == "xmlns" {
			namespaced = len(a.raw) > 0
		}
	}
	s.rootSeen = true
	s.pendingEnd = empty
	s.open = append(s.open, element{s.name, namespaced})
	return Start, nil
}

// readAttributes reads the rest of the start of an element. It is true if the
// element has no content.
func (s *Scanner) readAttributes() (empty bool, err error) {
	s.attrs = s.attrs[:0]
	for {
		space := s.skipSpace()
		if s.pos >= len(s.data) {
			return false, s.fail("element %.40s is cut off", s.name)
		}
		switch s.data[s.pos] {
		case '>':
			s.pos++
			return false, nil
		case '/':
			if s.pos+1 >= len(s.data) || s.data[s.pos+1] != '>' {
				return false, s.fail("element %.40s is malformed", s.name)
			}
			s.pos += 2
			return true, nil
		}
		if !space {
			return false, s.fail("element %.40s is malformed", s.name)
		}
		if err := s.readAttribute(); err != nil {
			return false, err
		}
	}
}

func (s *Scanner) readAttribute() error {
	name := s.readName()
	s.skipSpace()
	if len(name) == 0 || s.pos >= len(s.data) || s.data[s.pos] != '=' {
		return s.fail("attribute of element %.40s is malformed", s.name)
	}
	s.pos++
	s.skipSpace()
	raw, ok := s.readQuoted()
	if !ok || bytes.IndexByte(raw, '<') >= 0 {
		return s.fail("attribute %.40s of element %.40s is malformed", name, s.name)
	}
	for _, a := range s.attrs {
		if bytes.Equal(a.name, name) {
			return s.fail("attribute %.40s of element %.40s appears twice", name, s.name)
		}
	}
	if len(s.attrs) >= maxAttributes {
		return s.fail("element %.40s has more than %d attributes", s.name, maxAttributes)
	}
	s.attrs = append(s.attrs, attribute{name, raw})
	return nil
}

// readQuoted reads a text in quotes.
func (s *Scanner) readQuoted() ([]byte, bool) {
	if s.pos >= len(s.data) || s.data[s.pos] != '"' && s.data[s.pos] != '\'' {
		return nil, false
	}
	quote := s.data[s.pos]
	end := bytes.IndexByte(s.data[s.pos+1:], quote)
	if end < 0 {
		return nil, false
	}
	raw := s.data[s.pos+1 : s.pos+1+end]
	s.pos += end + 2
	return raw, true
}

// readName reads a name, which is empty if there is none.
func (s *Scanner) readName() []byte {
	start := s.pos
	for s.pos < len(s.data) && isNameByte(s.data[s.pos], s.pos == start) {
		s.pos++
	}
	return s.data[start:s.pos]
}

// skipSpace skips white space and tells whether there was any.
func (s *Scanner) skipSpace() bool {
	start := s.pos
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
	return s.pos > start
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isNameByte(c byte, first bool) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_', c == ':', c >= 0x80:
		return true
	case '0' <= c && c <= '9', c == '-', c == '.':
		return !first
	}
	return false
}

// fail returns an error at the current position.
func (s *Scanner) fail(format string, args ...any) error {
	return s.failAt(s.pos, format, args...)
}

func (s *Scanner) failAt(at int, format string, args ...any) error {
	before := s.data[:min(at, len(s.data))]
	return &Error{
		Line:    1 + bytes.Count(before, []byte("\n")),
		Column:  len(before) - bytes.LastIndexByte(before, '\n'),
		Message: fmt.Sprintf(format, args...),
	}
}
