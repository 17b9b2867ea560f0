package tio

import (
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"
)

// name consumes an XML name, colons included.
func (s *scanner) name() (string, error) {
	if name, ok := s.plainName(); ok {
		return name, nil
	}
	var name []byte
	for {
		if !s.want(1) {
			break
		}
		s.want(utf8.UTFMax)
		r, size := utf8.DecodeRune(s.buf[s.at:])
		if !isNameStart(r) && (len(name) == 0 || !isNameRest(r)) {
			break
		}
		if len(name) >= maxName {
			return "", s.fail(Limit, "a name of more than %d bytes", maxName)
		}
		name = append(name, s.buf[s.at:s.at+size]...)
		s.skip(size)
	}
	if len(name) > 0 {
		return string(name), nil
	}
	if _, ok := s.peek(); !ok {
		return "", s.broken("where a name is expected")
	}
	return "", s.fail(WellFormedness, "a name is expected here")
}

// plainName consumes a name of letters and low lines that the buffer holds
// whole, as those of this format are.
func (s *scanner) plainName() (string, bool) {
	rest := s.buf[s.at:]
	n := 0
	for n < len(rest) && n < maxName && (rest[n]|0x20 >= 'a' && rest[n]|0x20 <= 'z' || rest[n] == '_') {
		n++
	}
	if n == 0 || n == len(rest) || !isBlank(rest[n]) && !strings.ContainsRune(">/=;?", rune(rest[n])) {
		return "", false
	}
	name, ok := usual[string(rest[:n])]
	if !ok {
		name = string(rest[:n])
	}
	s.at += n
	s.pos.column += n
	return name, true
}

// usual are the names of the format, to be kept once. Nothing changes them.
var usual = names(journalModel, consumptionModel)

func names(models ...*model) map[string]string {
	all := map[string]string{"type": "type"}
	for _, m := range models {
		all[m.name] = m.name
		for _, c := range m.children {
			all[c.name] = c.name
			if c.model != nil {
				maps.Copy(all, names(c.model))
			}
		}
	}
	return all
}

func isNameStart(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == ':':
		return true
	case r < 0xc0:
		return false
	}
	return r != 0xd7 && r != 0xf7 && r <= 0x2ff ||
		r >= 0x370 && r <= 0x1fff && r != 0x37e || r == 0x200c || r == 0x200d ||
		r >= 0x2070 && r <= 0x218f || r >= 0x2c00 && r <= 0x2fef || r >= 0x3001 && r <= 0xd7ff ||
		r >= 0xf900 && r <= 0xfdcf || r >= 0xfdf0 && r <= 0xfffd || r >= 0x10000 && r <= 0xeffff
}

func isNameRest(r rune) bool {
	return isNameStart(r) || r >= '0' && r <= '9' || r == '-' || r == '.' || r == 0xb7 ||
		r >= 0x300 && r <= 0x36f || r == 0x203f || r == 0x2040
}

// split cuts a name at its colon.
func split(raw string) (prefix, local string, ok bool) {
	prefix, local, found := strings.Cut(raw, ":")
	if !found {
		return "", raw, true
	}
	r, _ := utf8.DecodeRuneInString(local)
	return prefix, local, prefix != "" && local != "" && !strings.Contains(local, ":") && isNameStart(r)
}

