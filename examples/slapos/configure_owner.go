package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// localAccounts are the accounts that root builds and runs software as, in a
// configuration without an account for each partition: the first that exists.
var localAccounts = []string{"slapsoft", "nobody"}

// chooseOwners finds out who software and partitions belong to when root
// configures: nothing runs as root, and "node format" makes no accounts yet.
func (s *localSetup) chooseOwners(lookup func(string) (*user.User, error)) error {
	if !s.Root {
		return nil
	}
	for _, name := range localAccounts {
		account, err := lookup(name)
		if _, unknown := errors.AsType[user.UnknownUserError](err); unknown {
			continue
		}
		if err != nil {
			return err
		}
		s.PartitionUser = name
		uid, uidErr := strconv.Atoi(account.Uid)
		gid, gidErr := strconv.Atoi(account.Gid)
		s.ownerUID, s.ownerGID = uid, gid
		return errors.Join(uidErr, gidErr)
	}
	return fmt.Errorf("software and partitions need an account other than root, and there is none of %q: "+
		"make one (useradd --system %s), or run this command as an ordinary user with all four directories",
		localAccounts, localAccounts[0])
}

// makeSoftwareRoot makes the directory of the releases for the account that
// builds them. One that exists and belongs to somebody else than root stays as it is.
func (s *localSetup) makeSoftwareRoot() error {
	if err := os.MkdirAll(s.SoftwareRoot, 0o755); err != nil {
		return err
	}
	if !s.Root {
		return nil
	}
	info, err := os.Stat(s.SoftwareRoot)
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
		return nil
	}
	entries, err := os.ReadDir(s.SoftwareRoot)
	switch {
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s belongs to root, who builds no software, and is not empty: "+
			"give it to another user (chown -R %s %s), or choose another with --slapos-software-root: %w",
			s.SoftwareRoot, s.PartitionUser, s.SoftwareRoot, fs.ErrPermission)
	}
	return os.Chown(s.SoftwareRoot, s.ownerUID, s.ownerGID)
}
