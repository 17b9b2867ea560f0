package argnorm

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

// grammar is a cut of the real one with every kind of option.
var grammar = Grammar{
	Program: "slapos",
	Global: []Option{
		{Flag: "version", Spellings: []string{"--version"}},
		{Flag: "verbose", Spellings: []string{"-v", "--verbose"}},
		{Flag: "quiet", Spellings: []string{"-q", "--quiet"}},
		{Flag: "debug", Spellings: []string{"--debug"}},
		{Flag: "log-file", Spellings: []string{"--log-file", "--logfile", "--log_file"}, Kind: Value},
		{Flag: "log-time", Spellings: []string{"--log-time"}, Kind: Bool},
		{Flag: "help", Spellings: []string{"-h", "--help"}},
	},
	Commands: []Command{
		{
			Name: "request",
			Options: []Option{
				{Flag: "cfg", Spellings: []string{"--cfg"}, Kind: Value},
				{Flag: "node", Spellings: []string{"--node"}, Kind: List},
				{Flag: "slave", Spellings: []string{"--slave"}},
				{Flag: "parameters-file", Spellings: []string{"--parameters-file"}, Kind: Value},
				{Flag: "parameters", Spellings: []string{"--parameters"}, Kind: List},
			},
			Arguments: []Argument{{Name: "reference"}, {Name: "software_url"}},
		},
		{
			Name: "node format",
			Options: []Option{
				{Flag: "computer_xml", Spellings: []string{"-x", "--computer_xml"}, Kind: Value},
				{Flag: "now", Spellings: []string{"--now"}},
				{Flag: "dry_run", Spellings: []string{"-n", "--dry_run"}},
			},
		},
		{
			Name:      "node tail",
			Options:   []Option{{Flag: "cfg", Spellings: []string{"--cfg"}, Kind: Value}},
			Arguments: []Argument{{Name: "supervisor_args", Optional: true, Repeated: true}},
			Remainder: true,
		},
		{Name: "supervise", Hidden: true},
		{Name: "help", Arguments: []Argument{{Name: "cmd", Optional: true, Repeated: true}}},
	},
}

func TestGlobals(t *testing.T) {
	for _, tc := range []struct {
		name, line, globals, rest, err string
	}{
		{name: "before the command", line: "-v request a b", globals: "--verbose", rest: "request a b"},
		{name: "after the command", line: "node format --now --verbose", globals: "--verbose", rest: "node format --now"},
		{name: "between", line: "request -q a --debug b", globals: "--quiet --debug", rest: "request a b"},
		{name: "repeated and glued", line: "-vv x -v", globals: "--verbose --verbose --verbose", rest: "x"},
		{name: "value attached", line: "x --logfile=/f", globals: "--log-file=/f", rest: "x"},
		{name: "value apart", line: "--log_file /f x", globals: "--log-file=/f", rest: "x"},
		{name: "empty value attached", line: "--log-file= x", globals: "--log-file=", rest: "x"},
		{name: "prefix", line: "x --d --quie", globals: "--debug --quiet", rest: "x"},
		{name: "bool", line: "--log-time x --log-time=false", globals: "--log-time --log-time=false", rest: "x"},
		{name: "unknown options stay", line: "node tail --nosuch x:y -f", rest: "node tail --nosuch x:y -f"},
		{name: "unknown short glued stays", line: "format -nx", rest: "format -nx"},
		{name: "after terminator", line: "-v x -- -v --debug", globals: "--verbose", rest: "x -- -v --debug"},
		{name: "negative numbers", line: "node tail -100 x", rest: "node tail -100 x"},
		{name: "single dash", line: "x -", rest: "x -"},
		{name: "ambiguous", line: "request --log", err: "slapos: error: ambiguous option: --log could match --log-file, --logfile, --log_file, --log-time"},
		{name: "no value", line: "x --log-file", err: "slapos: error: argument --log-file/--logfile/--log_file: expected one argument"},
		{name: "option in place of a value", line: "x --log-file -y", err: "slapos: error: argument --log-file/--logfile/--log_file: expected one argument"},
		{name: "glued to a switch", line: "-vx", err: "slapos: error: argument -v/--verbose: ignored explicit argument 'x'"},
		{name: "value for a switch", line: "--debug=1", err: "slapos: error: argument --debug: ignored explicit argument '1'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			globals, rest, err := grammar.Globals(strings.Fields(tc.line))
			if tc.err != "" {
				var usage *UsageError
				require.ErrorAs(t, err, &usage)
				require.Equal(t, tc.err, err.Error())
				return
			}
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(strings.Fields(tc.globals), globals, cmpopts.EquateEmpty()))
			require.Empty(t, cmp.Diff(strings.Fields(tc.rest), rest, cmpopts.EquateEmpty()))
		})
	}
}

