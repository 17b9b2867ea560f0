package tio

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
)

// engine walks through a document, checks it against the schema and hands its
// content to who drives it. Its memory is that of one element.
type engine struct {
	s *scanner
	options
	broken Errors
	path   []segment
	drop   bool    // nobody wants the texts
	lint   *linter // nil: nobody wants warnings
	inner  frame   // of the arrow or movement that is being read
	text   []byte  // of the leaf that is being read
	held   int     // bytes of the texts of the header or movement so far
	known  map[string]string
}

type segment struct {
	name  string
	index int  // among siblings of that name
	show  bool // write the index
}

func newEngine(r io.Reader, o options) *engine {
	return &engine{s: newScanner(r), options: o}
}

// stop is the error that ends the walk because enough was found.
type stop struct{}

func (stop) Error() string { return "too many errors" }

// report notes a broken rule; its error ends the walk.
func (e *engine) report(pos position, rule Rule, format string, args ...any) error {
	e.broken = append(e.broken, &Error{
		Rule: rule, Line: pos.line, Column: pos.column, Path: e.where(), Message: fmt.Sprintf(format, args...),
	})
	if len(e.broken) >= e.keep {
		return stop{}
	}
	return nil
}

func (e *engine) where() string {
	var b strings.Builder
	for _, s := range e.path {
		b.WriteString("/" + s.name)
		if s.show || s.index > 1 {
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	return b.String()
}

// result is the error of a walk that ended with err: the broken rules in the
// order of their places, or the failure to read.
func (e *engine) result(err error) error {
	switch err := err.(type) {
	case nil, stop:
	case *Error:
		if err.Path == "" && err.Rule == Limit {
			err.Path = e.where()
		}
		e.broken = append(e.broken, err)
	default:
		return fmt.Errorf("tio: %w", err)
	}
	if len(e.broken) == 0 {
		return nil
	}
	sort.SliceStable(e.broken, func(i, j int) bool {
		a, b := e.broken[i], e.broken[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	return e.broken
}

// frame is an element that holds elements, while it is walked through.
type frame struct {
	model  *model
	start  position
	last   int            // the place of the latest child
	counts [maxPlaces]int // per place
	others map[string]int // children the schema does not know
	late   []lack
	text   bool // stray text was told already
}

// lack is required children that were not there when another one came. They may
// still follow, which makes it a matter of order.
type lack struct {
	names map[string]bool
	list  []string
	pos   position
	child segment // the one that came
}

// begin reads up to the document element and checks its name.
func (e *engine) begin(m *model) (*frame, error) {
	t, err := e.s.next()
	if err != nil {
		return nil, err
	}
	e.path = append(e.path, segment{name: t.raw, index: 1})
	if t.space != "" {
		err = e.namespaced(t)
	} else if t.local != m.name {
		err = e.report(t.pos, Root, "the document element must be %s", m.name)
	}
	if err != nil {
		return nil, err
	}
	if len(e.broken) > 0 {
		return nil, stop{} // another format: nothing below would make sense
	}
	if _, err := e.attributes(t, m.typed, nil); err != nil {
		return nil, err
	}
	return newFrame(m, t), nil
}

func (e *engine) namespaced(t token) error {
	return e.report(t.pos, Namespace, "no element may be in a namespace; this one is in %s", shorten(t.space))
}

func newFrame(m *model, t token) *frame { return &frame{model: m, start: t.pos} }

// innerFrame is a frame that is good until the next call: arrows and movements
// hold neither.
func (e *engine) innerFrame(m *model, t token) *frame {
	e.inner = frame{model: m, start: t.pos}
	return &e.inner
}

// finish reads what follows the document element.
func (e *engine) finish() error {
	t, err := e.s.next()
	if err == nil && t.kind != endOfDocument {
		err = e.s.fail(WellFormedness, "something follows the document element")
	}
	return err
}

// next returns the start tag of the next child that the schema knows and its
// place; the path then ends with it, until leave. At the end of the parent it
// returns -1.
func (e *engine) next(f *frame) (token, int, error) {
	for {
		t, err := e.s.next()
		if err != nil {
			return token{}, 0, err
		}
		switch t.kind {
		case charData:
			err = e.strayText(f, t)
		case endTag:
			return t, -1, e.complete(f)
		case startTag:
			var place int
			if place, err = e.enter(f, t); place >= 0 && err == nil {
				return t, place, nil
			}
		}
		if err != nil {
			return token{}, 0, err
		}
	}
}

// leave ends what next or enter began.
func (e *engine) leave() { e.path = e.path[:len(e.path)-1] }

func (e *engine) strayText(f *frame, t token) error {
	rest := bytes.TrimLeft(t.data, " \t\r\n")
	if f.text || len(rest) == 0 {
		return nil
	}
	f.text = true
	pos := t.pos
	for _, b := range t.data[:len(t.data)-len(rest)] {
		if pos.column++; b == '\n' {
			pos = position{pos.line + 1, 1}
		}
	}
	return e.report(pos, StrayText, "%s holds elements only, no text", f.model.name)
}

// enter judges a child. It answers -1 after it has skipped one that the schema
// does not know.
func (e *engine) enter(f *frame, t token) (int, error) {
	place := -1
	if t.space == "" {
		place = f.model.place(t.local)
	}
	if place < 0 {
		return -1, e.unexpected(f, t)
	}
	f.counts[place]++
	c := &f.model.children[place]
	e.path = append(e.path, segment{name: t.raw, index: f.counts[place], show: c.model != nil})
	if c.many && f.counts[place] > e.maxMany && f.model != journalModel && c.model != movementModel {
		return 0, e.s.failAt(t.pos, Limit, "more than %d times %s; WithMaxMany allows others", e.maxMany, c.name)
	}
	return place, e.placed(f, t, place)
}

// placed checks order and number.
func (e *engine) placed(f *frame, t token, place int) error {
	c := &f.model.children[place]
	switch {
	case f.counts[place] > 1 && !c.many:
		return e.report(t.pos, RepeatedElement, "%s more than once", c.name)
	case place < f.last:
		if e.arrived(f, c.name) {
			return nil
		}
		return e.report(t.pos, Order, "%s must come before %s", c.name, f.model.children[f.last].name)
	}
	l := lack{pos: t.pos, child: e.path[len(e.path)-1]}
	for i := f.last; i < place; i++ {
		if before := &f.model.children[i]; before.required && f.counts[i] == 0 {
			if l.names == nil {
				l.names = make(map[string]bool)
			}
			l.names[before.name] = true
			l.list = append(l.list, before.name)
		}
	}
	f.last = place
	if len(l.list) == 0 {
		return nil
	}
	if e.keep == 1 {
		e.leave()
		return e.report(t.pos, MissingElement, "%s must come before %s", strings.Join(l.list, ", "), c.name)
	}
	f.late = append(f.late, l)
	return nil
}

// arrived tells whether a child that comes too late was waited for.
func (e *engine) arrived(f *frame, name string) bool {
	for i := range f.late {
		if f.late[i].names[name] {
			f.late[i].names[name] = false
			return true
		}
	}
	return false
}

func (e *engine) unexpected(f *frame, t token) error {
	if f.others == nil {
		f.others = make(map[string]int)
	}
	if len(f.others) < 1000 {
		f.others[t.raw]++
	}
	e.path = append(e.path, segment{name: t.raw, index: max(1, f.others[t.raw]), show: t.raw == "transaction" || t.raw == "arrow" || t.raw == "movement"})
	var err error
	if t.space != "" {
		err = e.namespaced(t)
	} else {
		err = e.report(t.pos, UnexpectedElement, "%s cannot hold %s", f.model.name, t.raw)
	}
	if err != nil {
		return err
	}
	e.leave()
	return e.skip()
}

// skip reads up to the end of the element whose start was read last.
func (e *engine) skip() error {
	for depth := 1; depth > 0; {
		t, err := e.s.next()
		if err != nil {
			return err
		}
		switch t.kind {
		case startTag:
			depth++
		case endTag:
			depth--
		}
	}
	return nil
}

// complete judges an element at its end: what came late, and what never came.
func (e *engine) complete(f *frame) error {
	var told map[string]bool
	if len(f.late) > 0 {
		told = make(map[string]bool)
	}
	for _, l := range f.late {
		var missing, late []string
		for _, name := range l.list {
			told[name] = true
			if l.names[name] {
				missing = append(missing, name)
			} else {
				late = append(late, name)
			}
		}
		if err := e.judgeLate(f, l, missing, late); err != nil {
			return err
		}
	}
	var missing []string
	for i := range f.model.children {
		c := &f.model.children[i]
		if c.required && f.counts[i] == 0 && !told[c.name] {
			missing = append(missing, c.name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return e.report(f.start, MissingElement, "%s lacks %s", f.model.name, strings.Join(missing, ", "))
}

func (e *engine) judgeLate(f *frame, l lack, missing, late []string) error {
	if len(missing) > 0 {
		if err := e.report(l.pos, MissingElement, "%s lacks %s", f.model.name, strings.Join(missing, ", ")); err != nil {
			return err
		}
	}
	if len(late) == 0 {
		return nil
	}
	e.path = append(e.path, l.child)
	err := e.report(l.pos, Order, "%s must come after %s", l.child.name, strings.Join(late, ", "))
	if err == nil {
		e.leave()
	}
	return err
}

// leaf reads the text of an element up to its end.
func (e *engine) leaf(t token, m *model, place int) (string, error) {
	c := &m.children[place]
	derived, err := e.attributes(t, false, c)
	if err != nil {
		return "", err
	}
	e.text = e.text[:0]
	pos, nested := t.pos, false
	for {
		t, err := e.s.next()
		if err != nil {
			return "", err
		}
		switch t.kind {
		case endTag:
			if err := e.hold(t.pos, len(e.text)); err != nil {
				return "", err
			}
			return e.value(pos, m, place, derived, nested)
		case charData:
			if len(e.text) == 0 {
				pos = t.pos
			}
			if e.text = append(e.text, t.data...); len(e.text) > e.maxText {
				return "", e.s.failAt(t.pos, Limit, "a text of more than %d bytes; WithMaxText allows others", e.maxText)
			}
		case startTag:
			if !nested {
				nested = true
				if err := e.report(t.pos, ElementInText, "%s holds text only, no elements", c.name); err != nil {
					return "", err
				}
			}
			if err := e.skip(); err != nil {
				return "", err
			}
		}
	}
}

// maxTexts is how many times as long as one text may be all those of one header
// or movement together, which are in memory at the same time.
const maxTexts = 16

// hold counts a text that is kept, or would be if it were wanted.
func (e *engine) hold(pos position, n int) error {
	most := max(e.maxText, DefaultMaxText)
	if e.held += n; (e.held-1)/maxTexts >= most {
		return e.s.failAt(pos, Limit, "texts of more than %d times %d bytes together; WithMaxText allows others", maxTexts, most)
	}
	return nil
}

// value judges the text that a leaf has.
func (e *engine) value(pos position, m *model, place int, derived string, nested bool) (string, error) {
	c := &m.children[place]
	if e.drop && derived == "" {
		if c.number && !nested && !Number(e.text).Valid() {
			return "", e.report(pos, Float, "%s is no number", shorten(string(e.text)))
		}
		return "", nil
	}
	if c.number {
		value := string(e.text)
		if !nested && !Number(value).Valid() {
			return value, e.report(pos, Float, "%s is no number", shorten(value))
		}
		e.lint.leaf(e.spot(pos), m, place, value)
		return value, nil
	}
	value, err := e.derived(pos, derived, e.shared(), nested)
	e.lint.leaf(e.spot(pos), m, place, value)
	return value, err
}

// spot is where the element is that is being read.
func (e *engine) spot(pos position) spot {
	if e.lint == nil {
		return spot{}
	}
	return spot{pos, e.where}
}

// The texts that are kept once, because documents repeat them: how many, and
// how long they may be.
const (
	maxShared     = 1024
	maxSharedText = 128
)

// shared is the text that was read, kept once where it is likely to come again.
func (e *engine) shared() string {
	if len(e.text) > maxSharedText {
		return string(e.text)
	}
	if value, ok := e.known[string(e.text)]; ok {
		return value
	}
	if e.known == nil || len(e.known) >= maxShared {
		e.known = make(map[string]string)
	}
	value := string(e.text)
	e.known[value] = value
	return value
}

// shorten makes a value fit into a message.
func shorten(value string) string {
	const most = 40
	if len(value) > most {
		return strconv.Quote(strings.ToValidUTF8(value[:most], "")) + "..."
	}
	return strconv.Quote(value)
}
