package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// Errors of Open.
var (
	// ErrNewerDatabase tells that a newer version wrote the database.
	ErrNewerDatabase = store.ErrNewer
	// ErrReferenceDatabase tells that the Python proxy wrote the database.
	ErrReferenceDatabase = store.ErrReference
	// ErrForeignDatabase tells that the file is not a database of a proxy.
	ErrForeignDatabase = store.ErrForeign
	// ErrDatabaseInUse tells that another proxy serves the database.
	ErrDatabaseInUse = store.ErrInUse
	// ErrDatabaseUnavailable tells that the database cannot be read or
	// written: read-only, full, or an input/output error.
	ErrDatabaseUnavailable = store.ErrUnavailable
)

// Error is a refused call: a status of HTTP and a text for the caller.
type Error struct {
	// Status is the status of the answer, 400 to 599.
	Status int
	// Message names the thing and the way out.
	Message string
	// Err is the cause, if there is one.
	Err error
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

func notFound(format string, args ...any) error {
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...)}
}

func tooLarge(format string, args ...any) error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf(format, args...)}
}

// malformed is a field that cannot be read.
func malformed(field string, err error) error {
	return &Error{Status: http.StatusBadRequest, Message: "the field " + field + " cannot be read", Err: err}
}

// unknownComputer is the answer for a computer that was never formatted.
func unknownComputer(reference string) error {
	return notFound("Computer %q is not known to this master: run slapos node format on it first", reference)
}

// unknownPartition is the answer for a partition that was never formatted.
func unknownPartition(computer, partition string) error {
	return notFound("Partition %q of computer %q is not known to this master: run slapos node format on it first", partition, computer)
}

// statusOf chooses the status and the text of a failed call. Causes that do not
// concern the caller stay out of the text.
func statusOf(err error) (status int, message string) {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Status, e.Error()
	case errors.Is(err, store.ErrUnavailable):
		return http.StatusServiceUnavailable, "The master cannot use its database now, nothing was changed. Its operator finds the reason here: " + err.Error()
	case errors.Is(err, store.ErrClosed):
		return http.StatusServiceUnavailable, "The master is shutting down, nothing was changed."
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "The call was given up before it was served."
	}
	return http.StatusInternalServerError, "The master failed on this call, nothing was changed. Its log has the details."
}
