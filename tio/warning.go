package tio

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// WarningRule names what is odd.
type WarningRule string

// What [Check] and the Warnings methods look for (tio.md 3.4). The schema allows
// all of it.
const (
	DateForm           WarningRule = "date-form"           // a date that is neither empty nor in a known form
	DateOrder          WarningRule = "date-order"          // start_date after stop_date
	DuplicateReference WarningRule = "duplicate-reference" // a transaction's reference, not empty, that an earlier one has
	EmptyArrow         WarningRule = "empty-arrow"         // neither source nor destination, or both empty
	EmptyResource      WarningRule = "empty-resource"      // a movement of nothing
	NoneText           WarningRule = "none-text"           // the text None as VAT or category, which old nodes write for an empty one
	NegativeQuantity   WarningRule = "negative-quantity"   // less than zero
	SpecialQuantity    WarningRule = "special-quantity"    // INF, -INF or NaN
	SingleRange        WarningRule = "single-range"        // a quantity that becomes infinite or zero in the 32 bits of the schema's type

	// UncheckedReferences tells where the search for duplicates ended because a
	// journal has more references than WithMaxReferences allows to keep.
	UncheckedReferences WarningRule = "unchecked-references"
	// MoreWarnings is the last of a list that WithMaxErrors cut short. Its
	// message tells how many are not listed.
	MoreWarnings WarningRule = "more-warnings"
)

// Warning is something about a valid document that is likely not what its author
// meant. It is never an error.
type Warning struct {
	Rule    WarningRule
	Line    int    // of the text or tag, counted from 1; 0 for values that come from no document
	Column  int    // in characters, counted from 1
	Path    string // such as /journal/transaction[2]/movement[1]/quantity
	Message string
}

// String has the form of [Error.Error].
func (w Warning) String() string {
	return describe(position{w.Line, w.Column}, w.Path, w.Message, string(w.Rule))
}

// Check reads a journal of any size, validates it and returns what is odd about
// it, in the order of the document. Its memory is bounded, by WithMaxErrors for
// the warnings and by WithMaxReferences for finding duplicates. If the error is
// not nil it is that of [Validate], and the warnings are about the part of the
// document that was understood.
func Check(r io.Reader, opts ...DecodeOption) ([]Warning, error) {
	var l *linter
	err := walk(r, opts, pieces, func(e *engine) error {
		l = newLinter(e.options)
		e.lint = l
		return e.drainJournal()
	})
	return l.result(), err
}

// Warnings returns what is odd about a journal, without lines and columns, up to
// the default limits of [Check].
func (j *Journal) Warnings() []Warning {
	l := newLinter(defaults())
	for i := range j.transactions() {
		t, path := &j.Transactions[i], indexed("/journal/transaction", i)
		l.header(path, t)
		for k := range t.Movements {
			l.movement(indexed(path+"/movement", k), &t.Movements[k])
		}
	}
	return l.result()
}

// Warnings returns what is odd about the report of a partition, as
// [Journal.Warnings] does for a journal.
func (c *Consumption) Warnings() []Warning {
	l := newLinter(defaults())
	for i := range c.movements() {
		l.movement(indexed("/consumption/movement", i), &c.Movements[i])
	}
	return l.result()
}

// linter collects warnings. A nil linter looks at nothing.
type linter struct {
	found  []Warning
	keep   int
	more   int // found and not kept
	start  string
	number int // transactions seen
	seen   references
}

func newLinter(o options) *linter {
	return &linter{keep: o.keep, seen: references{limit: o.maxReferences}}
}

// spot is the place of a value; its path is made when it is needed.
type spot struct {
	pos  position
	path func() string
}

func (l *linter) warn(at spot, rule WarningRule, format string, args ...any) {
	if len(l.found) >= l.keep {
		l.more++
		return
	}
	l.found = append(l.found, Warning{
		Rule: rule, Line: at.pos.line, Column: at.pos.column, Path: at.path(), Message: fmt.Sprintf(format, args...),
	})
}

func (l *linter) result() []Warning {
	switch {
	case l == nil:
		return nil
	case l.more == 0:
		return l.found
	}
	return append(l.found, Warning{Rule: MoreWarnings, Message: fmt.Sprintf("%d more", l.more)})
}

