//go:build linux

package interop

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// deviations are the steps of testdata/client.py whose outcome our master changes
// on purpose: the outcome here, instead of that of the newest reference.
var deviations = map[string]any{
	// The reference's proxy answers 500 to what it does not know, and to values
	// that it refuses.
	"unknown computer":          map[string]any{"raised": "NotFoundError"},
	"unknown partition":         map[string]any{"raised": "NotFoundError"},
	"supply to a strange state": map[string]any{"raised": "HTTPError"},
	// What the reference's real master answers and its proxy lacks.
	"addresses of the tree": map[string]any{"returned": []any{
		[]any{"tap0", "127.0.1.0"}, []any{"tap0", "fd00::0"},
	}},
	"related instances": map[string]any{"returned": nil},
	"computer's status": map[string]any{"returned": "#error bang: help"},
}

// TestTheirLibrary uses everything that the reference's client library offers,
// against the newest of its own masters and against ours, on either kind of database,
// and compares what comes out step by step.
func TestTheirLibrary(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	for _, version := range testpeer.Versions() {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			client := testpeer.Get(t, version)
			newest := testpeer.Get(t, testpeer.Newest)
			s := sandbox.New(t)
			n := newNode(t, s, theirs{client}, client, "")
			want := outcomes(t, n, newest.StartProxy(t, computerID).URL)
			for i, step := range want {
				if ours, ok := deviations[step[0].(string)]; ok {
					want[i][1] = ours
				}
			}
			for _, master := range ourMasters {
				t.Run(master.name, func(t *testing.T) {
					t.Parallel()
					n := newNode(t, sandbox.New(t), theirs{client}, client, "")
					if diff := cmp.Diff(want, outcomes(t, n, master.start(t))); diff != "" {
						t.Errorf("our master differs from theirs (-theirs +ours):\n%s", diff)
					}
				})
			}
		})
	}
}

// outcomes runs the script of the client library against a master.
func outcomes(t *testing.T, n *node, url string) [][]any {
	t.Helper()
	var steps [][]any
	text := n.python(t, n.peer, "testdata/client.py", url)
	require.NoError(t, json.Unmarshal([]byte(text), &steps), "%s", text)
	require.NotEmpty(t, steps)
	for _, step := range steps {
		require.Len(t, step, 2)
	}
	return steps
}
