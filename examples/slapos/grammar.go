package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slapos/slapos-go/internal/argnorm"
)

// grammarOf reads from the command tree what the argument normaliser has to know.
func grammarOf(root *cobra.Command) argnorm.Grammar {
	g := argnorm.Grammar{Program: programName, Global: grammarOptions(root.PersistentFlags())}
	for _, cmd := range leaves(root) {
		g.Commands = append(g.Commands, argnorm.Command{
			Name:      commandName(cmd),
			Options:   grammarOptions(cmd.LocalNonPersistentFlags()),
			Arguments: arguments(cmd),
			Remainder: cmd.Annotations[remainderKey] != "",
			Hidden:    cmd.Hidden,
		})
	}
	return g
}

func grammarOptions(flags *pflag.FlagSet) []argnorm.Option {
	var out []argnorm.Option
	flags.SortFlags = false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Annotations[spellingsKey] == nil {
			return // what cobra adds on its own
		}
		kind, _ := strconv.Atoi(f.Annotations[kindKey][0])
		out = append(out, argnorm.Option{
			Flag: f.Name, Spellings: f.Annotations[spellingsKey], Kind: argnorm.Kind(kind),
		})
	})
	return out
}

// arguments reads the positional arguments from the command's use line:
// "request reference software_url", "help [cmd...]".
func arguments(cmd *cobra.Command) []argnorm.Argument {
	var out []argnorm.Argument
	for _, word := range strings.Fields(cmd.Use)[1:] {
		optional := strings.HasPrefix(word, "[")
		word = strings.Trim(word, "[]")
		name := strings.TrimSuffix(word, "...")
		out = append(out, argnorm.Argument{Name: name, Optional: optional, Repeated: name != word})
	}
	return out
}

// leaves are the commands that run, in the order of the tree.
func leaves(cmd *cobra.Command) []*cobra.Command {
	if cmd.Runnable() {
		return []*cobra.Command{cmd}
	}
	var out []*cobra.Command
	for _, sub := range cmd.Commands() {
		out = append(out, leaves(sub)...)
	}
	return out
}

// commandName is the words of a command without the program's name, empty for
// the root.
func commandName(cmd *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), programName), " ")
}
