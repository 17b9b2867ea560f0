package confined

import (
	"errors"
	"io/fs"
	"os"
	"path"
)

// RemoveTree removes a name and all below it, read-only directories included:
// their mode is changed when that is what stands in the way. The directory
// that holds the name keeps its mode. An absent name is fine.
func (d *Dir) RemoveTree(name string) error {
	info, err := d.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		if err := d.empty(name); err != nil {
			return err
		}
	}
	return d.Delete(name)
}

// Empty removes everything inside a directory and keeps the directory.
func (d *Dir) Empty(keep func(name string) bool) error {
	names, err := d.Names(".")
	if err != nil {
		return err
	}
	var all []error
	for _, name := range names {
		if keep == nil || !keep(name) {
			all = append(all, d.RemoveTree(name))
		}
	}
	return errors.Join(all...)
}

func (d *Dir) empty(name string) error {
	names, err := d.Names(name)
	if errors.Is(err, fs.ErrPermission) {
		if err = d.Chmod(name, 0o700); err == nil {
			names, err = d.Names(name)
		}
	}
	if err != nil {
		return err
	}
	for _, entry := range names {
		child := path.Join(name, entry)
		err := d.RemoveTree(child)
		if errors.Is(err, fs.ErrPermission) {
			if err = d.Chmod(name, 0o700); err == nil {
				err = d.RemoveTree(child)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// RemoveAll removes a whole tree by its path; see [Dir.RemoveTree].
func RemoveAll(dir, name string) error {
	d, err := Open(dir, Owner{})
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	return d.RemoveTree(name)
}
