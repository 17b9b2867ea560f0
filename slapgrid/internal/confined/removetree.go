package confined

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"syscall"
)

// deepest is how far RemoveTree goes down before it moves what is deeper to the
// top of the tree: paths stay short however deep a tree its owner made.
const deepest = 8

// RemoveTree removes a name and all below it, read-only directories included:
// their mode is changed when that is what stands in the way. The directory
// that holds the name keeps its mode. An absent name is fine.
func (d *Dir) RemoveTree(name string) error {
	r := remover{dir: d, top: name}
	for {
		r.moved = false
		err := r.remove(name, 0)
		if !r.moved || err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
		// What was moved to the top is listed now.
	}
}

// remover is one call of RemoveTree.
type remover struct {
	dir   *Dir
	top   string // the tree
	moved bool   // trees that were too deep are now in top
}

func (r *remover) remove(name string, depth int) error {
	info, err := r.dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		if depth >= deepest {
			return r.move(name)
		}
		if err := r.empty(name, depth); err != nil {
			return err
		}
	}
	return r.dir.Delete(name)
}

// move puts a directory into the top of the tree, for later. Its owner has to be able
// to write it, as its parent changes.
func (r *remover) move(name string) error {
	if err := r.dir.Chmod(name, 0o700); err != nil {
		return err
	}
	to := path.Join(r.top, fmt.Sprintf(".removed.%016x", rand.Uint64()))
	if err := r.dir.Rename(name, to); err != nil {
		return err
	}
	r.moved = true
	return nil
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

func (r *remover) empty(name string, depth int) error {
	d := r.dir
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
		err := r.remove(child, depth+1)
		if errors.Is(err, fs.ErrPermission) {
			if err = d.Chmod(name, 0o700); err == nil {
				err = r.remove(child, depth+1)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}
