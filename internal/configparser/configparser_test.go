package configparser

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

const example = `[DEFAULT]
root = /srv

[slapos]
master_url = http://127.0.0.1:5000/%%7Ex
instance_root: %(root)s/slapgrid
shared_part_list =
  /one

  /two
root_check = False
amount = 10
`

func parseString(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse(strings.NewReader(text), "slapos.cfg")
	require.NoError(t, err)
	return f
}

func TestValues(t *testing.T) {
	f := parseString(t, example)
	require.Equal(t, "slapos.cfg", f.Name())
	require.Equal(t, []string{"slapos"}, f.Sections())
	items, err := f.Items("slapos")
	require.NoError(t, err)
	want := []Item{
		{"root", "/srv"},
		{"master_url", "http://127.0.0.1:5000/%7Ex"},
		{"instance_root", "/srv/slapgrid"},
		{"shared_part_list", "\n/one\n\n/two"},
		{"root_check", "False"},
		{"amount", "10"},
	}
	require.Empty(t, cmp.Diff(want, items))

	raw, err := f.GetRaw("slapos", "INSTANCE_ROOT")
	require.NoError(t, err)
	require.Equal(t, "%(root)s/slapgrid", raw)
	require.Equal(t, 6, f.Line("slapos", "instance_root"))
	require.Zero(t, f.Line("slapos", "nothing"))
	require.True(t, f.Has("slapos", "root"))
	require.False(t, f.Has("slapos", "nothing"))
	require.False(t, f.Has("nothing", "root"))
	require.True(t, f.HasSection("slapos"))
	require.False(t, f.HasSection("DEFAULT"))
	value, err := f.Get("DEFAULT", "root")
	require.NoError(t, err)
	require.Equal(t, "/srv", value)
}

func TestRawKeepsPercent(t *testing.T) {
	f, err := ParseRaw(strings.NewReader("[a]\nb = 100% %(c)s %%\n"), "x")
	require.NoError(t, err)
	value, err := f.Get("a", "b")
	require.NoError(t, err)
	require.Equal(t, "100% %(c)s %%", value)
}

func TestTypedValues(t *testing.T) {
	f := parseString(t, example+"other = maybe\nlist =\n  a\n")
	yes, err := f.Bool("slapos", "root_check")
	require.NoError(t, err)
	require.False(t, yes)
	n, err := f.Int("slapos", "amount")
	require.NoError(t, err)
	require.Equal(t, 10, n)

	_, err = f.Bool("slapos", "other")
	require.EqualError(t, err, "slapos.cfg, line 13: section [slapos], key other: 'maybe' is not allowed; write true or false")
	_, err = f.Int("slapos", "other")
	var value *ValueError
	require.ErrorAs(t, err, &value)
	require.Equal(t, "maybe", value.Value)
	require.ErrorContains(t, f.Invalid("slapos", "other", "a path"), "write a path")

	_, err = f.Int("slapos", "nothing")
	require.EqualError(t, err, "No option 'nothing' in section: 'slapos'")
	_, err = f.Bool("nothing", "x")
	require.EqualError(t, err, "No section: 'nothing'")
	require.EqualError(t, f.Invalid("nothing", "x", "y"), "No section: 'nothing'")
	_, err = f.Items("nothing")
	var missing *NoSectionError
	require.ErrorAs(t, err, &missing)
}

func TestBooleans(t *testing.T) {
	for text, want := range map[string]bool{
		"1": true, "YES": true, "True": true, "on": true,
		"0": false, "no": false, "FALSE": false, "Off": false,
	} {
		f := parseString(t, "[a]\nb = "+text+"\n")
		got, err := f.Bool("a", "b")
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "t", "2", "y"} {
		_, err := parseString(t, "[a]\nb = "+text+"\n").Bool("a", "b")
		require.Error(t, err, text)
	}
}

