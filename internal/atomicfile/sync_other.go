//go:build !unix

package atomicfile

// unsupported is always true: elsewhere directories cannot be flushed.
func unsupported(error) bool { return true }
