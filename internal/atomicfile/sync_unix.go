//go:build unix

package atomicfile

import (
	"errors"
	"syscall"
)

// unsupported tells whether the file system cannot flush directories at all,
// which is not the writer's fault.
func unsupported(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP)
}
