package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// invariants are queries whose every row is a broken promise of this package.
var invariants = []struct{ what, query string }{
	{
		"a partition is marked busy without instance, or free with one",
		"SELECT p.id FROM partition p LEFT JOIN instance i ON i.partition_id = p.id WHERE p.busy <> CASE WHEN i.id IS NULL THEN 0 ELSE 1 END",
	},
	{
		"a partition is hidden though it is free",
		"SELECT id FROM partition WHERE hidden = 1 AND busy = 0",
	},
	{
		"an instance is on another computer than its partition",
		"SELECT i.id FROM instance i JOIN partition p ON p.id = i.partition_id WHERE p.computer_id <> i.computer_id",
	},
	{
		"a partition has a timestamp before 1970", // zero: imported from a schema that had none
		"SELECT id FROM partition WHERE timestamp < 0",
	},
	{
		"a shared instance is on another computer than its host",
		"SELECT s.id FROM shared_instance s JOIN instance h ON h.id = s.host_id WHERE s.computer_id <> h.computer_id",
	},
	{
		"a shared instance is listed though it is not wanted",
		"SELECT id FROM shared_instance WHERE listed = 1 AND state IN ('stopped', 'destroyed')",
	},
	{
		"two listed shared instances of a host have the same position",
		"SELECT host_id FROM shared_instance WHERE listed = 1 GROUP BY host_id, position HAVING COUNT(*) > 1",
	},
	{
		"the versions of usage reports have a gap",
		"SELECT computer_id FROM usage_report GROUP BY computer_id, reference HAVING MAX(version) - MIN(version) + 1 <> COUNT(*)",
	},
}

// Check verifies the file and what the package promises about its content. The
// error joins all that is wrong.
func (v *Viewer) Check(ctx context.Context) error { return check(ctx, v.db) }

// Check implements Store.
func (s *SQLite) Check(ctx context.Context) error { return check(ctx, s.read) }

func check(ctx context.Context, db *sql.DB) error {
	var broken []error
	err := each(ctx, db, "PRAGMA integrity_check", func(finding any) {
		if finding != "ok" {
			broken = append(broken, fmt.Errorf("integrity: %v", finding))
		}
	})
	broken = append(broken, err)
	err = each(ctx, db, `SELECT "table" || ' row ' || rowid FROM pragma_foreign_key_check`, func(finding any) {
		broken = append(broken, fmt.Errorf("dangling reference: %v", finding))
	})
	broken = append(broken, err, checkInvariants(ctx, db))
	return errors.Join(broken...)
}

// checkInvariants verifies what holds in databases of any kind.
func checkInvariants(ctx context.Context, db querier) error {
	var broken []error
	for _, invariant := range invariants {
		err := each(ctx, db, invariant.query, func(finding any) {
			broken = append(broken, fmt.Errorf("%s: row %v", invariant.what, finding))
		})
		broken = append(broken, err)
	}
	return errors.Join(broken...)
}

func each(ctx context.Context, db querier, query string, found func(any)) error {
	rows, err := db.QueryContext(ctx, query)
	return eachRow(rows, err, func(row scanner) error {
		var finding any
		if err := row.Scan(&finding); err != nil {
			return err
		}
		found(finding)
		return nil
	})
}
