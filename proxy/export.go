package proxy

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/refdb"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// The schemas of the reference that Export writes.
const (
	// Schema14 is that of release 1.6.10.
	Schema14 = refdb.Documented
	// Schema18 is that of release 1.26.
	Schema18 = refdb.Newest
)

// ExportOptions choose what Export writes.
type ExportOptions struct {
	// Schema is Schema14 or Schema18; zero means Schema18.
	Schema int
	// ComputerID is the configured computer; empty means DefaultComputerID.
	ComputerID string
	// Replace allows to replace a file.
	Replace bool
}

// Export writes what a database holds, of this master or of the reference, as a
// database of the reference, which its proxy serves with the same answers. A
// master may serve the source meanwhile. The file has mode 0600, and is there
// complete or not at all; one that exists is fs.ErrExist unless Replace is set.
//
// The reference has no place for reports, errors, bangs, filters, usage reports,
// hidden partitions and routes, nor for the difference between stopped and destroyed shared instances.
// Release 1.6.10 does not tell trees apart: the notes name what it will mix up.
func Export(ctx context.Context, databasePath, path string, o ExportOptions) (notes []string, err error) {
	o.Schema, o.ComputerID = cmp.Or(o.Schema, Schema18), cmp.Or(o.ComputerID, DefaultComputerID)
	if !refdb.Writable(o.Schema) {
		return nil, fmt.Errorf("proxy: export: schema %d cannot be written, %d and %d can", o.Schema, Schema14, Schema18)
	}
	db, notes, err := openToRead(ctx, databasePath, o.ComputerID)
	if err != nil {
		return nil, fmt.Errorf("proxy: export: %w", err)
	}
	var e exporter
	err = db.View(ctx, func(r store.Reader) error { return e.read(r, o.Schema) })
	if err == nil {
		err = differs(databasePath, path)
	}
	if err == nil {
		err = store.CreateReference(ctx, path, o.Replace, func(tx *sql.Tx) error {
			return refdb.Write(ctx, tx, o.Schema, o.ComputerID, &e.out)
		})
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("proxy: export: %w", err)
	}
	return append(notes, e.notes...), nil
}

// exporter turns our rows into those of the reference.
type exporter struct {
	out        refdb.Database
	partitions []*store.Partition
	shared     []*store.Shared
	// roots are the partitions of the roots of trees, by their titles.
	roots map[string]string
	// keys are the keys of shared instances as they are written, by ID.
	keys  map[int64]string
	notes []string
}

func (e *exporter) note(format string, args ...any) {
	if len(e.notes) < maxNotes {
		e.notes = append(e.notes, fmt.Sprintf(format, args...))
	}
}

func (e *exporter) read(r store.Reader, schema int) (err error) {
	if err := e.readComputers(r); err != nil {
		return err
	}
	if e.shared, err = r.AllShared(); err != nil {
		return err
	}
	forwarded, err := r.Forwarded()
	if err != nil {
		return err
	}
	for _, f := range forwarded {
		e.out.Forwarded = append(e.out.Forwarded, refdb.Forwarded{Reference: f.Reference, Master: f.Master})
	}
	if e.out.SoftwareRoot, err = r.Setting(settingSoftwareRoot); err != nil {
		return err
	}
	e.roots, e.keys = map[string]string{}, map[int64]string{}
	for _, p := range e.partitions {
		if i := p.Instance; i != nil && i.Tree == "" && e.roots[i.Title] == "" {
			e.roots[i.Title] = p.Reference
		}
	}
	e.addShared(schema)
	if err := e.addPartitions(schema); err != nil {
		return err
	}
	if schema == Schema14 {
		e.breakCircles()
		e.noteEqualTitles()
	}
	return nil
}

