package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/refdb"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// openDatabase opens a database of either kind.
func (c *config) openDatabase(ctx context.Context, database string) (store.Store, error) {
	if store.IsPostgres(database) {
		db, err := store.OpenPostgres(ctx, database)
		if err != nil {
			return nil, err
		}
		return db, nil
	}
	db, err := c.openFile(ctx, database)
	if err != nil {
		return nil, err
	}
	return db, nil
}

// openFile opens a file, importing it first if it is one of the reference.
func (c *config) openFile(ctx context.Context, path string) (*store.SQLite, error) {
	db, err := store.Open(ctx, path)
	if !errors.Is(err, store.ErrReference) {
		return db, err
	}
	im := importer{computerID: c.computerID, now: seconds(c.clock())}
	backup, err := store.Adopt(ctx, path, im.run)
	if err != nil {
		return nil, err
	}
	for _, note := range im.notes {
		c.logger.Warn("importing the database: " + note)
	}
	c.logger.Info("the database of the Python proxy was imported; the original is kept under another name",
		"database", path, "original", backup, slog.Any("schemas", im.from.Versions),
		"computers", len(im.from.Computers), "partitions", len(im.from.Partitions),
		"instances", im.instances, "shared", im.shared)
	return store.Open(ctx, path)
}

// openedReference holds what a file of the reference does, in memory.
func openedReference(ctx context.Context, path, computerID string, now float64) (*store.SQLite, []string, error) {
	db, err := store.Open(ctx, store.Memory)
	if err != nil {
		return nil, nil, err
	}
	im := importer{computerID: computerID, now: now}
	err = store.ReadReference(ctx, path, func(from refdb.Source) error {
		return db.Update(ctx, func(t store.Tx) error { return im.run(ctx, from, t) })
	})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, im.notes, nil
}

// importer turns the rows of a database of the reference into ours.
type importer struct {
	computerID string  // where rows belong that name no computer
	now        float64 // the time of the import

	t      store.Tx
	from   *refdb.Database
	forest *forest
	// computers are those of the new database, by reference.
	computers map[string]*store.Computer

	instances, shared int
	// notes tell what is not as it was.
	notes []string
}

// maxNotes bounds how many notes are kept of one kind of import.
const maxNotes = 100

func (im *importer) note(format string, args ...any) {
	if len(im.notes) < maxNotes {
		im.notes = append(im.notes, fmt.Sprintf(format, args...))
	}
}

// run imports everything, and makes sure that it can be told to nodes.
func (im *importer) run(ctx context.Context, from refdb.Source, t store.Tx) (err error) {
	if im.from, err = refdb.Read(ctx, from, im.computerID); err != nil {
		return err
	}
	if err := im.fill(t); err != nil {
		return err
	}
	return ctx.Err()
}

