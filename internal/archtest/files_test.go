package archtest

import (
	"bytes"
	"errors"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hasPackageComment tells whether a Go file introduces its package.
func hasPackageComment(t *testing.T, path string) bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly|parser.ParseComments)
	require.NoError(t, err)
	return file.Doc != nil && strings.TrimSpace(file.Doc.Text()) != ""
}

// trackedFiles lists the files of the repository, and skips the test outside one.
func trackedFiles(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("not in a git checkout: %v: %s", err, &stderr)
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
}

// TestNoPlaceNames checks that nothing in the repository depends on where one
// developer works, or on which mirror of a package registry one machine uses.
func TestNoPlaceNames(t *testing.T) {
	// Written in pieces, so that this file passes its own test.
	forbidden := regexp.MustCompile(strings.Join([]string{
		`/wo` + `rk/(main|shared|\.library)`,
		`/tmp/pl` + `an\b`,
		`(?i)\b(pypi|files\.pythonhosted)\.o` + `rg\b`,
		`(?i)\bproxy\.gol` + `ang\.org\b`,
		`(?i)\bdeb\.deb` + `ian\.org\b`,
		`(?i)\bregistry\.npm` + `js\.org\b`,
		`(?i)\bindex-u` + `rl\b`,
	}, "|"))
	for _, path := range trackedFiles(t) {
		data, err := os.ReadFile(filepath.Join(root, path))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed and not yet committed
		}
		require.NoError(t, err)
		if found := forbidden.Find(data); found != nil {
			t.Errorf("%s mentions %q", path, found)
		}
	}
}
