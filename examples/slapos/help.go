package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/slapos/slapos-go/internal/argnorm"
)

const helpLong = `Without words: the options and all commands. With the words of a command, such as
"slapos help node instance": what it does, its arguments, options and exit statuses.`

// newHelp is "slapos help".
func newHelp(a *app) *cobra.Command {
	return leaf(otherGroup, "help [cmd...]", "print detailed help for another command", helpLong,
		func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.writeGlobalHelp(a.stdout, false)
			}
			cmd, err := a.find(args)
			if err != nil {
				return err
			}
			return a.writeHelp(a.stdout, cmd)
		})
}

// help answers --help: the help of the command that the words begin with, or the
// global help.
func (a *app) help(words []string) error {
	if cmd, err := a.find(words); err == nil {
		return a.writeHelp(a.stdout, cmd)
	}
	return a.writeGlobalHelp(a.stdout, true)
}

// find returns the command that words name. node alone is node status.
func (a *app) find(words []string) (*cobra.Command, error) {
	if len(words) == 1 && words[0] == "node" {
		words = []string{"node", "status"}
	}
	found, _, err := a.grammar.Find(words)
	if err != nil {
		return nil, err
	}
	cmd, _, err := a.root.Find(strings.Fields(found.Name))
	return cmd, err
}

// usageLine is the usage block of a command, given by its name, or of the
// program for an empty name.
func (a *app) usageLine(name string) string {
	cmd := a.root
	if name != "" {
		cmd, _, _ = a.root.Find(strings.Fields(name))
	}
	return a.usageBlock(cmd)
}

// usageBlock renders the options and arguments of a command, wrapped.
func (a *app) usageBlock(cmd *cobra.Command) string {
	var words []string
	flags := cmd.LocalNonPersistentFlags()
	if cmd == a.root {
		flags = cmd.PersistentFlags()
	} else {
		words = append(words, "[-h]")
	}
	visitOptions(flags, func(f *pflag.Flag) {
		words = append(words, "["+strings.TrimSpace(f.Annotations[spellingsKey][0]+" "+valueName(f, true))+"]")
	})
	var args []string
	for _, arg := range arguments(cmd) {
		switch {
		case cmd.Annotations[remainderKey] != "":
			args = append(args, "...")
		case arg.Repeated:
			args = append(args, "["+arg.Name+" ...]")
		default:
			args = append(args, arg.Name)
		}
	}
	head := "usage: " + cmd.CommandPath()
	indent := strings.Repeat(" ", len(head))
	text := wrapWords(head, indent, slices.Concat(words, args), a.width())
	if strings.Contains(text, "\n") && len(args) > 0 {
		// What does not fit on a line has its arguments on lines of their own.
		return wrapWords(head, indent, words, a.width()) + "\n" + wrapWords(indent, indent, args, a.width())
	}
	return text
}

// writeHelp prints the help of one command.
func (a *app) writeHelp(w io.Writer, cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", a.usageBlock(cmd), cmd.Short)
	if cmd.Long != "" {
		for paragraph := range strings.SplitSeq(cmd.Long, "\n\n") {
			b.WriteString("\n" + a.wrapParagraph(paragraph) + "\n")
		}
	}
	if args := arguments(cmd); len(args) > 0 {
		b.WriteString("\npositional arguments:\n")
		for _, arg := range args {
			b.WriteString("  " + arg.Name + "\n")
		}
	}
	b.WriteString("\noptional arguments:\n")
	a.writeOption(&b, "-h, --help", "Print this help and exit.")
	a.writeOptions(&b, cmd.LocalNonPersistentFlags())
	b.WriteString("\nThe options of \"slapos --help\" are accepted too.\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// wrapParagraph wraps a paragraph. One that is indented is a table, which stays as
// it is.
func (a *app) wrapParagraph(text string) string {
	if strings.HasPrefix(text, " ") {
		return text
	}
	words := strings.Fields(text)
	return wrapWords(words[0], "", words[1:], a.width())
}

// writeGlobalHelp prints the options and the commands, by group or as one list.
func (a *app) writeGlobalHelp(w io.Writer, grouped bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nClient and node of SlapOS\n\noptional arguments:\n", a.usageBlock(a.root))
	a.writeOptions(&b, a.root.PersistentFlags())
	groups := map[string][]*cobra.Command{}
	for _, cmd := range leaves(a.root) {
		if cmd.Hidden {
			continue
		}
		title := "Commands:"
		if grouped {
			title = cmd.Annotations[groupKey] + " commands:"
		}
		groups[title] = append(groups[title], cmd)
	}
	for _, title := range slices.Sorted(maps.Keys(groups)) {
		fmt.Fprintf(&b, "\n%s\n", title)
		cmds := groups[title]
		slices.SortFunc(cmds, func(x, y *cobra.Command) int { return strings.Compare(commandName(x), commandName(y)) })
		for _, cmd := range cmds {
			fmt.Fprintf(&b, "  %-13s  %s\n", commandName(cmd), cmd.Short)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeOptions prints all options of a set.
func (a *app) writeOptions(b *strings.Builder, flags *pflag.FlagSet) {
	visitOptions(flags, func(f *pflag.Flag) {
		var names []string
		for _, spelling := range f.Annotations[spellingsKey] {
			names = append(names, strings.TrimSpace(spelling+" "+valueName(f, true)))
		}
		a.writeOption(b, strings.Join(names, ", "), f.Usage)
	})
}

// writeOption prints one option with its wrapped description.
func (a *app) writeOption(b *strings.Builder, names, usage string) {
	const indent = "                        "
	head := "  " + names
	if len(head) > len(indent)-2 {
		b.WriteString(head + "\n")
		head = ""
	}
	head += indent[len(head):]
	b.WriteString(wrapWords(head[:len(head)-1], indent[1:], strings.Fields(usage), a.width()) + "\n")
}

// visitOptions calls f for the options that were declared here, in their order.
func visitOptions(flags *pflag.FlagSet, f func(*pflag.Flag)) {
	flags.SortFlags = false
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Annotations[spellingsKey] != nil && !flag.Hidden {
			f(flag)
		}
	})
}

// valueName is how help calls the value of an option: its choices or the option's
// name in capitals; empty for a switch.
func valueName(f *pflag.Flag, withChoices bool) string {
	if choices := f.Annotations[choicesKey]; choices != nil && withChoices {
		return "{" + strings.Join(choices, ",") + "}"
	}
	kind, _ := strconv.Atoi(f.Annotations[kindKey][0])
	name := strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
	switch argnorm.Kind(kind) {
	case argnorm.Value:
		return name
	case argnorm.List:
		return name + " [" + name + " ...]"
	default:
		return ""
	}
}

// width is the number of columns for help: $COLUMNS or 80, minus 2.
func (a *app) width() int {
	if n, err := strconv.Atoi(a.getenv("COLUMNS")); err == nil && n > 20 {
		return n - 2
	}
	return 78
}

// wrapWords joins words behind head; lines that would be too long continue behind
// indent.
func wrapWords(head, indent string, words []string, width int) string {
	var b strings.Builder
	line := head
	for _, word := range words {
		if len(line)+1+len(word) > width && len(line) > len(indent) {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	b.WriteString(line)
	return b.String()
}
