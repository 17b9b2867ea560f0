package refdb

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Writable tells whether Write knows a schema.
func Writable(version int) bool { return version == Documented || version == Newest }

// Write creates the tables of a schema in an empty database and fills them. In
// schema 14, Requester of partitions and slaves is what their column for it holds;
// in schema 18, Tree is too. computerID is the default that the tables have for
// their computer.
func Write(ctx context.Context, tx *sql.Tx, version int, computerID string, d *Database) error {
	if !Writable(version) {
		return fmt.Errorf("schema %d of the Python proxy: %d and %d are written", version, Documented, Newest)
	}
	for _, t := range tables {
		if !t.in(version) {
			continue
		}
		if _, err := tx.ExecContext(ctx, t.create(version, computerID)); err != nil {
			return fmt.Errorf("create table %s: %w", t.called(version), err)
		}
		if err := t.insert(ctx, tx, version, d); err != nil {
			return fmt.Errorf("fill table %s: %w", t.called(version), err)
		}
	}
	return nil
}

// create is the statement that creates a table.
func (t *table) create(version int, computerID string) string {
	var lines []string
	for _, c := range t.columns {
		if c.in(version) {
			definition := c.definition
			if definition == ofComputer {
				definition = fmt.Sprintf(ofComputer, "'"+strings.ReplaceAll(computerID, "'", "''")+"'")
			}
			lines = append(lines, c.name+" "+definition)
		}
	}
	key := t.key
	if version == Documented {
		key = t.keyBefore
	}
	if key != "" {
		lines = append(lines, "PRIMARY KEY ("+key+")")
	}
	end := ")"
	if t.withoutRowID {
		end += " WITHOUT ROWID"
	}
	return "CREATE TABLE " + t.called(version) + " (\n  " + strings.Join(lines, ",\n  ") + "\n" + end
}

// insert writes the rows of a table.
func (t *table) insert(ctx context.Context, tx *sql.Tx, version int, d *Database) error {
	var names, marks []string
	for _, c := range t.columns {
		if c.in(version) {
			names = append(names, c.name)
			marks = append(marks, "?")
		}
	}
	statement, err := tx.PrepareContext(ctx,
		"INSERT INTO "+t.called(version)+" ("+strings.Join(names, ", ")+") VALUES ("+strings.Join(marks, ", ")+")")
	if err != nil {
		return err
	}
	defer statement.Close()
	for values := range t.rows(version, d) {
		if _, err := statement.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
	return nil
}

// orNull is text as the reference keeps it where it has none.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// rows gives the values of each row, in the order of the columns.
func (t *table) rows(version int, d *Database) func(yield func([]any) bool) {
	return func(yield func([]any) bool) {
		switch t {
		case configTable:
			if d.SoftwareRoot != "" {
				yield([]any{rootKey, d.SoftwareRoot})
			}
		case softwareTable:
			yieldAll(d.Software, yield, func(s Software) []any { return []any{s.URL, s.Computer, s.State} })
		case computerTable:
			yieldAll(d.Computers, yield, func(c Computer) []any { return []any{c.Reference, c.Address, c.Netmask} })
		case partitionTable:
			yieldAll(d.Partitions, yield, func(p Partition) []any { return p.values(version) })
		case slaveTable:
			yieldAll(d.Slaves, yield, func(s Slave) []any {
				requester := any(s.Requester)
				if version == Documented {
					requester = orNull(s.Requester)
				}
				return []any{s.Reference, s.Computer, orNull(s.ConnectionXML), s.Host, requester}
			})
		case networkTable:
			yieldAll(d.Addresses, yield, func(a Address) []any {
				return []any{a.Partition, a.Computer, a.Interface, a.Address, a.Netmask}
			})
		case forwardedTable:
			yieldAll(d.Forwarded, yield, func(f Forwarded) []any { return []any{f.Reference, f.Master} })
		}
	}
}

func (p Partition) values(version int) []any {
	values := []any{
		p.Reference, p.Computer, p.SlapState, orNull(p.Release), orNull(p.XML), orNull(p.ConnectionXML),
		orNull(p.SlaveList), orNull(p.Type), orNull(p.Title),
	}
	if version == Documented {
		values = append(values, orNull(p.Requester))
	} else {
		values = append(values, p.Tree, p.Requester)
	}
	timestamp := any(p.Timestamp)
	if p.Timestamp == 0 {
		timestamp = nil
	}
	return append(values, p.State, timestamp)
}

func yieldAll[T any](rows []T, yield func([]any) bool, values func(T) []any) {
	for _, r := range rows {
		if !yield(values(r)) {
			return
		}
	}
}
