package slapformat

import "fmt"

// compatf makes an error with the text of the reference, which scripts and
// operators know; its style is not that of Go.
func compatf(format string, args ...any) error { return fmt.Errorf(format, args...) }
