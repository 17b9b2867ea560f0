package marshal

import "errors"

// Unmarshal reads a document.
func Unmarshal(data []byte) (any, error) { return nil, errors.New("not yet") }
