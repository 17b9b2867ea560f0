package confined

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// The methods of this file are those of [os.Root] that the agent uses to change
// things: their errors give whole paths, so that who reads one knows which
// partition or release it is about.

// OpenFile is [os.Root.OpenFile].
func (d *Dir) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := d.Root.OpenFile(name, flag, perm)
	return f, d.whole(err)
}

// Open is [os.Root.Open].
func (d *Dir) Open(name string) (*os.File, error) {
	f, err := d.Root.Open(name)
	return f, d.whole(err)
}

// OpenRoot is [os.Root.OpenRoot], but never waits for a pipe: because of the slash
// the system itself refuses what is no directory.
func (d *Dir) OpenRoot(name string) (*os.Root, error) {
	root, err := d.Root.OpenRoot(name + "/")
	return root, d.whole(err)
}

// Stat is [os.Root.Stat].
func (d *Dir) Stat(name string) (fs.FileInfo, error) {
	info, err := d.Root.Stat(name)
	return info, d.whole(err)
}

// Lstat is [os.Root.Lstat].
func (d *Dir) Lstat(name string) (fs.FileInfo, error) {
	info, err := d.Root.Lstat(name)
	return info, d.whole(err)
}

// Mkdir is [os.Root.Mkdir].
func (d *Dir) Mkdir(name string, perm fs.FileMode) error { return d.whole(d.Root.Mkdir(name, perm)) }

// MkdirAll is [os.Root.MkdirAll].
func (d *Dir) MkdirAll(name string, perm fs.FileMode) error {
	return d.whole(d.Root.MkdirAll(name, perm))
}

// Chmod is [os.Root.Chmod].
func (d *Dir) Chmod(name string, perm fs.FileMode) error { return d.whole(d.Root.Chmod(name, perm)) }

// Lchown is [os.Root.Lchown].
func (d *Dir) Lchown(name string, uid, gid int) error { return d.whole(d.Root.Lchown(name, uid, gid)) }

// Symlink is [os.Root.Symlink].
func (d *Dir) Symlink(target, name string) error { return d.whole(d.Root.Symlink(target, name)) }

// Rename is [os.Root.Rename].
func (d *Dir) Rename(from, to string) error { return d.whole(d.Root.Rename(from, to)) }

// Remove is [os.Root.Remove].
func (d *Dir) Remove(name string) error { return d.whole(d.Root.Remove(name)) }

// whole completes the paths of an error of a method of [os.Root].
func (d *Dir) whole(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: d.inside(e.Path), Err: e.Err}
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		// The target of a symbolic link is a text, not a place inside.
		old := e.Old
		if e.Op != "symlinkat" {
			old = d.inside(old)
		}
		return &os.LinkError{Op: e.Op, Old: old, New: d.inside(e.New), Err: e.Err}
	}
	return err
}

// inside is the whole path of a name, which may be whole already. One that leads
// out of the directory is shown as it was given.
func (d *Dir) inside(name string) string {
	switch {
	case path.IsAbs(name):
		return name
	case filepath.IsLocal(name):
		return path.Join(d.Name(), name)
	}
	return d.Name() + "/" + name
}
