package configparser

import (
	"fmt"
	"strings"
)

// maxDepth is how many references may lead from one to the next.
const maxDepth = 10

// maxExpanded and maxReferences bound a value whose references double it again
// and again.
const (
	maxExpanded   = MaxSize
	maxReferences = 1 << 16
)

// expansion replaces the references of one value.
type expansion struct {
	file         *File
	section, key string
	raw          string
	out          strings.Builder
	references   int
}

func (f *File) expand(section, key, raw string) (string, error) {
	if !strings.Contains(raw, "%") {
		return raw, nil
	}
	e := &expansion{file: f, section: section, key: key, raw: raw}
	if err := e.add(raw, 1); err != nil {
		return "", err
	}
	return e.out.String(), nil
}

// add appends text to the result, with its references replaced.
func (e *expansion) add(rest string, depth int) error {
	if depth > maxDepth {
		return e.fail("Recursion limit exceeded in value substitution: option %s in section %s "+
			"contains an interpolation key which cannot be substituted in %d steps. Raw value: %s",
			repr(e.key), repr(e.section), maxDepth, repr(e.raw))
	}
	for rest != "" {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			return e.write(rest)
		}
		if err := e.write(rest[:i]); err != nil {
			return err
		}
		rest = rest[i:]
		switch {
		case strings.HasPrefix(rest, "%%"):
			if err := e.write("%"); err != nil {
				return err
			}
			rest = rest[2:]
		case strings.HasPrefix(rest, "%("):
			name, after, ok := reference(rest)
			if !ok {
				return e.fail("bad interpolation variable reference %s", repr(rest))
			}
			if err := e.reference(name, depth); err != nil {
				return err
			}
			rest = after
		default:
			return e.fail("'%%' must be followed by '%%' or '(', found: %s", repr(rest))
		}
	}
	return nil
}

// reference cuts "%(name)s" off the start of text.
func reference(text string) (name, rest string, ok bool) {
	name, rest, ok = strings.Cut(text[2:], ")")
	if !ok || name == "" {
		return "", "", false
	}
	rest, ok = strings.CutPrefix(rest, "s")
	return name, rest, ok
}

func (e *expansion) reference(name string, depth int) error {
	e.references++
	if e.references > maxReferences {
		return e.fail("option %s in section %s leads to more than %d references",
			repr(e.key), repr(e.section), maxReferences)
	}
	name = fold(name)
	o, err := e.file.lookup(e.section, name)
	if err != nil {
		return e.fail("Bad value substitution: option %s in section %s contains an interpolation key %s "+
			"which is not a valid option name. Raw value: %s",
			repr(e.key), repr(e.section), repr(name), repr(e.raw))
	}
	if !strings.Contains(o.value, "%") {
		return e.write(o.value)
	}
	return e.add(o.value, depth+1)
}

func (e *expansion) write(text string) error {
	if e.out.Len()+len(text) > maxExpanded {
		return e.fail("the references of option %s in section %s give more than %d bytes",
			repr(e.key), repr(e.section), maxExpanded)
	}
	e.out.WriteString(text)
	return nil
}

func (e *expansion) fail(format string, args ...any) error {
	return &InterpolationError{
		File: e.file.name, Line: e.file.Line(e.section, e.key), Section: e.section, Key: e.key,
		Message: fmt.Sprintf(format, args...),
	}
}
