package refdb

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of what is read.
const (
	// MaxValue bounds one value, in bytes.
	MaxValue = 16 << 20
	// maxTotal bounds all values together, in bytes.
	maxTotal = 1 << 30
	// maxRows bounds the rows of one table.
	maxRows = 4 << 20
)

// Read returns the content of a file of the reference, whose rows without a
// computer belong to computerID. The source should be one transaction.
//
// Of a file with tables of several schemas, which an interrupted upgrade leaves,
// each table is read in the newest schema in which it has rows.
func Read(ctx context.Context, db Source, computerID string) (*Database, error) {
	versions, err := Versions(ctx, db)
	if err != nil {
		return nil, err
	}
	if err := Supported(versions); err != nil {
		return nil, err
	}
	f := &file{db: db, computerID: computerID, versions: versions, out: &Database{Versions: versions}}
	for _, read := range []struct {
		table *table
		row   func(row)
	}{
		{computerTable, f.computer},
		{softwareTable, f.software},
		{partitionTable, f.partition},
		{slaveTable, f.slave},
		{networkTable, f.address},
		{forwardedTable, f.forwarded},
		{rootTable, f.root},
		{configTable, f.config},
	} {
		if err := f.read(ctx, read.table, read.row); err != nil {
			return nil, err
		}
	}
	return f.out, nil
}

// file is a file that is being read.
type file struct {
	db         Source
	computerID string
	versions   []int
	out        *Database
	err        error // the first wrong value
	total      int
}

// read reads a table in the newest schema in which it has rows.
func (f *file) read(ctx context.Context, t *table, take func(row)) error {
	for _, version := range slices.Backward(f.versions) {
		if version < Oldest || !t.in(version) {
			continue
		}
		present, err := f.columns(ctx, t.called(version))
		if err != nil {
			return err
		}
		if present == nil {
			continue
		}
		n, err := f.readVersion(ctx, t, version, present, take)
		if n > 0 || err != nil {
			return err
		}
	}
	return nil
}

// columns returns the columns of a table, nil if there is none of that name. What
// is not a plain table is refused: to read it could run anything.
func (f *file) columns(ctx context.Context, name string) (map[string]bool, error) {
	kind, pages := "", int64(0)
	err := each(ctx, f.db, "SELECT type, COALESCE(rootpage, 0) FROM sqlite_master WHERE name = ?", []any{name}, func(rows *sql.Rows) error {
		return rows.Scan(&kind, &pages)
	})
	if err != nil || kind == "" {
		return nil, err
	}
	if kind != "table" || pages == 0 {
		return nil, fmt.Errorf("%s is not a plain table", name)
	}
	present := map[string]bool{}
	err = each(ctx, f.db, "SELECT name, hidden FROM pragma_table_xinfo(?)", []any{name}, func(rows *sql.Rows) error {
		var column string
		var hidden int
		if err := rows.Scan(&column, &hidden); err != nil {
			return err
		}
		if hidden != 0 {
			return fmt.Errorf("column %s of %s is computed", column, name)
		}
		present[column] = true
		return nil
	})
	return present, err
}

// readVersion reads a table of one schema and returns how many rows it has.
func (f *file) readVersion(ctx context.Context, t *table, version int, present map[string]bool, take func(row)) (int, error) {
	name := t.called(version)
	index := map[string]int{}
	var expressions []string
	for _, c := range t.columns {
		if !c.in(version) {
			continue
		}
		if !present[c.name] {
			return 0, fmt.Errorf("table %s has no column %s", name, c.name)
		}
		index[c.name] = len(expressions)
		// The sign takes away the declared type, by which the driver would convert.
		expressions = append(expressions, "+"+c.name)
	}
	n := 0
	// An index that covers all columns would change the order.
	query := "SELECT " + strings.Join(expressions, ", ") + " FROM " + name + " NOT INDEXED"
	err := each(ctx, f.db, query, nil, func(rows *sql.Rows) error {
		if n++; n > maxRows {
			return fmt.Errorf("table %s has more than %d rows", name, maxRows)
		}
		values := make([]any, len(expressions))
		targets := make([]any, len(values))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		take(row{f, name, n, version, index, values})
		return f.err
	})
	if err != nil && f.err == nil {
		err = fmt.Errorf("table %s: %w", name, err)
	}
	return n, err
}

// row is a row of a table.
type row struct {
	file    *file
	table   string
	number  int
	version int
	index   map[string]int
	values  []any
}

func (r row) wrong(column, what string) {
	if r.file.err == nil {
		r.file.err = fmt.Errorf("table %s, row %d: %s %s", r.table, r.number, column, what)
	}
}

