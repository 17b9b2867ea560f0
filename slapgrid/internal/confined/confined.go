// Package confined handles files of a directory that belongs to somebody else:
// no path, whatever links its owner put there, leads out of the directory.
package confined

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"syscall"
)

// MaxFile bounds what is read of a file that its owner can make as large as
// the disk.
const MaxFile = 16 << 20

// Owner is who a new file is given to. The zero value keeps the agent.
type Owner struct{ UID, GID int }

// Dir is an open directory. Names are relative and use slashes.
type Dir struct {
	*os.Root
	// Owner gets the files and directories that are made, if the agent is
	// root; otherwise they belong to the agent.
	Owner Owner
}

// Open opens a directory.
func Open(path string, owner Owner) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{Root: root, Owner: owner}, nil
}

// Sub opens a directory inside. A link that leads out of d is refused.
func (d *Dir) Sub(name string, owner Owner) (*Dir, error) {
	root, err := d.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Dir{Root: root, Owner: owner}, nil
}

// Read returns the content of a regular file, refusing one larger than
// [MaxFile].
func (d *Dir) Read(name string) ([]byte, error) {
	data, _, err := d.ReadInfo(name)
	return data, err
}

// ReadInfo is Read that also tells which file it was, for [Dir.DeleteSame].
func (d *Dir) ReadInfo(name string) ([]byte, fs.FileInfo, error) {
	f, info, err := d.openRegular(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err := readAll(f, info.Size())
	if err == nil && len(data) > MaxFile {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("larger than %d bytes", MaxFile)}
	}
	return data, info, err
}

// ReadOf is Read for a file that the owner of the directory must not have
// made: as root it refuses one that belongs neither to root nor to uid, with
// fs.ErrPermission.
func (d *Dir) ReadOf(name string, uid int) ([]byte, error) {
	f, info, err := d.openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, ok := info.Sys().(*syscall.Stat_t)
	if os.Getuid() == 0 && (!ok || st.Uid != 0 && int(st.Uid) != uid) {
		return nil, &fs.PathError{Op: "read", Path: path.Join(d.Name(), name), Err: fs.ErrPermission}
	}
	return readAll(f, info.Size())
}

// ReadForeign returns the content of a regular file of another user, at a path
// that may contain links. As root it reads only what that user can read as
// well: a link must not make the agent copy the secrets of others.
func ReadForeign(path string, uid int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		err = errors.New("not a regular file")
	case info.Size() > MaxFile:
		err = fmt.Errorf("larger than %d bytes", MaxFile)
	case os.Getuid() == 0 && (!ok || int(st.Uid) != uid && info.Mode()&0o004 == 0):
		err = fs.ErrPermission
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return readAll(f, info.Size())
}

// readAll reads a file of an expected size, and at most one byte more than
// [MaxFile].
func readAll(f *os.File, size int64) ([]byte, error) {
	data := make([]byte, 0, min(size, MaxFile)+bytes.MinRead)
	buffer := bytes.NewBuffer(data)
	_, err := buffer.ReadFrom(io.LimitReader(f, MaxFile+1))
	return buffer.Bytes(), err
}

