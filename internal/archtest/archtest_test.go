package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	module = "github.com/slapos/slapos-go"
	root   = "../.."
)

// goPackage is the part of "go list -json" that the tests need.
type goPackage struct {
	ImportPath   string
	Dir          string
	Name         string
	Standard     bool
	GoFiles      []string
	CgoFiles     []string
	IgnoredFiles []string `json:"IgnoredGoFiles"`
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// list runs "go list -json" with arguments, once for each.
func list(t *testing.T, args ...string) []goPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json"}, args...)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	var packages []goPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		packages = append(packages, p)
	}
}

var (
	all     []goPackage
	allOnce sync.Once
)

// packages lists every package of the module.
func packages(t *testing.T) []goPackage {
	t.Helper()
	allOnce.Do(func() { all = list(t, "./...") })
	require.NotEmpty(t, all, "go list ./... failed before")
	return all
}

// area returns the top-level directory of an import path of the module, and
// nothing for other import paths.
func area(importPath string) string {
	rel, ok := strings.CutPrefix(importPath, module+"/")
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(rel, "/")
	return first
}

// mayImport tells which areas each area may import, besides itself and internal.
// Areas not named here may import nothing of the module but internal.
var mayImport = map[string][]string{
	"slap":       {},
	"tio":        {},
	"proxy":      {"slap", "tio"},
	"slapgrid":   {"slap", "tio"},
	"slapformat": {"slap", "tio"},
	"examples":   {"slap", "tio", "proxy", "slapgrid", "slapformat"},
	"internal":   {},
}

// TestImportsPointDown checks the code proper and its tests: tests may also use a
// master in memory and the harness, but never an agent of another kind.
func TestImportsPointDown(t *testing.T) {
	for _, p := range packages(t) {
		from := area(p.ImportPath)
		if from == "" {
			continue
		}
		allowed, known := mayImport[from]
		require.True(t, known, "%s is in an area that the import rules do not name", p.ImportPath)
		for _, imported := range p.Imports {
			to := area(imported)
			if to == "" || to == from || to == "internal" || slices.Contains(allowed, to) {
				continue
			}
			t.Errorf("%s imports %s: imports point down only", p.ImportPath, imported)
		}
	}
}

// TestAgentsAreStrangers checks that slapgrid, slapformat and proxy never meet, not
// even through a third package. Their tests may start a master of the test package
// proxytest.
func TestAgentsAreStrangers(t *testing.T) {
	agents := []string{"proxy", "slapgrid", "slapformat"}
	for _, p := range packages(t) {
		from := area(p.ImportPath)
		if !slices.Contains(agents, from) {
			continue
		}
		for _, dep := range p.Deps {
			if to := area(dep); to != from && slices.Contains(agents, to) {
				t.Errorf("%s depends on %s: these two never import one another", p.ImportPath, dep)
			}
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			to := area(imported)
			if to == from || !slices.Contains(agents, to) || imported == module+"/proxy/proxytest" {
				continue
			}
			t.Errorf("a test of %s imports %s: use proxy/proxytest or the interop tests", p.ImportPath, imported)
		}
	}
}

// TestLightClosures keeps what library users pull in small. Internal packages are
// allowed because their own imports are in the closure as well.
func TestLightClosures(t *testing.T) {
	client := []string{
		module + "/slap", module + "/internal/",
		"golang.org/x/sync/", "github.com/hashicorp/go-retryablehttp", "github.com/hashicorp/go-cleanhttp",
		"github.com/beevik/etree", "github.com/std-uritemplate/std-uritemplate/",
	}
	for _, test := range []struct {
		pattern string
		allowed []string
	}{
		{"./slap", client},
		{"./slap/slaptest", client},
		// Validation is apart from the client for what it pulls in: package softwareschema.
		{"./slap/...", append(slices.Clone(client), "github.com/santhosh-tekuri/jsonschema/", "golang.org/x/text/")},
		{"./tio/...", []string{module + "/tio", module + "/internal/"}},
	} {
		for _, p := range list(t, "-deps", test.pattern) {
			light := p.Standard || slices.ContainsFunc(test.allowed, func(prefix string) bool {
				return p.ImportPath == prefix || strings.HasPrefix(p.ImportPath, strings.TrimSuffix(prefix, "/")+"/")
			})
			if !light {
				t.Errorf("%s depends on %s: slap and tio stay light, so that programs can embed them", test.pattern, p.ImportPath)
			}
		}
	}
}

// TestNoTemplates keeps the compilers of templates out of programs: with one of them
// the linker keeps every exported method there is, and each process a tenth more memory.
func TestNoTemplates(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if imported == "text/template" || imported == "html/template" {
				t.Errorf("%s imports %s: make the text beforehand, or with os.Expand", p.ImportPath, imported)
			}
		}
	}
}

// TestOnePackageComment checks that each package is introduced in exactly one file.
func TestOnePackageComment(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles)+len(p.IgnoredFiles) == 0 {
			continue
		}
		var documented []string
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredFiles) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			if hasPackageComment(t, filepath.Join(p.Dir, name)) {
				documented = append(documented, name)
			}
		}
		if len(documented) != 1 {
			t.Errorf("%s has its package comment in %q: want it in one file", p.ImportPath, documented)
		}
	}
}

// TestNothingStandsBesideTheProject checks the top of the repository.
func TestNothingStandsBesideTheProject(t *testing.T) {
	allowed := []string{
		".ci", ".gitattributes", ".github", ".gitignore", ".golangci.yml",
		"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "doc.go", "go.mod", "go.sum",
		"docs", "examples", "internal", "proxy", "slap", "slapformat", "slapgrid", "tio",
	}
	for _, path := range trackedFiles(t) {
		top, _, _ := strings.Cut(path, "/")
		if !slices.Contains(allowed, top) {
			t.Errorf("%s: nothing of that name belongs at the top of the repository", path)
		}
	}
}
