package softwareschema

import (
	"context"
	"encoding/json"
	"errors"
)

// RequestSchema returns the JSON schema of what the type declares for requests,
// for a program that makes a form of it. It is the document as it is: what it
// refers to in other documents is not included. What cannot be read, or is not
// JSON, is a [LoadError]; a type without one is [ErrUndeclared].
func (t *Type) RequestSchema(ctx context.Context) (json.RawMessage, error) {
	if t.Request == "" {
		return nil, undeclaredError{t.ID, "request"}
	}
	data, err := t.documents.begin(ctx).read(t.Request)
	if err != nil {
		return nil, err
	}
	if !json.Valid(data) {
		return nil, &LoadError{URL: redacted(t.Request), Err: errors.New("not JSON")}
	}
	return data, nil
}
