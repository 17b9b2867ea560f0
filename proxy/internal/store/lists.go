package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A list costs as much however much there is.
const (
	// MostCounted bounds what is counted: MostCounted+1 means more.
	MostCounted = 1000
	// MostSearched is how many rows are searched for one part. Where that was not
	// enough, the next part is what the rows behind them have.
	MostSearched = 5000
)

// Uncounted is the Count of a search in more than MostSearched rows.
const Uncounted = -1

// Part asks for a part of a list, which the database sorts and searches.
type Part struct {
	// Words are what a row must have, all of them, without regard to case: of letters
	// beyond ASCII, a word is found as it is, in lower case, in upper case and with
	// a capital.
	Words []string
	// After and Before are Next and Previous of another part; one of both, or none
	// for the first part.
	After, Before string
	// Limit is how many rows there are at most, one or more.
	Limit int
}

// Listed is a part of a list. Rows may come and go: a part that would begin before
// the first row is the first one, one beyond the last row is the last one.
type Listed[T any] struct {
	Rows []T
	// Previous and Next lead to the parts around, and are empty at the ends. With
	// words, a part may have fewer rows than others behind it, even none.
	Previous, Next string
	// Count is how many rows of all parts have the words, up to MostCounted+1, or
	// Uncounted.
	Count int
}

// Service is what a person requested: the root of a tree, or a shared instance.
type Service struct {
	// Partition is that of the root, as Occupied tells, without parameters and errors.
	Partition *Partition
	// Shared is nil for a root; it has no entry and no error. Release is that of
	// its host.
	Shared  *Shared
	Release string
	// Members counts the instances below the root, Failing those of them that
	// report an error, up to MostCounted+1.
	Members, Failing int
}

// ComputerSize is how much a computer has, up to MostCounted+1 of each. Failing are
// instances that report an error, Releases what is supplied.
type ComputerSize struct{ Partitions, Free, Failing, Releases int }

// ListedComputer is a computer with what it has.
type ListedComputer struct {
	*Computer
	Size ComputerSize
}

// ListedPartition is a partition with its addresses, without parameters and errors.
type ListedPartition struct {
	*Partition
	// Hosted counts the shared instances that it hosts, up to MostCounted+1.
	Hosted int
}

// Installation is a release on a computer.
type Installation struct {
	*Software
	// Instances counts those that use it, up to MostCounted+1.
	Instances int
}

// Release is a release with some of the computers that it is supplied on.
type Release struct {
	URL string
	// Installations are the first ones that have the words, Count is how many
	// have, up to MostCounted+1.
	Installations []Installation
	Count         int
}

// cursor is a place between the rows of a list.
type cursor struct {
	// kind orders rows of different tables with the same key.
	kind string
	key  string
	id   int64
}

func (c cursor) String() string { return c.kind + strconv.FormatInt(c.id, 10) + ":" + c.key }

// compare orders places of lists that are sorted by key, kind and id.
func (c cursor) compare(d cursor) int {
	return cmp.Or(strings.Compare(c.key, d.key), strings.Compare(c.kind, d.kind), cmp.Compare(c.id, d.id))
}

// ErrCursor is returned, wrapped, for a place in a list that no list gave.
var ErrCursor = errors.New("this is no place in a list")

func parseCursor(s string) (c cursor, err error) {
	head, key, found := strings.Cut(s, ":")
	if !found || head == "" {
		return c, fmt.Errorf("%w: %q", ErrCursor, s)
	}
	c.kind, c.key = head[:1], key
	if c.id, err = strconv.ParseInt(head[1:], 10, 64); err != nil {
		return c, fmt.Errorf("%w: %q", ErrCursor, s)
	}
	return c, nil
}

// step is how rows are read: from a place on, or back from it.
type step struct {
	words []string
	from  *cursor // nil: from the end that back tells
	end   *cursor // the last row that is searched; nil: all
	back  bool
	limit int
}

// source is what a list is read from.
type source[T any] struct {
	// read returns the rows of a step in its direction.
	read func(step) ([]T, error)
	// horizon returns the place behind MostSearched rows of a step, nil if there
	// are not so many.
	horizon func(step) (*cursor, error)
	// count counts the rows that have the words.
	count func(words []string) (int, error)
	place func(T) cursor
}

