package slapgrid

import (
	"errors"
	"path/filepath"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// openRelease opens the directory of a release and tells whom it belongs to.
// The owner of the software root, who runs the builds, can put a link in its
// place at any moment: one that leads out of the software root is refused, so
// that the agent never works elsewhere, nor as somebody else.
func openRelease(directory string) (*confined.Dir, child.User, error) {
	root, err := confined.Open(filepath.Dir(directory), confined.Owner{})
	if err != nil {
		return nil, child.User{}, err
	}
	defer root.Close()
	dir, err := root.Sub(filepath.Base(directory), confined.Owner{})
	if err != nil {
		return nil, child.User{}, compatf("directory %s of the software release is not usable: %w (remove it and run the pass again)", directory, err)
	}
	info, err := dir.Stat(".")
	if err != nil {
		return nil, child.User{}, errors.Join(err, dir.Close())
	}
	owner := child.OwnerIn(info, directory)
	if err := owner.Resolve(); err != nil {
		return nil, child.User{}, errors.Join(err, dir.Close())
	}
	dir.Owner = confined.Owner{UID: owner.UID, GID: owner.GID}
	return dir, owner, nil
}
