package xmlscan

import (
	"bytes"
	"errors"
	"fmt"
)

// Document reads the whole document: it goes to the start of the root, calls
// read, which reads up to the end of the root, and then to the end of the
// document.
func (s *Scanner) Document(read func() error) error {
	for {
		kind, err := s.Next()
		if err != nil {
			return err
		}
		switch kind {
		case Start:
			if err := read(); err != nil {
				return err
			}
		case EOF:
			return nil
		}
	}
}

// Child goes to the start of the next element inside the current one. It is
// false at the end of the current one, which is consumed. Text, comments and
// processing instructions in between are left out.
func (s *Scanner) Child() (bool, error) {
	for {
		kind, err := s.Next()
		if err != nil {
			return false, err
		}
		switch kind {
		case Start:
			return true, nil
		case End, EOF:
			return false, nil
		}
	}
}

// Children calls read at the start of each element inside the current one, as
// Child finds them, and returns at the end of the current one. What read must do
// is to read up to the end of its element.
func (s *Scanner) Children(read func() error) error {
	for {
		more, err := s.Child()
		if err != nil || !more {
			return err
		}
		if err := read(); err != nil {
			return err
		}
	}
}

// Skip goes to the end of the element that Next returned the start of, which is
// consumed with all that is inside.
func (s *Scanner) Skip() error {
	for depth := len(s.open); len(s.open) >= depth; {
		if _, err := s.Next(); err != nil {
			return err
		}
	}
	return nil
}

// ErrElement is wrapped by the error of Chars for text that holds elements.
var ErrElement = errors.New("element inside text")

// Chars returns all text up to the end of the element that Next returned the
// start of, which is consumed. Comments and processing instructions are left
// out; an element inside is an error. The text is valid until the next call.
func (s *Scanner) Chars() ([]byte, error) {
	if text, ok := s.plainChars(); ok {
		return text, nil
	}
	depth := len(s.open)
	var all []byte
	for {
		kind, err := s.Next()
		if err != nil {
			return nil, err
		}
		switch {
		case kind == Text:
			all = append(all, s.text...)
		case kind == End && len(s.open) < depth:
			return all, nil
		case kind == Start:
			return nil, fmt.Errorf("%w: %w", ErrElement, s.fail("element %.40s", s.name))
		}
	}
}

// plainChars is Chars for the usual case: an element that holds nothing but
// text without references, and no more white space than needed.
func (s *Scanner) plainChars() ([]byte, bool) {
	if s.pendingEnd {
		return nil, false
	}
	text := s.data[s.pos:]
	end := bytes.IndexByte(text, '<')
	if end < 0 || end+1 >= len(text) || text[end+1] != '/' || !s.closes(s.pos+end+2) {
		return nil, false
	}
	text = text[:end]
	if bytes.IndexByte(text, '&') >= 0 {
		return nil, false
	}
	s.pos += end + len("</") + len(s.open[len(s.open)-1].name) + len(">")
	s.open = s.open[:len(s.open)-1]
	return text, true
}
