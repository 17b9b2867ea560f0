package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"modernc.org/sqlite"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// backupTime is the time in the name of a backup.
const backupTime = "20060102T150405.000Z"

// BackupName is where a backup of a database goes unless told otherwise: beside
// it. The kind, such as schema1, tells of what it is; it may be empty.
func BackupName(path, kind string, at time.Time) string {
	if kind != "" {
		kind += "-"
	}
	return path + "-backup-" + kind + at.UTC().Format(backupTime) + ".db"
}

// backupEnding matches what BackupName adds, for backups of our own databases:
// what was imported is never taken away.
var backupEnding = regexp.MustCompile(`^-backup-(?:(?:schema\d+|softwareroot)-)?(\d{8}T\d{6}\.\d{3}Z)\.db$`)

// PruneBackups removes all but the newest backups that BackupName named, and
// returns the paths of those that are gone.
func PruneBackups(path string, keep int) (removed []string, err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	byTime := map[string][]string{}
	var times []string
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), base)
		m := backupEnding.FindStringSubmatch(rest)
		if !ok || m == nil || !e.Type().IsRegular() {
			continue
		}
		byTime[m[1]] = append(byTime[m[1]], filepath.Join(dir, e.Name()))
		times = append(times, m[1])
	}
	slices.Sort(times)
	for _, at := range times[:max(0, len(times)-keep)] {
		old := byTime[at]
		if err := os.Remove(old[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
		removed, byTime[at] = append(removed, old[0]), old[1:]
	}
	return removed, nil
}

// Backup writes a copy of the database, as it is at one moment, to a file of mode
// 0600, which appears complete or not at all. Updates go on meanwhile. A file that
// is there already is replaced only if told so; otherwise the error is
// fs.ErrExist.
func (s *SQLite) Backup(ctx context.Context, path string, replace bool) error {
	return s.failure(copyDatabase(ctx, s.read, path, replace))
}

// Backup is SQLite.Backup of a database that another process may serve.
func (v *Viewer) Backup(ctx context.Context, path string, replace bool) error {
	return explain(copyDatabase(ctx, v.db, path, replace))
}

// copyDatabase copies through a file beside path that nobody else knows.
func copyDatabase(ctx context.Context, db *sql.DB, path string, replace bool) error {
	return Create(path, replace, func(temporary string) error {
		if err := copyPages(ctx, db, temporary); err != nil {
			return err
		}
		return settle(ctx, temporary)
	})
}

// Create gives path to a database that fill writes into a new, empty file beside
// it: of mode 0600, complete or not at all. A file that is there already is
// replaced only if told so, and never if it is open as a database.
func Create(path string, replace bool, fill func(temporary string) error) (err error) {
	if _, err := os.Lstat(path); err == nil && !replace {
		return fmt.Errorf("write %s: %w", path, fs.ErrExist)
	}
	for _, ending := range []string{"-wal", "-journal"} {
		if exists(path + ending) {
			return fmt.Errorf("write %s: %w: %s tells that a program has it open", path, fs.ErrExist, path+ending)
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp-*")
	if err != nil {
		return err
	}
	temporary := f.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, removeDatabase(temporary))
		}
	}()
	if err := f.Close(); err != nil {
		return err
	}
	if err := fill(temporary); err != nil {
		return err
	}
	return atomicfile.Place(temporary, path, 0o600, replace)
}

// removeDatabase removes a database with all that belongs to it.
func removeDatabase(path string) error {
	var errs []error
	for _, ending := range []string{"", "-wal", "-shm", "-journal", ".lock"} {
		if err := os.Remove(path + ending); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// copyPages copies a database as one snapshot shows it into an empty file.
func copyPages(ctx context.Context, db *sql.DB, path string) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	return errors.Join(conn.Raw(func(c any) error {
		source, ok := c.(interface {
			NewBackup(string) (*sqlite.Backup, error)
		})
		if !ok {
			return errors.New("the driver cannot copy databases")
		}
		copying, err := source.NewBackup(dsn(path))
		if err != nil {
			return err
		}
		_, err = copying.Step(-1) // all at once: one snapshot
		return errors.Join(err, copying.Finish())
	}), conn.Close())
}

// settle makes a copy a file that stands alone, and reads all of it once.
func settle(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	_, err = db.ExecContext(ctx, "PRAGMA journal_mode=DELETE")
	if err == nil {
		err = each(ctx, db, "PRAGMA quick_check(1)", func(finding any) {
			if finding != "ok" {
				err = fmt.Errorf("the copy is damaged, as may be the database: %v", finding)
			}
		})
	}
	return errors.Join(err, db.Close())
}