// The first lines that the Python commands print.
func TestMessages(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"no header":         {"hello\n", "File contains no section headers.\nfile: 'slapos.cfg', line: 1\n'hello\\n'"},
		"duplicate section": {"[slapos]\n\n[slapos]\n", "While reading from 'slapos.cfg' [line  3]: section 'slapos' already exists"},
		"duplicate option":  {"[b]\na = 1\na = 2\n", "While reading from 'slapos.cfg' [line  3]: option 'a' in section 'b' already exists"},
		"no value":          {"[b]\nhello\nit's\n", "Source contains parsing errors: 'slapos.cfg'\n\t[line  2]: 'hello\\n'\n\t[line  3]: \"it's\\n\""},
		"not UTF-8":         {"[b]\na = \xff\n", "While reading from 'slapos.cfg' [line  2]: the text is not UTF-8"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(strings.NewReader(tt.text), "slapos.cfg")
			require.EqualError(t, err, tt.want)
			var syntax *SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.NotZero(t, syntax.Line)
		})
	}
	_, err := parseString(t, "[s]\no = %(x)s\n").Get("s", "o")
	require.EqualError(t, err, "Bad value substitution: option 'o' in section 's' contains an interpolation key 'x' which is not a valid option name. Raw value: '%(x)s'")
	var bad *InterpolationError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, 2, bad.Line)
}

func TestByteOrderMark(t *testing.T) {
	require.Equal(t, []string{"a"}, parseString(t, "\ufeff[a]\n").Sections())
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "slapos.cfg")
	_, err := Load(path)
	require.EqualError(t, err, "Configuration file does not exist: "+path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Load(dir)
	require.EqualError(t, err, "Cannot parse configuration file: "+dir+"\nis a directory")
	require.NoError(t, os.WriteFile(path, []byte("[a]\nb = %\n"), 0o600))
	f, err := LoadRaw(path)
	require.NoError(t, err)
	require.Equal(t, path, f.Name())
	value, err := f.Get("a", "b")
	require.NoError(t, err)
	require.Equal(t, "%", value)
}

// References that double each other end in an error, soon and with little
// memory.
func TestExplodingReferences(t *testing.T) {
	for name, last := range map[string]string{"long": strings.Repeat("x", 1000), "empty": ""} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("[a]\n")
			for c := 'a'; c < 'h'; c++ {
				b.WriteString(string(c) + " = " + strings.Repeat("%("+string(c+1)+")s", 100) + "\n")
			}
			b.WriteString("h = " + last + "\n")
			_, err := parseString(t, b.String()).Get("a", "a")
			require.Error(t, err)
			require.Less(t, len(err.Error()), 4096)
		})
	}
}

func TestTooLarge(t *testing.T) {
	_, err := Parse(endless{}, "x")
	require.ErrorContains(t, err, "more than")
	boom := errors.New("boom")
	_, err = Parse(broken{boom}, "x")
	require.ErrorIs(t, err, boom)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// Whatever the bytes are: no panic, and everything listed can be read.
func FuzzParse(f *testing.F) {
	for _, text := range cases {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (*File, error){
			func(s string) (*File, error) { return Parse(strings.NewReader(s), "f") },
			func(s string) (*File, error) { return ParseRaw(strings.NewReader(s), "f") },
		} {
			file, err := parse(text)
			if err != nil {
				if err.Error() == "" {
					t.Fatal("empty message")
				}
				continue
			}
			for _, section := range file.Sections() {
				keys, err := file.Keys(section)
				if err != nil {
					t.Fatal(err)
				}
				for _, key := range keys {
					if _, err := file.GetRaw(section, key); err != nil {
						t.Fatal(err)
					}
					_, err := file.Get(section, key)
					var bad *InterpolationError
					if err != nil && !errors.As(err, &bad) {
						t.Fatal(err)
					}
				}
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := example
	for i := range 100 {
		text += "\n[section" + strings.Repeat("x", i) + "]\nkey = %(root)s/value\nother =\n  a\n  b\n"
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Parse(strings.NewReader(text), "x"); err != nil {
			b.Fatal(err)
		}
	}
}
