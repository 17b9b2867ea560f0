//go:build linux

package interop

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// TestOneAgentAtATime checks that an agent of either side keeps the others away
// while it works.
func TestOneAgentAtATime(t *testing.T) {
	c := newRunning(t)
	tools := map[string]tool{
		"ours":              c.tool,
		testpeer.Documented: theirs{testpeer.Get(t, testpeer.Documented)},
		testpeer.Newest:     theirs{c.peer},
	}
	mine := c.tool
	for _, working := range []string{"ours", testpeer.Newest} {
		t.Run(working, func(t *testing.T) {
			c.tool = mine
			c.request(t, "front", c.release, "--parameters", "message=wait")
			before := c.runs(t, c.part)
			out, err := os.CreateTemp(c.sandbox.Path(), "working-")
			require.NoError(t, err)
			defer out.Close()
			cmd := c.sandbox.As(tools[working].slapos(sandbox.Timeout(t), "node", "instance", "--now", "--cfg", c.config))
			cmd.Stdout, cmd.Stderr = out, out
			require.NoError(t, cmd.Start())
			sandbox.Eventually(t, "the pass is at work", func() (bool, string) {
				text, err := os.ReadFile(out.Name())
				require.NoError(t, err)
				return c.runs(t, c.part) > before, string(text)
			})
			for name, other := range tools {
				c.tool = other
				r := c.run(t, "node", "instance", "--now", "--cfg", c.config)
				require.Equal(t, 10, r.Code, "%s beside %s: %s", name, working, r)
			}
			c.sandbox.Write(t, "", "inst", c.part, "go")
			err = cmd.Wait()
			text, readErr := os.ReadFile(out.Name())
			require.NoError(t, readErr)
			require.NoError(t, err, "%s", text)
			require.NoFileExists(t, c.sandbox.Path("instance.pid"))

			c.tool = mine
			require.NoError(t, os.Remove(c.partition(c.part, "go")))
			c.request(t, "front", c.release, "--parameters", "message=done")
			c.pass(t, 0, "instance")
		})
	}
	c.shutdown(t)
}
