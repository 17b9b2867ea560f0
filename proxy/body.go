package proxy

import (
	"bytes"

	"github.com/slapos/slapos-go/internal/marshal"
)

// marshalBody returns the document of a value, to be kept: it has its exact size
// if it would waste memory otherwise.
func marshalBody(v any) ([]byte, error) {
	body, err := marshal.Marshal(v)
	if err == nil && cap(body)-len(body) > len(body)/16 {
		body = bytes.Clone(body)
	}
	return body, err
}
