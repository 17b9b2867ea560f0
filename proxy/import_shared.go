package proxy

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/refdb"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// listing is an entry in the list of a host.
type listing struct {
	host     *node
	key      string
	entry    *marshal.Dict
	position int64
	used     bool
}

// importShared keeps the shared instances that a host lists, and those that it no
// longer lists for their connection parameters. The store has one per key and
// computer, with a host.
func (im *importer) importShared() error {
	listings, byKey, err := im.listings()
	if err != nil {
		return err
	}
	rows := im.slaves()
	taken := map[[2]string]bool{}
	for _, s := range rows {
		taken[[2]string{s.Computer, s.Reference}] = true
	}
	for _, l := range listings {
		// A host lists what no row is about.
		if key := [2]string{l.host.row.Computer, l.key}; !taken[key] {
			taken[key] = true
			rows = append(rows, refdb.Slave{Reference: l.key, Computer: l.host.row.Computer, ByPartition: l.host.row.ByPartition})
		}
	}
	for _, s := range rows {
		if err := im.importSlave(s, byKey[[2]string{s.Computer, s.Reference}], taken); err != nil {
			return err
		}
	}
	for _, l := range listings {
		if !l.used {
			im.note("the shared instance %q is on the lists of several hosts: the one of %s is left out", l.key, l.host)
		}
	}
	return nil
}

// listings reads the lists of all hosts.
func (im *importer) listings() (all []*listing, byKey map[[2]string][]*listing, err error) {
	byKey = map[[2]string][]*listing{}
	for _, n := range im.forest.all {
		if !n.occupied() || n.row.SlaveList == "" {
			continue
		}
		v, err := marshal.Unmarshal([]byte(n.row.SlaveList))
		if err != nil {
			return nil, nil, fmt.Errorf("%s: slave_instance_list: %w", n, err)
		}
		items, ok := v.(*marshal.List)
		if !ok {
			return nil, nil, fmt.Errorf("%s: slave_instance_list is not a list", n)
		}
		for _, item := range items.Items {
			entry, ok := item.(*marshal.Dict)
			if !ok {
				return nil, nil, fmt.Errorf("%s: slave_instance_list holds what is not a dictionary", n)
			}
			reference, _ := entry.Get("slave_reference")
			key, _ := reference.(string)
			if key == "" {
				im.note("%s lists a shared instance without reference: it is left out", n)
				continue
			}
			l := &listing{host: n, key: key, entry: entry, position: int64(len(all) + 1)}
			all = append(all, l)
			place := [2]string{n.row.Computer, key}
			byKey[place] = append(byKey[place], l)
		}
	}
	return all, byKey, nil
}

// slaves returns the rows of shared instances with duplicates merged: what was
// written last counts.
func (im *importer) slaves() (rows []refdb.Slave) {
	index := map[[2]string]int{}
	for _, s := range im.from.Slaves {
		key := [2]string{s.Computer, s.Reference}
		i, ok := index[key]
		if !ok {
			index[key] = len(rows)
			rows = append(rows, s)
			continue
		}
		if s.ConnectionXML == "" {
			s.ConnectionXML = rows[i].ConnectionXML
		}
		rows[i] = s
	}
	return rows
}

// importSlave keeps a shared instance. Keys that begin with the name of a partition
// get the title of the root of its tree there, if that key is not taken.
func (im *importer) importSlave(row refdb.Slave, listed []*listing, taken map[[2]string]bool) error {
	l := chosen(listed, row.Host)
	host := im.forest.at(row.Computer, row.Host)
	if l != nil {
		host = l.host
	}
	if host == nil || !host.occupied() {
		im.note("the shared instance %q has no host on computer %q any more: it is left out", row.Reference, row.Computer)
		return nil
	}
	a := im.asker(row)
	key := row.Reference
	if a.partition != "" && strings.HasPrefix(key, a.partition+"_") {
		wanted := a.tree + strings.TrimPrefix(key, a.partition)
		switch place := [2]string{row.Computer, wanted}; {
		case wanted == key:
		case taken[place]:
			im.note("the shared instance %q keeps its reference: there is a %q already", key, wanted)
		default:
			taken[place] = true
			key = wanted
		}
	}
	s := &store.Shared{
		ComputerID: host.partition.ComputerID, Computer: row.Computer, Key: key, Tree: a.tree,
		Host: host.partition.Instance.ID, State: stateDestroyed, Connection: row.ConnectionXML,
	}
	if a.instance != nil {
		s.Requester = a.instance.partition.Instance.ID
	}
	if l != nil {
		if err := im.list(s, l); err != nil {
			return err
		}
	}
	im.shared++
	return im.t.SaveShared(s)
}

