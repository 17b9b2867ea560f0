// Package unpack unpacks archives of program releases. Archives come from
// outside: nothing is written out of the directory, and their size is bounded.
package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Limits of an archive.
const (
	MaxEntries = 100_000
	MaxBytes   = 4 << 30
)

// longestName bounds the name of an entry, as systems bound paths.
const longestName = 4096

// ErrRefused is wrapped by the error about an archive that is not acceptable.
var ErrRefused = errors.New("archive refused")

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// entry is one member of an archive.
type entry struct {
	name   string
	mode   fs.FileMode // type and permission bits
	target string      // of a link
	hard   bool        // a hard link: target names another member
	size   int64
	body   io.Reader
}

// writer puts entries into a directory. Names are kept as in the archive,
// with its common top directory, which the caller strips.
type writer struct {
	// ctx ends the work between entries and in the middle of files.
	ctx     context.Context //nolint:containedctx // of one call of Unpack or CopyTree
	root    *os.Root
	entries int
	bytes   int64
	// made are the directories that were made for entries inside them.
	made map[string]bool
	// links are the symbolic links, checked again once all is there.
	links []string
	// maxEntries and maxBytes are the limits, smaller in tests.
	maxEntries int
	maxBytes   int64
}

func newWriter(ctx context.Context, root *os.Root) *writer {
	return &writer{ctx: ctx, root: root, made: map[string]bool{}, maxEntries: MaxEntries, maxBytes: MaxBytes}
}

// add writes one entry.
func (w *writer) add(e entry) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	if w.entries++; w.entries > w.maxEntries {
		return refused("more than %d entries", w.maxEntries)
	}
	name, err := cleanName(e.name)
	if err != nil {
		return err
	}
	if name == "." {
		return nil
	}
	if special := e.mode & (fs.ModeSetuid | fs.ModeSetgid); special != 0 {
		return refused("%s has set-id bits", name)
	}
	if err := w.makeParents(name); err != nil {
		return err
	}
	switch {
	case e.hard:
		return w.hardLink(name, e)
	case e.mode.IsDir():
		return w.directory(name, e)
	case e.mode.IsRegular():
		return w.file(name, e)
	case e.mode.Type() == fs.ModeSymlink:
		return w.symlink(name, e)
	}
	return refused("%s is neither a file, a directory nor a link", name)
}

// cleanName checks that a name stays inside.
func cleanName(name string) (string, error) {
	if len(name) > longestName {
		return "", refused("a name of %d bytes", len(name))
	}
	if strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\\x00") {
		return "", refused("name %q", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", refused("name %q leads out of the archive", name)
		}
	}
	return path.Clean(name), nil
}

func (w *writer) makeParents(name string) error {
	parent := path.Dir(name)
	if parent == "." || w.made[parent] {
		return nil
	}
	// Directories that no entry names count too.
	for dir := parent; dir != "." && !w.made[dir]; dir = path.Dir(dir) {
		w.made[dir] = true
		if w.entries++; w.entries > w.maxEntries {
			return refused("more than %d entries", w.maxEntries)
		}
	}
	return w.root.MkdirAll(parent, 0o755)
}

func (w *writer) directory(name string, e entry) error {
	if err := w.root.MkdirAll(name, 0o755); err != nil {
		return err
	}
	return w.root.Chmod(name, e.mode.Perm()|0o700)
}

func (w *writer) file(name string, e entry) error {
	f, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(Reader(w.ctx, e.body), w.maxBytes-w.bytes+1))
	w.bytes += n
	if err == nil && w.bytes > w.maxBytes {
		err = refused("more than %d bytes", w.maxBytes)
	}
	if err == nil {
		err = f.Chmod(e.mode.Perm() | 0o600)
	}
	return errors.Join(err, f.Close())
}

// symlink makes a link whose target is inside: neither absolute nor leading
// above the top.
func (w *writer) symlink(name string, e entry) error {
	if e.target == "" || path.IsAbs(e.target) || strings.ContainsAny(e.target, "\\\x00") {
		return refused("link %s to %q", name, e.target)
	}
	if !inside(name, e.target) {
		return refused("link %s to %q leads out of the archive", name, e.target)
	}
	w.links = append(w.links, name)
	return w.root.Symlink(e.target, name)
}

// inside tells whether a link stays inside, as far as its text tells.
func inside(name, target string) bool {
	resolved := path.Join(path.Dir(name), target)
	return resolved != ".." && !strings.HasPrefix(resolved, "../")
}

// checkLinks makes sure that no link leads out of the directory that is left
// once the common top is stripped, not even by way of other links.
func (w *writer) checkLinks(top string) error {
	root := w.root
	if top != "" {
		sub, err := w.root.OpenRoot(top)
		if err != nil {
			return err
		}
		defer sub.Close()
		root = sub
	}
	for _, link := range w.links {
		name := strings.TrimPrefix(link, top+"/")
		target, err := root.Readlink(name)
		if err != nil {
			return err
		}
		if _, err = root.Stat(name); errors.Is(err, fs.ErrNotExist) {
			err = nil // a link to something that the build makes
		}
		if err != nil || !inside(name, target) {
			return refused("link %s to %q leads out of the archive", link, target)
		}
	}
	return nil
}

func (w *writer) hardLink(name string, e entry) error {
	target, err := cleanName(e.target)
	if err != nil {
		return err
	}
	info, err := w.root.Lstat(target)
	if err != nil || !info.Mode().IsRegular() {
		return refused("hard link %s to %q, which is no file of the archive", name, e.target)
	}
	return w.root.Link(target, name)
}

// top returns the only directory of a directory that holds nothing else, or
// an empty name.
func top(root *os.Root) (string, error) {
	d, err := root.Open(".")
	if err != nil {
		return "", err
	}
	defer d.Close()
	entries, err := d.ReadDir(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if len(entries) != 1 || !entries[0].IsDir() {
		return "", nil
	}
	return entries[0].Name(), nil
}