func TestFind(t *testing.T) {
	c, rest, err := grammar.Find([]string{"node", "format", "--now", "x"})
	require.NoError(t, err)
	require.Equal(t, "node format", c.Name)
	require.Equal(t, []string{"--now", "x"}, rest)

	_, _, err = grammar.Find([]string{"--nosuch", "x"})
	var option *InvalidOptionError
	require.ErrorAs(t, err, &option)
	require.Equal(t, "slapos: invalid option '--nosuch'", err.Error())

	_, _, err = grammar.Find([]string{"node", "nosuch", "x"})
	var unknown *UnknownCommandError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, "slapos: the command 'node nosuch x' does not exist or is not yet implemented.\n\n"+
		"Available commands: 'help', 'node format', 'node tail', 'request'", err.Error())

	_, _, err = grammar.Find(nil)
	require.ErrorAs(t, err, &unknown)
}

func TestNormalise(t *testing.T) {
	for _, tc := range []struct {
		name, command string
		words         []string
		want          []string
		err           string
	}{
		{
			name: "greedy lists up to the next option", command: "request",
			words: []string{"ref", "url", "--parameters", "a=1", "b=x y", "--node", "computer_guid=C", "--cfg", "/f"},
			want:  []string{"--parameters=a=1", "--parameters=b=x y", "--node=computer_guid=C", "--cfg=/f", "--", "ref", "url"},
		},
		{
			name: "list before the arguments needs an option between", command: "request",
			words: []string{"--parameters", "a=1", "--slave", "ref", "url"},
			want:  []string{"--parameters=a=1", "--slave", "--", "ref", "url"},
		},
		{
			name: "list ended by the terminator", command: "request",
			words: []string{"--parameters", "a=1", "--", "ref", "-url"},
			want:  []string{"--parameters=a=1", "--", "ref", "-url"},
		},
		{
			name: "list swallows the arguments", command: "request",
			words: []string{"--parameters", "a=1", "ref", "url"},
			err:   "slapos request: error: the following arguments are required: reference, software_url",
		},
		{
			name: "repeated list replaces", command: "request",
			words: []string{"r", "u", "--parameters", "a=1", "b=2", "--parameters=c=3"},
			want:  []string{"--parameters=c=3", "--", "r", "u"},
		},
		{
			name: "values with a blank may begin with a dash", command: "request",
			words: []string{"r", "u", "--parameters", "-a b=1"},
			want:  []string{"--parameters=-a b=1", "--", "r", "u"},
		},
		{
			name: "prefix and split arguments", command: "request",
			words: []string{"r", "--para", "a=1", "--sl", "u"},
			want:  []string{"--parameters=a=1", "--slave", "--", "r", "u"},
		},
		{
			name: "prefix beyond the shorter option", command: "request",
			words: []string{"r", "u", "--parameters-f", "x"},
			want:  []string{"--parameters-file=x", "--", "r", "u"},
		},
		{
			name: "underscores and hyphens are equal", command: "node format",
			words: []string{"--computer-xml", "/x", "--dry-run"},
			want:  []string{"--computer_xml=/x", "--dry_run", "--"},
		},
		{
			name: "glued short options", command: "node format",
			words: []string{"-nx/tmp/a"},
			want:  []string{"--dry_run", "--computer_xml=/tmp/a", "--"},
		},
		{
			name: "short option with equal sign", command: "node format",
			words: []string{"-x=/tmp/a"},
			want:  []string{"--computer_xml=/tmp/a", "--"},
		},
		{
			name: "remainder keeps options", command: "node tail",
			words: []string{"--cfg", "/f", "x:y", "-f", "--cfg", "z"},
			want:  []string{"--cfg=/f", "--", "x:y", "-f", "--cfg", "z"},
		},
		{
			name: "remainder after a number", command: "node tail",
			words: []string{"-100", "x:y"},
			want:  []string{"--", "-100", "x:y"},
		},
		{
			name: "remainder after the terminator", command: "node tail",
			words: []string{"--", "-f", "x:y"},
			want:  []string{"--", "-f", "x:y"},
		},
		{
			name: "remainder refuses a leading option", command: "node tail",
			words: []string{"-f", "x:y"},
			err:   "slapos node tail: error: unrecognized arguments: -f",
		},
		{
			name: "too many", command: "request",
			words: []string{"a", "b", "c", "--nosuch"},
			err:   "slapos request: error: unrecognized arguments: c --nosuch",
		},
		{
			name: "too many after the terminator", command: "request",
			words: []string{"a", "b", "--", "c"},
			err:   "slapos request: error: unrecognized arguments: c",
		},
		{
			name: "missing wins over unknown", command: "request",
			words: []string{"a", "--nosuch"},
			err:   "slapos request: error: the following arguments are required: software_url",
		},
		{
			name: "empty list", command: "request",
			words: []string{"a", "b", "--node", "--slave"},
			err:   "slapos request: error: argument --node: expected at least one argument",
		},
		{
			name: "value missing before the terminator", command: "request",
			words: []string{"a", "b", "--cfg", "--"},
			err:   "slapos request: error: argument --cfg: expected one argument",
		},
		{name: "no argument at all", command: "help", want: []string{"--"}},
		{name: "repeated argument", command: "help", words: []string{"node", "format"}, want: []string{"--", "node", "format"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			i := slices.IndexFunc(grammar.Commands, func(c Command) bool { return c.Name == tc.command })
			require.GreaterOrEqual(t, i, 0)
			got, err := grammar.Commands[i].Normalise("slapos", tc.words)
			if tc.err != "" {
				require.EqualError(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tc.want, got))
		})
	}
}

