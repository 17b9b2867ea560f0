package argnorm

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// negativeNumber recognises words that begin with a dash and still are values.
var negativeNumber = regexp.MustCompile(`^-\d+$|^-\d*\.\d+$`)

// tokenKind is what the scanner made of one word.
type tokenKind int

const (
	positional tokenKind = iota // a word
	known                       // an option of the scanner, with its values
	unknown                     // something that looks like an option
	terminator                  // --
)

// token is the result of one step of the scanner.
type token struct {
	kind      tokenKind
	word      string   // the word as typed
	option    *Option  // for known
	canonical []string // for known: what pflag is to read
}

// scanner walks over words and recognises the options it was given.
type scanner struct {
	options []Option
	words   []string
}

// next consumes one word, or an option with its values. ok is false at the end.
func (s *scanner) next() (tok token, ok bool, err error) {
	if len(s.words) == 0 {
		return token{}, false, nil
	}
	word := s.words[0]
	s.words = s.words[1:]
	if word == "--" {
		return token{kind: terminator, word: word}, true, nil
	}
	m, kind, err := s.classify(word)
	if err != nil {
		return token{}, false, err
	}
	if kind != known {
		return token{kind: kind, word: word}, true, nil
	}
	canonical, err := s.take(m)
	return token{kind: known, word: word, option: m.option, canonical: canonical}, true, err
}

// match is an option found in a word, with the value attached to it if any.
type match struct {
	option   *Option
	attached *string
	short    bool // the value is glued to a one-letter form: it may be more switches
}

// classify decides what a word is, in the order in which the documented program
// decides: exact spelling, spelling before an equal sign, prefix, number.
func (s *scanner) classify(word string) (match, tokenKind, error) {
	if !strings.HasPrefix(word, "-") || word == "-" {
		return match{}, positional, nil
	}
	if o := s.exact(word); o != nil {
		return match{option: o}, known, nil
	}
	name, value, hasValue := strings.Cut(word, "=")
	var attached *string
	if hasValue {
		attached = &value
		if o := s.exact(name); o != nil {
			return match{option: o, attached: attached}, known, nil
		}
	}
	if !strings.HasPrefix(word, "--") {
		if o := s.exact(word[:2]); o != nil {
			glued := word[2:]
			return match{option: o, attached: &glued, short: true}, known, nil
		}
	} else if o, err := s.prefix(name); err != nil || o != nil {
		return match{option: o, attached: attached}, known, err
	}
	if negativeNumber.MatchString(word) || strings.Contains(word, " ") {
		return match{}, positional, nil
	}
	return match{}, unknown, nil
}

// exact finds the option with this spelling, taking hyphens and underscores of
// long spellings as equal.
func (s *scanner) exact(name string) *Option {
	for i := range s.options {
		for _, spelling := range s.options[i].Spellings {
			if fold(spelling) == fold(name) {
				return &s.options[i]
			}
		}
	}
	return nil
}

// prefix finds the only option of which name is a prefix. Several are an error,
// unless one of them is the beginning of all the others: the others came later,
// and the shorter form of the first is in use.
func (s *scanner) prefix(name string) (*Option, error) {
	var found *Option
	var shortest string
	var candidates []string
	ambiguous := false
	for i := range s.options {
		for _, spelling := range s.options[i].Spellings {
			if !strings.HasPrefix(fold(spelling), fold(name)) {
				continue
			}
			candidates = append(candidates, spelling)
			ambiguous = ambiguous || found != nil && found != &s.options[i]
			if found == nil || len(spelling) < len(shortest) {
				found, shortest = &s.options[i], spelling
			}
		}
	}
	begins := func(spelling string) bool { return strings.HasPrefix(fold(spelling), fold(shortest)) }
	if ambiguous && slices.ContainsFunc(candidates, func(c string) bool { return !begins(c) }) {
		return nil, fmt.Errorf("ambiguous option: %s could match %s", name, strings.Join(candidates, ", "))
	}
	return found, nil
}

// take collects the values of a matched option and renders it for pflag.
func (s *scanner) take(m match) ([]string, error) {
	flag := "--" + m.option.Flag
	switch m.option.Kind {
	case Switch, Bool:
		return s.takeSwitch(m)
	case Value:
		if m.attached != nil {
			return []string{flag + "=" + *m.attached}, nil
		}
		if !s.valueAhead() {
			return nil, fmt.Errorf("argument %s: expected one argument", m.option.Display())
		}
		return []string{flag + "=" + s.pop()}, nil
	default:
		if m.attached != nil {
			return []string{flag + "=" + *m.attached}, nil
		}
		var out []string
		for s.valueAhead() {
			out = append(out, flag+"="+s.pop())
		}
		if out == nil {
			return nil, fmt.Errorf("argument %s: expected at least one argument", m.option.Display())
		}
		return out, nil
	}
}

// takeSwitch renders an option without value and puts further one-letter
// switches that are glued to it back as a word of their own.
func (s *scanner) takeSwitch(m match) ([]string, error) {
	flag := "--" + m.option.Flag
	if m.attached == nil {
		return []string{flag}, nil
	}
	if m.short {
		more := "-" + *m.attached
		if next, kind, err := s.classify(more); err == nil && kind == known && (next.short || next.attached == nil) {
			s.words = append([]string{more}, s.words...)
			return []string{flag}, nil
		}
	} else if m.option.Kind == Bool {
		return []string{flag + "=" + *m.attached}, nil
	}
	return nil, fmt.Errorf("argument %s: ignored explicit argument '%s'", m.option.Display(), *m.attached)
}

// valueAhead tells whether the next word can be a value.
func (s *scanner) valueAhead() bool {
	if len(s.words) == 0 || s.words[0] == "--" {
		return false
	}
	_, kind, err := s.classify(s.words[0])
	return err == nil && kind == positional
}

// pop removes and returns the next word.
func (s *scanner) pop() string {
	w := s.words[0]
	s.words = s.words[1:]
	return w
}

// fold makes the spellings of one long option equal.
func fold(name string) string {
	if strings.HasPrefix(name, "--") {
		return strings.ReplaceAll(name, "_", "-")
	}
	return name
}
