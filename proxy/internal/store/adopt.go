package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/slapos/slapos-go/internal/atomicfile"
	"github.com/slapos/slapos-go/proxy/internal/refdb"
)

// identifyReference tells whether a database is one of the reference.
func identifyReference(ctx context.Context, db *sql.DB) error {
	versions, err := refdb.Versions(ctx, db)
	if err != nil || len(versions) == 0 {
		return err
	}
	newest := slices.Max(versions)
	var unsupported *refdb.UnsupportedError
	switch {
	case !errors.As(refdb.Supported(versions), &unsupported):
		return fmt.Errorf("%w, schema %d", ErrReference, newest)
	case unsupported.Newer():
		return fmt.Errorf("%w: %w: use a newer program, or another database_uri", ErrNewer, unsupported)
	}
	return fmt.Errorf("%w: %w: let the Python proxy of 1.6.10 upgrade it first, or set another database_uri", ErrForeign, unsupported)
}

// Fill puts what a file of the reference holds into a new database. What it reads
// does not change meanwhile.
type Fill func(ctx context.Context, from refdb.Source, t Tx) error

// Adopt puts a database of ours in the place of one of the reference, of which a
// copy stays beside it, under the name that is returned. Until the last step, one
// rename, the file at path is the reference's, so that Adopt can be run again
// whenever it was interrupted. Errors are those of Open.
func Adopt(ctx context.Context, path string, fill Fill) (backup string, err error) {
	a := &adoption{SQLite: SQLite{path: path, release: func() {}}, fill: fill}
	if err := a.lock(); err != nil {
		return "", fmt.Errorf("database %s: %w", path, explain(err))
	}
	defer a.release()
	backup, err = a.run(ctx)
	if err != nil {
		return "", fmt.Errorf("import the database %s of the Python proxy, which stays as it is: %w", path, explain(err))
	}
	return backup, nil
}

// adoption is one run of Adopt, under the lock of the database.
type adoption struct {
	SQLite
	fill Fill
}

// target is the path without symbolic links.
func (a *adoption) target() string { return a.files.path }

// unfinished is where the new database grows.
func (a *adoption) unfinished() string { return a.target() + ".import" }

func (a *adoption) run(ctx context.Context) (backup string, err error) {
	if err := removeDatabase(a.unfinished()); err != nil {
		return "", err
	}
	info, err := os.Stat(a.target())
	if err != nil {
		return "", err
	}
	if err := leaveLog(ctx, a.target()); err != nil {
		return "", err
	}
	err = reading(ctx, a.target(), "BEGIN IMMEDIATE", func(old *sql.Conn) error {
		if backup, err = a.keep(ctx, old, info); err != nil {
			return err
		}
		if err = a.build(ctx, old); err == nil {
			err = a.swap(info)
		}
		if err != nil {
			err = errors.Join(err, removeDatabase(a.unfinished()))
		}
		return err
	}, "mode=rw")
	return backup, err
}

// leaveLog takes a database out of the mode with a log beside it: a log left there
// would be taken for one of the file that comes into its place.
func leaveLog(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, "mode=rw", "_pragma=busy_timeout(10000)"))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	var mode string
	if err = db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err == nil && mode != "delete" {
		err = db.QueryRowContext(ctx, "PRAGMA journal_mode=DELETE").Scan(&mode)
	}
	return errors.Join(err, db.Close())
}

// maxRow bounds a row of a file of the reference, in bytes.
const maxRow = 4 * refdb.MaxValue

// reading runs f in one transaction of a file of strangers: nothing that its
// schema holds is trusted, and no value is longer than what is read of it.
func reading(ctx context.Context, path, begin string, f func(*sql.Conn) error, modes ...string) error {
	db, err := openReading(ctx, path, modes...)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	_, err = sqlite.Limit(conn, sqlite3.SQLITE_LIMIT_LENGTH, maxRow)
	if err == nil {
		_, err = conn.ExecContext(ctx, "PRAGMA trusted_schema=0; PRAGMA cell_size_check=1; PRAGMA query_only=0; "+begin+"; PRAGMA query_only=1")
	}
	if err == nil {
		err = f(conn)
	}
	return errors.Join(err, conn.Close(), db.Close())
}

// ReadReference runs f on a consistent view of a file of the reference, which is
// not changed.
func ReadReference(ctx context.Context, path string, f func(refdb.Source) error) error {
	err := reading(ctx, path, "BEGIN", func(c *sql.Conn) error { return f(c) }, "mode=ro", "mode=rw")
	if err != nil {
		return fmt.Errorf("database %s of the Python proxy: %w", path, explain(err))
	}
	return nil
}

// keep copies the old database. The copy is named after the time of the last
// change, so that a run that is repeated makes no second one.
func (a *adoption) keep(ctx context.Context, old *sql.Conn, info os.FileInfo) (string, error) {
	versions, err := refdb.Versions(ctx, old)
	if err != nil {
		return "", err
	}
	name := BackupName(a.target(), fmt.Sprintf("reference%d", slices.Max(versions)), info.ModTime())
	db, err := openReading(ctx, a.target(), "mode=ro")
	if err != nil {
		return "", err
	}
	err = Create(name, true, func(temporary string) error { return copyPages(ctx, db, temporary) })
	if err = errors.Join(err, db.Close()); err != nil {
		return "", fmt.Errorf("copy it to %s: %w", name, err)
	}
	return name, nil
}

// build makes the new database.
func (a *adoption) build(ctx context.Context, old refdb.Source) error {
	s, err := Open(ctx, a.unfinished())
	if err != nil {
		return err
	}
	err = s.Update(ctx, func(t Tx) error { return a.fill(ctx, old, t) })
	if err == nil {
		err = s.Check(ctx)
	}
	return errors.Join(err, s.Close())
}

// swap gives the new database the name of the old one, and its owner.
func (a *adoption) swap(old os.FileInfo) error {
	if err := a.files.unchanged(old); err != nil {
		return err
	}
	if err := giveTo(a.unfinished(), old); err != nil {
		return err
	}
	if err := os.Remove(a.unfinished() + ".lock"); err != nil {
		return err
	}
	return atomicfile.Place(a.unfinished(), a.target(), 0o600, true)
}

// unchanged fails if the file is not the one that was opened.
func (f *files) unchanged(old os.FileInfo) error {
	info, err := os.Stat(f.path)
	if err == nil && !os.SameFile(info, old) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, ErrMoved)
	}
	return err
}

// CreateReference writes a new file of the reference: of mode 0600, complete or not
// at all. A file that is there already is replaced only if told so; otherwise the
// error is fs.ErrExist.
func CreateReference(ctx context.Context, path string, replace bool, write func(*sql.Tx) error) error {
	return explain(Create(path, replace, func(temporary string) error {
		db, err := sql.Open("sqlite", dsn(temporary))
		if err != nil {
			return err
		}
		db.SetMaxOpenConns(1)
		tx, err := db.BeginTx(ctx, nil)
		if err == nil {
			if err = write(tx); err == nil {
				err = tx.Commit()
			} else {
				err = errors.Join(err, tx.Rollback())
			}
		}
		return errors.Join(err, db.Close())
	}))
}
