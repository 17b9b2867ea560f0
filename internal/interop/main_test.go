//go:build linux

package interop

import (
	"fmt"
	"os"
	"testing"
)

// soak tells whether the long forms of tests are asked for.
func soak() bool { return os.Getenv("SLAPOS_SOAK") == "1" }

func TestMain(m *testing.M) {
	code := m.Run()
	if releaseBinary != nil {
		releaseBinary()
	}
	if binaryDir != "" {
		if err := os.RemoveAll(binaryDir); err != nil {
			fmt.Fprintln(os.Stderr, "remove the built command:", err)
			code = 1
		}
	}
	os.Exit(code)
}
