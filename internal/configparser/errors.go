package configparser

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
)

// LoadError is a file that is missing or cannot be read.
type LoadError struct {
	Path    string
	Missing bool
	Err     error
}

func (e *LoadError) Error() string {
	if e.Missing {
		return "Configuration file does not exist: " + e.Path
	}
	reason := e.Err
	var operation *fs.PathError
	if errors.As(reason, &operation) {
		reason = operation.Err
	}
	return fmt.Sprintf("Cannot parse configuration file: %s\n%v", e.Path, reason)
}

// Unwrap returns what the operating system said.
func (e *LoadError) Unwrap() error { return e.Err }

type syntaxKind int

const (
	noHeader syntaxKind = iota
	noOption
	duplicateSection
	duplicateOption
	notUTF8
)

// SyntaxError is a line that cannot stand where it stands.
type SyntaxError struct {
	File    string
	Line    int    // the first such line, counted from 1
	Text    string // that line
	Section string // for a duplicate
	Key     string // for a duplicate key

	kind syntaxKind
	more []badLine
}

type badLine struct {
	number int
	text   string
}

func (e *SyntaxError) Error() string {
	switch e.kind {
	case noHeader:
		return fmt.Sprintf("File contains no section headers.\nfile: %s, line: %d\n%s", repr(e.File), e.Line, repr(e.Text))
	case duplicateSection:
		return fmt.Sprintf("While reading from %s [line %2d]: section %s already exists", repr(e.File), e.Line, repr(e.Section))
	case duplicateOption:
		return fmt.Sprintf("While reading from %s [line %2d]: option %s in section %s already exists",
			repr(e.File), e.Line, repr(e.Key), repr(e.Section))
	case notUTF8:
		return fmt.Sprintf("While reading from %s [line %2d]: the text is not UTF-8", repr(e.File), e.Line)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Source contains parsing errors: %s", repr(e.File))
	for _, bad := range append([]badLine{{e.Line, e.Text}}, e.more...) {
		fmt.Fprintf(&b, "\n\t[line %2d]: %s", bad.number, repr(bad.text))
	}
	return b.String()
}

// NoSectionError is a section that the file does not have.
type NoSectionError struct {
	File    string
	Section string
}

func (e *NoSectionError) Error() string { return "No section: " + repr(e.Section) }

// NoOptionError is a key that is set neither in the section nor in DEFAULT.
type NoOptionError struct {
	File    string
	Section string
	Key     string
}

func (e *NoOptionError) Error() string {
	return fmt.Sprintf("No option %s in section: %s", repr(e.Key), repr(e.Section))
}

// InterpolationError is a value whose "%" cannot be read.
type InterpolationError struct {
	File    string
	Line    int // where the value begins
	Section string
	Key     string
	Message string
}

func (e *InterpolationError) Error() string { return e.Message }

// ValueError is a value of the wrong kind.
type ValueError struct {
	File    string
	Line    int
	Section string
	Key     string
	Value   string
	Want    string // what to write instead
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s, line %d: section [%s], key %s: %s is not allowed; write %s",
		e.File, e.Line, e.Section, e.Key, repr(e.Value), e.Want)
}

// repr is the text of a string in Python's notation.
func repr(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteByte(quote)
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte(quote)
	return b.String()
}
