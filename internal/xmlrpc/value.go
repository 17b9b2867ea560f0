// Package xmlrpc speaks XML-RPC in both directions, as far as supervisord and
// its clients need it: a codec, a client over a unix socket (or TCP) and an
// HTTP handler that dispatches calls to Go functions.
//
// Values and their Go types:
//
//	string              string
//	int, i4, i8         int
//	boolean             bool
//	double              float64
//	dateTime.iso8601    time.Time (UTC, the format carries no zone)
//	base64              []byte
//	array               []any
//	struct              map[string]any
//	nil                 nil (an extension, accepted and produced)
//
// Documents are bounded in size and nesting and may not declare entities, so
// neither side can be made to exhaust memory or stack by the other. They are read
// as Python's client reads them, but for text that holds characters which XML
// does not allow: supervisord sends the lines of log files as they are, and
// U+FFFD is read instead of an error.
package xmlrpc

import (
	"errors"
	"fmt"
)

// Limits of what is accepted from the other side.
const (
	// MaxDocument is the largest document that is read, in bytes.
	MaxDocument = 64 << 20
	// MaxDepth is how deep arrays and structs may nest.
	MaxDepth = 64
)

// ErrMalformed is wrapped by every error about a document that is not XML-RPC.
var ErrMalformed = errors.New("malformed XML-RPC document")

// Fault is the answer of a server that refuses a call. It is an error; use
// errors.AsType to get at the code.
type Fault struct {
	Code   int    // as the server defines it
	String string // text for people
}

// Error implements error in the form that Python's client prints.
func (f *Fault) Error() string { return fmt.Sprintf("<Fault %d: %q>", f.Code, f.String) }

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
