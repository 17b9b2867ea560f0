package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/slapos/slapos-go/slap/softwareschema"
)

// softwareSchema is what a software release declares about the parameters of one
// software type.
type softwareSchema struct {
	release  string // the URL of the software release
	typeName string
	shared   bool
	schema   *softwareschema.Schema
}

// errNoSchema is a software type that the release does not describe.
var errNoSchema = documented("No schema defined")

// readSoftwareSchema reads the declaration of a software release. A release that
// is a directory of programs may have none: softwareschema.ErrUndeclared.
func readSoftwareSchema(ctx context.Context, release, softwareType string, shared bool) (*softwareSchema, error) {
	path, err := absolute(release)
	if err != nil {
		return nil, err
	}
	loader := softwareschema.Loader{Files: os.DirFS("/")}
	schema, err := loader.Load(ctx, path)
	if e, ok := errors.AsType[*softwareschema.LoadError](err); ok && !errors.Is(err, softwareschema.ErrUndeclared) {
		return nil, documented("Unable to load JSON %s (%w)", e.URL, e.Err)
	}
	if err != nil {
		return nil, err
	}
	return &softwareSchema{release: release, typeName: softwareType, shared: shared, schema: schema}, nil
}

// entry is the entry of the requested software type.
func (s *softwareSchema) entry() (*softwareschema.Type, error) {
	entry, err := s.schema.Type(s.typeName, s.shared)
	if errors.Is(err, softwareschema.ErrUnknownType) {
		return nil, fmt.Errorf("%w for software type '%s' of software release %s", errNoSchema, s.typeName, s.release)
	}
	return entry, err
}

// serialisation is how parameters of the type travel, empty if it is not told.
func (s *softwareSchema) serialisation() string {
	if entry, err := s.entry(); err == nil {
		return string(entry.Serialisation)
	}
	return string(s.schema.Serialisation)
}

// validate checks parameters and returns what is wrong, one finding a line.
func (s *softwareSchema) validate(ctx context.Context, parameters any) ([]string, error) {
	entry, err := s.entry()
	if err != nil {
		return nil, err
	}
	findings, err := entry.ValidateRequest(ctx, parameters)
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	return lines, err
}

// absolute makes a path or a file URL an absolute path, and leaves other URLs.
func absolute(address string) (string, error) {
	if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
		return address, nil
	}
	path := strings.TrimPrefix(address, "file:")
	if path != address {
		if unescaped, err := url.PathUnescape(path); err == nil {
			path = unescaped
		}
	}
	if strings.HasPrefix(path, "//") {
		path = "/" + strings.TrimLeft(path, "/")
	}
	return filepath.Abs(path)
}
