package softwareschema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/slapos/slapos-go/internal/pytext"
	"github.com/slapos/slapos-go/slap"
)

// Finding is one thing that is wrong with parameters.
type Finding struct {
	// Path is where it is: "$" is all, "$.backends[2].port" a value inside.
	Path string
	// Message is what is wrong, without the value that is there.
	Message string
}

// String returns path and message.
func (f Finding) String() string { return f.Path + ": " + f.Message }

// undeclaredError is an entry that declares no schema for requests or responses.
// It is ErrUndeclared.
type undeclaredError struct{ id, what string }

func (e undeclaredError) Error() string {
	return fmt.Sprintf("the software type %q names no %s schema", e.id, e.what)
}

func (undeclaredError) Is(target error) bool { return target == ErrUndeclared }

// ValidateRequest checks parameters against what the type declares for requests,
// reading the JSON schema first. They are a struct or a map before encoding, or
// Parameters in the serialisation of the type; for those of an instance see
// [slap.Parameters.Requested]. A top-level key $schema is left out. What is wrong
// are findings, ordered by path and message; an error tells that it could not be
// checked: it is a [LoadError] if a document could not be read, and [ErrUndeclared]
// if the type declares no schema, which is no fault.
func (t *Type) ValidateRequest(ctx context.Context, parameters any) ([]Finding, error) {
	return t.validate(ctx, t.Request, "request", parameters)
}

// ValidateResponse checks connection parameters against what the type declares
// to publish, like ValidateRequest.
func (t *Type) ValidateResponse(ctx context.Context, parameters any) ([]Finding, error) {
	return t.validate(ctx, t.Response, "response", parameters)
}

func (t *Type) validate(ctx context.Context, address, what string, parameters any) ([]Finding, error) {
	if address == "" {
		return nil, undeclaredError{t.ID, what}
	}
	value, err := t.value(parameters)
	if err != nil {
		return nil, err
	}
	schema, err := t.documents.compile(ctx, address)
	if err != nil {
		return nil, err
	}
	err = schema.Validate(value)
	if invalid, ok := errors.AsType[*jsonschema.ValidationError](err); ok {
		found := findings(invalid, value)
		// The validator goes through dictionaries as they come.
		slices.SortFunc(found, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
		})
		return found, nil
	}
	return nil, err
}

// value gives parameters the types that the validator knows.
func (t *Type) value(parameters any) (any, error) {
	if p, ok := parameters.(slap.Parameters); ok {
		if t.Serialisation == slap.SerialisationJSONInXML && p.Serialisation() == slap.SerialisationJSONInXML {
			var content any
			if err := t.Decode(p, &content); err != nil {
				return nil, err
			}
			parameters = content
		} else {
			parameters = map[string]any(p)
		}
	}
	text, err := pytext.AppendJSON(nil, parameters)
	if err != nil {
		return nil, errors.New("the parameters cannot be written as JSON")
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if m, ok := value.(map[string]any); ok {
		delete(m, "$schema")
	}
	return value, err
}

// compile reads a JSON schema and all it refers to.
func (d *documents) compile(ctx context.Context, address string) (*jsonschema.Schema, error) {
	reading := d.begin(ctx)
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(loader(func(address string) (any, error) {
		data, err := reading.read(address)
		if err != nil {
			return nil, err
		}
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
		if err != nil {
			return nil, &LoadError{URL: redacted(address), Err: err}
		}
		return document, nil
	}))
	schema, err := compiler.Compile(address)
	if e, ok := errors.AsType[*jsonschema.LoadURLError](err); ok {
		return nil, e.Err // it does not unwrap
	}
	return schema, err
}

// loader is a function that loads a document.
type loader func(address string) (any, error)

// Load implements jsonschema.URLLoader.
func (l loader) Load(address string) (any, error) { return l(address) }

// findings lists the errors at the leaves.
func findings(e *jsonschema.ValidationError, value any) []Finding {
	if len(e.Causes) == 0 {
		return []Finding{{Path: pathTo(e.InstanceLocation, value), Message: findingText(e.ErrorKind)}}
	}
	var all []Finding
	for _, cause := range e.Causes {
		all = append(all, findings(cause, value)...)
	}
	return all
}

// pathTo writes a location as a path.
func pathTo(location []string, value any) string {
	var b strings.Builder
	b.WriteByte('$')
	for _, step := range location {
		switch v := value.(type) {
		case []any:
			b.WriteString("[" + step + "]")
			value = nil
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v) {
				value = v[i]
			}
		case map[string]any:
			b.WriteString("." + step)
			value = v[step]
		default:
			b.WriteString("." + step)
		}
	}
	return b.String()
}

// findingText words the commonest findings as the documented validator does, and
// leaves out the values where the library would show them.
func findingText(k jsonschema.ErrorKind) string {
	switch k := k.(type) {
	case *kind.Required:
		return fmt.Sprintf("'%s' is a required property", strings.Join(k.Missing, "', '"))
	case *kind.AdditionalProperties:
		verb := "was"
		if len(k.Properties) > 1 {
			verb = "were"
		}
		return fmt.Sprintf("Additional properties are not allowed ('%s' %s unexpected)", strings.Join(slices.Sorted(slices.Values(k.Properties)), "', '"), verb)
	case *kind.Const:
		if want, ok := k.Want.(string); ok {
			return fmt.Sprintf("'%s' was expected", want)
		}
		return fmt.Sprintf("%v was expected", k.Want)
	case *kind.Format:
		return "not a valid " + k.Want
	case *kind.Pattern:
		return fmt.Sprintf("does not match the pattern '%s'", k.Want)
	case *kind.Minimum:
		return "less than the minimum of " + decimal(k.Want)
	case *kind.Maximum:
		return "greater than the maximum of " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "not greater than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "not less than " + decimal(k.Want)
	case *kind.MultipleOf:
		return "not a multiple of " + decimal(k.Want)
	case *kind.ContentEncoding:
		return "not encoded as " + k.Want
	case *kind.ContentMediaType:
		return "not of the media type " + k.Want
	}
	return k.LocalizedString(message.NewPrinter(language.English))
}

// decimal writes a bound.
func decimal(n *big.Rat) string {
	f, _ := n.Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}