// readComputers adds computers and releases, and reads the partitions.
func (e *exporter) readComputers(r store.Reader) error {
	computers, err := r.Computers()
	if err != nil {
		return err
	}
	var software []*store.Software
	for _, c := range computers {
		if c.Formatted {
			e.out.Computers = append(e.out.Computers, refdb.Computer{Reference: c.Reference, Address: c.Address, Netmask: c.Netmask})
		}
		supplied, err := r.Software(c)
		if err != nil {
			return err
		}
		software = append(software, supplied...)
		partitions, err := r.Partitions(c)
		if err != nil {
			return err
		}
		e.partitions = append(e.partitions, partitions...)
	}
	slices.SortFunc(software, func(a, b *store.Software) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(e.partitions, func(a, b *store.Partition) int { return cmp.Compare(a.ID, b.ID) })
	for _, s := range software {
		e.out.Software = append(e.out.Software, refdb.Software{URL: s.URL, Computer: s.Computer, State: s.State})
	}
	return nil
}

func (e *exporter) addPartitions(schema int) error {
	for _, p := range e.partitions {
		if p.Hidden {
			e.note("partition %q of computer %q is hidden: it is exported as one that its node lists", p.Reference, p.Computer)
		}
		for _, a := range p.Addresses {
			if a.Gateway+a.Network != "" {
				e.note("the address %s of partition %q of computer %q is exported without gateway and network", a.Address, p.Reference, p.Computer)
			}
			e.out.Addresses = append(e.out.Addresses, refdb.Address{
				Partition: p.Reference, Computer: p.Computer, Interface: a.Interface, Address: a.Address, Netmask: a.Netmask,
			})
		}
		row := refdb.Partition{Reference: p.Reference, Computer: p.Computer, SlapState: "free", State: stateStarted, Timestamp: p.Timestamp}
		if i := p.Instance; i != nil {
			list, err := e.slaveList(p.Shared)
			if err != nil {
				return err
			}
			row.SlapState, row.State, row.SlaveList = "busy", i.State, list
			row.Release, row.Type, row.Title = i.Release, i.Type, i.Title
			row.XML, row.ConnectionXML = i.Parameters, i.Connection
			row.Tree, row.Requester = i.Tree, requesterName(i.RequesterPartition)
			if schema == Schema14 {
				row.Requester = e.askingPartition(i.RequesterPartition, i.Tree)
			}
		}
		e.out.Partitions = append(e.out.Partitions, row)
	}
	return nil
}

// askingPartition is the partition that schema 14 names as the requester: that of
// the last requester, or, where it is not known, that of the root of the tree.
func (e *exporter) askingPartition(requester, tree string) string {
	if requester == "" && tree != "" {
		return e.roots[tree]
	}
	return requester
}

// addShared adds shared instances. In schema 14 their keys begin with the
// partition that asked.
func (e *exporter) addShared(schema int) {
	taken := map[[2]string]bool{}
	for _, s := range e.shared {
		taken[[2]string{s.Computer, s.Key}] = true
	}
	for _, s := range e.shared {
		row := refdb.Slave{
			Reference: s.Key, Computer: s.Computer, ConnectionXML: s.Connection, Host: s.HostPartition,
			Requester: requesterName(s.RequesterPartition),
		}
		if schema == Schema14 {
			row.Requester = e.askingPartition(s.RequesterPartition, s.Tree)
			if title, ok := strings.CutPrefix(s.Key, s.Tree+"_"); ok {
				wanted := row.Requester + "_" + title
				switch place := [2]string{s.Computer, wanted}; {
				case wanted == s.Key:
				case taken[place]:
					e.note("the shared instance %q keeps its reference: there is a %q already", s.Key, wanted)
				default:
					taken[place] = true
					row.Reference = wanted
				}
			}
		}
		e.keys[s.ID] = row.Reference
		e.out.Slaves = append(e.out.Slaves, row)
	}
}

// slaveList is what a host lists, with the keys as they are written.
func (e *exporter) slaveList(shared []*store.Shared) (string, error) {
	if len(shared) == 0 {
		return "", nil
	}
	list := marshal.NewList()
	for _, s := range shared {
		entry, err := storedDict(s.Entry)
		if err != nil {
			return "", err
		}
		for _, name := range []string{"slave_reference", "slave_title"} {
			if v, _ := entry.Get(name); v == s.Key {
				entry.Set(name, e.keys[s.ID])
			}
		}
		list.Items = append(list.Items, entry)
	}
	text, err := marshal.Marshal(list)
	return string(text), err
}

// breakCircles makes sure that release 1.6.10, which looks for the root of a tree
// by the names of partitions, gets there: it takes the computer that sorts first
// among those with a partition of a name, and would follow a circle for ever.
func (e *exporter) breakCircles() {
	rows := e.out.Partitions
	first := map[string]*refdb.Partition{}
	for i := range rows {
		p := &rows[i]
		if old := first[p.Reference]; old == nil || p.Computer < old.Computer {
			first[p.Reference] = p
		}
	}
	ends := map[string]bool{}
	for name := range first {
		path := map[string]bool{}
		for !ends[name] {
			p := first[name]
			if p == nil || p.Requester == "" || p.Requester == name {
				break
			}
			path[name] = true
			if path[p.Requester] {
				e.note("instances have requested one another, or their partitions have equal names: %q of computer %q is exported as a root",
					p.Title, p.Computer)
				p.Requester = ""
				break
			}
			name = p.Requester
		}
		for member := range path {
			ends[member] = true
		}
	}
}

// noteEqualTitles tells which titles release 1.6.10 will take for one.
func (e *exporter) noteEqualTitles() {
	seen := map[string]int{}
	for _, p := range e.out.Partitions {
		if p.Title == "" {
			continue
		}
		if seen[p.Title]++; seen[p.Title] == 2 {
			e.note("several instances have the title %q: release 1.6.10 finds only the first", p.Title)
		}
	}
}