// chosen returns the entry that counts: that of the host in the row, else the first.
func chosen(listed []*listing, host string) *listing {
	for _, l := range listed {
		if l.host.row.Reference == host {
			return l
		}
	}
	if len(listed) == 0 {
		return nil
	}
	return listed[0]
}

// list fills in what the list of a host tells. A host whose list changes by the
// import is processed again.
func (im *importer) list(s *store.Shared, l *listing) error {
	l.used = true
	if s.Key != l.key {
		for _, name := range []string{"slave_reference", "slave_title"} {
			if v, _ := l.entry.Get(name); v == l.key {
				l.entry.Set(name, s.Key)
			}
		}
		if p := l.host.partition; p.Timestamp < im.now {
			if err := advance(im.t, p, im.now); err != nil {
				return err
			}
		}
	}
	kind, _ := l.entry.Get("slap_software_type")
	s.Type, _ = kind.(string)
	text, err := marshal.Marshal(l.entry)
	if err != nil {
		return fmt.Errorf("%s: slave_instance_list: %w", l.host, err)
	}
	s.State, s.Listed, s.Position, s.Entry = stateStarted, true, l.position, string(text)
	return nil
}

// slaveAsker tells who asked for a shared instance.
type slaveAsker struct {
	// partition is the name with which the key begins, if it is one of a
	// partition instead of the title of a root.
	partition string
	// tree is the title of the root of the tree of the asker.
	tree string
	// instance is nil if the asker is a person or unknown.
	instance *node
}

func (im *importer) asker(row refdb.Slave) slaveAsker {
	f := im.forest
	if row.ByPartition {
		if n := f.byPrefix(row); n != nil {
			return slaveAsker{n.row.Reference, f.rootTitle(n), n}
		}
		if n := f.meant(row.Computer, row.Requester); n != nil {
			return slaveAsker{"", f.rootTitle(n), n}
		}
		return slaveAsker{}
	}
	if row.Requester != "" && row.Requester != personRequester {
		if n := f.ofTree(row.Computer, row.Requester, beforeUnderscore(row.Reference)); n != nil {
			return slaveAsker{"", f.rootTitle(n), n}
		}
	}
	if row.Tree != "" && f.roots[row.Tree] {
		return slaveAsker{tree: row.Tree}
	}
	if strings.HasPrefix(row.Reference, "_") {
		return slaveAsker{}
	}
	if title := longest(row.Reference, f.roots); title != "" {
		return slaveAsker{tree: title}
	}
	// Release 1.26 upgraded it from schema 14 and left the partition in the key.
	if n := f.byPrefix(row); n != nil {
		return slaveAsker{n.row.Reference, f.rootTitle(n), n}
	}
	return slaveAsker{tree: beforeUnderscore(row.Reference)}
}

func beforeUnderscore(key string) string {
	before, _, _ := strings.Cut(key, "_")
	return before
}

// longest returns the longest of some titles that is followed by an underscore at
// the beginning of a key.
func longest(key string, titles map[string]bool) string {
	for prefix := range prefixes(key) {
		if titles[prefix] {
			return prefix
		}
	}
	return ""
}

// maxPrefixes bounds the names with which a key is taken to begin: to compare all of
// a long key of underscores would take for ever.
const maxPrefixes = 500

// prefixes are what is before the underscores of a key, the longest first. Of more than
// maxPrefixes, these are the shortest.
func prefixes(key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		var ends []int
		for i := 1; i < len(key) && len(ends) < maxPrefixes; i++ {
			if key[i] == '_' {
				ends = append(ends, i)
			}
		}
		for _, end := range slices.Backward(ends) {
			if !yield(key[:end]) {
				return
			}
		}
	}
}

// byPrefix returns the occupied partition with whose name a key begins: the asker
// of the row, else the one of the longest name.
func (f *forest) byPrefix(row refdb.Slave) *node {
	if row.ByPartition && row.Requester != "" && strings.HasPrefix(row.Reference, row.Requester+"_") {
		return f.meant(row.Computer, row.Requester)
	}
	for prefix := range prefixes(row.Reference) {
		if n := f.meant(row.Computer, prefix); n != nil {
			return n
		}
	}
	return nil
}