// header judges what a transaction that was built holds before its movements.
func (l *linter) header(path string, t *Transaction) {
	l.open()
	l.value(path, transactionModel, txStartDate, 0, t.StartDate)
	l.value(path, transactionModel, txStopDate, 0, t.StopDate)
	l.value(path, transactionModel, txReference, 0, t.Reference)
	for i, c := range t.Categories {
		l.value(path, transactionModel, txCategory, i, c)
	}
	for i := range t.Arrows {
		l.arrow(&t.Arrows[i], spot{path: func() string { return indexed(path+"/arrow", i) }})
	}
}

func (l *linter) movement(path string, m *Movement) {
	l.value(path, movementModel, mvResource, 0, m.Resource)
	l.value(path, movementModel, mvQuantity, 0, string(m.Quantity))
	l.value(path, movementModel, mvVAT, 0, m.VAT)
	for i, c := range m.Categories {
		l.value(path, movementModel, mvCategory, i, c)
	}
}

func (l *linter) value(parent string, m *model, place, index int, value string) {
	l.leaf(spot{path: func() string {
		path := parent + "/" + m.children[place].name
		if index > 0 {
			path = indexed(path, index)
		}
		return path
	}}, m, place, value)
}

// open begins a transaction.
func (l *linter) open() {
	if l != nil {
		l.number++
		l.start = ""
	}
}

func (l *linter) arrow(a *Arrow, at spot) {
	if l != nil && a.Source.Value == "" && a.Destination.Value == "" {
		l.warn(at, EmptyArrow, "an arrow with neither source nor destination")
	}
}

// leaf judges one text.
func (l *linter) leaf(at spot, m *model, place int, value string) {
	switch {
	case l == nil:
	case m == transactionModel:
		l.transactionLeaf(at, place, value)
	case m == movementModel:
		l.movementLeaf(at, place, value)
	}
}

func (l *linter) transactionLeaf(at spot, place int, value string) {
	switch place {
	case txStartDate:
		l.start = value
		l.date(at, value)
	case txStopDate:
		if stop, ok := l.date(at, value); ok {
			if start, ok := parseDate(l.start); ok && start.after(stop) {
				l.warn(at, DateOrder, "the stop date %s is before the start date %s", shorten(value), shorten(l.start))
			}
		}
	case txReference:
		l.reference(at, value)
	case txCategory:
		l.none(at, value)
	}
}

func (l *linter) movementLeaf(at spot, place int, value string) {
	switch place {
	case mvResource:
		if value == "" {
			l.warn(at, EmptyResource, "an empty resource")
		}
	case mvQuantity:
		l.quantity(at, Number(value))
	case mvVAT, mvCategory:
		l.none(at, value)
	}
}

func (l *linter) none(at spot, value string) {
	if value == "None" {
		l.warn(at, NoneText, "the text None, likely of an old node that means an empty one")
	}
}

func (l *linter) date(at spot, value string) (date, bool) {
	d, ok := parseDate(value)
	if !ok && value != "" {
		l.warn(at, DateForm, "%s is no date of a known form", shorten(value))
	}
	return d, ok
}

func (l *linter) quantity(at spot, n Number) {
	switch {
	case !n.Valid():
		return
	case n.named():
		l.warn(at, SpecialQuantity, "the quantity is %s", n.trim())
		return
	case strings.HasPrefix(n.trim(), "-") && !n.zero():
		l.warn(at, NegativeQuantity, "the quantity %s is negative", shorten(n.trim()))
	}
	single, err := n.float(32)
	if err != nil || math.IsInf(single, 0) || single == 0 && !n.zero() {
		l.warn(at, SingleRange, "the quantity %s is outside of the range of 32 bits", shorten(n.trim()))
	}
}

// zero tells whether all digits before the exponent are 0.
func (n Number) zero() bool {
	mantissa, _, _ := strings.Cut(strings.ToLower(n.trim()), "e")
	return strings.Trim(mantissa, "+-.0") == ""
}

func (l *linter) reference(at spot, value string) {
	if value == "" {
		return
	}
	switch first, known := l.seen.add(value, l.number); {
	case known:
		l.warn(at, DuplicateReference, "transaction %d has the reference %s too", first, shorten(value))
	case l.seen.justFilled():
		l.warn(at, UncheckedReferences, "more than %d references; duplicates of further ones are not found", l.seen.limit)
	}
}
