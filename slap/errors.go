package slap

import (
	"errors"
	"fmt"
	"strings"
)

// Sentinels for what a program decides on. Every error of a call to the master
// is, in the sense of [errors.Is], at least one of them, except that of values
// that cannot be sent at all; [Error] carries the details.
var (
	// ErrNotFound (INotFoundError): the master answered 404, an identifier is
	// empty, or a parameter or software release is missing.
	ErrNotFound = errors.New("not found")
	// ErrNotReady (ResourceNotReady): the master answered 408, which means
	// "not allocated yet" and never a time-out, or a value is not known yet.
	// Ask again later; see [WaitReady].
	ErrNotReady = errors.New("not ready")
	// ErrServer (ServerError): the master answered with any other failure or
	// with something that cannot be understood.
	ErrServer = errors.New("server error")
	// ErrAuthentication (AuthenticationError): the master refused the
	// credentials (401, 403), a certificate file cannot be used, or TLS
	// refused the connection; in the last case the error is ErrConnection as
	// well. TLS that breaks after a call was sent is ErrConnection only.
	ErrAuthentication = errors.New("authentication failed")
	// ErrConnection (ConnectionError): no answer came from the master.
	ErrConnection = errors.New("no connection")
)

// Error (IException) describes the failure of one operation to an operator. It
// unwraps to its kinds, which are sentinels of this package, and to its cause,
// so that errors.Is(err, context.DeadlineExceeded) works too.
type Error struct {
	// Op is the operation, for example "supply".
	Op string
	// URL is where the request went, without credentials and arguments;
	// empty if no request was made.
	URL string
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// Message tells what went wrong.
	Message string
	// Hint tells what to do about it; may be empty.
	Hint string
	// Kinds are the sentinels that apply, the most specific first.
	Kinds []error
	// Err is the cause, nil if there is none.
	Err error
}

// Error returns operation, address, message, cause and hint on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.URL != "" {
		fmt.Fprintf(&b, " %s", e.URL)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return printable(b.String())
}

// Unwrap returns the kinds and the cause.
func (e *Error) Unwrap() []error {
	all := append([]error(nil), e.Kinds...)
	if e.Err != nil {
		all = append(all, e.Err)
	}
	return all
}

// NotReadyError is the error of a request that the master accepted but has not
// allocated a partition for (408). It is ErrNotReady. Repeating the same
// request later returns the partition.
type NotReadyError struct {
	// Request is the pending request.
	Request Request
	// Err is the answer.
	Err error
}

// Error tells which request is pending.
func (e *NotReadyError) Error() string {
	return fmt.Sprintf("instance %q is not ready yet: %v", e.Request.Reference, e.Err)
}

// Unwrap returns the answer.
func (e *NotReadyError) Unwrap() error { return e.Err }

// notFound returns an ErrNotFound for which no request was made.
func notFound(op, format string, args ...any) error {
	return &Error{Op: op, Message: fmt.Sprintf(format, args...), Kinds: []error{ErrNotFound}}
}

// notReady returns an ErrNotReady for which no request was made.
func notReady(op, format string, args ...any) error {
	return &Error{Op: op, Message: fmt.Sprintf(format, args...), Kinds: []error{ErrNotReady}}
}
