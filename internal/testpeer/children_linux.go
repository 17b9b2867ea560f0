package testpeer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// settling is how long processes that tests have ended may take to be gone.
const settling = 30 * time.Second

// Settled are tests after which it is waited until the processes that they started are
// gone, and with them the goroutines that wait for those. It is for goleak.VerifyTestMain.
type Settled struct{ *testing.M }

// Run runs the tests and waits. What stays is for the caller to find.
func (s Settled) Run() int {
	code := s.M.Run()
	for end := time.Now().Add(settling); hasChildren() && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	return code
}

// hasChildren tells whether this process has children.
func hasChildren() bool {
	lists, _ := filepath.Glob("/proc/self/task/*/children") // the pattern is good
	for _, list := range lists {
		if data, err := os.ReadFile(list); err == nil && strings.TrimSpace(string(data)) != "" {
			return true
		}
	}
	return false
}
