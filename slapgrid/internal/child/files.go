package child

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OnFiles runs f with the rights that the user has on files and no others: what
// somebody else names is opened as that user, whatever links lie on the way. The
// account has to be resolved. As an ordinary user the agent has no other rights.
func (u User) OnFiles(f func() error) error {
	if !u.mustSwitch() {
		return f()
	}
	done := make(chan error, 1)
	go func() {
		// The thread is not unlocked: it ends with this goroutine, so that its
		// identity gets nowhere else.
		runtime.LockOSThread()
		if err := u.takeFileRights(); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// takeFileRights changes the identity that the present thread has on files.
func (u User) takeFileRights() error {
	groups := u.groups
	if groups == nil {
		groups = []uint32{uint32(u.GID)}
	}
	// The function of package syscall changes all threads.
	if _, _, errno := unix.RawSyscall(setgroups(), uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0); errno != 0 {
		return fmt.Errorf("take the groups of user %d: %w", u.UID, errno)
	}
	_ = unix.Setfsgid(u.GID) // tells nothing: looked at below
	_ = unix.Setfsuid(u.UID)
	gid, _ := unix.SetfsgidRetGid(-1)
	uid, _ := unix.SetfsuidRetUid(-1)
	if gid != u.GID || uid != u.UID {
		return fmt.Errorf("take the rights of user %d on files: not permitted", u.UID)
	}
	return nil
}

// setgroups is the number of the call for groups of 32 bits.
func setgroups() uintptr {
	if runtime.GOARCH == "386" || runtime.GOARCH == "arm" {
		return 206
	}
	return unix.SYS_SETGROUPS
}
