package child

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// User is an account that programs are run as.
type User struct {
	// UID and GID are the numeric ids; GID is the group of the directory the
	// account was read from.
	UID, GID int
	// Name and Home come from the account database, which may not have it:
	// then Known is false.
	Name, Home string
	Known      bool
	groups     []uint32
	dir        string
}

// OwnerOf returns the account that a directory belongs to; see
// [User.Resolve].
func OwnerOf(path string) (User, error) {
	u, err := Owner(path)
	if err != nil {
		return User{}, err
	}
	return u, u.Resolve()
}

// Owner returns the numeric ids of the account that a directory belongs to,
// without a look into the account database.
func Owner(path string) (User, error) {
	info, err := os.Stat(path)
	if err != nil {
		return User{}, err
	}
	return OwnerIn(info, path), nil
}

// OwnerIn is [Owner] for a directory of which a caller, who knows that nobody
// can have replaced it by a link, has the information.
func OwnerIn(info fs.FileInfo, path string) User {
	st := info.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // always so on Linux
	return User{UID: int(st.Uid), GID: int(st.Gid), dir: path}
}

// Resolve fills in what the account database knows. The account must be there
// when the agent is root and has to become that user; otherwise the number
// stands in for the name and the directory for the home.
func (u *User) Resolve() error {
	if u.Name != "" {
		return nil
	}
	account, err := user.LookupId(strconv.Itoa(u.UID))
	if err != nil {
		if u.mustSwitch() {
			return fmt.Errorf("owner of %s: %w", u.dir, err)
		}
		u.Name, u.Home = strconv.Itoa(u.UID), u.dir
		return nil
	}
	u.Name, u.Home, u.Known = account.Username, account.HomeDir, true
	u.groups = supplementary(account, u.GID)
	return nil
}

// supplementary lists the groups of an account and gid, as initgroups does.
func supplementary(account *user.User, gid int) []uint32 {
	groups := []uint32{uint32(gid)}
	ids, err := account.GroupIds()
	if err != nil {
		return groups
	}
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err == nil && int(n) != gid && n != 0 {
			groups = append(groups, uint32(n))
		}
	}
	return groups
}

func (u User) mustSwitch() bool {
	return os.Getuid() == 0 && u.UID != 0 && u.GID != 0
}

// RootError refuses to run other people's code as root.
type RootError struct{ UID, GID int }

func (e *RootError) Error() string {
	return fmt.Sprintf("Dropping privileges to uid = %d or gid = %d is too dangerous", e.UID, e.GID)
}

// Check refuses a root account, unless that is allowed.
func (u User) Check(allowRoot bool) error {
	if (u.UID == 0 || u.GID == 0) && !allowRoot {
		return &RootError{u.UID, u.GID}
	}
	return nil
}

// credential returns what a child switches to; nil keeps the agent's account,
// which is right when the agent is not root.
func (u User) credential(allowRoot bool) (*syscall.Credential, error) {
	if err := u.Check(allowRoot); err != nil {
		return nil, err
	}
	if !u.mustSwitch() {
		return nil, nil
	}
	groups := u.groups
	if groups == nil {
		groups = []uint32{uint32(u.GID)}
	}
	return &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), Groups: groups}, nil
}
