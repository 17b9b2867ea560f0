//go:build linux

package interop

import (
	"fmt"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if binaryDir != "" {
		if err := os.RemoveAll(binaryDir); err != nil {
			fmt.Fprintln(os.Stderr, "remove the built command:", err)
			code = 1
		}
	}
	os.Exit(code)
}
