package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// ImportOptions choose how Import reads its source.
type ImportOptions struct {
	// ComputerID is where rows of the reference that name no computer belong;
	// empty means DefaultComputerID.
	ComputerID string
}

// Import puts all that a database holds into another, empty one: into a new file, or
// into a PostgreSQL database that no computer was described to, though masters may
// serve it already. The source is a file of the reference, which is imported by the rules of
// Open, or a database of this master of either kind, which is copied as it is. It is
// read at one moment and not changed; what a master that serves it is told
// afterwards is not in the copy.
//
// The source is verified as Check does, and so is the target, before it has the
// rows: in one transaction of PostgreSQL, or a file that appears complete. Import can
// be run again whenever it was interrupted. A PostgreSQL database with rows is
// ErrDatabaseNotEmpty, a file that exists is fs.ErrExist. The notes tell what the
// import left out or changed.
func Import(ctx context.Context, source, target string, o ImportOptions) (notes []string, err error) {
	db, notes, err := openToRead(ctx, source, cmp.Or(o.ComputerID, DefaultComputerID))
	if err != nil {
		return nil, fmt.Errorf("proxy: import: %w", err)
	}
	if err = db.Check(ctx); err == nil {
		err = db.View(ctx, tellAll)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", DatabaseName(source), err)
	} else if store.IsPostgres(target) {
		err = store.CopyToPostgres(ctx, db, target, runIDSetting, tellAll) // masters that serve it have that
	} else {
		err = store.CopyToFile(ctx, db, target, tellAll)
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w: choose a new one", err)
		}
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("proxy: import: %w", err)
	}
	return notes, nil
}
