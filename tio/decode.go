package tio

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// DecodeOption changes how a document is read.
type DecodeOption func(*options) error

type options struct {
	maxText       int
	maxMany       int
	keep          int
	maxBytes      int64
	maxReferences int
}

// The limits that hold unless an option says otherwise.
const (
	DefaultMaxText       = 1 << 20   // bytes of one text
	DefaultMaxMany       = 1000      // categories of one element, arrows of one transaction
	DefaultMaxErrors     = 1000      // broken rules, or warnings, collected in one document
	DefaultMaxBytes      = 256 << 20 // size of a document that is read whole
	DefaultMaxReferences = 1 << 20   // references that Check compares, of some 40 bytes each
)

func positive(n int) error {
	if n <= 0 {
		return fmt.Errorf("tio: the limit %d is not positive", n)
	}
	return nil
}

// WithMaxText limits the bytes of one text.
func WithMaxText(n int) DecodeOption {
	return func(o *options) error { o.maxText = n; return positive(n) }
}

// WithMaxMany limits how many categories one element and how many arrows one
// transaction may have.
func WithMaxMany(n int) DecodeOption {
	return func(o *options) error { o.maxMany = n; return positive(n) }
}

// WithMaxErrors ends the check of a document after n broken rules. [Check]
// returns so many warnings at most, and one that counts the others.
func WithMaxErrors(n int) DecodeOption {
	return func(o *options) error { o.keep = n; return positive(n) }
}

// WithMaxBytes limits the size of a document that Decode or ParseConsumption
// reads into memory.
func WithMaxBytes(n int64) DecodeOption {
	return func(o *options) error { o.maxBytes = n; return positive(int(min(n, 1<<30))) }
}

// WithMaxReferences limits how many references of transactions [Check] remembers
// to find duplicates.
func WithMaxReferences(n int) DecodeOption {
	return func(o *options) error { o.maxReferences = n; return positive(n) }
}

func defaults() options {
	return options{
		maxText: DefaultMaxText, maxMany: DefaultMaxMany, keep: DefaultMaxErrors,
		maxBytes: DefaultMaxBytes, maxReferences: DefaultMaxReferences,
	}
}

func gather(opts []DecodeOption) (options, error) {
	o := defaults()
	for _, opt := range opts {
		if err := opt(&o); err != nil {
			return options{}, err
		}
	}
	return o, nil
}

// Decode reads a whole journal. The error is an Errors with every broken rule,
// or that of the reader.
func Decode(r io.Reader, opts ...DecodeOption) (*Journal, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	e := newEngine(&limited{r, o.maxBytes}, o)
	var j Journal
	err = e.journal(func(t *OpenTransaction) error {
		whole := t.Transaction
		for {
			m, ok, err := t.movement()
			if err != nil || !ok {
				j.Transactions = append(j.Transactions, whole)
				return err
			}
			whole.Movements = append(whole.Movements, m)
		}
	})
	if err = e.result(err); err != nil {
		return nil, err
	}
	return &j, nil
}

// Validate checks a journal of any size in constant memory. The error is an
// Errors with every broken rule, or that of the reader.
func Validate(r io.Reader, opts ...DecodeOption) error {
	o, err := gather(opts)
	if err != nil {
		return err
	}
	e := newEngine(r, o)
	return e.result(e.journal(func(t *OpenTransaction) error { return t.drain() }))
}

// ParseConsumption reads the report of a partition. Errors are as those of
// Decode.
func ParseConsumption(r io.Reader, opts ...DecodeOption) (*Consumption, error) {
	o, err := gather(opts)
	if err != nil {
		return nil, err
	}
	e := newEngine(&limited{r, o.maxBytes}, o)
	var c Consumption
	err = e.consumption(func(m Movement) error {
		c.Movements = append(c.Movements, m)
		return nil
	})
	if err = e.result(err); err != nil {
		return nil, err
	}
	return &c, nil
}

var errTooLarge = errors.New("the document is larger than allowed")

// limited ends a document that is larger than allowed with an error.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		var one [1]byte
		if n, err := l.r.Read(one[:]); n == 0 {
			return 0, err
		}
		return 0, errTooLarge
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// Decoder reads a journal piece by piece: it holds one transaction header and
// one movement at a time, however large the document is.
type Decoder struct {
	e    *engine
	err  error
	used bool
}

// NewDecoder returns a decoder for the document. It does not read yet.
func NewDecoder(r io.Reader, opts ...DecodeOption) *Decoder {
	o, err := gather(opts)
	if err != nil {
		return &Decoder{err: err}
	}
	o.keep = 1
	return &Decoder{e: newEngine(r, o)}
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

// Transactions goes once through the transactions of the document. The first
// broken rule (*Error) or failure to read ends it: it is yielded with a nil
// transaction. Nothing is right about a document until the loop ends without
// error.
func (d *Decoder) Transactions() iter.Seq2[*OpenTransaction, error] {
	return func(yield func(*OpenTransaction, error) bool) {
		if d.err == nil && d.used {
			d.err = fmt.Errorf("tio: the document has been read already")
		}
		d.used = true
		if d.err != nil {
			yield(nil, d.err)
			return
		}
		err := d.e.journal(func(t *OpenTransaction) error {
			if !yield(t, nil) {
				return abandoned{}
			}
			return t.drain()
		})
		if _, ok := err.(abandoned); ok {
			return
		}
		if err = single(d.e.result(err)); err != nil {
			d.err = err
			yield(nil, err)
		}
	}
}

// abandoned ends a walk whose results nobody wants any more.
type abandoned struct{}

func (abandoned) Error() string { return "abandoned" }

// single takes the only error out of its list.
func single(err error) error {
	if list, ok := err.(Errors); ok {
		return list[0]
	}
	return err
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
