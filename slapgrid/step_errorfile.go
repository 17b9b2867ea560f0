package slapgrid

import "context"

// removeErrorFile removes the text of the last failure.
type removeErrorFile struct{}

func (removeErrorFile) name() string { return "remove the error file" }

func (removeErrorFile) run(_ context.Context, p *partition) error {
	return p.files.RemoveTree(p.errorFile())
}