// text reads a text. Null is empty text, as is a column that the schema lacks.
func (r row) text(column string) string {
	i, ok := r.index[column]
	if !ok {
		return ""
	}
	var text string
	switch v := r.values[i].(type) {
	case nil:
	case string:
		text = v
	case int64:
		text = strconv.FormatInt(v, 10)
	case float64:
		text = strconv.FormatFloat(v, 'g', -1, 64)
	default:
		r.wrong(column, "is not text")
	}
	r.file.total += len(text)
	switch {
	case len(text) > MaxValue:
		r.wrong(column, fmt.Sprintf("has %d bytes, more than %d", len(text), MaxValue))
	case r.file.total > maxTotal:
		r.wrong(column, fmt.Sprintf("is too much: the file holds more than %d bytes of text", maxTotal))
	case !utf8.ValidString(text):
		r.wrong(column, "is not UTF-8 text")
	case strings.ContainsRune(text, 0):
		r.wrong(column, "has a zero byte")
	}
	return text
}

// name reads a text that names something.
func (r row) name(column string) string {
	text := r.text(column)
	if text == "" {
		r.wrong(column, "is empty")
	}
	return text
}

// or reads a text with a default for schemas that lack the column.
func (r row) or(column, otherwise string) string {
	if text := r.text(column); text != "" {
		return text
	}
	return otherwise
}

func (r row) computer(column string) string { return r.or(column, r.file.computerID) }

// maxTime is the last year that a timestamp may be in, in seconds.
const maxTime = 253402300800 // the year 10000

// seconds reads a time, zero if it was never set.
func (r row) seconds(column string) float64 {
	i, ok := r.index[column]
	if !ok {
		return 0
	}
	var seconds float64
	switch v := r.values[i].(type) {
	case nil:
	case float64:
		seconds = v
	case int64:
		seconds = float64(v)
	default:
		r.wrong(column, "is not a number")
	}
	if math.IsNaN(seconds) || seconds < 0 || seconds > maxTime {
		r.wrong(column, fmt.Sprintf("is %v, which is no time", seconds))
	}
	return seconds
}

func (f *file) computer(r row) {
	f.out.Computers = append(f.out.Computers, Computer{r.computer("reference"), r.text("address"), r.text("netmask")})
}

func (f *file) software(r row) {
	f.out.Software = append(f.out.Software, Software{r.name("url"), r.computer("computer_reference"), r.or("requested_state", "available")})
}

func (f *file) partition(r row) {
	p := Partition{
		Reference: r.name("reference"), Computer: r.computer("computer_reference"), SlapState: r.text("slap_state"),
		Release: r.text("software_release"), XML: r.text("xml"), ConnectionXML: r.text("connection_xml"),
		SlaveList: r.text("slave_instance_list"), Type: r.text("software_type"), Title: r.text("partition_reference"),
		State: r.or("requested_state", "started"), Timestamp: r.seconds("timestamp"),
		ByPartition: r.version < treesSince,
	}
	if p.ByPartition {
		p.Requester = r.text("requested_by")
	} else {
		p.Tree, p.Requester = r.text("requested_by"), r.text("requester_id")
	}
	f.out.Partitions = append(f.out.Partitions, p)
}

func (f *file) slave(r row) {
	s := Slave{
		Reference: r.name("reference"), Computer: r.computer("computer_reference"), ConnectionXML: r.text("connection_xml"),
		Host: r.text("hosted_by"), ByPartition: r.version < treesSince,
	}
	switch {
	case s.ByPartition:
		s.Requester = r.text("asked_by")
	case r.version == treesSince:
		s.Tree = r.text("asked_by")
	default:
		s.Requester = r.text("requester_id")
	}
	f.out.Slaves = append(f.out.Slaves, s)
}

func (f *file) address(r row) {
	f.out.Addresses = append(f.out.Addresses, Address{
		r.name("partition_reference"), r.computer("computer_reference"), r.text("reference"), r.text("address"), r.text("netmask"),
	})
}

func (f *file) forwarded(r row) {
	f.out.Forwarded = append(f.out.Forwarded, Forwarded{r.text("partition_reference"), r.text("master_url")})
}

func (f *file) root(r row) { f.out.SoftwareRoot = r.text("path") }

// rootKey is the name of the only entry of table config.
const rootKey = "local_software_release_root"

func (f *file) config(r row) {
	if r.text("name") == rootKey {
		f.out.SoftwareRoot = r.text("value")
	}
}
