package xmlscan

import (
	"bytes"
	"strconv"
	"unicode/utf8"
)

// entity is an entity declared by the document.
type entity struct {
	value []byte
	// external entities are never opened: they expand to nothing.
	external bool
}

// maxEntityDepth bounds how deep entities may refer to one another.
const maxEntityDepth = 8

// maxEntities bounds how many entities a document may declare.
const maxEntities = 256

// expand replaces the references in a text.
func (s *Scanner) expand(raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '&') < 0 {
		return raw, nil
	}
	out, err := s.appendExpanded(s.buf[:0], raw, 0)
	s.buf = out[:0]
	return out, err
}

// attributeValue replaces the references in the value of an attribute, and its
// white space by spaces.
func (s *Scanner) attributeValue(raw []byte) ([]byte, error) {
	if bytes.ContainsAny(raw, "\t\n") {
		raw = bytes.Map(func(r rune) rune {
			if r == '\t' || r == '\n' {
				return ' '
			}
			return r
		}, raw)
	}
	if bytes.IndexByte(raw, '&') < 0 {
		return raw, nil
	}
	return s.appendExpanded(nil, raw, 0)
}

func (s *Scanner) appendExpanded(out, raw []byte, depth int) ([]byte, error) {
	for {
		i := bytes.IndexByte(raw, '&')
		if i < 0 {
			return append(out, raw...), nil
		}
		out = append(out, raw[:i]...)
		end := bytes.IndexByte(raw[i:], ';')
		if end < 2 {
			return out, s.fail("reference is malformed")
		}
		name := raw[i+1 : i+end]
		raw = raw[i+end+1:]
		if r := predefined(name); r != 0 {
			out = append(out, r)
			continue
		}
		var err error
		if name[0] == '#' {
			out, err = s.appendCharacter(out, name[1:])
		} else {
			out, err = s.appendEntity(out, name, depth)
		}
		if err != nil {
			return out, err
		}
	}
}

// predefined returns the character of an entity that every document has, or 0.
func predefined(name []byte) byte {
	switch string(name) {
	case "amp":
		return '&'
	case "lt":
		return '<'
	case "gt":
		return '>'
	case "quot":
		return '"'
	case "apos":
		return '\''
	}
	return 0
}

// appendCharacter appends the character of a numeric reference.
func (s *Scanner) appendCharacter(out, digits []byte) ([]byte, error) {
	base := 10
	if len(digits) > 0 && digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	n, err := strconv.ParseUint(string(digits), base, 32)
	if err != nil || !Allowed(rune(n)) {
		return out, s.fail("reference to a character that is not allowed in XML")
	}
	return utf8.AppendRune(out, rune(n)), nil
}

// Allowed tells whether a character may be in an XML document.
func Allowed(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return true
	case r < 0x20, r == 0xFFFE, r == 0xFFFF:
		return false
	}
	return utf8.ValidRune(r)
}

// appendEntity appends what an entity of the document expands to.
func (s *Scanner) appendEntity(out, name []byte, depth int) ([]byte, error) {
	e, ok := s.entities[string(name)]
	if !ok {
		return out, s.fail("entity %.40s is not declared", name)
	}
	if e.external {
		return out, nil
	}
	if depth >= maxEntityDepth {
		return out, s.fail("entities nested more than %d deep", maxEntityDepth)
	}
	s.expanded += len(e.value) + 1
	if s.expanded > s.limits.Expansion {
		return out, s.fail("entities expand to more than %d bytes", s.limits.Expansion)
	}
	if bytes.IndexByte(e.value, '<') >= 0 {
		return out, s.fail("entity %.40s holds markup", name)
	}
	return s.appendExpanded(out, e.value, depth+1)
}

// readDoctype reads a document type declaration, of which only the general
// entities are kept.
func (s *Scanner) readDoctype() error {
	if s.limits.Expansion == 0 {
		return s.fail("document type declarations are refused")
	}
	if s.rootSeen || s.doctype {
		return s.fail("document type declaration out of place")
	}
	s.doctype = true
	s.pos += len("<!DOCTYPE")
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case '>':
			s.pos++
			return nil
		case '"', '\'':
			if _, ok := s.readQuoted(); !ok {
				return s.fail("document type declaration is cut off")
			}
		case '[':
			s.pos++
			if err := s.internalSubset(); err != nil {
				return err
			}
		case '<':
			return s.fail("document type declaration is malformed")
		default:
			s.pos++
		}
	}
	return s.fail("document type declaration is cut off")
}

// internalSubset reads the declarations between [ and ].
func (s *Scanner) internalSubset() error {
	for {
		s.skipSpace()
		rest := s.data[s.pos:]
		var err error
		switch {
		case len(rest) == 0:
			return s.fail("document type declaration is cut off")
		case rest[0] == ']':
			s.pos++
			return nil
		case bytes.HasPrefix(rest, []byte("<!--")):
			s.pos += 4
			err = s.skipPast("-->", "comment")
		case bytes.HasPrefix(rest, []byte("<?")):
			err = s.skipPast("?>", "processing instruction")
		case bytes.HasPrefix(rest, []byte("<!ENTITY")):
			s.pos += len("<!ENTITY")
			err = s.entityDeclaration()
		case bytes.HasPrefix(rest, []byte("<!")):
			s.pos += 2
			err = s.skipDeclaration()
		default:
			err = s.fail("document type declaration is malformed")
		}
		if err != nil {
			return err
		}
	}
}

// entityDeclaration reads the declaration of an entity. The first one of a name
// counts.
func (s *Scanner) entityDeclaration() error {
	s.skipSpace()
	name := s.readName()
	s.skipSpace()
	if len(name) == 0 {
		// A parameter entity; references to it are refused where they occur.
		return s.skipDeclaration()
	}
	e := entity{external: true}
	if raw, ok := s.readQuoted(); ok {
		value, err := s.entityValue(raw)
		if err != nil {
			return err
		}
		e = entity{value: value}
	}
	if _, known := s.entities[string(name)]; !known {
		if len(s.entities) >= maxEntities {
			return s.fail("more than %d entities", maxEntities)
		}
		if s.entities == nil {
			s.entities = map[string]entity{}
		}
		s.entities[string(name)] = e
	}
	return s.skipDeclaration()
}

// entityValue returns what an entity stands for: in its declaration, references to
// characters are replaced at once, and all others where the entity is used.
func (s *Scanner) entityValue(raw []byte) ([]byte, error) {
	if !bytes.Contains(raw, []byte("&#")) {
		return raw, nil
	}
	var value []byte
	for {
		before, after, found := bytes.Cut(raw, []byte("&#"))
		value = append(value, before...)
		if !found {
			return value, nil
		}
		digits, rest, ended := bytes.Cut(after, []byte(";"))
		if !ended {
			return nil, s.fail("reference is malformed")
		}
		var err error
		if value, err = s.appendCharacter(value, digits); err != nil {
			return nil, err
		}
		raw = rest
	}
}

// skipDeclaration skips to the end of a declaration.
func (s *Scanner) skipDeclaration() error {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case '>':
			s.pos++
			return nil
		case '"', '\'':
			if _, ok := s.readQuoted(); !ok {
				return s.fail("document type declaration is cut off")
			}
		case '<':
			return s.fail("document type declaration is malformed")
		default:
			s.pos++
		}
	}
	return s.fail("document type declaration is cut off")
}
