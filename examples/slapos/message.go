package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/slapos/slapos-go/internal/configparser"
	"github.com/slapos/slapos-go/slap"
)

// message puts an error into the documented words (spec cli.md 1.4): the first
// line is what scripts and people know, the next one is what this program knows
// beyond it.
func message(err error) string {
	var e *slap.Error
	if !errors.As(err, &e) {
		return inConfiguration(err).Error()
	}
	switch {
	case errors.Is(err, slap.ErrConnection):
		cause := error(e)
		if e.Err != nil {
			cause = e.Err
		}
		return "Couldn't connect to the server. Please double check given master-url argument, " +
			"and make sure that IPv6 is enabled on your machine and that the server is available. " +
			fmt.Sprintf("The original error was:\n%v", cause)
	case e.Status == http.StatusNotFound:
		return e.URL + "\n" + err.Error()
	case e.Status >= http.StatusInternalServerError:
		return fmt.Sprintf("%d Server Error: %s for url: %s\n%v", e.Status, http.StatusText(e.Status), e.URL, err)
	case e.Status >= http.StatusBadRequest:
		return fmt.Sprintf("%d Client Error: %s for url: %s\n%v", e.Status, http.StatusText(e.Status), e.URL, err)
	}
	return err.Error()
}

// inConfiguration adds the file to the errors of the configuration parser whose
// documented text does not name it.
func inConfiguration(err error) error {
	if e, ok := errors.AsType[*configparser.NoSectionError](err); ok {
		return inFile(e.File, err)
	}
	if e, ok := errors.AsType[*configparser.NoOptionError](err); ok {
		return inFile(e.File, err)
	}
	if e, ok := errors.AsType[*configparser.InterpolationError](err); ok {
		return inFile(fmt.Sprintf("%s, line %d", e.File, e.Line), err)
	}
	return err
}

// documented makes an error with a documented text, capital letters and full
// stops included: scripts look for these texts.
func documented(format string, args ...any) error { return fmt.Errorf(format, args...) }
