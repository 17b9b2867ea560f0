package instancexml

import (
	"fmt"

	"github.com/slapos/slapos-go/internal/xmlscan"
)

// Limits of a document that is read.
const (
	maxBytes     = 64 << 20
	maxDepth     = 256
	maxExpansion = 64 << 10
)

// Decode reads a document, as the reference's xml2dict: each parameter directly
// below the root gives a text, or nil if it is empty. Of a parameter that
// appears again, the texts are joined by a space. An empty document gives an
// empty dictionary. A parameter without id is stored under the empty key.
func Decode(text string) (map[string]any, error) {
	if text == "" {
		return map[string]any{}, nil
	}
	if len(text) > maxBytes {
		return nil, fmt.Errorf("instance document of %d bytes is larger than %d", len(text), maxBytes)
	}
	s, err := xmlscan.New([]byte(text), xmlscan.Limits{Bytes: maxBytes, Depth: maxDepth, Expansion: maxExpansion})
	if err != nil {
		return nil, fmt.Errorf("instance document: %w", err)
	}
	d := decoder{s: s, texts: map[string][]byte{}}
	if err := d.document(); err != nil {
		return nil, fmt.Errorf("instance document: %w", err)
	}
	params := make(map[string]any, len(d.texts))
	for key, text := range d.texts {
		params[key] = nil
		if len(text) > 0 {
			params[key] = string(text)
		}
	}
	return params, nil
}

type decoder struct {
	s *xmlscan.Scanner
	// texts holds the text of each parameter, empty for null.
	texts map[string][]byte
}

func (d *decoder) document() error {
	return d.s.Document(func() error {
		return d.s.Children(func() error {
			if d.s.Namespaced() || string(d.s.Name()) != "parameter" {
				return d.s.Skip()
			}
			return d.parameter()
		})
	})
}

// parameter reads one parameter, whose element has just started.
func (d *decoder) parameter() error {
	key, _, err := d.s.Attr("id")
	if err != nil {
		return err
	}
	value, err := d.text()
	if err != nil {
		return err
	}
	before, again := d.texts[string(key)]
	switch {
	case !again, len(before) == 0:
	case len(value) == 0:
		return fmt.Errorf("parameter %.60q appears again without a value", key)
	default:
		value = append(append(before, ' '), value...)
	}
	d.texts[string(key)] = value
	return nil
}

// text returns the text before the first element or comment inside the
// parameter and goes to its end.
func (d *decoder) text() ([]byte, error) {
	var text []byte
	ended := false
	for {
		kind, err := d.s.Next()
		if err != nil {
			return nil, err
		}
		switch kind {
		case xmlscan.Text:
			if !ended {
				text = append(text, d.s.Bytes()...)
			}
		case xmlscan.Start:
			ended = true
			if err := d.s.Skip(); err != nil {
				return nil, err
			}
		case xmlscan.End:
			return text, nil
		default:
			ended = true
		}
	}
}
