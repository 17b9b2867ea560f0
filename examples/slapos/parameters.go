package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/internal/pytext"
	"github.com/slapos/slapos-go/slap"
)

// maxParametersFile bounds the size of a parameters file, in bytes.
const maxParametersFile = 16 << 20

// The serialisations of instance parameters.
const (
	serialisationXML       = string(slap.SerialisationXML)
	serialisationJSONInXML = string(slap.SerialisationJSONInXML)
)

// keyValues reads words of the form key=value, split at the first equal sign.
func keyValues(words []string) (slap.Parameters, error) {
	out := slap.Parameters{}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("not enough values to unpack (expected 2, got 1)\n"+
				"'%s' has no equal sign: write name=value", word)
		}
		if _, twice := out[key]; twice {
			return nil, documented("Multiple values provided for the same key '%s'", key)
		}
		out[key] = value
	}
	return out, nil
}

// parametersFile is a file of instance parameters.
type parametersFile struct {
	values map[string]any
	isXML  bool   // taken as it is, never serialised again
	json   []byte // the text of a JSON file, to keep its order and numbers
}

// readParametersFile reads parameters from YAML, XML or JSON, by the extension.
func readParametersFile(path string) (*parametersFile, error) {
	data, err := readBounded(path, maxParametersFile)
	if err != nil {
		return nil, err
	}
	f := &parametersFile{}
	switch filepath.Ext(path) {
	case ".yaml", ".yml":
		err = yaml.Unmarshal(data, &f.values)
	case ".xml":
		f.isXML = true
		f.values, err = instancexml.Decode(string(data))
	default:
		f.json = data
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		if err = decoder.Decode(&f.values); err == nil && decoder.More() {
			err = errors.New("more than one JSON value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("parameters file %s: %w", path, err)
	}
	if f.values == nil {
		return nil, fmt.Errorf("parameters file %s: a mapping of names to values is needed", path)
	}
	return f, nil
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, limit)
	}
	return data, nil
}

// content is what a schema describes: the parameters, or what is in "_".
func (f *parametersFile) content(serialisation string) any {
	if text, ok := f.values["_"].(string); ok && len(f.values) == 1 && serialisation == serialisationJSONInXML {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err == nil {
			return v
		}
	}
	return f.values
}

// serialise renders the parameters for the master.
func (f *parametersFile) serialise(serialisation string) (slap.Parameters, error) {
	_, wrapped := f.values["_"]
	wrapped = wrapped && len(f.values) == 1
	if f.isXML || serialisation != serialisationJSONInXML || wrapped {
		values, err := pytext.Numbers(f.values)
		if err != nil {
			return nil, fmt.Errorf("parameters: %w", err)
		}
		return values.(map[string]any), nil
	}
	var b bytes.Buffer
	if f.json != nil {
		if err := json.Indent(&b, bytes.TrimSpace(f.json), "", "  "); err != nil {
			return nil, err
		}
		return slap.Parameters{"_": b.String()}, nil
	}
	text, err := json.MarshalIndent(f.values, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("parameters as JSON: %w", err)
	}
	return slap.Parameters{"_": string(text)}, nil
}
