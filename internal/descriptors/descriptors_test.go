package descriptors

import (
	"os/exec"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSeal(t *testing.T) {
	leak, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0) // not close on exec
	require.NoError(t, err)
	defer syscall.Close(leak)
	seen := func() string {
		out, err := exec.CommandContext(t.Context(), "/bin/ls", "-l", "/proc/self/fd").Output()
		require.NoError(t, err)
		return string(out)
	}
	const input, leaked = ` 0 -> /dev/null\n`, ` [3-9]\d* -> /dev/null\n`
	require.Regexp(t, leaked, seen())
	require.NoError(t, Seal())
	require.Regexp(t, input, seen())
	require.NotRegexp(t, leaked, seen())
}
