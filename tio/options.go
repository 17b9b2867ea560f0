package tio

import "fmt"

// DecodeOption changes how a document is read.
type DecodeOption func(*options) error

// options is what they decide.
type options struct {
	maxText int
	maxMany int
	// keep is how many broken rules are collected before the walk ends.
	// 1 also means that what lacks is told at once, not at the parent's end.
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

// WithMaxText limits the bytes of one text. All texts of one transaction header or
// of one movement may have 16 times as many together, and always 16 MiB.
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
