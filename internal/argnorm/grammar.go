package argnorm

import (
	"slices"
	"strings"
)

// Kind tells how many words an option takes.
type Kind int

const (
	// Switch takes no value; --switch=x is an error.
	Switch Kind = iota
	// Bool takes no value, or one after an equal sign (--bool=false).
	Bool
	// Value takes exactly one value, attached or in the next word.
	Value
	// List takes one or more words, up to the next option. A repeated List
	// replaces the former one.
	List
)

// Option is one option of a command, or a global one.
type Option struct {
	// Flag is the name pflag knows, without dashes; canonical lines use it.
	Flag string
	// Spellings are the accepted forms with their dashes, in the order in
	// which messages show them: "-x", "--computer_xml". Long forms are
	// accepted with hyphens in place of underscores and the reverse, and
	// any unambiguous prefix of them too.
	Spellings []string
	// Kind tells how many words follow.
	Kind Kind
}

// Display names the option as usage errors do: its spellings joined by slashes.
func (o Option) Display() string { return strings.Join(o.Spellings, "/") }

// Argument is a positional argument.
type Argument struct {
	// Name is what messages call it.
	Name string
	// Optional arguments may be absent.
	Optional bool
	// Repeated arguments take all that remains.
	Repeated bool
}

// Command is one command: its words, options and positional arguments.
type Command struct {
	// Name is the words of the command joined by a space: "node software".
	Name string
	// Options are the command's own options; global ones are not repeated.
	Options []Option
	// Arguments are the positional arguments in order.
	Arguments []Argument
	// Remainder gives the first positional word and all that follows it,
	// options included, to the arguments unchanged.
	Remainder bool
	// Hidden commands are left out of the list of an unknown command.
	Hidden bool
}

// Grammar is the whole command line of a program.
type Grammar struct {
	// Program is the name of the program in messages.
	Program string
	// Global are the options accepted anywhere on the line.
	Global []Option
	// Commands are all commands.
	Commands []Command
}

// Names are the names of all commands that are not hidden, sorted.
func (g Grammar) Names() []string {
	names := make([]string, 0, len(g.Commands))
	for _, c := range g.Commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Globals takes every global option out of args, wherever it stands, and
// returns them in canonical form and the other words in their order. Words
// after -- are left alone. Errors are *UsageError.
func (g Grammar) Globals(args []string) (globals, rest []string, err error) {
	s := scanner{options: g.Global, words: args}
	for {
		tok, ok, err := s.next()
		switch {
		case err != nil:
			return nil, nil, &UsageError{Program: g.Program, Reason: err.Error()}
		case !ok:
			return globals, rest, nil
		case tok.kind == known:
			globals = append(globals, tok.canonical...)
		case tok.kind == terminator:
			return globals, append(append(rest, "--"), s.words...), nil
		default:
			rest = append(rest, tok.word)
		}
	}
}

// Find joins the first words until they name a command and returns it with the
// words after its name. It fails with *InvalidOptionError when an option comes
// first, with *UnknownCommandError when no command matches.
func (g Grammar) Find(words []string) (*Command, []string, error) {
	name := ""
	for i, w := range words {
		if strings.HasPrefix(w, "-") {
			return nil, nil, &InvalidOptionError{Program: g.Program, Option: w}
		}
		name = strings.TrimPrefix(name+" "+w, " ")
		for j := range g.Commands {
			if g.Commands[j].Name == name {
				return &g.Commands[j], words[i+1:], nil
			}
		}
	}
	return nil, nil, &UnknownCommandError{Program: g.Program, Words: words, Commands: g.Names()}
}
