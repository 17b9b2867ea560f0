package proxy

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// contentsPiece is the size of the pieces in which an answer is kept, in bytes. They
// need no room twice when it grows, as one text would.
const contentsPiece = 64 << 10

// contents is the answer to a search, which is written row by row. It is kept as it
// is sent, no row before it is complete: a caller who takes it slowly holds no
// snapshot of the database.
type contents struct {
	pieces  [][]byte
	count   int
	row     bytes.Buffer
	encoder *json.Encoder
}

func newContents() *contents {
	c := &contents{}
	c.encoder = json.NewEncoder(&c.row)
	c.encoder.SetEscapeHTML(false)
	c.put([]byte(`{"_embedded":{"contents":[`))
	return c
}

// add adds a row: a struct whose fields are in the order of their names.
func (c *contents) add(row any) error {
	c.row.Reset()
	if c.count > 0 {
		c.row.WriteByte(',')
	}
	c.count++
	if err := c.encoder.Encode(row); err != nil {
		return err
	}
	c.put(bytes.TrimSuffix(c.row.Bytes(), []byte("\n")))
	return nil
}

// put adds JSON to the last piece, or to a new one if it is full.
func (c *contents) put(text []byte) {
	last := len(c.pieces) - 1
	if last < 0 || cap(c.pieces[last])-len(c.pieces[last]) < len(text) {
		c.pieces = append(c.pieces, make([]byte, 0, max(contentsPiece, len(text))))
		last++
	}
	c.pieces[last] = appendASCII(c.pieces[last], text)
}

// write ends the answer and sends it.
func (c *contents) write(w http.ResponseWriter) error {
	c.put([]byte("]}}\n"))
	size := 0
	for _, piece := range c.pieces {
		size += len(piece)
	}
	setBody(w, "application/json", size)
	for i, piece := range c.pieces {
		if _, err := w.Write(piece); err != nil {
			return nil //nolint:nilerr // a caller that goes away is not an error of ours
		}
		c.pieces[i] = nil
	}
	return nil
}