// ReadTail returns the last bytes of a regular file, at most n.
func (d *Dir) ReadTail(name string, n int64) ([]byte, error) {
	f, info, err := d.openRegular(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info.Size() > n {
		if _, err := f.Seek(-n, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, n))
}

// openRegular opens a regular file. Opening a pipe does not wait.
func (d *Dir) openRegular(name string) (*os.File, fs.FileInfo, error) {
	f, err := d.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path.Join(d.Name(), name), Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// Write puts a file in place in one step; owned files go to the owner of the
// directory, others stay the agent's. A link of that name is replaced.
func (d *Dir) Write(name string, data []byte, perm fs.FileMode, owned bool) error {
	temporary := path.Join(path.Dir(name), fmt.Sprintf(".%s.%08x", path.Base(name), rand.Uint32()))
	f, err := d.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && owned {
		err = d.give(f)
	}
	if err == nil {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = d.Rename(temporary, name)
	}
	if err != nil {
		_ = d.Remove(temporary) // the first error tells more
	}
	return err
}

// Append opens a regular file at its end, making it if needed. A link is refused,
// even one to a file inside, which may be the agent's and not the owner's to write.
func (d *Dir) Append(name string, perm fs.FileMode, owned bool) (*os.File, error) {
	f, err := d.openNoFollow(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, perm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "append", Path: path.Join(d.Name(), name), Err: errors.New("not a regular file")}
	}
	if err == nil && info.Sys().(*syscall.Stat_t).Nlink > 1 { //nolint:forcetypeassert // always so on Linux
		err = &fs.PathError{Op: "append", Path: path.Join(d.Name(), name), Err: errors.New("has several names, one may be of somebody else's file: remove it")}
	}
	if err == nil && owned {
		err = d.give(f)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// openNoFollow opens a file that is no link; links on the way to it are followed.
func (d *Dir) openNoFollow(name string, flag int, perm fs.FileMode) (*os.File, error) {
	parent, err := d.OpenFile(path.Dir(name), os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer parent.Close()
	whole := path.Join(d.Name(), name)
	for {
		fd, err := syscall.Openat(int(parent.Fd()), path.Base(name), flag|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, uint32(perm.Perm()))
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.ELOOP):
			return nil, &fs.PathError{Op: "open", Path: whole, Err: errors.New("is a link: remove it")}
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: whole, Err: err}
		}
		return os.NewFile(uintptr(fd), whole), nil
	}
}

// MakeDir makes one directory of the owner's if it is absent.
func (d *Dir) MakeDir(name string, perm fs.FileMode) error {
	err := d.Mkdir(name, perm)
	if errors.Is(err, fs.ErrExist) {
		info, err := d.Lstat(name)
		if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "mkdir", Path: path.Join(d.Name(), name), Err: errors.New("exists and is no directory")}
		}
		return err
	}
	if err != nil {
		return err
	}
	if err := d.Chmod(name, perm); err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return nil
	}
	return d.Lchown(name, d.Owner.UID, d.Owner.GID)
}

// GiveTree gives everything under a name, which the agent itself has made, to
// the owner, as root only.
func (d *Dir) GiveTree(name string) error { return d.giveTree(name, -1) }

// deepestRepair is how far RepairOwner goes down: the agent makes nothing deeper.
const deepestRepair = 20

// RepairOwner is GiveTree for a tree that the owner can change: files that have
// another name elsewhere stay whose they are, as they may be somebody else's.
func (d *Dir) RepairOwner(name string) error { return d.giveTree(name, deepestRepair) }

// giveTree goes down so many levels; a negative number means all, and that
// nobody else can have put anything there.
func (d *Dir) giveTree(name string, depth int) error {
	if os.Getuid() != 0 || depth == 0 {
		return nil
	}
	info, err := d.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if depth > 0 && !info.IsDir() && ok && st.Nlink > 1 {
		return nil
	}
	if !ok || int(st.Uid) != d.Owner.UID {
		if err := d.Lchown(name, d.Owner.UID, d.Owner.GID); err != nil {
			return err
		}
	}
	if !info.IsDir() {
		return nil
	}
	names, err := d.Names(name)
	if err != nil {
		return err
	}
	for _, child := range names {
		if err := d.giveTree(path.Join(name, child), depth-1); err != nil {
			return err
		}
	}
	return nil
}

// Exists tells whether a name exists, links not followed.
func (d *Dir) Exists(name string) bool {
	_, err := d.Lstat(name)
	return err == nil
}

// Names lists a directory, sorted; an absent one is empty.
func (d *Dir) Names(name string) ([]string, error) {
	f, err := d.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

// Delete removes a file; an absent one is fine.
func (d *Dir) Delete(name string) error {
	if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// DeleteSame removes a file that is still the one that was read; one that was
// written since stays.
func (d *Dir) DeleteSame(name string, read fs.FileInfo) error {
	info, err := d.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !os.SameFile(info, read) || info.Size() != read.Size() || !info.ModTime().Equal(read.ModTime()) {
		return nil
	}
	return d.Delete(name)
}

func (d *Dir) give(f *os.File) error {
	if os.Getuid() != 0 {
		return nil
	}
	return f.Chown(d.Owner.UID, d.Owner.GID)
}
