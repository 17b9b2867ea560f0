package testpeer

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// hasChildren tells whether this process has children, living or not yet waited for.
func hasChildren() bool {
	err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return !errors.Is(err, unix.ECHILD)
}