// startTag reads the tag after its '<'.
func (s *scanner) startTag(pos position) (token, error) {
	raw, err := s.name()
	if err != nil {
		return token{}, err
	}
	switch {
	case len(s.open) == 0 && s.rooted:
		return token{}, s.failAt(pos, WellFormedness, "a second document element")
	case len(s.open) >= maxDepth:
		return token{}, s.failAt(pos, Limit, "more than %d elements inside each other", maxDepth)
	}
	s.rooted = true
	s.open = append(s.open, raw)
	s.scopes = append(s.scopes, len(s.bindings))
	t := token{kind: startTag, pos: pos, raw: raw}
	if len(s.bindings) == 0 && s.plain(raw) {
		t.local = raw
		return t, nil
	}
	for room := maxValues; ; {
		blank := s.blanks()
		switch {
		case s.accept(">"):
			return s.resolve(t)
		case s.accept("/>"):
			s.closing = raw
			return s.resolve(t)
		}
		if _, ok := s.peek(); !ok {
			return token{}, s.broken("inside the tag " + raw)
		}
		if !blank {
			return token{}, s.fail(WellFormedness, "malformed tag %s", raw)
		}
		if len(t.attrs) >= maxAttributes {
			return token{}, s.fail(Limit, "a tag with more than %d attributes", maxAttributes)
		}
		a, err := s.attribute(room)
		if err != nil {
			return token{}, err
		}
		room -= len(a.value)
		for _, other := range t.attrs {
			if other.raw == a.raw {
				return token{}, s.fail(WellFormedness, "the attribute %s twice in one tag", a.raw)
			}
		}
		t.attrs = append(t.attrs, a)
	}
}

// plain consumes the end of a start tag that has neither attributes nor prefix,
// while no namespace is declared.
func (s *scanner) plain(raw string) bool {
	if b, ok := s.peek(); !ok || b != '>' || strings.Contains(raw, ":") {
		return false
	}
	s.skip(1)
	return true
}

// attribute reads an attribute with a value of so many bytes at most.
func (s *scanner) attribute(room int) (attribute, error) {
	raw, err := s.name()
	if err != nil {
		return attribute{}, err
	}
	s.blanks()
	if !s.accept("=") {
		return attribute{}, s.orBroken(s.fail(WellFormedness, "the attribute %s has no value", raw))
	}
	s.blanks()
	quote, ok := s.peek()
	if !ok || quote != '"' && quote != '\'' {
		return attribute{}, s.orBroken(s.fail(WellFormedness, "the value of %s must be in quotes", raw))
	}
	s.skip(1)
	var value []byte
	for {
		b, ok := s.peek()
		switch {
		case !ok:
			return attribute{}, s.broken("inside the value of " + raw)
		case b == quote:
			s.skip(1)
			return attribute{raw: raw, value: string(value)}, nil
		case b == '<':
			return attribute{}, s.fail(WellFormedness, "< in the value of %s", raw)
		case b == '&':
			r, err := s.reference()
			if err != nil {
				return attribute{}, err
			}
			value = utf8.AppendRune(value, r)
		case b == '\t' || b == '\n':
			value = append(value, ' ')
			s.skip(1)
		default:
			value = append(value, b)
			s.skip(1)
		}
		if len(value) > room {
			return attribute{}, s.fail(Limit, "a tag with more than %d bytes of attributes", maxValues)
		}
	}
}

// resolve takes the namespace declarations out of the attributes and gives
// every name its namespace.
func (s *scanner) resolve(t token) (token, error) {
	kept := t.attrs[:0]
	for _, a := range t.attrs {
		prefix, local, ok := split(a.raw)
		if !ok {
			return token{}, s.failAt(t.pos, WellFormedness, "malformed name %s", a.raw)
		}
		switch {
		case a.raw == "xmlns":
			local = ""
		case prefix == "xmlns":
		default:
			a.space, a.local = prefix, local
			kept = append(kept, a)
			continue
		}
		if err := s.bind(t.pos, local, a.value); err != nil {
			return token{}, err
		}
	}
	t.attrs = kept
	var err error
	if t.space, t.local, err = s.space(t.pos, t.raw); err != nil {
		return token{}, err
	}
	for i := range t.attrs {
		a := &t.attrs[i]
		if a.space == "" {
			continue
		}
		if a.space, a.local, err = s.space(t.pos, a.raw); err != nil {
			return token{}, err
		}
		for _, other := range t.attrs[:i] {
			if other.space == a.space && other.local == a.local {
				return token{}, s.failAt(t.pos, WellFormedness, "the attribute %s twice in one tag", a.raw)
			}
		}
	}
	return t, nil
}

