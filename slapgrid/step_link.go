package slapgrid

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// linkRelease makes the link to the release in the partition. Something else
// of that name is left alone.
type linkRelease struct{}

func (linkRelease) name() string { return "link the release" }

func (linkRelease) run(_ context.Context, p *partition) error {
	if p.releaseURL == "" {
		return compatf("No software release for partition %s", p.id)
	}
	info, err := p.files.Lstat(releaseLink)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSymlink:
		return nil
	default:
		if target, err := p.files.Readlink(releaseLink); err == nil && target == p.releaseDir && p.ownedByPartition(info) {
			return nil
		}
		if err := p.files.Delete(releaseLink); err != nil {
			return err
		}
	}
	// The target lies outside of the partition: only the link is inside.
	if err := p.files.Symlink(p.releaseDir, releaseLink); err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return nil
	}
	return p.files.Lchown(releaseLink, p.owner.UID, p.owner.GID)
}

func (p *partition) ownedByPartition(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && (os.Getuid() != 0 || int(st.Uid) == p.owner.UID)
}

// checkPermissions refuses partitions that other users could enter, and
// releases that are not there.
type checkPermissions struct{}

func (checkPermissions) name() string { return "check permissions" }

func (checkPermissions) run(_ context.Context, p *partition) error {
	info, err := os.Stat(p.dir)
	if err != nil || !info.IsDir() {
		return compatf("Please create partition directory %s", p.dir)
	}
	if mode := info.Mode().Perm(); mode != 0o750 {
		return compatf("Wrong permissions in %s: actual permissions are: 0%o, wanted are 0750", p.dir, mode)
	}
	release, err := os.Stat(filepath.Clean(p.releaseDir))
	if err != nil || !release.IsDir() {
		return compatf("Software Release %s is not present on system.\nCannot deploy instance.", p.releaseURL)
	}
	return nil
}
