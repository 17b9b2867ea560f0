package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Place gives a complete file, which another program may have written, its name
// in the same directory, with the mode perm: flushed to the disk, and in one step.
// Without replace a file that has the name already stays, and the error is
// fs.ErrExist. When Place fails the file keeps the name that it had.
func Place(from, path string, perm os.FileMode, replace bool) error {
	if err := flush(from, perm); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if replace {
		if err := os.Rename(from, path); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		return syncDir(filepath.Dir(path))
	}
	// A link, unlike a new name, does not replace.
	err := os.Link(from, path)
	switch {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("write %s: %w", path, err)
	case err == nil:
		if err := os.Remove(from); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		return syncDir(filepath.Dir(path))
	}
	// Some file systems have no links.
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("write %s: %w", path, fs.ErrExist)
	}
	return Place(from, path, perm, true)
}

// flush gives a file its mode and brings it to the disk.
func flush(path string, perm os.FileMode) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(perm.Perm()), f.Sync(), f.Close())
}
