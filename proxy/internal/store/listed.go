package store

import (
	"fmt"
	"slices"
	"strings"
)

// This file tells how each list is read. Healths are those that the panel shows,
// from the first word of the last report.

// mayBeHealth tells whether a health has a word.
func mayBeHealth(word string) bool {
	return slices.ContainsFunc([]string{"ok", "pending", "building", "error", "silent", "unknown"}, func(health string) bool {
		return strings.Contains(health, lowerASCII(word))
	})
}

// health tells the health of a row from its report. The wanted state is a column or
// ”; ok and unknown are what stands for these two.
func health(table, wanted, ok, unknown string) string {
	text := table + ".status_text || ' '"
	return "CASE WHEN SUBSTR(" + text + ", 1, 1) = ' ' THEN " + unknown +
		" WHEN SUBSTR(" + text + ", 1, 8) = '#access ' THEN CASE WHEN " + wanted + " <> '' AND " + table + ".status_state <> " + wanted +
		" THEN 'pending' ELSE " + ok + " END WHEN SUBSTR(" + text + ", 1, 10) = '#building ' THEN 'building' ELSE 'error' END"
}

// failing is the condition of the indexes of what failed.
func failing(table string) string {
	text := table + ".status_text || ' '"
	return "SUBSTR(" + text + ", 1, 1) <> ' ' AND SUBSTR(" + text + ", 1, 8) <> '#access ' AND SUBSTR(" + text + ", 1, 10) <> '#building '"
}

// listedInstance are the columns of a partition without texts that may be long.
const listedInstance = "SELECT p.id, p.computer_id, c.reference, p.reference, p.timestamp, p.hidden, " +
	"i.id, i.title, i.tree, i.requester_id, '', i.software_release, i.software_type, i.state, '', '', '', i.unlinked_at, " +
	"i.status_text, i.status_state, i.status_reporter, i.status_at, i.status_since, '', 0.0, '', 0.0"

const (
	fromRoots   = "FROM instance i JOIN partition p ON p.id = i.partition_id JOIN computer c ON c.id = p.computer_id "
	fromPlaces  = "FROM partition p JOIN computer c ON c.id = p.computer_id LEFT JOIN instance i ON i.partition_id = p.id "
	kindRoot    = "i"
	kindShared  = "s"
	kindOneOnly = "r"
)

// spaced joins columns that are searched.
func spaced(columns ...string) string { return strings.Join(columns, " || ' ' || ") }

func rootListing() listing {
	return listing{
		columns: listedInstance + ", CASE i.title WHEN '' THEN 0 ELSE " + bounded("instance m WHERE m.tree = i.title") +
			" END, CASE i.title WHEN '' THEN 0 ELSE " + bounded("instance m WHERE m.tree = i.title AND "+failing("m")) + " END ",
		from: fromRoots, table: "instance i", where: []string{"i.tree = ''"},
		kind: kindRoot, key: "LOWER(i.title)", id: "i.id",
		text:   spaced("i.title", "c.reference", "p.reference", "i.software_release", "i.software_type", "i.state", "'instance'"),
		health: instanceHealth,
	}
}

func sharedListing() listing {
	return listing{
		columns: sharedState + "'', 0.0, h.software_release ", from: fromShared, table: "shared_instance s",
		where: []string{"s.tree = ''", "s.state <> 'destroyed'"},
		kind:  kindShared, key: "LOWER(SUBSTR(s.reference, 2))", id: "s.id",
		text:   spaced("SUBSTR(s.reference, 2)", "c.reference", "hp.reference", "h.software_release", "s.software_type", "s.state", "'shared'"),
		health: sharedHealth,
	}
}

var instanceHealth = health("i", "i.state", "'ok'", "'unknown'")

// sharedHealth takes one that was published, and never reported, for well.
var sharedHealth = health("s", "''", "'ok'", "CASE s.connection WHEN '' THEN 'unknown' ELSE 'ok' END")

// ListServices implements Reader.
func (r *reader) ListServices(p Part) (Listed[Service], error) {
	roots := sourceOf(r, rootListing(), scanRoot, placeOfService)
	shared := sourceOf(r, sharedListing(), scanSharedService, placeOfService)
	return list(p, source[Service]{place: placeOfService, read: func(s step) ([]Service, error) {
		a, err := roots.read(s)
		if err != nil {
			return nil, err
		}
		b, err := shared.read(s)
		return merged(a, b, s), err
	}, horizon: func(s step) (*cursor, error) {
		a, err := roots.horizon(s)
		if err != nil {
			return nil, err
		}
		b, err := shared.horizon(s)
		if a == nil || b != nil && (b.compare(*a) < 0) != s.back {
			a = b
		}
		return a, err
	}, count: func(words []string) (int, error) {
		a, err := roots.count(words)
		if err != nil {
			return 0, err
		}
		b, err := shared.count(words)
		return min(a+b, MostCounted+1), err
	}})
}

