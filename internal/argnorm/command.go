package argnorm

import "strings"

// Normalise rewrites the words after the command's name: first the options, each
// as --flag or --flag=value, then -- and the positional arguments. Errors are
// *UsageError: an option without its value, a missing argument, words that are
// too many.
func (c *Command) Normalise(program string, words []string) ([]string, error) {
	line, err := c.scan(words)
	if err != nil {
		return nil, c.usage(program, err.Error())
	}
	if missing := c.missing(len(line.arguments)); len(missing) > 0 {
		return nil, c.usage(program, "the following arguments are required: "+strings.Join(missing, ", "))
	}
	if len(line.extra) > 0 {
		return nil, c.usage(program, "unrecognized arguments: "+strings.Join(line.extra, " "))
	}
	return append(append(line.options(), "--"), line.arguments...), nil
}

// usage is the error of this command.
func (c *Command) usage(program, reason string) *UsageError {
	return &UsageError{Program: program + " " + c.Name, Command: c.Name, Reason: reason}
}

// scan sorts the words into options, arguments and what is too much.
func (c *Command) scan(words []string) (*line, error) {
	var l line
	s := scanner{options: c.Options, words: words}
	for {
		tok, ok, err := s.next()
		if err != nil || !ok {
			return &l, err
		}
		switch tok.kind {
		case known:
			l.add(tok)
		case unknown:
			l.extra = append(l.extra, tok.word)
		case terminator:
			if c.Remainder {
				l.arguments = append(l.arguments, s.words...)
				return &l, nil
			}
			for _, w := range s.words {
				c.place(&l, w)
			}
			return &l, nil
		default:
			if c.Remainder {
				l.arguments = append(append(l.arguments, tok.word), s.words...)
				return &l, nil
			}
			c.place(&l, tok.word)
		}
	}
}

// place gives a word to the next positional argument, if one is free.
func (c *Command) place(l *line, word string) {
	n := len(c.Arguments)
	if len(l.arguments) < n || n > 0 && c.Arguments[n-1].Repeated {
		l.arguments = append(l.arguments, word)
		return
	}
	l.extra = append(l.extra, word)
}

// missing names the required arguments after the first given ones.
func (c *Command) missing(given int) []string {
	var names []string
	for i, a := range c.Arguments {
		if i >= given && !a.Optional {
			names = append(names, a.Name)
		}
	}
	return names
}

// line collects what a scan found.
type line struct {
	tokens    []token
	arguments []string
	extra     []string
}

// add records an option; a list replaces the former list of the same option.
func (l *line) add(tok token) {
	if tok.option.Kind == List {
		for i := range l.tokens {
			if l.tokens[i].option == tok.option {
				l.tokens[i].canonical = nil
			}
		}
	}
	l.tokens = append(l.tokens, tok)
}

// options renders all recorded options.
func (l *line) options() []string {
	var out []string
	for _, tok := range l.tokens {
		out = append(out, tok.canonical...)
	}
	return out
}
