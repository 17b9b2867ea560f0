package refdb

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// column is a column of a table, with the schemas that have it.
type column struct {
	name        string
	since, last int // 0: from the first, to the newest
	// definition is what follows the name when a table is created; %q stands for
	// the configured computer.
	definition string
}

func (c column) in(version int) bool { return within(version, c.since, c.last) }

// table is a table without the version in its name.
type table struct {
	name        string
	since, last int
	columns     []column
	// key is the primary key of schema 18, keyBefore that of schema 14.
	key, keyBefore string
	withoutRowID   bool
}

func (t *table) in(version int) bool { return within(version, t.since, t.last) }

func (t *table) called(version int) string { return t.name + strconv.Itoa(version) }

func within(version, since, last int) bool {
	return version >= since && (last == 0 || version <= last)
}

const (
	name       = "VARCHAR(255)"
	ofComputer = "VARCHAR(255) DEFAULT %s"
)

// The tables, by what the reference calls them.
var (
	softwareTable = &table{name: "software", key: "url, computer_reference", keyBefore: "url, computer_reference", columns: []column{
		{name: "url", definition: name},
		{name: "computer_reference", since: 11, definition: ofComputer},
		{name: "requested_state", since: 12, definition: name + " DEFAULT 'available'"},
	}}
	computerTable = &table{name: "computer", key: "reference", keyBefore: "reference", columns: []column{
		{name: "reference", since: 11, definition: ofComputer},
		{name: "address", definition: name},
		{name: "netmask", definition: name},
	}}
	partitionTable = &table{name: "partition", key: "reference, computer_reference", keyBefore: "reference, computer_reference", columns: []column{
		{name: "reference", definition: name},
		{name: "computer_reference", since: 11, definition: ofComputer},
		{name: "slap_state", definition: name + " DEFAULT 'free'"},
		{name: "software_release", definition: name},
		{name: "xml", definition: "TEXT"},
		{name: "connection_xml", definition: "TEXT"},
		{name: "slave_instance_list", definition: "TEXT"},
		{name: "software_type", definition: name},
		{name: "partition_reference", definition: name},
		{name: "requested_by", last: treesSince - 1, definition: name},
		{name: "requested_by", since: treesSince, definition: name + " NOT NULL DEFAULT ''"},
		{name: "requester_id", since: 18, definition: name + " NOT NULL DEFAULT ''"},
		{name: "requested_state", definition: name + " NOT NULL DEFAULT 'started'"},
		{name: "timestamp", since: 14, definition: "REAL"},
	}}
	slaveTable = &table{name: "slave", columns: []column{
		{name: "reference", definition: name},
		{name: "computer_reference", since: 11, definition: ofComputer},
		{name: "connection_xml", definition: "TEXT"},
		{name: "hosted_by", definition: name},
		{name: "asked_by", last: 17, definition: name},
		{name: "requester_id", since: 18, definition: name + " NOT NULL DEFAULT ''"},
	}}
	networkTable = &table{name: "partition_network", columns: []column{
		{name: "partition_reference", definition: name},
		{name: "computer_reference", since: 11, definition: ofComputer},
		{name: "reference", definition: name},
		{name: "address", definition: name},
		{name: "netmask", definition: name},
	}}
	forwardedTable = &table{name: "forwarded_partition_request", since: 11, key: "partition_reference, master_url", columns: []column{
		{name: "partition_reference", definition: name},
		{name: "master_url", definition: name},
	}}
	rootTable = &table{name: "local_software_release_root", since: 15, last: 16, columns: []column{
		{name: "path", definition: name},
	}}
	configTable = &table{name: "config", since: treesSince, key: "name", withoutRowID: true, columns: []column{
		{name: "name", definition: "TEXT"},
		{name: "value", definition: "TEXT"},
	}}

	tables = []*table{
		configTable, softwareTable, computerTable, partitionTable, slaveTable, networkTable, forwardedTable, rootTable,
	}
)

// Source is what is read from: a connection, a pool or a transaction.
type Source interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// named matches the names of the tables that tell a file of the reference.
var named = regexp.MustCompile(`^(config|software|computer|partition|slave|partition_network|forwarded_partition_request|local_software_release_root)(\d{1,4})$`)

// Versions returns the schemas of which a file has tables, ascending; none if it
// is not a file of the reference. Strangers, such as a software9 beside tables of
// schema 14, count as long as they are called like its tables.
func Versions(ctx context.Context, db Source) ([]int, error) {
	found := map[int]bool{}
	err := each(ctx, db, "SELECT name FROM sqlite_master", nil, func(rows *sql.Rows) error {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		if m := named.FindStringSubmatch(name); m != nil {
			version, err := strconv.Atoi(m[2])
			found[version] = true
			return err
		}
		return nil
	})
	return slices.Sorted(maps.Keys(found)), err
}

// each calls f for each row of a query.
func each(ctx context.Context, db Source, query string, args []any, f func(*sql.Rows) error) error {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// UnsupportedError tells that a file has none of the schemas that are read.
type UnsupportedError struct {
	// Versions are those that it has.
	Versions []int
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("schema %s of the Python proxy: schemas %d to %d are read", list(e.Versions), Oldest, Newest)
}

// Newer tells that the file is of a later schema, not of an earlier one.
func (e *UnsupportedError) Newer() bool {
	return len(e.Versions) > 0 && e.Versions[len(e.Versions)-1] > Newest
}

func list(versions []int) string {
	text := ""
	for i, v := range versions {
		if i > 0 {
			text += " and "
		}
		text += strconv.Itoa(v)
	}
	return text
}

// Supported refuses files without any schema that is read, and those with a newer
// one.
func Supported(versions []int) error {
	e := &UnsupportedError{Versions: versions}
	if e.Newer() || len(versions) == 0 || versions[len(versions)-1] < Oldest {
		return e
	}
	return nil
}
