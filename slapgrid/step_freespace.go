package slapgrid

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// checkFreeSpace refuses to deploy on a disk that is almost full.
type checkFreeSpace struct{}

func (checkFreeSpace) name() string { return "check free space" }

func (checkFreeSpace) run(ctx context.Context, p *partition) error {
	p.log.InfoContext(ctx, "Installing Computer Partition "+p.id+"...")
	return requireSpace(p.dir, p.node.cfg.InstanceMinFreeSpace, "instance_min_free_space")
}

// requireSpace fails if the file system of a path, or of its nearest ancestor
// that exists, has less than so many bytes for ordinary users.
func requireSpace(path string, required int64, option string) error {
	var st syscall.Statfs_t
	at := path
	for {
		err := syscall.Statfs(at, &st)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return &fs.PathError{Op: "statfs", Path: at, Err: err}
		}
		at = filepath.Dir(at)
	}
	available := int64(st.Bavail) * int64(st.Bsize)
	if available < required {
		return compatf("Not enough space for %s: available %s, required %s (option '%s')",
			path, formatSize(available), formatSize(required), option)
	}
	return nil
}