// list reads a part of a list.
func list[T any](p Part, l source[T]) (out Listed[T], err error) {
	s := step{words: p.Words, back: p.Before != "", limit: p.Limit + 1}
	if text := p.Before + p.After; text != "" {
		from, err := parseCursor(text)
		if err != nil {
			return out, err
		}
		s.from = &from
	}
	rows, err := l.readTo(&s)
	switch {
	case err != nil:
		return out, err
	case s.back && s.end == nil && len(rows) < p.Limit: // less than a part is before
		s.from, s.back = nil, false
		rows, err = l.readTo(&s)
	case s.from != nil && len(s.words) == 0 && len(rows) == 0: // nothing is left behind
		s.from, s.back = nil, true
		rows, err = l.readTo(&s)
	}
	if err != nil {
		return out, err
	}
	l.lead(&out, s, rows, p.Limit)
	if out.Count = len(out.Rows); out.Previous+out.Next != "" {
		out.Count, err = l.countAll(p.Words)
	}
	return out, err
}

// readTo reads the rows of a step up to its horizon.
func (l source[T]) readTo(s *step) (rows []T, err error) {
	s.end = nil
	if len(s.words) > 0 {
		if s.end, err = l.horizon(*s); err != nil {
			return nil, err
		}
	}
	return l.read(*s)
}

// lead fills a part from the rows of a step: they are in its direction, and one more
// than the part if there are more.
func (l source[T]) lead(out *Listed[T], s step, rows []T, limit int) {
	ahead, behind := s.end, s.from
	if len(rows) > limit {
		rows = rows[:limit]
		last := l.place(rows[limit-1])
		ahead = &last
	}
	if behind != nil && len(rows) > 0 {
		first := l.place(rows[0])
		behind = &first
	}
	if s.back {
		slices.Reverse(rows)
		ahead, behind = behind, ahead
	}
	out.Rows = rows
	if ahead != nil {
		out.Next = ahead.String()
	}
	if behind != nil {
		out.Previous = behind.String()
	}
}

func (l source[T]) countAll(words []string) (int, error) {
	if len(words) > 0 {
		if end, err := l.horizon(step{}); err != nil || end != nil {
			return Uncounted, err
		}
	}
	return l.count(words)
}

// listing is a table that is listed, in the words of SQL.
type listing struct {
	columns, from string
	// table is that of from which has all that where and the cursor need.
	table string
	// where are conditions of all rows; $1 and so on are args.
	where []string
	args  []any
	// kind, key and id make the cursor of a row. Rows are sorted by key and id, one of
	// which may be empty.
	kind, key, id string
	// text is what is searched, with health, which takes long to tell, for words that
	// one may have. The arguments of health are those after args.
	text, health string
	healthArgs   []any
	// also is another condition under which a row has a word, with %s for its
	// pattern.
	also string
}

// query is the statement of a step.
func (l listing) query(s step) (text string, args []any) {
	where, args := l.conditions(s.words)
	where, order := l.bounds(s, where, &args)
	return l.columns + l.from + whereAll(where) + order + " LIMIT " + argument(&args, s.limit), args
}

// bounds adds the conditions of the rows of a step, and tells their order.
func (l listing) bounds(s step, where []string, args *[]any) (conditions []string, order string) {
	beyond, until, direction := ">", "<", ""
	if s.back {
		beyond, until, direction = "<", ">", " DESC"
	}
	if s.from != nil {
		where = append(where, l.side(*s.from, beyond, "", args))
	}
	if s.end != nil {
		where = append(where, l.side(*s.end, until, "=", args))
	}
	var by []string
	for _, column := range []string{l.key, l.id} {
		if column != "" {
			by = append(by, column+direction)
		}
	}
	return where, " ORDER BY " + strings.Join(by, ", ")
}

// side is the condition of the rows on one side of a place; with "=" for equal, of
// the row there too. What is compared of the key comes first, for the index.
func (l listing) side(place cursor, beyond, equal string, args *[]any) string {
	if l.key == "" {
		return l.id + " " + beyond + equal + " " + argument(args, place.id)
	}
	key := argument(args, place.key)
	if order := strings.Compare(l.kind, place.kind); order != 0 {
		// All rows of this kind with the key are on one side.
		equal = ""
		if (order > 0) == (beyond == ">") {
			equal = "="
		}
	} else if l.id != "" {
		return fmt.Sprintf("%s %s= %s AND (%s %s %s OR %s %s%s %s)",
			l.key, beyond, key, l.key, beyond, key, l.id, beyond, equal, argument(args, place.id))
	}
	return l.key + " " + beyond + equal + " " + key
}