// FuzzNormalise checks that no line makes the normaliser panic and that what it
// accepts is canonical: known flags in full, then the arguments.
func FuzzNormalise(f *testing.F) {
	f.Add("-v request r u --parameters a=1 b=2 --node x=y")
	f.Add("node format -nx/tmp/a --now")
	f.Add("node tail -f x:y")
	f.Add("request --pa=1 -- - -1 --= -=")
	f.Fuzz(func(t *testing.T, line string) {
		globals, rest, err := grammar.Globals(strings.Fields(line))
		if err != nil {
			return
		}
		requireCanonical(t, grammar.Global, globals)
		c, words, err := grammar.Find(rest)
		if err != nil {
			return
		}
		got, err := c.Normalise("slapos", words)
		if err != nil {
			return
		}
		end := slices.Index(got, "--")
		require.GreaterOrEqual(t, end, 0)
		requireCanonical(t, c.Options, got[:end])
	})
}

func requireCanonical(t *testing.T, options []Option, words []string) {
	t.Helper()
	for _, w := range words {
		name, _, _ := strings.Cut(w, "=")
		require.True(t, slices.ContainsFunc(options, func(o Option) bool { return "--"+o.Flag == name }), w)
	}
}

func BenchmarkNormalise(b *testing.B) {
	words := strings.Fields("ref url --para a=1 b=2 c=3 --node computer_guid=C --cfg /f")
	for b.Loop() {
		if _, err := grammar.Commands[0].Normalise("slapos", words); err != nil {
			b.Fatal(err)
		}
	}
}
