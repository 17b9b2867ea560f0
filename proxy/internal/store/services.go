package store

import "database/sql"

// Root is what the list of all services shows of the root of a tree.
type Root struct {
	Computer, Partition string
	Timestamp           float64
	// ID, Title and what follows are those of its instance.
	ID                        int64
	Title, RequesterPartition string
	Release, Type, State      string
	Parameters, Connection    string
}

// rootColumns are read in the order of partitions by walking over all instances: to
// sort roots, the database would keep their texts.
const rootColumns = "SELECT c.reference, p.reference, p.timestamp, i.id, i.title, rp.reference, " +
	"i.software_release, i.software_type, i.state, i.parameters, i.connection " + fromInstance

// EachRoot implements Reader.
func (r *reader) EachRoot(title string, f func(Root) error) error {
	q, args := qEachRoot, []any{}
	if title != "" {
		q, args = qEachRootTitled, []any{title}
	}
	return r.each(func(row scanner) error {
		var v Root
		var requester sql.NullString
		err := row.Scan(&v.Computer, &v.Partition, &v.Timestamp, &v.ID, &v.Title, &requester,
			&v.Release, &v.Type, &v.State, &v.Parameters, &v.Connection)
		if err != nil {
			return err
		}
		v.RequesterPartition = requester.String
		return f(v)
	}, q, args...)
}

// ShownToRoots implements Reader.
func (r *reader) ShownToRoots(title string) (map[int64][]string, error) {
	q, args := qShownToRoots, []any{}
	if title != "" {
		q, args = qShownToRootsTitled, []any{title}
	}
	entries := map[int64][]string{}
	err := r.each(func(row scanner) error {
		var host int64
		var entry string
		err := row.Scan(&host, &entry)
		entries[host] = append(entries[host], entry)
		return err
	}, q, args...)
	return entries, err
}

// EachSharedService implements Reader.
func (r *reader) EachSharedService(f func(key, release string) error) error {
	return r.each(func(row scanner) error {
		var key, release string
		if err := row.Scan(&key, &release); err != nil {
			return err
		}
		return f(key, release)
	}, qSharedServices)
}
