package unpack

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CopyTree copies a directory into an empty one, with the limits and refusals
// of archives. The source is read inside as, which may lend less rights than the
// caller has; it has to run the function that it is given, once.
func CopyTree(ctx context.Context, root *os.Root, source string, as func(func() error) error) error {
	w := newWriter(ctx, root)
	entries, written, done := make(chan entry), make(chan error), make(chan error, 1)
	go func() {
		defer close(entries)
		done <- as(func() error {
			return walk(source, func(e entry) error {
				entries <- e
				return <-written
			})
		})
	}()
	for e := range entries {
		written <- w.add(e)
	}
	if err := <-done; err != nil {
		return err
	}
	return w.checkLinks("")
}

// walk gives out what is in a directory.
func walk(source string, give func(entry) error) error {
	return filepath.WalkDir(source, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		e, err := readEntry(path, filepath.ToSlash(name))
		if err != nil {
			return err
		}
		if body, ok := e.body.(io.Closer); ok {
			defer body.Close()
		}
		return give(e)
	})
}

func readEntry(path, name string) (entry, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return entry{}, err
	}
	e := entry{name: name, mode: info.Mode(), size: info.Size()}
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		e.target, err = os.Readlink(path)
	case info.Mode().IsRegular():
		var f *os.File
		if f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0); err == nil {
			e.body = f
		}
	}
	return e, err
}