// merged merges the rows of two tables in the direction of a step.
func merged(a, b []Service, s step) []Service {
	out := make([]Service, 0, min(len(a)+len(b), s.limit))
	for len(out) < s.limit && len(a)+len(b) > 0 {
		if len(b) == 0 || len(a) > 0 && (placeOfService(a[0]).compare(placeOfService(b[0])) < 0) != s.back {
			out, a = append(out, a[0]), a[1:]
		} else {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}

func placeOfService(s Service) cursor {
	if s.Shared != nil {
		key := []rune(s.Shared.Key)
		return cursor{kindShared, lowerASCII(string(key[min(1, len(key)):])), s.Shared.ID}
	}
	return cursor{kindRoot, lowerASCII(s.Partition.Instance.Title), s.Partition.Instance.ID}
}

func scanRoot(row scanner) (s Service, err error) {
	s.Partition, err = scanPartitionWith(row, &s.Members, &s.Failing)
	return s, err
}

func scanSharedService(row scanner) (s Service, err error) {
	if s.Shared, err = scanSharedWith(row, &s.Release); err == nil {
		s.Shared.Entry = ""
	}
	return s, err
}

// sizeColumns count what a computer has.
var sizeColumns = strings.Join([]string{
	bounded("partition n WHERE n.computer_id = computer.id"),
	bounded("partition n WHERE n.computer_id = computer.id AND n.busy = 0"),
	bounded("instance n WHERE n.computer_id = computer.id AND " + failing("n")),
	bounded("software n WHERE n.computer_id = computer.id"),
}, ", ")

func (s *ComputerSize) fields() []any {
	return []any{&s.Partitions, &s.Free, &s.Failing, &s.Releases}
}

func scanListedComputer(row scanner) (c ListedComputer, err error) {
	c.Computer, err = scanComputerWith(row, c.Size.fields()...)
	return c, err
}

// SizeOf implements Reader.
func (r *reader) SizeOf(c *Computer) (size ComputerSize, err error) {
	err = r.row(qComputerSize, c.ID).Scan(size.fields()...)
	return size, err
}

// ListComputers implements Reader.
func (r *reader) ListComputers(p Part, silent float64) (Listed[ListedComputer], error) {
	l := listing{
		columns: computerState + ", " + sizeColumns + " ", from: "FROM computer ", table: "computer",
		kind: kindOneOnly, key: "reference", id: "id",
		text:   "reference || ' ' || address",
		health: health("computer", "''", "CASE WHEN status_at < $1 THEN 'silent' ELSE 'ok' END", "'unknown'"), healthArgs: []any{silent},
	}
	return list(p, sourceOf(r, l, scanListedComputer, func(c ListedComputer) cursor { return cursor{kindOneOnly, c.Reference, c.ID} }))
}

// ListPartitions implements Reader.
func (r *reader) ListPartitions(c *Computer, p Part) (Listed[ListedPartition], error) {
	l := listing{
		columns: listedInstance + ", " + bounded("shared_instance s WHERE s.host_id = i.id AND s.listed = 1") + " ",
		from:    fromPlaces, table: "partition p", where: []string{"p.computer_id = $1"}, args: []any{c.ID},
		kind: kindOneOnly, id: "p.id",
		text: "p.reference || ' ' || CASE WHEN i.id IS NULL THEN 'free' ELSE " +
			spaced("i.title", "i.tree", "i.software_release", "i.software_type", "i.state", "'instance'", "CASE p.hidden WHEN 0 THEN '' ELSE 'hidden' END") + " END",
		health: "CASE WHEN i.id IS NULL THEN '' ELSE " + instanceHealth + " END",
		also:   `EXISTS (SELECT 1 FROM address a WHERE a.partition_id = p.id AND LOWER(a.address) LIKE %s ESCAPE '\')`,
	}
	out, err := list(p, sourceOf(r, l, scanListedPartition, func(p ListedPartition) cursor { return cursor{kindOneOnly, "", p.ID} }))
	for i := range out.Rows {
		if err == nil {
			out.Rows[i].Addresses, err = r.Addresses(out.Rows[i].Partition)
		}
	}
	return out, err
}

func scanListedPartition(row scanner) (p ListedPartition, err error) {
	p.Partition, err = scanPartitionWith(row, &p.Hosted)
	return p, err
}

// installationListing lists supplied releases, sorted by URL or, of one URL or one
// computer, by age.
func installationListing(key string, where []string, args ...any) listing {
	return listing{
		columns: softwareState + ", " + bounded("instance n WHERE n.computer_id = s.computer_id AND n.software_release = s.url") + " ",
		from:    fromSoftware, table: "software s", where: where, args: args, kind: kindOneOnly, key: key, id: "s.id",
		text: spaced("s.url", "c.reference", "s.state"), health: health("s", "''", "'ok'", "'unknown'"),
	}
}

func scanInstallation(row scanner) (i Installation, err error) {
	i.Software, err = scanSoftwareWith(row, &i.Instances)
	return i, err
}

// ListInstallations implements Reader.
func (r *reader) ListInstallations(url string, p Part) (Listed[Installation], error) {
	return r.installations(installationListing("", []string{"s.url = $1"}, url), p)
}

// ListSoftware implements Reader.
func (r *reader) ListSoftware(c *Computer, p Part) (Listed[Installation], error) {
	return r.installations(installationListing("", []string{"s.computer_id = $1"}, c.ID), p)
}

func (r *reader) installations(l listing, p Part) (Listed[Installation], error) {
	return list(p, sourceOf(r, l, scanInstallation, func(i Installation) cursor { return cursor{kindOneOnly, "", i.ID} }))
}

// ListReleases implements Reader. It jumps from one URL to the next, so that those on
// many computers cost no more than others.
func (r *reader) ListReleases(p Part, computers int) (Listed[Release], error) {
	all := installationListing("s.url", nil)
	all.id = ""
	read := func(s step) ([]Release, error) {
		var out []Release
		next := s
		for next.limit = 1; len(out) < s.limit; {
			found, err := listRows(r, all, next, scanInstallation)
			if err != nil || len(found) == 0 {
				return out, err
			}
			url := found[0].URL
			some, err := r.ListInstallations(url, Part{Words: s.words, Limit: computers})
			if err != nil {
				return nil, err
			}
			out = append(out, Release{URL: url, Installations: some.Rows, Count: some.Count})
			next.from = &cursor{kind: kindOneOnly, key: url}
		}
		return out, nil
	}
	count := func(words []string) (n int, err error) {
		where, args := all.conditions(words)
		text := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT DISTINCT s.url %s%s LIMIT %d) AS counted", all.from, whereAll(where), MostCounted+1)
		err = r.tx.QueryRowContext(r.ctx, text, args...).Scan(&n)
		return n, err
	}
	place := func(v Release) cursor { return cursor{kind: kindOneOnly, key: v.URL} }
	horizon := func(s step) (*cursor, error) { return all.horizon(r, s) }
	return list(p, source[Release]{read: read, horizon: horizon, count: count, place: place})
}

// Some are the first rows of many, and how many there are, up to MostCounted+1.
type Some[T any] struct {
	Rows  []T
	Count int
}

// Problems are what reports an error.
type Problems struct {
	Computers Some[*Computer]
	// Silent are computers that reported no error, but long ago.
	Silent    Some[*Computer]
	Releases  Some[Installation]
	Instances Some[*Partition]
	// Shared are listed to their hosts.
	Shared Some[Service]
}

// Problems implements Reader.
func (r *reader) Problems(silent float64, limit int) (p Problems, err error) {
	computers := listing{columns: computerState, from: "FROM computer ", table: "computer", where: []string{failing("computer")}, key: "sequence", id: "id"}
	if p.Computers, err = some(r, computers, limit, scanComputer); err != nil {
		return p, err
	}
	old := listing{
		columns: computerState, from: "FROM computer ", table: "computer", key: "status_at", id: "id", args: []any{silent},
		where: []string{"status_at > 0", "status_at < $1", "SUBSTR(status_text || ' ', 1, 8) = '#access '"},
	}
	if p.Silent, err = some(r, old, limit, scanComputer); err != nil {
		return p, err
	}
	releases := installationListing("s.computer_id", []string{failing("s")})
	if p.Releases, err = some(r, releases, limit, scanInstallation); err != nil {
		return p, err
	}
	instances := listing{columns: listedInstance + " ", from: fromRoots, table: "instance i", where: []string{failing("i")}, key: "i.computer_id", id: "i.partition_id"}
	if p.Instances, err = some(r, instances, limit, scanPartition); err != nil {
		return p, err
	}
	shared := sharedListing()
	shared.key, shared.where = "", []string{"s.listed = 1", failing("s")}
	p.Shared, err = some(r, shared, limit, scanSharedService)
	return p, err
}

// some reads the first rows of a listing.
func some[T any](r *reader, l listing, limit int, scan func(scanner) (T, error)) (out Some[T], err error) {
	if out.Rows, err = listRows(r, l, step{limit: limit + 1}, scan); err != nil {
		return out, err
	}
	if out.Count = len(out.Rows); out.Count > limit {
		out.Rows = out.Rows[:limit]
		out.Count, err = l.count(r, nil)
	}
	return out, err
}
