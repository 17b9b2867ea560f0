package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/slap"
)

// maxParametersFile bounds the size of a parameters file, in bytes.
const maxParametersFile = 16 << 20

// The serialisations of instance parameters.
const (
	serialisationXML       = "xml"
	serialisationJSONInXML = "json-in-xml"
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
		return numbers(f.values).(map[string]any), nil
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

// numbers turns the numbers of a decoded JSON text into those the wire knows.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, ok := new(big.Int).SetString(v.String(), 10); ok {
			if n.IsInt64() {
				return n.Int64()
			}
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = numbers(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = numbers(item)
		}
		return out
	}
	return v
}
