package tio

import (
	"context"
	"io"
)

// ContextReader returns a reader of r that fails once ctx is done, with the
// cause of ctx. Whatever reads a document through it ends soon then, in the
// middle of the document:
//
//	err := tio.Validate(tio.ContextReader(ctx, file))
//
// It cannot interrupt a Read of r that blocks.
func ContextReader(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
