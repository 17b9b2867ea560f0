package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"modernc.org/sqlite" // registers the driver "sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Memory is the path of a database that lives in memory.
const Memory = ":memory:"

// SQLite is a Store in one SQLite file. One goroutine owns the only writing
// connection and lets waiting updates share a commit; readers have connections
// of their own and see the last commit.
type SQLite struct {
	*commits
	path     string
	write    *sql.DB
	read     *sql.DB
	writing  statements
	reading  statements
	versions versions
	files    files
	release  func() // gives the lock file back
	once     sync.Once
}

var _ Store = (*SQLite)(nil)

// Open opens a database, creating it with mode 0600 if it does not exist. The
// empty path and Memory mean a database in memory.
//
// A file that another version or another program wrote is left as it is: the
// error is then ErrNewer, ErrReference or ErrForeign. ErrInUse tells that
// another process has the file open for writing.
func Open(ctx context.Context, path string) (*SQLite, error) {
	s := &SQLite{path: path, release: func() {}}
	if path == "" || path == Memory {
		s.path = Memory
	}
	if err := s.open(ctx); err != nil {
		s.closeFiles()
		return nil, fmt.Errorf("database %s: %w", s.path, explain(err))
	}
	s.commits = startCommits(s.transact)
	return s, nil
}

func (s *SQLite) open(ctx context.Context) error {
	if s.path == Memory {
		return s.openMemory(ctx)
	}
	if err := writable(s.path); err != nil {
		return err
	}
	// A file that is not ours is refused before anything is put beside it.
	if err := inspect(ctx, s.path); err != nil {
		return err
	}
	if err := s.lock(); err != nil {
		return err
	}
	if err := prepareFile(s.files.path); err != nil {
		return err
	}
	var err error
	if s.write, err = openPool(s.path, 1, "_txlock=immediate"); err != nil {
		return err
	}
	if err := migrate(ctx, s.write, s.path); err != nil {
		return err
	}
	if s.read, err = openPool(s.path, max(2, runtime.GOMAXPROCS(0)), "_pragma=query_only(1)", readCache); err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	return s.files.remember()
}

// readCache bounds the pages that each reading connection keeps, in KiB: answers
// are kept elsewhere, and the system keeps the file.
const readCache = "_pragma=cache_size(-512)"

// memories numbers the databases in memory, so that each has its own name.
var memories atomic.Int64

// openMemory opens a database in memory: readers and the writer share its one
// connection.
func (s *SQLite) openMemory(ctx context.Context) error {
	name := fmt.Sprintf("file:slapos-%d?mode=memory&_pragma=foreign_keys(1)&_txlock=immediate", memories.Add(1))
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	s.write, s.read = db, db
	if err := migrate(ctx, db, ""); err != nil {
		return err
	}
	return s.prepare(ctx)
}

