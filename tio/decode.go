package tio

import (
	"errors"
	"io"
)

// Decode reads a whole journal into memory, at most [DefaultMaxBytes] of document. The
// error is an [Errors] with every broken rule, or wraps that of the reader; there
// is no journal then.
func Decode(r io.Reader, opts ...DecodeOption) (*Journal, error) {
	var j Journal
	err := walk(r, opts, whole, func(e *engine) error {
		return e.journal(func(t *OpenTransaction) error {
			complete := t.Transaction
			for {
				m, ok, err := t.movement()
				if err != nil || !ok {
					j.Transactions = append(j.Transactions, complete)
					return err
				}
				complete.Movements = append(complete.Movements, m)
			}
		})
	})
	if err != nil {
		return nil, err
	}
	return &j, nil
}

// ParseConsumption reads the report of a partition into memory, with the errors of
// [Decode].
func ParseConsumption(r io.Reader, opts ...DecodeOption) (*Consumption, error) {
	var c Consumption
	err := walk(r, opts, whole, func(e *engine) error {
		return e.consumption(func(m Movement) error {
			c.Movements = append(c.Movements, m)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// Validate checks a journal of any size in constant memory. The error is an
// [Errors] with every broken rule, or wraps that of the reader.
func Validate(r io.Reader, opts ...DecodeOption) error {
	return walk(r, opts, pieces, func(e *engine) error {
		e.drop = true
		return e.drainJournal()
	})
}

// ValidateConsumption checks the report of a partition as [Validate] does a
// journal.
func ValidateConsumption(r io.Reader, opts ...DecodeOption) error {
	return walk(r, opts, pieces, func(e *engine) error {
		e.drop = true
		return e.consumption(func(Movement) error { return nil })
	})
}

// manner is how a document is read: into memory, or in pieces.
type manner bool

const (
	whole  manner = true
	pieces manner = false
)

// walk runs a walk through a document and makes its error.
func walk(r io.Reader, opts []DecodeOption, how manner, run func(*engine) error) error {
	o, err := gather(opts)
	if err != nil {
		return err
	}
	if how == whole {
		r = &limited{r, o.maxBytes}
	}
	e := newEngine(r, o)
	return e.result(run(e))
}

var errTooLarge = errors.New("the document is larger than allowed; WithMaxBytes allows others, and a Decoder reads any")

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