// fill turns the rows that were read into ours.
func (im *importer) fill(t store.Tx) error {
	if len(im.from.Versions) > 1 {
		im.note("it has tables of schemas %v: of each table the newest one with rows counts", im.from.Versions)
	}
	im.t, im.computers = t, map[string]*store.Computer{}
	for _, step := range []func() error{
		im.importComputers, im.importSoftware, im.importPartitions, im.importInstances, im.importShared, im.importRest, im.verify,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// computer returns a computer that something refers to.
func (im *importer) computer(reference string) (*store.Computer, error) {
	if c := im.computers[reference]; c != nil {
		return c, nil
	}
	c, err := im.t.EnsureComputer(reference)
	if err == nil {
		im.computers[reference] = c
	}
	return c, err
}

func (im *importer) importComputers() error {
	for _, row := range im.from.Computers {
		c, err := im.computer(row.Reference)
		if err != nil {
			return err
		}
		c.Address, c.Netmask = row.Address, row.Netmask
		if err := im.t.FormatComputer(c); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) importSoftware() error {
	seen := map[[2]string]bool{}
	for _, row := range im.from.Software {
		c, err := im.computer(row.Computer)
		if err != nil {
			return err
		}
		if key := [2]string{row.Computer, row.URL}; seen[key] {
			im.note("release %q is twice on computer %q: the first counts", row.URL, row.Computer)
			continue
		} else {
			seen[key] = true
		}
		s := &store.Software{ComputerID: c.ID, Computer: c.Reference, URL: row.URL, State: row.State}
		if err := im.t.InsertSoftware(s); err != nil {
			return err
		}
	}
	return nil
}

// importPartitions makes the places, and finds out about the trees.
func (im *importer) importPartitions() (err error) {
	if im.forest, err = plant(im.from.Partitions); err != nil {
		return err
	}
	for _, n := range im.forest.all {
		c, err := im.computer(n.row.Computer)
		if err != nil {
			return err
		}
		if n.partition, err = im.t.InsertPartition(c, n.row.Reference); err != nil {
			return err
		}
		n.partition.Timestamp = n.row.Timestamp
	}
	addresses := map[*node][]store.Address{}
	for _, a := range im.from.Addresses {
		n := im.forest.at(a.Computer, a.Partition)
		if n == nil {
			im.note("the address %s is of partition %q of computer %q, which does not exist: it is left out", a.Address, a.Partition, a.Computer)
			continue
		}
		addresses[n] = append(addresses[n], store.Address{Interface: a.Interface, Address: a.Address, Netmask: a.Netmask})
	}
	for _, n := range im.forest.all {
		if len(addresses[n]) == 0 {
			continue
		}
		if err := im.t.ReplaceAddresses(n.partition, addresses[n]); err != nil {
			return err
		}
	}
	return nil
}

func (im *importer) importInstances() error {
	for _, n := range im.forest.all {
		if !n.occupied() {
			if n.row.Timestamp > 0 {
				if err := im.t.SaveTimestamp(n.partition); err != nil {
					return err
				}
			}
			continue
		}
		i := &store.Instance{
			Title: n.row.Title, Tree: im.forest.tree(n), Release: n.row.Release, Type: n.row.Type, State: n.row.State,
			Parameters: n.row.XML, Connection: n.row.ConnectionXML,
		}
		if err := im.t.Occupy(n.partition, i); err != nil {
			return err
		}
		im.instances++
	}
	for _, n := range im.forest.all {
		requester := im.forest.requester(n)
		if requester == nil {
			continue
		}
		n.partition.Instance.Requester = requester.partition.Instance.ID
		if err := im.t.SaveInstance(n.partition); err != nil {
			return err
		}
	}
	for _, note := range im.forest.notes {
		im.note("%s", note)
	}
	return nil
}

// importRest keeps what is not about instances.
func (im *importer) importRest() error {
	for _, f := range im.from.Forwarded {
		if err := im.t.SaveForwarded(store.Forwarded{Reference: f.Reference, Master: f.Master}); err != nil {
			return err
		}
	}
	if im.from.SoftwareRoot == "" {
		return nil
	}
	return im.t.SaveSetting(settingSoftwareRoot, im.from.SoftwareRoot)
}

// verify makes every answer about what was imported, so that nothing is kept that
// cannot be told.
func (im *importer) verify() error { return tellAll(im.t) }

// tellAll marshals the answers about all computers.
func tellAll(r store.Reader) error {
	computers, err := r.Computers()
	if err != nil {
		return err
	}
	var buffer []byte
	for _, c := range computers {
		partitions, err := r.Partitions(c)
		if err != nil {
			return err
		}
		software, err := r.Software(c)
		if err != nil {
			return err
		}
		for part := range slices.Chunk(partitions, 100) {
			if buffer, err = tell(buffer[:0], c, software, part); err != nil {
				return err
			}
		}
		if buffer, err = tell(buffer[:0], c, software, nil); err != nil {
			return err
		}
	}
	return nil
}

// tell marshals an answer; of many partitions it tells which one cannot be told.
func tell(buffer []byte, c *store.Computer, software []*store.Software, partitions []*store.Partition) ([]byte, error) {
	told, err := marshal.Append(buffer, computerObject(c, software, partitions))
	if err == nil {
		return told, nil
	}
	for _, p := range partitions {
		o, broken := partitionObject(p)
		if broken == nil {
			_, broken = marshal.Append(buffer[:0], o)
		}
		if broken != nil {
			return buffer, fmt.Errorf("partition %q of computer %q cannot be told to its node: %w", p.Reference, p.Computer, broken)
		}
	}
	return buffer, fmt.Errorf("computer %q cannot be told to its node: %w", c.Reference, err)
}
