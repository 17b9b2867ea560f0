package slap

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// source is what is declared in this package.
type source struct {
	pkg *doc.Package
	// names are the exported names, methods as Type.Method.
	names map[string]bool
	// tests are the names of tests.
	tests map[string]bool
	// undocumented are the exported names without a comment.
	undocumented []string
}

func readSource(t *testing.T) *source {
	t.Helper()
	files := token.NewFileSet()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	s := &source{names: map[string]bool{}, tests: map[string]bool{}}
	var code []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") {
			continue
		}
		file, err := parser.ParseFile(files, e.Name(), nil, parser.ParseComments)
		require.NoError(t, err)
		if !strings.HasSuffix(e.Name(), "_test.go") {
			code = append(code, file)
			continue
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				s.tests[f.Name.Name] = true
			}
		}
	}
	s.pkg, err = doc.NewFromFiles(files, code, "github.com/slapos/slapos-go/slap")
	require.NoError(t, err)
	s.collect()
	return s
}

func (s *source) add(name, comment string) {
	s.names[name] = true
	if strings.TrimSpace(comment) == "" {
		s.undocumented = append(s.undocumented, name)
	}
}

func (s *source) collect() {
	values := func(all []*doc.Value) {
		for _, v := range all {
			for _, spec := range v.Decl.Specs {
				one := spec.(*ast.ValueSpec)
				comment := v.Doc + one.Doc.Text() + one.Comment.Text()
				for _, name := range one.Names {
					if name.IsExported() {
						s.add(name.Name, comment)
					}
				}
			}
		}
	}
	values(s.pkg.Consts)
	values(s.pkg.Vars)
	for _, f := range s.pkg.Funcs {
		s.add(f.Name, f.Doc)
	}
	for _, typ := range s.pkg.Types {
		s.add(typ.Name, typ.Doc)
		values(typ.Consts)
		values(typ.Vars)
		for _, f := range typ.Funcs {
			s.add(f.Name, f.Doc)
		}
		for _, m := range typ.Methods {
			s.add(typ.Name+"."+m.Name, m.Doc)
		}
	}
}

// section returns the part of the package documentation under a heading.
func (s *source) section(t *testing.T, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(s.pkg.Doc, "# "+heading+"\n")
	require.True(t, ok, "no section %q", heading)
	text, _, _ = strings.Cut(text, "\n# ")
	return text
}

var (
	interfaceLine = regexp.MustCompile(`^\t(\w+)$`)
	methodLine    = regexp.MustCompile(`^\t  (\w+) +([\w., ]+)$`)
)

// TestEveryDocumentedMethodIsHere compares the methods of the documentation of the
// reference, the table of them in the documentation of this package, and what
// there is.
func TestEveryDocumentedMethodIsHere(t *testing.T) {
	s := readSource(t)
	counterparts := map[string][]string{}
	current := ""
	for line := range strings.Lines(s.section(t, "From the documentation to Go")) {
		line = strings.TrimSuffix(line, "\n")
		if m := interfaceLine.FindStringSubmatch(line); m != nil {
			current = m[1] + "."
			if m[1] == "exceptions" {
				current = ""
			}
		} else if m := methodLine.FindStringSubmatch(line); m != nil {
			require.NotContains(t, counterparts, current+m[1])
			counterparts[current+m[1]] = strings.Split(m[2], ", ")
		} else {
			require.False(t, strings.HasPrefix(line, "\t"), "not understood: %q", line)
		}
	}
	var documented, tabled []string
	for line := range strings.Lines(fixture(t, "documented.txt")) {
		line = strings.TrimSpace(line)
		if name, _, _ := strings.Cut(line, "("); line != "" && !strings.HasPrefix(line, "#") {
			documented = append(documented, name)
		}
	}
	require.Greater(t, len(documented), 65)
	for name, goNames := range counterparts {
		tabled = append(tabled, name)
		for _, goName := range goNames {
			require.True(t, s.names[goName], "%s is %s, which does not exist", name, goName)
		}
	}
	require.ElementsMatch(t, documented, tabled)
	for _, name := range documented {
		if owner, _, ok := strings.Cut(name, "."); ok && strings.HasPrefix(owner, "I") {
			require.True(t, s.names[owner], "interface %s", owner)
		}
	}
	require.True(t, s.names["ISlap"])
}

// TestEveryDocumentedArgumentIsHere compares the arguments of the documentation of
// the reference with what the documentation of this package says of them.
func TestEveryDocumentedArgumentIsHere(t *testing.T) {
	s := readSource(t)
	row := regexp.MustCompile(`(?m)^\t([\w, ]+?) {2,}\S`)
	var told []string
	for _, m := range row.FindAllStringSubmatch(s.section(t, "Arguments and results"), -1) {
		told = append(told, strings.Split(m[1], ", ")...)
	}
	interfaces, _, _ := strings.Cut(fixture(t, "documented.txt"), "# What the library has besides")
	documented := map[string]bool{}
	for line := range strings.Lines(interfaces) {
		_, arguments, _ := strings.Cut(strings.TrimSpace(line), "(")
		for argument := range strings.SplitSeq(strings.TrimSuffix(arguments, ")"), ", ") {
			if argument != "" {
				documented[argument] = true
			}
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(documented)), told)
}

// TestEveryCallIsInTheTable compares the table of calls in the package
// documentation with the code.
func TestEveryCallIsInTheTable(t *testing.T) {
	s := readSource(t)
	row := regexp.MustCompile(`^\t(GET|POST) +(\w+) +(.*)$`)
	var tabled []string
	for line := range strings.Lines(s.section(t, "On the wire")) {
		m := row.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue
		}
		tabled = append(tabled, m[2])
		for _, name := range strings.Split(m[3], ", ") {
			if strings.Contains(name, ".") {
				require.True(t, s.names[name], name)
			}
		}
	}
	var called []string
	path := regexp.MustCompile(`"((?:get|register|supply|building|available|destroyed|software|request|started|stopped|set|update|load|use|computer|generate|revoke)[A-Z]\w+)"`)
	require.NoError(t, fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		data, err := os.ReadFile(name)
		for _, m := range path.FindAllStringSubmatch(string(data), -1) {
			if m[1] != "getConnectionXmlAsDict" && !slices.Contains(called, m[1]) {
				called = append(called, m[1])
			}
		}
		return err
	}))
	require.ElementsMatch(t, tabled, called)
}

// TestDeviationsAreDocumented compares the section Deviations of the package
// documentation with the deviations that tests have found.
func TestDeviationsAreDocumented(t *testing.T) {
	s := readSource(t)
	row := regexp.MustCompile(`(?m)^  - ([^:]+): .{20,}$`)
	var documented, known []string
	for _, m := range row.FindAllStringSubmatch(s.section(t, "Deviations"), -1) {
		documented = append(documented, m[1])
	}
	for _, d := range deviations {
		known = append(known, d.name)
		require.NotEmpty(t, append(d.probes, d.proofs...), d.name)
		for _, test := range d.proofs {
			require.True(t, s.tests[test], "no test %s", test)
		}
	}
	require.Equal(t, known, documented)
}

func TestEverythingIsDocumented(t *testing.T) {
	require.Empty(t, readSource(t).undocumented)
}
