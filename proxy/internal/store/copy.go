package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// ErrNotEmpty is returned, wrapped, by CopyToPostgres for a database that has rows.
var ErrNotEmpty = errors.New("the database is not empty")

// copyTimeout bounds how long a copy may take.
const copyTimeout = time.Hour

// settingTable is what the master keeps about itself; an empty database may have
// some.
const settingTable = "setting"

// tables are those of the migrations, each after those that its rows refer to. The
// first column of each is its key.
var tables = []string{
	"computer", "software", "partition", "address", "instance", "shared_instance", "usage_report", "forwarded_request", settingTable, "front_end",
}

// Copyable is a database of either kind whose rows can be copied to another.
type Copyable interface {
	// snapshot runs f on one moment of the database.
	snapshot(ctx context.Context, f func(*sql.Tx) error) error
}

var _, _, _ Copyable = (*SQLite)(nil), (*Viewer)(nil), (*PostgresViewer)(nil)

func (s *SQLite) snapshot(ctx context.Context, f func(*sql.Tx) error) error {
	return s.failure(snapshotOf(ctx, s.read, f))
}

func (v *Viewer) snapshot(ctx context.Context, f func(*sql.Tx) error) error {
	return explain(snapshotOf(ctx, v.db, f))
}

func snapshotOf(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return f(tx)
}

