package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slapos/slapos-go/internal/argnorm"
)

// Annotations of flags and commands that grammarOf and the help read.
const (
	spellingsKey = "spellings" // of a flag: all its spellings
	kindKey      = "kind"      // of a flag: how many words it takes
	choicesKey   = "choices"   // of a flag: the allowed values
	remainderKey = "remainder" // of a command: arguments keep their options
	groupKey     = "group"     // of a command: its group in the global help
)

// options declares the options of a command. Every method takes the spellings
// first: the first long one is the flag's name.
type options struct{ *pflag.FlagSet }

// optionsOf returns the options of a command, to be declared.
func optionsOf(cmd *cobra.Command) options {
	cmd.Flags().SortFlags = false
	cmd.PersistentFlags().SortFlags = false
	return options{cmd.Flags()}
}

// text declares an option with one value.
func (o options) text(p *string, spellings, usage string) *pflag.Flag {
	return o.add((*textValue)(p), argnorm.Value, spellings, usage)
}

// list declares an option with one or more values.
func (o options) list(p *[]string, spellings, usage string) *pflag.Flag {
	return o.add((*listValue)(p), argnorm.List, spellings, usage)
}

// flag declares an option without value.
func (o options) flag(p *bool, spellings, usage string) *pflag.Flag {
	f := o.add((*boolValue)(p), argnorm.Switch, spellings, usage)
	f.NoOptDefVal = "true"
	return f
}

// toggle declares an option without value that also accepts =true and =false.
func (o options) toggle(p *bool, spellings, usage string) *pflag.Flag {
	f := o.add((*boolValue)(p), argnorm.Bool, spellings, usage)
	f.NoOptDefVal = "true"
	return f
}

// number declares an option whose value is a whole number. The number stays text,
// empty when it was not given, as it goes the way of configuration keys.
func (o options) number(p *string, spellings, usage string) *pflag.Flag {
	return o.add((*numberValue)(p), argnorm.Value, spellings, usage)
}

// choice declares an option that allows some values only.
func (o options) choice(p *string, choices []string, spellings, usage string) *pflag.Flag {
	f := o.add(&choiceValue{p: p, choices: choices}, argnorm.Value, spellings, usage)
	f.Annotations[choicesKey] = choices
	return f
}

// ignored declares an option that is documented as accepted and without effect.
func (o options) ignored(spellings, usage string) {
	var unused string
	o.text(&unused, spellings, usage+" Accepted and without effect.")
}

func (o options) add(v pflag.Value, kind argnorm.Kind, spellings, usage string) *pflag.Flag {
	all := strings.Fields(spellings)
	long := all[slices.IndexFunc(all, func(s string) bool { return strings.HasPrefix(s, "--") })]
	f := o.VarPF(v, strings.TrimPrefix(long, "--"), "", usage)
	f.Annotations = map[string][]string{
		spellingsKey: all,
		kindKey:      {strconv.Itoa(int(kind))},
	}
	return f
}

// display names a flag as usage errors do.
func display(f *pflag.Flag) string { return strings.Join(f.Annotations[spellingsKey], "/") }

// usageOf puts what pflag says about a flag into the documented form.
func usageOf(cmd *cobra.Command, err error) error {
	reason := err.Error()
	switch e := err.(type) {
	case *pflag.InvalidValueError:
		reason = fmt.Sprintf("argument %s: %v", display(e.GetFlag()), e.Unwrap())
	case *argnorm.UsageError:
		return err
	}
	return &argnorm.UsageError{Program: cmd.CommandPath(), Command: commandName(cmd), Reason: reason}
}

// exclusive refuses a line that has both options.
func exclusive(cmd *cobra.Command, flags *pflag.FlagSet, one, other string) error {
	var first *pflag.Flag
	var err error
	flags.Visit(func(f *pflag.Flag) {
		if f.Name != one && f.Name != other || err != nil {
			return
		}
		if first != nil {
			err = usageOf(cmd, fmt.Errorf("argument %s: not allowed with argument %s", display(f), display(first)))
		}
		first = f
	})
	return err
}

// textValue is a flag that holds one text.
type textValue string

func (v *textValue) Set(s string) error { *v = textValue(s); return nil }
func (v *textValue) String() string     { return string(*v) }
func (v *textValue) Type() string       { return "text" }

// listValue is a flag that may be given several times.
type listValue []string

func (v *listValue) Set(s string) error { *v = append(*v, s); return nil }
func (v *listValue) String() string     { return strings.Join(*v, " ") }
func (v *listValue) Type() string       { return "list" }

// boolValue is a switch.
type boolValue bool

func (v *boolValue) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("invalid boolean value: '%s'", s)
	}
	*v = boolValue(b)
	return nil
}
func (v *boolValue) String() string   { return strconv.FormatBool(bool(*v)) }
func (v *boolValue) Type() string     { return "bool" }
func (v *boolValue) IsBoolFlag() bool { return true }

// countValue counts how often a switch is given.
type countValue int

func (v *countValue) Set(string) error { *v++; return nil }
func (v *countValue) String() string   { return strconv.Itoa(int(*v)) }
func (v *countValue) Type() string     { return "count" }

// numberValue is a whole number, kept as text.
type numberValue string

func (v *numberValue) Set(s string) error {
	if _, err := strconv.Atoi(strings.TrimSpace(s)); err != nil {
		return fmt.Errorf("invalid int value: '%s'", s)
	}
	*v = numberValue(strings.TrimSpace(s))
	return nil
}
func (v *numberValue) String() string { return string(*v) }
func (v *numberValue) Type() string   { return "number" }

// choiceValue is a text out of a few.
type choiceValue struct {
	p       *string
	choices []string
}

func (v *choiceValue) Set(s string) error {
	if !slices.Contains(v.choices, s) {
		return fmt.Errorf("invalid choice: '%s' (choose from '%s')", s, strings.Join(v.choices, "', '"))
	}
	*v.p = s
	return nil
}

func (v *choiceValue) String() string {
	if v.p == nil {
		return ""
	}
	return *v.p
}
func (v *choiceValue) Type() string { return "choice" }
