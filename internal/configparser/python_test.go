package configparser

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// result is what a parser makes of a file, in a form that both sides can give.
type result struct {
	Error    string              `json:"error"`
	Sections []string            `json:"sections"`
	Items    map[string][][2]any `json:"items"`
}

const script = `
import configparser, json, os, sys
def read(cls, path):
    parser = cls()
    out = {"error": "", "sections": [], "items": {}}
    try:
        with open(path, encoding="utf-8") as f:
            parser.read_file(f, "f")
    except configparser.Error as e:
        out["error"] = str(e)
        return out
    out["sections"] = parser.sections()
    for section in parser.sections():
        items = []
        for key in parser.options(section):
            try:
                items.append([key, [parser.get(section, key), ""]])
            except configparser.Error as e:
                items.append([key, ["", str(e)]])
        out["items"][section] = sorted(items)
    return out
print(json.dumps({
    mode: {name: read(cls, os.path.join(sys.argv[1], name)) for name in os.listdir(sys.argv[1])}
    for mode, cls in (("cooked", configparser.ConfigParser), ("raw", configparser.RawConfigParser))
}))
`

// TestSameAsPython gives every case to the real configparser and wants the same
// values and the same messages.
func TestSameAsPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("SLAPOS_INTEROP") == "required" {
			t.Fatal("python3 is required and not installed")
		}
		t.Skip("python3 is not installed")
	}
	dir := t.TempDir()
	for name, text := range cases {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	cmd := exec.Command(python, "-c", script, dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var want map[string]map[string]result
	require.NoError(t, json.Unmarshal(out, &want))
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff(want["cooked"][name], ours(t, text, true)), "ConfigParser (-Python +Go)")
			require.Empty(t, cmp.Diff(want["raw"][name], ours(t, text, false)), "RawConfigParser (-Python +Go)")
		})
	}
}

func ours(t *testing.T, text string, cooked bool) result {
	t.Helper()
	parse := ParseRaw
	if cooked {
		parse = Parse
	}
	out := result{Sections: []string{}, Items: map[string][][2]any{}}
	f, err := parse(strings.NewReader(text), "f")
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Sections = append(out.Sections, f.Sections()...)
	for _, section := range f.Sections() {
		keys, err := f.Keys(section)
		require.NoError(t, err)
		out.Items[section] = [][2]any{}
		slices.Sort(keys)
		for _, key := range keys {
			value, err := f.Get(section, key)
			message := ""
			if err != nil {
				message = err.Error()
			}
			out.Items[section] = append(out.Items[section], [2]any{key, []any{value, message}})
		}
	}
	return out
}
