package tio

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// EncodeOption changes how a document is written.
type EncodeOption func(*layout) error

// layout is what the options decide.
type layout struct {
	declaration string
	indent      string // of one level; empty: no white space between elements
}

// WithIndent puts every element on a line of its own, indented by so many
// copies of indent as it is deep. Without it there is no white space between
// elements, as in what nodes send.
func WithIndent(indent string) EncodeOption {
	return func(l *layout) error {
		if indent == "" || strings.Trim(indent, " \t") != "" {
			return fmt.Errorf("tio: %q is no indentation: it must be spaces or tabs", indent)
		}
		l.indent = indent
		return nil
	}
}

// WithoutEncodingName writes the declaration <?xml version="1.0"?>, as nodes do
// when they gather the reports of their partitions. The document is UTF-8 all
// the same.
func WithoutEncodingName() EncodeOption {
	return func(l *layout) error { l.declaration = `<?xml version="1.0"?>`; return nil }
}

// Encode writes a whole journal. It writes nothing unless the journal is
// complete; the error is then that of [Journal.Validate].
func Encode(w io.Writer, j *Journal, opts ...EncodeOption) error {
	if err := j.Validate(); err != nil {
		return err
	}
	out, err := newWriter(w, opts)
	if err != nil {
		return err
	}
	out.open("journal")
	for i := range j.Transactions {
		t := &j.Transactions[i]
		out.header(t)
		for k := range t.Movements {
			out.movement(&t.Movements[k])
		}
		out.close("transaction")
		if err := out.failed(); err != nil {
			return err
		}
	}
	return out.end("journal")
}

// EncodeConsumption writes the report of a partition, as [Encode] does a journal.
func EncodeConsumption(w io.Writer, c *Consumption, opts ...EncodeOption) error {
	if err := c.Validate(); err != nil {
		return err
	}
	out, err := newWriter(w, opts)
	if err != nil {
		return err
	}
	out.open("consumption")
	for i := range c.Movements {
		out.movement(&c.Movements[i])
	}
	return out.end("consumption")
}

// Encoder writes a journal piece by piece, in constant memory: for each
// transaction Open, Movement for each movement and CloseTransaction, or
// Transaction for all of it; in the end Close. A value that is not valid, given
// as an Errors, or a failure to write makes the document useless: every further
// call returns that error. A call out of order writes nothing and does no harm.
// It is not safe for concurrent use.
type Encoder struct {
	w            *writer
	transactions int
	movements    int
	open         bool
	closed       bool
	err          error
}

// NewEncoder returns an encoder for one document. The error of an option shows
// at the first call.
func NewEncoder(w io.Writer, opts ...EncodeOption) *Encoder {
	out, err := newWriter(w, opts)
	return &Encoder{w: out, err: err}
}

// Transaction writes a complete transaction.
func (e *Encoder) Transaction(t *Transaction) error {
	if err := e.Open(t); err != nil {
		return err
	}
	for i := range t.Movements {
		if err := e.Movement(&t.Movements[i]); err != nil {
			return err
		}
	}
	return e.CloseTransaction()
}

// Open begins a transaction: everything of it but its movements, which are
// ignored here. It fails while another one is open, for values that are not valid and
// for want of an arrow.
func (e *Encoder) Open(t *Transaction) error {
	if err := e.ready(false); err != nil {
		return err
	}
	var c checker
	c.header(indexed("/journal/transaction", e.transactions), t)
	if err := c.result(); err != nil {
		return e.done(err)
	}
	if e.transactions == 0 {
		e.w.open("journal")
	}
	e.transactions++
	e.movements = 0
	e.open = true
	e.w.header(t)
	return e.done(e.w.failed())
}

// Movement writes the next movement of the open transaction.
func (e *Encoder) Movement(m *Movement) error {
	if err := e.ready(true); err != nil {
		return err
	}
	var c checker
	c.movement(indexed(indexed("/journal/transaction", e.transactions-1)+"/movement", e.movements), m)
	if err := c.result(); err != nil {
		return e.done(err)
	}
	e.movements++
	e.w.movement(m)
	return e.done(e.w.failed())
}

// CloseTransaction ends the open transaction, which must have a movement.
func (e *Encoder) CloseTransaction() error {
	if err := e.ready(true); err != nil {
		return err
	}
	if e.movements == 0 {
		var c checker
		c.report(indexed("/journal/transaction", e.transactions-1), MissingElement, "transaction lacks movement")
		return e.done(c.result())
	}
	e.open = false
	e.w.close("transaction")
	return e.done(e.w.failed())
}

// Close ends the document, which must have a transaction, and flushes it. It
// does not close the underlying writer.
func (e *Encoder) Close() error {
	if err := e.ready(false); err != nil {
		return err
	}
	if e.transactions == 0 {
		var c checker
		c.report("/journal", MissingElement, "journal lacks transaction")
		return e.done(c.result())
	}
	e.closed = true
	return e.done(e.w.end("journal"))
}

// ready tells whether the encoder is usable, with or without an open
// transaction.
func (e *Encoder) ready(open bool) error {
	switch {
	case e.err != nil:
		return e.err
	case e.closed:
		return errors.New("tio: the document is closed")
	case open && !e.open:
		return errors.New("tio: no transaction is open")
	case !open && e.open:
		return errors.New("tio: a transaction is still open")
	}
	return nil
}

func (e *Encoder) done(err error) error {
	if err != nil {
		e.err = err
	}
	return err
}
