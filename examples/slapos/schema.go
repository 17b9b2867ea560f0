package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	textmessage "golang.org/x/text/message"
)

// Bounds of the documents of a schema.
const (
	maxSchema     = 16 << 20
	schemaTimeout = 30 * time.Second
)

// softwareSchema is what a software release declares about its parameters: the
// document beside its URL, and the entry for one software type in it.
type softwareSchema struct {
	release  string // the URL of the software release
	client   *http.Client
	typeName string

	Serialisation string                `json:"serialisation"`
	Types         map[string]typeSchema `json:"software-type"`
}

// typeSchema is the entry of one software type.
type typeSchema struct {
	Request       string `json:"request"`
	Serialisation string `json:"serialisation"`
}

// errNoSchema is a software type that the release does not describe.
var errNoSchema = documented("No schema defined")

// errUndeclared is a release that is a program and declares nothing about its
// parameters, as it may.
var errUndeclared = errors.New("the software release has no schema")

// readSoftwareSchema reads the declaration of a software release: <url>.json, or
// software/schema.json of a release that is a directory. The latter may be
// missing: errUndeclared.
func readSoftwareSchema(ctx context.Context, release, softwareType string) (*softwareSchema, error) {
	s := &softwareSchema{
		release: release, typeName: softwareType,
		client: &http.Client{Timeout: schemaTimeout},
	}
	address, optional := documentURL(release+".json"), false
	if dir, ok := localPath(release); ok {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			s.release = documentURL(filepath.Join(dir, "software", "schema.json"))
			address, optional = s.release, true
		}
	}
	data, err := s.fetch(ctx, address)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil, errUndeclared
	}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, documented("Unable to load JSON %s (%w)", address, err)
	}
	return s, nil
}

// entry is the entry of the requested software type.
func (s *softwareSchema) entry() (typeSchema, error) {
	entry, ok := s.Types[s.typeName]
	if !ok && slices.Contains([]string{"", "default", "RootSoftwareInstance"}, s.typeName) {
		entry, ok = s.Types["default"]
	}
	if !ok {
		return entry, fmt.Errorf("%w for software type '%s' of software release %s", errNoSchema, s.typeName, s.release)
	}
	return entry, nil
}

// serialisation is how parameters of the type travel, empty if it is not told.
func (s *softwareSchema) serialisation() string {
	if entry, err := s.entry(); err == nil && entry.Serialisation != "" {
		return entry.Serialisation
	}
	return s.Serialisation
}

// validate checks parameters and returns what is wrong, one finding a line.
func (s *softwareSchema) validate(ctx context.Context, parameters any) ([]string, error) {
	entry, err := s.entry()
	if err != nil {
		return nil, err
	}
	address, err := resolveReference(documentURL(s.release), entry.Request)
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(loader(func(address string) (any, error) {
		data, err := s.fetch(ctx, address)
		if err != nil {
			return nil, err
		}
		return jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	}))
	schema, err := compiler.Compile(address)
	if err != nil {
		return nil, err
	}
	value, err := plainJSON(parameters)
	if err != nil {
		return nil, err
	}
	err = schema.Validate(value)
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		return findings(invalid), nil
	}
	return nil, err
}

// plainJSON gives a value the types the validator knows and drops a top-level
// $schema key.
func plainJSON(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if m, ok := value.(map[string]any); ok {
		delete(m, "$schema")
	}
	return value, err
}

// findings lists the errors at the leaves as "$.path: message".
func findings(e *jsonschema.ValidationError) []string {
	if len(e.Causes) == 0 {
		path := "$"
		for _, step := range e.InstanceLocation {
			path += "." + step
		}
		return []string{path + ": " + findingText(e)}
	}
	var out []string
	for _, cause := range e.Causes {
		out = append(out, findings(cause)...)
	}
	return out
}

// findingText words the commonest findings as the documented validator does.
func findingText(e *jsonschema.ValidationError) string {
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return fmt.Sprintf("'%s' is a required property", strings.Join(k.Missing, "', '"))
	case *kind.AdditionalProperties:
		verb := "was"
		if len(k.Properties) > 1 {
			verb = "were"
		}
		return fmt.Sprintf("Additional properties are not allowed ('%s' %s unexpected)", strings.Join(k.Properties, "', '"), verb)
	case *kind.Const:
		if want, ok := k.Want.(string); ok {
			return fmt.Sprintf("'%s' was expected", want)
		}
		return fmt.Sprintf("%v was expected", k.Want)
	}
	return e.ErrorKind.LocalizedString(textmessage.NewPrinter(language.English))
}

// loader is a function that loads a schema document.
type loader func(address string) (any, error)

// Load implements jsonschema.URLLoader.
func (l loader) Load(address string) (any, error) { return l(address) }

// fetch reads a document over http, https or from a file.
func (s *softwareSchema) fetch(ctx context.Context, address string) ([]byte, error) {
	if path, ok := localPath(address); ok {
		return readBounded(path, maxSchema)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxSchema+1))
	if err == nil && len(data) > maxSchema {
		err = fmt.Errorf("larger than %d bytes", maxSchema)
	}
	return data, err
}

// localPath is the path of a file URL or of a plain path.
func localPath(address string) (string, bool) {
	if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
		return "", false
	}
	path := strings.TrimPrefix(address, "file:")
	if strings.HasPrefix(path, "//") {
		path = "/" + strings.TrimLeft(path, "/")
	}
	if unescaped, err := url.PathUnescape(path); err == nil && path != address {
		path = unescaped
	}
	return path, true
}

// documentURL is the URL of a document given by URL or path.
func documentURL(address string) string {
	path, ok := localPath(address)
	if !ok {
		return address
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// resolveReference resolves a reference against the URL of a document.
func resolveReference(base, reference string) (string, error) {
	if reference == "" {
		return "", errors.New("the software type names no request schema")
	}
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	r, err := b.Parse(reference)
	if err != nil {
		return "", err
	}
	return r.String(), nil
}
