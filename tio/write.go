package tio

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// writer puts checked values into elements. Failures to write show in failed
// and end.
type writer struct {
	b      *bufio.Writer
	indent string
	depth  int
	err    error

	text, attribute *strings.Replacer
}

func newWriter(w io.Writer, opts []EncodeOption) (*writer, error) {
	l := layout{declaration: `<?xml version='1.0' encoding='utf-8'?>`}
	for _, opt := range opts {
		if err := opt(&l); err != nil {
			return nil, err
		}
	}
	out := &writer{
		b:         bufio.NewWriterSize(w, 16<<10),
		indent:    l.indent,
		text:      strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;"),
		attribute: strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\t", "&#9;", "\n", "&#10;", "\r", "&#13;"),
	}
	out.write(l.declaration)
	return out, nil
}

// write appends strings. A failure stays in the buffered writer too, which
// then drops the rest.
func (w *writer) write(parts ...string) {
	for _, part := range parts {
		if _, err := w.b.WriteString(part); err != nil {
			w.err = err
		}
	}
}

// failed is the first failure to write.
func (w *writer) failed() error {
	if w.err != nil {
		return fmt.Errorf("tio: write: %w", w.err)
	}
	return nil
}

// line begins a line, in the indented layout.
func (w *writer) line() {
	if w.indent == "" {
		return
	}
	w.write("\n")
	for range w.depth {
		w.write(w.indent)
	}
}

func (w *writer) escaped(r *strings.Replacer, value string) {
	if _, err := r.WriteString(w.b, value); err != nil {
		w.err = err
	}
}

func (w *writer) open(name string) {
	w.line()
	w.write("<", name, ">")
	w.depth++
}

// typed begins the start tag of an element with the attribute type.
func (w *writer) typed(name, kind string) {
	w.line()
	w.write("<", name, ` type="`)
	w.escaped(w.attribute, kind)
	w.write(`"`)
}

func (w *writer) close(name string) {
	w.depth--
	w.line()
	w.write("</", name, ">")
}

// end writes the last end tag and flushes.
func (w *writer) end(name string) error {
	w.close(name)
	if w.indent != "" {
		w.write("\n")
	}
	if err := w.b.Flush(); err != nil {
		w.err = err
	}
	return w.failed()
}

// leaf writes an element with a text; an empty one has both tags, as in the
// documents of nodes.
func (w *writer) leaf(name, value string) {
	w.line()
	w.write("<", name, ">")
	w.escaped(w.text, value)
	w.write("</", name, ">")
}

func (w *writer) optional(name string, o Optional) {
	if o.Present {
		w.leaf(name, o.Value)
	}
}

func (w *writer) categories(categories []string) {
	for _, category := range categories {
		w.leaf("category", category)
	}
}

// header begins a transaction and writes all but its movements.
func (w *writer) header(t *Transaction) {
	w.typed("transaction", t.Type)
	w.write(">")
	w.depth++
	w.optional("title", t.Title)
	w.leaf("start_date", t.StartDate)
	w.leaf("stop_date", t.StopDate)
	w.leaf("reference", t.Reference)
	w.leaf("currency", t.Currency)
	w.leaf("payment_mode", t.PaymentMode)
	w.categories(t.Categories)
	for _, a := range t.Arrows {
		w.arrow(a)
	}
}

func (w *writer) arrow(a Arrow) {
	w.typed("arrow", a.Type)
	if !a.Source.Present && !a.Destination.Present {
		w.write("/>")
		return
	}
	w.write(">")
	w.depth++
	w.optional("source", a.Source)
	w.optional("destination", a.Destination)
	w.close("arrow")
}

func (w *writer) movement(m *Movement) {
	w.open("movement")
	w.leaf("resource", m.Resource)
	w.optional("title", m.Title)
	w.optional("reference", m.Reference)
	w.leaf("quantity", string(m.Quantity))
	w.leaf("price", string(m.Price))
	w.leaf("VAT", m.VAT)
	w.categories(m.Categories)
	w.close("movement")
}
