package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"modernc.org/sqlite"
)

// ErrMoved is returned, wrapped in ErrUnavailable, by updates after the file or
// one of the two beside it was removed or replaced: what is written to the open
// one would be lost with the process. With the files back where they were,
// updates work again.
var ErrMoved = errors.New("the file was removed or replaced: put it back, or restart the proxy to serve what is there now")

// besides are the endings of the files that make a database.
var besides = []string{"", "-wal", "-shm"}

// files are the files of a database as they were opened.
type files struct {
	path string // without symbolic links, absolute
	info [3]os.FileInfo
}

// maxLinks bounds how many symbolic links lead to a file.
const maxLinks = 40

// resolve returns the one name of a file that has several by symbolic links. The
// file need not exist, its directory must.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	for range maxLinks {
		if err != nil {
			return "", err
		}
		var dir, target string
		if dir, err = filepath.EvalSymlinks(filepath.Dir(path)); err != nil {
			continue
		}
		path = filepath.Join(dir, filepath.Base(path))
		if info, missing := os.Lstat(path); missing != nil || info.Mode()&os.ModeSymlink == 0 {
			return path, nil
		}
		if target, err = os.Readlink(path); err == nil && filepath.IsAbs(target) {
			path = target
		} else {
			path = filepath.Join(dir, target)
		}
	}
	return "", fmt.Errorf("%s is behind more than %d symbolic links", path, maxLinks)
}

// remember notes which files are open.
func (f *files) remember() error {
	for i, ending := range besides {
		info, err := os.Stat(f.path + ending)
		if err != nil {
			return err
		}
		f.info[i] = info
	}
	return nil
}

// inPlace fails unless the files that were opened are still under their names.
func (f *files) inPlace() error {
	for i, ending := range besides {
		if f.info[i] == nil {
			continue // in memory, or not open yet
		}
		info, err := os.Stat(f.path + ending)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err != nil || !os.SameFile(info, f.info[i]) {
			return fmt.Errorf("%w: %w (%s)", ErrUnavailable, ErrMoved, f.path+ending)
		}
	}
	return nil
}

// keepLog makes the end of a connection leave the log where it is. The engine
// removes it by name, and that may be the log of another process by now.
func keepLog(db *sql.DB) error {
	conn, err := db.Conn(context.Background())
	if err != nil {
		return err
	}
	return errors.Join(conn.Raw(func(c any) error {
		control, ok := c.(sqlite.FileControl)
		if !ok {
			return errors.New("the driver cannot keep the log")
		}
		_, err := control.FileControlPersistWAL("main", 1)
		return err
	}), conn.Close())
}
