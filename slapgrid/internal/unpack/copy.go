package unpack

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CopyTree copies a directory into an empty one, with the limits and refusals
// of archives.
func CopyTree(ctx context.Context, root *os.Root, source string) error {
	w := newWriter(ctx, root)
	err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		return w.copyEntry(path, filepath.ToSlash(name))
	})
	if err != nil {
		return err
	}
	return w.checkLinks("")
}

func (w *writer) copyEntry(path, name string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	e := entry{name: name, mode: info.Mode(), size: info.Size()}
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		if e.target, err = os.Readlink(path); err != nil {
			return err
		}
	case info.Mode().IsRegular():
		f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		e.body = f
	}
	return w.add(e)
}