func (s *scanner) bind(pos position, prefix, space string) error {
	switch {
	case len(space) > maxName:
		return s.failAt(pos, Limit, "the name of a namespace of more than %d bytes", maxName)
	case len(s.bindings) >= maxNamespaces:
		return s.failAt(pos, Limit, "more than %d namespaces at once", maxNamespaces)
	}
	wrong := ""
	switch {
	case prefix == "xmlns", space == xmlnsNamespace:
		wrong = "xmlns cannot be declared"
	case (prefix == "xml") != (space == xmlNamespace):
		wrong = "the prefix xml and its namespace belong together"
	case prefix != "" && space == "":
		wrong = fmt.Sprintf("the prefix %s has an empty namespace", prefix)
	case !isURI(space):
		wrong = fmt.Sprintf("the name of a namespace must be a URI, and %s is none", shorten(space))
	}
	if wrong != "" {
		return s.failAt(pos, WellFormedness, "%s", wrong)
	}
	s.bindings = append(s.bindings, binding{prefix, space})
	return nil
}

// space finds the namespace of an element or of a prefixed attribute.
func (s *scanner) space(pos position, raw string) (space, local string, err error) {
	prefix, local, ok := split(raw)
	if !ok {
		return "", "", s.failAt(pos, WellFormedness, "malformed name %s", raw)
	}
	space, ok = s.lookup(prefix)
	if !ok {
		return "", "", s.failAt(pos, WellFormedness, "the prefix %s is not declared", prefix)
	}
	return space, local, nil
}

func (s *scanner) lookup(prefix string) (string, bool) {
	for i := len(s.bindings) - 1; i >= 0; i-- {
		if s.bindings[i].prefix == prefix {
			return s.bindings[i].space, true
		}
	}
	if prefix == "xml" {
		return xmlNamespace, true
	}
	return "", prefix == ""
}

// endTag reads the tag after its "</".
func (s *scanner) endTag(pos position) (token, error) {
	if raw, ok := s.plainEnd(); ok {
		s.pop()
		return token{kind: endTag, pos: pos, raw: raw}, nil
	}
	raw, err := s.name()
	if err != nil {
		return token{}, err
	}
	s.blanks()
	if !s.accept(">") {
		return token{}, s.orBroken(s.fail(WellFormedness, "malformed end tag %s", raw))
	}
	if len(s.open) == 0 {
		return token{}, s.failAt(pos, WellFormedness, "the end tag %s has no start", raw)
	}
	if last := s.open[len(s.open)-1]; last != raw {
		return token{}, s.failAt(pos, WellFormedness, "the end tag %s does not match %s", raw, last)
	}
	s.pop()
	return token{kind: endTag, pos: pos, raw: raw}, nil
}

// plainEnd consumes the rest of an end tag that is the one expected, without
// blanks, and in the buffer whole.
func (s *scanner) plainEnd() (string, bool) {
	if len(s.open) == 0 {
		return "", false
	}
	raw, rest := s.open[len(s.open)-1], s.buf[s.at:]
	if len(rest) <= len(raw) || string(rest[:len(raw)]) != raw || rest[len(raw)] != '>' {
		return "", false
	}
	s.at += len(raw) + 1
	s.pos.column += utf8.RuneCountInString(raw) + 1 // no name has a line end
	return raw, true
}

// close gives the end of an element that was written as <x/>.
func (s *scanner) close() (token, error) {
	raw := s.closing
	s.closing = ""
	s.pop()
	return token{kind: endTag, pos: s.pos, raw: raw}, nil
}

func (s *scanner) pop() {
	last := len(s.open) - 1
	s.bindings = s.bindings[:s.scopes[last]]
	s.open = s.open[:last]
	s.scopes = s.scopes[:last]
}
