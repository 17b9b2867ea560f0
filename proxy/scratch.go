package proxy

import (
	"bytes"
	"sync"

	"github.com/slapos/slapos-go/internal/marshal"
)

// scratch lends buffers to marshal into. A body that is kept has its exact
// size, and growing a buffer to the megabytes of a large computer costs five
// times that.
type scratch struct{ pool sync.Pool }

// maxScratch is the largest buffer that is kept for the next body, in bytes.
const maxScratch = 8 << 20

// marshal returns the document of a value.
func (s *scratch) marshal(v any) ([]byte, error) {
	buffer, ok := s.pool.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	out, err := marshal.Append((*buffer)[:0], v)
	if err != nil {
		return nil, err
	}
	body := bytes.Clone(out)
	if cap(out) <= maxScratch {
		*buffer = out
		s.pool.Put(buffer)
	}
	return body, nil
}