// openPool opens connections to a file. Every connection syncs each commit,
// checks foreign keys and waits a while for other processes.
func openPool(path string, connections int, extra ...string) (*sql.DB, error) {
	parameters := append([]string{
		"_pragma=busy_timeout(10000)",
		"_pragma=journal_mode(WAL)",
		"_pragma=synchronous(FULL)",
		"_pragma=foreign_keys(1)",
	}, extra...)
	db, err := sql.Open("sqlite", dsn(path, parameters...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

func dsn(path string, parameters ...string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	return u.String() + "?" + strings.Join(parameters, "&")
}

// writable tells why an existing file cannot be written, in the words of the
// system.
func writable(path string) error {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return nil //nolint:nilerr // the caller finds out what is wrong with it
	}
	return mayWrite(path)
}

// openReading opens an existing file for reading only, in the first of some
// modes that works. On a read-only file system a file without log is read as one
// that nobody changes.
func openReading(ctx context.Context, path string, modes ...string) (*sql.DB, error) {
	var errs []error
	if !exists(path + "-wal") {
		modes = append(modes, "immutable=1")
	}
	for _, mode := range modes {
		db, err := sql.Open("sqlite", dsn(path, mode, "_pragma=busy_timeout(10000)", "_pragma=query_only(1)"))
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(1)
		var version int
		if err = db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err == nil {
			return db, nil
		}
		errs = append(errs, err, db.Close())
		var e *sqlite.Error
		if !errors.As(err, &e) {
			break
		}
		if primary := e.Code() & 0xff; primary != sqlite3.SQLITE_CANTOPEN && primary != sqlite3.SQLITE_READONLY {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// prepareFile creates the file if needed and takes all rights to it, and to those
// beside it, from others: it holds secrets of instances.
func prepareFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = f.Chmod(info.Mode().Perm() & 0o700)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// Those beside it get its mode when they are made, not when they are there.
	for _, ending := range []string{"-wal", "-shm", "-journal"} {
		info, err := os.Lstat(path + ending)
		if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
			if err := os.Chmod(path+ending, info.Mode().Perm()&0o700); err != nil {
				return err
			}
		}
	}
	return nil
}

// inspect refuses files that are not ours, without changing them.
func inspect(ctx context.Context, path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular(): // such as a device, whose size is zero
		return fmt.Errorf("%w: not a regular file", ErrForeign)
	case info.Size() == 0 && !exists(path+"-wal"):
		return nil
	}
	modes := []string{"mode=ro"}
	if exists(path + "-journal") {
		modes = append(modes, "mode=rw") // what a killed process left is undone first
	}
	db, err := openReading(ctx, path, modes...)
	if err != nil {
		return err
	}
	return errors.Join(identify(ctx, db), db.Close())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// identify tells whether a database is empty or ours.
func identify(ctx context.Context, db *sql.DB) error {
	var id int64
	var version int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if id == applicationID {
		if version > SchemaVersion {
			return newer(version)
		}
		if version < SchemaVersion {
			return nil
		}
		return identifyTables(ctx, db)
	}
	if err := identifyReference(ctx, db); err != nil {
		return err
	}
	tables, err := tableNames(ctx, db)
	if err != nil {
		return err
	}
	if len(tables) > 0 || id != 0 {
		return fmt.Errorf("%w: set another database_uri", ErrForeign)
	}
	return nil
}

// identifyTables refuses a file of ours in which something else is called like a table:
// to read a view could take for ever.
func identifyTables(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0")
	plain, err := collect(rows, err, func(row scanner) (name string, err error) {
		err = row.Scan(&name)
		return name, err
	})
	if err != nil {
		return err
	}
	for _, table := range tables {
		if !slices.Contains(plain, table) {
			return fmt.Errorf("%w: it has no plain table %s", ErrForeign, table)
		}
	}
	return nil
}

func tableNames(ctx context.Context, db *sql.DB) ([]string, error) {
	rows, err := db.QueryContext(ctx, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
	return collect(rows, err, func(row scanner) (name string, err error) {
		err = row.Scan(&name)
		return name, err
	})
}

func (s *SQLite) prepare(ctx context.Context) error {
	var err error
	if s.writing, err = prepareAll(ctx, s.write); err != nil {
		return err
	}
	if s.read == s.write {
		s.reading = s.writing
		return nil
	}
	s.reading, err = prepareAll(ctx, s.read)
	return err
}

// Version implements Store.
func (s *SQLite) Version(_ context.Context, computer, partition string) (uint64, error) {
	return s.versions.get(computer, partition), nil
}

// transact runs a batch in one transaction.
func (s *SQLite) transact(batch []*update) error {
	// Statements run under no caller's context: one caller that goes away
	// must not interrupt the updates of the others.
	ctx := context.Background()
	if err := s.files.inPlace(); err != nil {
		return s.failure(err)
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return s.failure(err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it has no effect
	changed, err := runAll(ctx, tx, s.writing, batch, s.failure)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return s.failure(err)
	}
	s.versions.raise(changed)
	return nil
}

// View implements Store.
func (s *SQLite) View(ctx context.Context, f func(Reader) error) error {
	tx, err := s.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return s.failure(err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	if err := f(&reader{ctx: ctx, tx: tx, statements: s.reading}); err != nil {
		return s.failure(err)
	}
	return nil
}

// failure names the database in errors that are its own.
func (s *SQLite) failure(err error) error {
	explained := explain(err)
	if errors.Is(explained, ErrUnavailable) && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("database %s: %w", s.path, explained)
	}
	return explained
}

// systemHints are the ways out of errors of the system.
var systemHints = map[error]string{
	fs.ErrPermission: "it cannot be opened: check its mode and its directory",
	syscall.EROFS:    "its file system is read-only",
	syscall.ENOSPC:   "the file system is full: free some space",
}

// explain marks errors of the engine that mean that the database cannot be
// used now, and adds the way out.
func explain(err error) error {
	if isClosed(err) {
		return ErrClosed
	}
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	for cause, hint := range systemHints {
		if errors.Is(err, cause) {
			return fmt.Errorf("%w: %s: %w", ErrUnavailable, hint, err)
		}
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	hint := ""
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		hint = "the file system is full: free some space"
	case sqlite3.SQLITE_READONLY:
		hint = "it is read-only: check its mode and its file system"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM:
		hint = "it cannot be opened: check its directory and its mode"
	case sqlite3.SQLITE_IOERR:
		hint = "reading or writing it failed: check the disk and its free space"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		hint = "another process keeps it locked"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%w: its content is damaged or it is no SQLite database: %w", ErrForeign, err)
	default:
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, hint, err)
}

// isClosed tells whether the error is that of a closed pool.
func isClosed(err error) bool {
	return errors.Is(err, sql.ErrConnDone) || err != nil && err.Error() == "sql: database is closed"
}

// Close implements Store.
func (s *SQLite) Close() error {
	var err error
	s.once.Do(func() {
		s.stop()
		err = s.closeFiles()
	})
	return err
}

func (s *SQLite) closeFiles() error {
	var errs []error
	if s.read != nil && s.read != s.write {
		errs = append(errs, s.read.Close())
	}
	if s.write != nil {
		if s.files.inPlace() != nil {
			errs = append(errs, keepLog(s.write))
		}
		errs = append(errs, s.write.Close())
	}
	s.release()
	return errors.Join(errs...)
}

// lock makes this process the only one that serves the file.
func (s *SQLite) lock() (err error) {
	if s.files.path, err = resolve(s.path); err != nil {
		return err
	}
	s.release, err = lockFile(s.files.path + ".lock")
	if err != nil {
		s.release = func() {}
	}
	return err
}

// Viewer reads a database without serving it.
type Viewer struct {
	path       string
	db         *sql.DB
	statements statements
}

// OpenViewer opens an existing database for reading only, also while a proxy
// serves it. Errors are those of Open, and os.ErrNotExist for a missing file.
func OpenViewer(ctx context.Context, path string) (*Viewer, error) {
	v := &Viewer{path: path}
	if err := v.open(ctx); err != nil {
		if v.db != nil {
			err = errors.Join(err, v.db.Close())
		}
		return nil, fmt.Errorf("database %s: %w", path, explain(err))
	}
	return v, nil
}

func (v *Viewer) open(ctx context.Context) (err error) {
	if _, err := os.Stat(v.path); err != nil {
		return err
	}
	if err := inspect(ctx, v.path); err != nil {
		return err
	}
	// Closed as a writer, the last connection takes its log away.
	if v.db, err = openReading(ctx, v.path, "mode=rw", "mode=ro"); err != nil {
		return err
	}
	tables, err := tableNames(ctx, v.db)
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return fmt.Errorf("%w: it is empty, no proxy has served it yet", ErrForeign)
	}
	var version int
	if err := v.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version < SchemaVersion {
		return unmigrated(version)
	}
	v.statements, err = prepareAll(ctx, v.db)
	return err
}

// View runs f on a consistent snapshot.
func (v *Viewer) View(ctx context.Context, f func(Reader) error) error {
	tx, err := v.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("database %s: %w", v.path, explain(err))
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	return f(&reader{ctx: ctx, tx: tx, statements: v.statements})
}

// Close closes the database.
func (v *Viewer) Close() error { return v.db.Close() }
