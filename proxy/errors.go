package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// Errors of Open and of what reads and writes databases.
var (
	// ErrNewerDatabase tells that a newer version wrote the database.
	ErrNewerDatabase = store.ErrNewer
	// ErrReferenceDatabase tells that the Python proxy wrote the database. Backup
	// fails with it: its own proxy serves such a database.
	ErrReferenceDatabase = store.ErrReference
	// ErrForeignDatabase tells that the file is not a database of a proxy.
	ErrForeignDatabase = store.ErrForeign
	// ErrDatabaseInUse tells that another proxy serves the database.
	ErrDatabaseInUse = store.ErrInUse
	// ErrDatabaseUnavailable tells that the database cannot be read or
	// written: read-only, full, or an input/output error.
	ErrDatabaseUnavailable = store.ErrUnavailable
	// ErrDatabaseNotEmpty tells that Import would add to what is there.
	ErrDatabaseNotEmpty = store.ErrNotEmpty
)

// Error is a refused call: a status of HTTP and a text for the caller.
type Error struct {
	// Status is the status of the answer, 400 to 599.
	Status int
	// Message names the thing and the way out.
	Message string
	// Err is the cause, if there is one.
	Err error
	// logged stands in logs for a Message that may hold secrets.
	logged string
	// about tells surfaces that have words of their own what it is about.
	about subject
}

// subject is what a refusal is about.
type subject int

// Subjects of refusals.
const (
	// somethingUnknown: a computer, partition or release does not exist here.
	somethingUnknown subject = iota + 1
	// nothingFree: no partition is free.
	nothingFree
	// noHost: no instance can serve a shared one.
	noHost
	// anotherMaster: the one that serves the request refuses it, cannot be
	// asked, or is not configured.
	anotherMaster
)

// isAbout tells whether an error is a refusal about a subject.
func isAbout(err error, what subject) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.about == what
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// forLog is an error without what logs may not hold.
func forLog(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.logged == "" {
		return err
	}
	return &Error{Message: e.logged, Err: e.Err}
}

func notFound(format string, args ...any) error {
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...)}
}

// lacking is notFound with its subject.
func lacking(what subject, format string, args ...any) error {
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...), about: what}
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
	return lacking(somethingUnknown, "Computer %q is not known to this master: run slapos node format on it first", reference)
}

// unknownPartition is the answer for a partition that was never formatted.
func unknownPartition(computer, partition string) error {
	return lacking(somethingUnknown, "Partition %q of computer %q is not known to this master: run slapos node format on it first", partition, computer)
}

// statusOf chooses the status and the text of a failed call. Causes that do not
// concern the caller stay out of the text.
func statusOf(err error) (status int, message string) {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Status, e.Error()
	case errors.Is(err, store.ErrUncertain):
		return http.StatusServiceUnavailable, "The connection to the database broke while the change was committed: it may have been made or not. Look before you repeat it. The operator finds the reason here: " + err.Error()
	case errors.Is(err, store.ErrUnavailable):
		return http.StatusServiceUnavailable, "The master cannot use its database now, nothing was changed. Its operator finds the reason here: " + err.Error()
	case errors.Is(err, store.ErrText):
		return http.StatusBadRequest, "Nothing was changed: " + store.ErrText.Error() + ", it is too long or holds characters that no text should."
	case errors.Is(err, store.ErrClosed):
		return http.StatusServiceUnavailable, "The master is shutting down, nothing was changed."
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable, "The call was given up before it was served."
	}
	return http.StatusInternalServerError, "The master failed on this call, nothing was changed. Its log has the details."
}
