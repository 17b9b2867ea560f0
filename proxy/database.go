package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// readable is a database that is read without being served.
type readable interface {
	store.Copyable
	View(ctx context.Context, f func(store.Reader) error) error
	Check(ctx context.Context) error
	Close() error
}

var _, _, _ readable = (*store.Viewer)(nil), (*store.SQLite)(nil), (*store.PostgresViewer)(nil)

// openToRead opens a database that a master may serve meanwhile. One of the
// reference is read as an import would leave it; the notes are those of the
// import.
func openToRead(ctx context.Context, path, computerID string) (readable, []string, error) {
	if store.IsPostgres(path) {
		v, err := store.OpenPostgresViewer(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		return v, nil, nil
	}
	v, err := store.OpenViewer(ctx, path)
	if err == nil {
		return v, nil, nil
	}
	if !errors.Is(err, store.ErrReference) {
		return nil, nil, err
	}
	if computerID == "" {
		computerID = DefaultComputerID
	}
	db, notes, err := openedReference(ctx, path, computerID, seconds(time.Now()))
	if err != nil {
		return nil, nil, err
	}
	return db, notes, nil
}

// DatabaseName names a database in texts: its path, or the address of a PostgreSQL
// database without user and password.
func DatabaseName(database string) string { return store.NameOf(database) }

// seconds is a time as the store keeps it, to the microsecond.
func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// Check verifies a database: the file, what the store promises about its rows, and
// that all of it can be told to nodes. It changes nothing, and a master may serve
// the database meanwhile. A database of the reference is imported into memory for
// that; computerID is where its rows without a computer belong, empty means
// DefaultComputerID. The error joins all that is wrong; the notes tell what an
// import would leave out or change.
func Check(ctx context.Context, databasePath, computerID string) (notes []string, err error) {
	db, notes, err := openToRead(ctx, databasePath, computerID)
	if err != nil {
		return nil, fmt.Errorf("proxy: check: %w", err)
	}
	err = db.Check(ctx)
	if telling := db.View(ctx, tellAll); telling != nil {
		err = errors.Join(err, telling)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return notes, fmt.Errorf("proxy: check: %w", err)
	}
	return notes, nil
}

// BackupOptions choose where a backup goes.
type BackupOptions struct {
	// Path is the file to write; empty means one beside the database with the
	// time in its name.
	Path string
	// Replace allows to replace a file.
	Replace bool
	// Keep is how many backups with names of that kind stay beside the database,
	// this one included; zero means DefaultBackups, a negative number all. What
	// was written to a Path, and the originals of imported databases, stay.
	Keep int
}

// Backup writes a copy of a database as it is at one moment, while a master may
// serve it, and returns its path. The copy has mode 0600, and is there complete or
// not at all. To restore it, stop the master and put the copy in the place of the
// database, without the files -wal and -shm beside it. A file that exists is
// fs.ErrExist unless Replace is set. PostgreSQL has programs of its own for that, such
// as pg_dump: errors.ErrUnsupported.
func Backup(ctx context.Context, databasePath string, o BackupOptions) (path string, err error) {
	if store.IsPostgres(databasePath) {
		return "", fmt.Errorf("proxy: backup: %s: copy it with pg_dump, which may run while masters serve it: %w",
			DatabaseName(databasePath), errors.ErrUnsupported)
	}
	v, err := store.OpenViewer(ctx, databasePath)
	if err != nil {
		return "", fmt.Errorf("proxy: backup: %w", err)
	}
	path = o.Path
	if path == "" {
		path = store.BackupName(databasePath, "", time.Now())
	}
	if err = differs(databasePath, path); err == nil {
		err = v.Backup(ctx, path, o.Replace)
	}
	if err = errors.Join(err, v.Close()); err != nil {
		return "", fmt.Errorf("proxy: backup: %w", err)
	}
	if o.Path != "" || o.Keep < 0 {
		return path, nil
	}
	keep := o.Keep
	if keep == 0 {
		keep = DefaultBackups
	}
	if _, err := store.PruneBackups(databasePath, keep); err != nil {
		return path, fmt.Errorf("proxy: backup: remove old ones: %w", err)
	}
	return path, nil
}

// differs refuses to write over what is read.
func differs(from, to string) error {
	if store.IsPostgres(from) {
		return nil
	}
	a, err := os.Stat(from)
	if err != nil {
		return err
	}
	b, err := os.Stat(to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && os.SameFile(a, b) {
		err = fmt.Errorf("%s is the database itself: choose another file", to)
	}
	return err
}
