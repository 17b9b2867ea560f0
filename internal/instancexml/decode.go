package instancexml

import (
	"errors"
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
	params := map[string]any{}
	if text == "" {
		return params, nil
	}
	s, err := xmlscan.New([]byte(text), xmlscan.Limits{Bytes: maxBytes, Depth: maxDepth, Expansion: maxExpansion})
	if err != nil {
		return nil, fmt.Errorf("instance document: %w", err)
	}
	d := decoder{s: s, params: params}
	if err := d.document(); err != nil {
		return nil, fmt.Errorf("instance document: %w", err)
	}
	return params, nil
}

type decoder struct {
	s      *xmlscan.Scanner
	params map[string]any
}

func (d *decoder) document() error {
	for {
		kind, err := d.s.Next()
		if err != nil {
			return err
		}
		switch kind {
		case xmlscan.EOF:
			return nil
		case xmlscan.Start:
			if d.s.Depth() != 2 || d.s.Namespaced() || string(d.s.Name()) != "parameter" {
				continue
			}
			if err := d.parameter(); err != nil {
				return err
			}
		}
	}
}

// parameter reads one parameter, whose element has just started.
func (d *decoder) parameter() error {
	id, _, err := d.s.Attr("id")
	if err != nil {
		return err
	}
	key := string(id)
	value, err := d.text()
	if err != nil {
		return err
	}
	old, again := d.params[key]
	if !again || old == nil {
		d.params[key] = value
		return nil
	}
	if value == nil {
		return fmt.Errorf("parameter %.60q appears again without a value", key)
	}
	before, okBefore := old.(string)
	after, okAfter := value.(string)
	if !okBefore || !okAfter {
		return errors.New("parameter that is no text")
	}
	d.params[key] = before + " " + after
	return nil
}

// text returns the text before the first element or comment inside the
// parameter, nil if there is none, and goes to its end.
func (d *decoder) text() (any, error) {
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
		case xmlscan.End:
			if d.s.Depth() == 1 {
				if len(text) == 0 {
					return nil, nil
				}
				return string(text), nil
			}
		default:
			ended = true
		}
	}
}
