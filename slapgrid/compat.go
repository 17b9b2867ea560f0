package slapgrid

import "fmt"

// compatf makes an error with a text of the reference, capital letters and
// full stops included: operators search for these texts, and the master shows
// them.
//
// Compat: slapos/grid/*.py, both versions.
func compatf(format string, args ...any) error { return fmt.Errorf(format, args...) }