func (v *PostgresViewer) snapshot(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := begin(ctx, v.db, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, func(*sql.Tx) error { return nil })
	if err != nil {
		return v.failure(err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return v.failure(f(tx))
}

// CopyToPostgres puts all rows of a database, as they are at one moment, into an
// empty one of PostgreSQL, in one transaction, which verify looks at before it is
// committed. Tables are created if there are none, as OpenPostgres does; masters may
// serve the database, and their changes wait meanwhile. Ended early, it leaves the
// database empty. Of the settings that are there already one stays, which is kept
// under that name.
func CopyToPostgres(ctx context.Context, from Copyable, address, kept string, verify func(Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	p, err := OpenPostgres(ctx, address)
	if err != nil {
		return err
	}
	err = p.receive(ctx, from, kept, verify)
	if errors.Is(err, ErrNotEmpty) || errors.Is(err, ErrText) || errors.Is(err, ErrUncertain) {
		err = p.named(err)
	}
	return errors.Join(err, p.Close())
}

func (p *Postgres) receive(ctx context.Context, from Copyable, kept string, verify func(Reader) error) error {
	conn, err := p.write.Conn(ctx)
	if err != nil {
		return p.failure(err)
	}
	defer conn.Close() //nolint:errcheck // it goes back to the pool, which is closed next
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return p.failure(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has no effect
	computers, err := emptied(ctx, tx)
	if err == nil {
		_, err = tx.ExecContext(ctx, "DELETE FROM "+settingTable+" WHERE name <> $1", kept)
	}
	if err != nil {
		return p.failure(err)
	}
	if err := from.snapshot(ctx, func(rows *sql.Tx) error {
		return eachTable(ctx, rows, func(table string, rows *sql.Rows) error {
			if table == settingTable {
				return p.failure(insertRows(ctx, tx, table, rows, "$%d"))
			}
			return p.failure(streamRows(ctx, conn, table, rows))
		})
	}); err != nil {
		return p.failure(err)
	}
	return p.failure(p.finish(ctx, tx, computers, verify))
}

// finish commits what was copied, if it is sound.
func (p *Postgres) finish(ctx context.Context, tx *sql.Tx, computers []any, verify func(Reader) error) error {
	for _, step := range []func() error{
		func() error { return continueKeys(ctx, tx) },
		func() error { return putBack(ctx, tx, computers) },
		func() error { return noteAll(ctx, tx) },
		func() error { return checkInvariants(ctx, tx) },
		func() error { return verify(&reader{ctx: ctx, tx: tx, statements: p.writing}) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return commitUpdates(tx)
}

// emptied takes the lock of a database that has our tables and nothing in them but
// what a master leaves that is started: settings, and computers that were never
// described. The latter are removed, and returned.
func emptied(ctx context.Context, tx *sql.Tx) (computers []any, err error) {
	version, err := lockSchema(ctx, tx)
	if err != nil {
		return nil, err
	}
	if version != SchemaVersion {
		return nil, newer(version)
	}
	if err := each(ctx, tx, "DELETE FROM computer WHERE formatted = 0 AND NOT EXISTS (SELECT 1 FROM software) AND "+
		"NOT EXISTS (SELECT 1 FROM partition) AND NOT EXISTS (SELECT 1 FROM usage_report) RETURNING reference", func(reference any) { computers = append(computers, reference) }); err != nil {
		return nil, err
	}
	for _, table := range tables {
		if table == settingTable {
			continue
		}
		var found bool
		if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+table+")").Scan(&found); err != nil {
			return nil, err
		}
		if found {
			return nil, fmt.Errorf("%w: its table %s has rows: choose a database to which no computer was described yet", ErrNotEmpty, table)
		}
	}
	return computers, nil
}

// putBack makes sure that there are computers.
func putBack(ctx context.Context, tx *sql.Tx, computers []any) error {
	for _, reference := range computers {
		if _, err := tx.ExecContext(ctx, "INSERT INTO computer (reference) VALUES ($1) ON CONFLICT (reference) DO NOTHING", reference); err != nil {
			return err
		}
	}
	return nil
}

// continueKeys makes new keys follow those that were copied.
func continueKeys(ctx context.Context, tx *sql.Tx) error {
	for _, table := range tables {
		if table == settingTable {
			continue
		}
		_, err := tx.ExecContext(ctx, "SELECT setval(pg_get_serial_sequence('"+table+"', 'id'), COALESCE(MAX(id), 0) + 1, false) FROM "+table)
		if err != nil {
			return err
		}
	}
	return nil
}

// noteAll outdates what masters that serve the database keep of answers.
func noteAll(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, "SELECT reference, '' FROM computer UNION ALL "+
		"SELECT c.reference, p.reference FROM partition p JOIN computer c ON c.id = p.computer_id")
	changed := map[place]struct{}{}
	err = eachRow(rows, err, func(row scanner) error {
		var p place
		err := row.Scan(&p.computer, &p.partition)
		changed[p] = struct{}{}
		return err
	})
	if err != nil {
		return err
	}
	return noteChanges(ctx, tx, changed)
}

// CopyToFile puts all rows of a database, as they are at one moment, into a new file
// of mode 0600, which appears complete, and after verify has looked at it, or not at
// all. A file that is there already is fs.ErrExist.
func CopyToFile(ctx context.Context, from Copyable, path string, verify func(Reader) error) error {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	return explain(Create(path, false, func(temporary string) error {
		s, err := Open(ctx, temporary)
		if err != nil {
			return err
		}
		err = s.receive(ctx, from)
		if err == nil {
			err = s.Check(ctx)
		}
		if err == nil {
			err = s.View(ctx, verify)
		}
		if err = errors.Join(err, s.Close()); err != nil {
			return err
		}
		return os.Remove(temporary + ".lock")
	}))
}

func (s *SQLite) receive(ctx context.Context, from Copyable) error {
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has no effect
	// An instance may come before the one that requested it.
	if _, err := tx.ExecContext(ctx, "PRAGMA defer_foreign_keys = 1"); err != nil {
		return err
	}
	if err := from.snapshot(ctx, func(rows *sql.Tx) error {
		return eachTable(ctx, rows, func(table string, rows *sql.Rows) error { return insertRows(ctx, tx, table, rows, "?%d") })
	}); err != nil {
		return err
	}
	return tx.Commit()
}

// eachTable reads all tables.
func eachTable(ctx context.Context, from *sql.Tx, put func(table string, rows *sql.Rows) error) error {
	for _, table := range tables {
		rows, err := from.QueryContext(ctx, "SELECT * FROM "+table+" ORDER BY 1")
		if err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
		err = put(table, rows)
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return fmt.Errorf("table %s: %w", table, err)
		}
	}
	return nil
}

// values reads the row that comes next.
func values(rows *sql.Rows, columns int) ([]any, error) {
	values := make([]any, columns)
	targets := make([]any, columns)
	for i := range values {
		targets[i] = &values[i]
	}
	return values, rows.Scan(targets...)
}

// insertRows puts rows into a table one by one; those whose key is there already
// stay away.
func insertRows(ctx context.Context, tx *sql.Tx, table string, rows *sql.Rows, mark string) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	marks := make([]string, len(columns))
	for i := range marks {
		marks[i] = fmt.Sprintf(mark, i+1)
		columns[i] = pgx.Identifier{columns[i]}.Sanitize() // it is what the file calls it
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO "+table+" ("+strings.Join(columns, ", ")+") VALUES ("+strings.Join(marks, ", ")+
		") ON CONFLICT ("+columns[0]+") DO NOTHING")
	if err != nil {
		return err
	}
	defer insert.Close()
	for rows.Next() {
		row, err := values(rows, len(columns))
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return fmt.Errorf("row %v: %w", row[0], err)
		}
	}
	return rows.Err()
}

// streamRows puts rows into a table of PostgreSQL with COPY.
func streamRows(ctx context.Context, conn *sql.Conn, table string, rows *sql.Rows) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	s := &stream{rows: rows, columns: columns}
	err = conn.Raw(func(c any) error {
		target, ok := c.(*stdlib.Conn)
		if !ok {
			return errors.New("the driver cannot copy rows")
		}
		_, err := target.Conn().CopyFrom(ctx, pgx.Identifier{table}, columns, s)
		return err
	})
	if s.err != nil {
		return s.err // the server only tells that the copy was given up
	}
	if refused := serverError(err); refused != nil && refused.Where != "" {
		return fmt.Errorf("%w (%s)", err, refused.Where)
	}
	return err
}

// stream gives rows to COPY.
type stream struct {
	rows    *sql.Rows
	columns []string
	err     error
}

var _ pgx.CopyFromSource = (*stream)(nil)

// Next implements pgx.CopyFromSource.
func (s *stream) Next() bool { return s.err == nil && s.rows.Next() }

// Values implements pgx.CopyFromSource. It names the row of a text that the server
// would refuse.
func (s *stream) Values() ([]any, error) {
	row, err := values(s.rows, len(s.columns))
	for i := 0; i < len(row) && err == nil; i++ {
		if text, ok := row[i].(string); ok && (!utf8.ValidString(text) || strings.Contains(text, "\x00")) {
			err = fmt.Errorf("%w: column %s of row %v: PostgreSQL keeps UTF-8 without the character NUL", ErrText, s.columns[i], row[0])
		}
	}
	s.err = err
	return row, err
}

// Err implements pgx.CopyFromSource.
func (s *stream) Err() error {
	if s.err == nil {
		s.err = s.rows.Err()
	}
	return s.err
}
