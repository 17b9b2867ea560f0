package store

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"time"
)

const (
	// applicationID marks our files: "SLAP" in ASCII.
	applicationID = 0x534c4150
	// SchemaVersion is the version of the schema that this package writes.
	SchemaVersion = 6
)

var (
	//go:embed schema.sql
	schemaFirst string
	//go:embed schema_2.sql
	schemaSecond string
	//go:embed schema_3.sql
	schemaThird string
	//go:embed schema_4.sql
	schemaFourth string
	//go:embed schema_5.sql
	schemaFifth string
	//go:embed schema_6.sql
	schemaSixth string

	// migrations lead from each schema to the next, the first from an empty file. A
	// step that was released never changes. No table name ends in a digit: by that
	// the reference finds its own tables, and it fails, changing nothing, where
	// there are others.
	migrations = [SchemaVersion]string{schemaFirst, schemaSecond, schemaThird, schemaFourth, schemaFifth, schemaSixth}
)

// migrate brings the schema to SchemaVersion in one transaction. A file that holds
// an older schema is copied before.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == SchemaVersion {
		return nil
	}
	if version > 0 && path != "" {
		copied := BackupName(path, fmt.Sprintf("schema%d", version), time.Now())
		if err := copyDatabase(ctx, db, copied, false); err != nil {
			return fmt.Errorf("copy the database to %s before it changes to schema %d: %w", copied, SchemaVersion, err)
		}
	}
	if err := apply(ctx, db, version); err != nil {
		return fmt.Errorf("change the database from schema %d to %d: %w", version, SchemaVersion, err)
	}
	// The marks belong into the file proper, where any tool finds them.
	_, err := db.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

func apply(ctx context.Context, db *sql.DB, version int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has no effect
	for _, step := range migrations[version:] {
		if _, err := tx.ExecContext(ctx, step); err != nil {
			return err
		}
	}
	marks := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, SchemaVersion)
	if _, err := tx.ExecContext(ctx, marks); err != nil {
		return err
	}
	return tx.Commit()
}

// unmigrated is the error of who only reads an older schema.
func unmigrated(version int) error {
	return fmt.Errorf("%w: its schema is %d, and becomes %d when a proxy of this version serves it", ErrUnavailable, version, SchemaVersion)
}

func newer(version int) error {
	return fmt.Errorf("%w: its schema is %d, this program knows %d: use the newer program or another database_uri",
		ErrNewer, version, SchemaVersion)
}
