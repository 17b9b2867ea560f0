package tio

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// eachFixture runs a test on every document of a folder of testdata.
func eachFixture(t *testing.T, folder string, test func(t *testing.T, file string)) {
	files, err := filepath.Glob("testdata/" + folder + "/*.xml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { test(t, file) })
	}
}

// TestValidDocuments accepts every valid document; TestStricter has those that
// the schema allows and this package refuses.
func TestValidDocuments(t *testing.T) {
	eachFixture(t, "valid", func(t *testing.T, file string) {
		f, err := os.Open(file)
		require.NoError(t, err)
		defer f.Close()
		journal, err := Decode(f)
		require.NoError(t, err)
		require.NotEmpty(t, journal.Transactions)
		for _, transaction := range journal.Transactions {
			require.NotEmpty(t, transaction.Movements)
		}
	})
}

// TestInvalidDocuments compares rule and path with the text beside each document.
func TestInvalidDocuments(t *testing.T) {
	eachFixture(t, "invalid", func(t *testing.T, file string) {
		want := expected(t, file)
		f, err := os.Open(file)
		require.NoError(t, err)
		defer f.Close()
		err = Validate(f)
		first := find(err, want["rule"], want["path"])
		require.NotNil(t, first, "no %s at %q in: %v", want["rule"], want["path"], err)
		require.Positive(t, first.Line)
		require.Positive(t, first.Column)
		line, err := strconv.Atoi(want["line"])
		require.NoError(t, err)
		if first.Rule == StrayText { // the reference validator tells the start of the parent
			require.GreaterOrEqual(t, first.Line, line)
			return
		}
		require.InDelta(t, line, first.Line, 1, "line")
	})
}

// expected reads the text beside a document that is not valid.
func expected(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(strings.TrimSuffix(file, ".xml") + ".txt")
	require.NoError(t, err)
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			want[key] = value
		}
	}
	want["rule"], _, _ = strings.Cut(want["rule"], " ")
	return want
}

// find returns the broken rule at a path; an empty path stands for any.
func find(err error, rule, path string) *Error {
	all, _ := errors.AsType[Errors](err)
	for _, e := range all {
		if string(e.Rule) == rule && (path == "" || e.Path == path) {
			return e
		}
	}
	return nil
}
