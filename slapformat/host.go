package slapformat

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// Host is the machine that is prepared: what is asked of it and done to it.
// Methods are called one at a time.
type Host interface {
	// Stat describes what is at a path, without following a link; an error
	// that is fs.ErrNotExist means nothing.
	Stat(path string) (FileInfo, error)
	// ReadFile returns the content of a file; it may refuse a large one.
	ReadFile(path string) ([]byte, error)
	// MakeDirectory makes a directory and its parents, 0755 those.
	MakeDirectory(path string, mode fs.FileMode) error
	// SetMode changes permission bits.
	SetMode(path string, mode fs.FileMode) error
	// SetOwner changes user and group, of a link itself if it is one.
	SetOwner(path string, uid, gid int) error
	// WriteFile replaces a file in one step.
	WriteFile(path string, content []byte, mode fs.FileMode) error
	// User looks up an account; an error that is ErrNoUser means there is none.
	User(name string) (User, error)
	// UID is the user this program runs as.
	UID() int
}

// ErrNoUser tells that an account does not exist.
var ErrNoUser = errors.New("no such user")

// User is an account.
type User struct {
	Name     string
	UID, GID int
}

// FileInfo is what a plan has to know of a file or directory.
type FileInfo struct {
	Directory bool
	Mode      fs.FileMode // permission bits
	UID, GID  int
}

// local is the machine this program runs on.
type local struct{}

var _ Host = local{}

// Local returns the machine this program runs on.
func Local() Host { return local{} }

func (local) UID() int { return os.Geteuid() }

func (local) Stat(path string) (FileInfo, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return FileInfo{}, err
	}
	f := FileInfo{Directory: info.IsDir(), Mode: info.Mode().Perm(), UID: -1, GID: -1}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.UID, f.GID = int(stat.Uid), int(stat.Gid)
	}
	return f, nil
}

func (local) ReadFile(path string) ([]byte, error) { return readBounded(path) }

func (local) MakeDirectory(path string, mode fs.FileMode) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func (local) SetMode(path string, mode fs.FileMode) error { return os.Chmod(path, mode) }

func (local) SetOwner(path string, uid, gid int) error { return os.Lchown(path, uid, gid) }

func (local) WriteFile(path string, content []byte, mode fs.FileMode) error {
	return atomicfile.Write(path, content, mode)
}

func (local) User(name string) (User, error) {
	account, err := user.Lookup(name)
	if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
		return User{}, fmt.Errorf("%w: %s", ErrNoUser, name)
	}
	if err != nil {
		return User{}, err
	}
	u := User{Name: name}
	var errUID, errGID error
	u.UID, errUID = strconv.Atoi(account.Uid)
	u.GID, errGID = strconv.Atoi(account.Gid)
	return u, errors.Join(errUID, errGID)
}
