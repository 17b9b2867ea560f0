// Package atomicfile replaces files so that a reader, or a machine that loses
// power, sees either the whole old content or the whole new one.
package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces the file at path by one that holds data and has exactly the
// mode perm, whatever the umask is. The directory must exist.
//
// The content goes to a temporary file of the same directory, is flushed to
// the disk, takes the place of path in one step, and the directory is flushed
// too. When Write fails the old file is untouched and the temporary one is
// removed. A symbolic link at path is replaced, never followed: a user who owns
// the directory cannot redirect the write.
func Write(path string, data []byte, perm os.FileMode) error {
	return WriteFunc(path, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// WriteIfChanged is Write, but leaves a regular file that already holds data and
// has the mode perm alone, so that its times stay and nobody who watches it is
// disturbed. It reports whether it wrote.
func WriteIfChanged(path string, data []byte, perm os.FileMode) (changed bool, err error) {
	same, err := holds(path, data, perm.Perm())
	if err != nil {
		return false, err
	}
	if same {
		return false, nil
	}
	return true, Write(path, data, perm)
}

// WriteFunc is Write for content that is produced piece by piece. An error of
// fill is returned as it is, and path is then untouched.
func WriteFunc(path string, perm os.FileMode, fill func(io.Writer) error) (err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+base+".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreClosed(f.Close()), ignoreAbsent(os.Remove(f.Name())))
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Chmod(perm.Perm()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(dir)
}

// holds tells whether path is a regular file with exactly this content and mode.
func holds(path string, data []byte, mode fs.FileMode) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case info.Mode() != mode, info.Size() != int64(len(data)):
		// A regular file has no bit but those of its permissions.
		return false, nil
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	return bytes.Equal(old, data), nil
}

// syncDir makes a rename inside dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("flush directory %s: %w", dir, err)
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	if err != nil && !unsupported(err) {
		return fmt.Errorf("flush directory %s: %w", dir, err)
	}
	return nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
