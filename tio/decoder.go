package tio

import (
	"errors"
	"io"
	"iter"
)

// Decoder reads a document piece by piece: it holds one transaction header and
// one movement at a time, however large the document is. It is not safe for
// concurrent use.
type Decoder struct {
	r    io.Reader
	o    options
	err  error
	used bool
}

// NewDecoder returns a decoder for the document, of which it reads nothing yet.
// The error of an option shows when the decoder is used.
func NewDecoder(r io.Reader, opts ...DecodeOption) *Decoder {
	o, err := gather(opts)
	o.keep = 1
	return &Decoder{r: r, o: o, err: err}
}

// OpenTransaction is a transaction whose movements are still to be read. Those
// that are not read before the next transaction is asked for are checked and
// dropped.
type OpenTransaction struct {
	Transaction // without movements

	e       *engine
	f       *frame
	start   token // of the next movement
	pending bool  // start has been read
	ended   bool
	err     error
}

// once runs a walk through the document, if it is the first, and returns its
// error; leaving it early is none.
func (d *Decoder) once(run func(*engine) error) error {
	if d.err == nil && d.used {
		d.err = errors.New("tio: the document has been read already")
	}
	d.used = true
	if d.err != nil {
		return d.err
	}
	e := newEngine(d.r, d.o)
	err := run(e)
	if errors.Is(err, errAbandoned) {
		return nil
	}
	d.err = single(e.result(err))
	return d.err
}

// errAbandoned ends a walk whose results nobody wants any more.
var errAbandoned = errors.New("abandoned")

// single takes the first error out of its list.
func single(err error) error {
	if list, ok := err.(Errors); ok {
		return list[0]
	}
	return err
}

// Transactions goes once through the transactions of a journal. The first
// broken rule (an [*Error]) or failure to read ends it: it is yielded with a nil
// transaction. Nothing is right about a document until the loop ends without
// error. Leaving the loop early is no error; the rest of the document is then not
// read.
func (d *Decoder) Transactions() iter.Seq2[*OpenTransaction, error] {
	return func(yield func(*OpenTransaction, error) bool) {
		err := d.once(func(e *engine) error {
			return e.journal(func(t *OpenTransaction) error {
				if !yield(t, nil) {
					return errAbandoned
				}
				return t.drain()
			})
		})
		if err != nil {
			yield(nil, err)
		}
	}
}

// Consumption goes once through the movements of the report of a partition,
// which the document then has to be instead of a journal. Errors are as those of
// Transactions, with a zero movement.
func (d *Decoder) Consumption() iter.Seq2[Movement, error] {
	return func(yield func(Movement, error) bool) {
		err := d.once(func(e *engine) error {
			return e.consumption(func(m Movement) error {
				if !yield(m, nil) {
					return errAbandoned
				}
				return nil
			})
		})
		if err != nil {
			yield(Movement{}, err)
		}
	}
}

// Movements goes through the movements that have not been read yet. An error
// is yielded with a zero movement, and again by Decoder.Transactions.
func (t *OpenTransaction) Movements() iter.Seq2[Movement, error] {
	return func(yield func(Movement, error) bool) {
		for {
			m, ok, err := t.movement()
			if err != nil {
				yield(Movement{}, single(t.e.result(err)))
				return
			}
			if !ok || !yield(m, nil) {
				return
			}
		}
	}
}