// argument adds an argument of a statement and returns what stands for it.
func argument(args *[]any, value any) string {
	*args = append(*args, value)
	return "$" + strconv.Itoa(len(*args))
}

// conditions are those of the rows that have the words.
func (l listing) conditions(words []string) (where []string, args []any) {
	where, args = slices.Clone(l.where), slices.Clone(l.args)
	if slices.ContainsFunc(words, mayBeHealth) {
		args = append(args, l.healthArgs...)
	}
	// Long words let the fewest rows through.
	words = slices.SortedStableFunc(slices.Values(words), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, word := range words {
		var either []string
		text := l.text
		if mayBeHealth(word) {
			text = spaced(text, l.health)
		}
		for _, pattern := range patterns(word) {
			number := argument(&args, pattern)
			either = append(either, "LOWER("+text+") LIKE "+number+` ESCAPE '\'`)
			if l.also != "" {
				either = append(either, fmt.Sprintf(l.also, number))
			}
		}
		where = append(where, "("+strings.Join(either, " OR ")+")")
	}
	return where, args
}

func whereAll(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return "WHERE " + strings.Join(conditions, " AND ")
}

// patterns are what LIKE finds a word with. The databases know the case of ASCII
// letters only.
func patterns(word string) []string {
	lower := strings.ToLower(word)
	first := []rune(lower)
	first = append([]rune(strings.ToUpper(string(first[:min(1, len(first))]))), first[min(1, len(first)):]...)
	var all []string
	for _, variant := range []string{word, lower, strings.ToUpper(word), string(first)} {
		pattern := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(lowerASCII(variant)) + "%"
		if !slices.Contains(all, pattern) {
			all = append(all, pattern)
		}
	}
	return all
}

// lowerASCII does what LOWER does in both databases.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// sourceOf lists one table.
func sourceOf[T any](r *reader, l listing, scan func(scanner) (T, error), place func(T) cursor) source[T] {
	return source[T]{
		read:    func(s step) ([]T, error) { return listRows(r, l, s, scan) },
		horizon: func(s step) (*cursor, error) { return l.horizon(r, s) },
		count:   func(words []string) (int, error) { return l.count(r, words) },
		place:   place,
	}
}

// listRows reads the rows of a step.
func listRows[T any](r *reader, l listing, s step, scan func(scanner) (T, error)) ([]T, error) {
	text, args := l.query(s)
	return allOf(r, scan, text, args...)
}

// count counts the rows that have the words.
func (l listing) count(r *reader, words []string) (n int, err error) {
	where, args := l.conditions(words)
	from := l.table + " "
	if len(words) > 0 {
		from = strings.TrimPrefix(l.from, "FROM ")
	}
	err = r.tx.QueryRowContext(r.ctx, "SELECT "+bounded(from+whereAll(where)), args...).Scan(&n)
	return n, err
}

// horizon returns the place behind MostSearched rows of a step, or nil.
func (l listing) horizon(r *reader, s step) (*cursor, error) {
	where, args := l.conditions(nil)
	where, order := l.bounds(s, where, &args)
	place := cursor{kind: l.kind}
	columns, into := "SELECT ", []any{}
	if l.key != "" {
		columns, into = columns+l.key+", ", append(into, &place.key)
	}
	columns, into = columns+cmp.Or(l.id, "0"), append(into, &place.id)
	text := columns + " FROM " + l.table + " " + whereAll(where) + order + fmt.Sprintf(" LIMIT 1 OFFSET %d", MostSearched)
	err := r.tx.QueryRowContext(r.ctx, text, args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // nil is the end of the list
	}
	return &place, err
}

// bounded counts the rows of a FROM clause up to MostCounted+1.
func bounded(from string) string {
	return fmt.Sprintf("(SELECT COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d) AS counted)", from, MostCounted+1)
}
