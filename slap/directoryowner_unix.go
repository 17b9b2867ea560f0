//go:build unix

package slap

import (
	"fmt"
	"os"
	"syscall"
)

// writableByOthers tells why others may write to a directory.
func writableByOthers(info os.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return fmt.Errorf("others may write to it (mode %#o)", mode)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d", owner.Uid)
	}
	return nil
}
