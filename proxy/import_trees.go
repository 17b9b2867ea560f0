package proxy

import (
	"fmt"

	"github.com/slapos/slapos-go/proxy/internal/refdb"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// A forest are the partitions of a database of the reference with the trees of
// their instances. Up to schema 16 an instance names the partition that requested
// it, later the title of the root of its tree.
//
// A partition is looked for on the computer of who names it. If it is not there,
// and only one other computer has an instance in a partition of that name, it is
// meant; otherwise who names it counts as a root. Databases that release 1.26
// upgraded from schema 14 may hold names of partitions where titles of roots
// belong: they are understood as what they were.
type forest struct {
	all []*node
	// places are all partitions, named the occupied ones by their names.
	places map[Object]*node
	named  map[string][]*node
	// roots are the titles of the roots of schema 17 and later.
	roots map[string]bool
	notes []string
}

// node is a partition in a forest.
type node struct {
	row       refdb.Partition
	order     int
	partition *store.Partition
	// title is that of the root of the tree, once known.
	title string
	// root tells that the instance is a root, known that both are decided.
	root, known bool
}

// occupied tells that a partition is taken: also one that is marked free, if its
// node is told to run something.
func (n *node) occupied() bool { return n.row.SlapState == "busy" || n.row.Release != "" }

func (n *node) String() string {
	return fmt.Sprintf("partition %q of computer %q", n.row.Reference, n.row.Computer)
}

// plant builds a forest.
func plant(rows []refdb.Partition) (*forest, error) {
	f := &forest{places: map[Object]*node{}, named: map[string][]*node{}, roots: map[string]bool{}}
	for i, row := range rows {
		n := &node{row: row, order: i}
		place := Object{row.Computer, row.Reference}
		if f.places[place] != nil {
			return nil, fmt.Errorf("%s is there twice", n)
		}
		f.places[place] = n
		f.all = append(f.all, n)
		if !n.occupied() {
			continue
		}
		f.named[row.Reference] = append(f.named[row.Reference], n)
		if !row.ByPartition && row.Tree == "" {
			f.roots[row.Title] = true
		}
	}
	return f, nil
}

func (f *forest) at(computer, partition string) *node { return f.places[Object{computer, partition}] }

// meant returns the occupied partition that is meant by a name on a computer, nil
// if there is none or several elsewhere.
func (f *forest) meant(computer, name string) *node {
	if n := f.at(computer, name); n != nil && n.occupied() {
		return n
	}
	if elsewhere := f.named[name]; len(elsewhere) == 1 {
		return elsewhere[0]
	}
	return nil
}

// parent returns the instance of whose tree another one is, nil for a root or if
// the row itself tells the title of the root.
func (f *forest) parent(n *node) *node {
	var parent *node
	switch {
	case n.row.ByPartition && n.row.Requester != "":
		parent = f.meant(n.row.Computer, n.row.Requester)
	case !n.row.ByPartition && f.isPartition(n.row.Computer, n.row.Tree):
		parent = f.at(n.row.Computer, n.row.Tree)
	}
	if parent == n {
		return nil
	}
	return parent
}

// isPartition tells that what should be the title of a root is the name of a
// partition of a computer.
func (f *forest) isPartition(computer, title string) bool {
	if title == "" || f.roots[title] {
		return false
	}
	n := f.at(computer, title)
	return n != nil && n.occupied()
}

// settle decides for an instance, and for those above it, which tree it is of.
// Where instances have requested one another in a circle, the first is the root.
func (f *forest) settle(n *node) {
	var path []*node
	onPath := map[*node]int{}
	for current := n; !current.known; {
		if start, ok := onPath[current]; ok {
			first := current
			for _, member := range path[start:] {
				if member.order < first.order {
					first = member
				}
			}
			first.title, first.root, first.known = first.row.Title, true, true
			f.notes = append(f.notes, fmt.Sprintf("instances have requested one another: %s counts as the root", first))
			// From there on the way back is known, all around the circle.
			path = append(path, path[start:]...)
			break
		}
		onPath[current] = len(path)
		path = append(path, current)
		parent := f.parent(current)
		if parent == nil {
			current.known = true
			current.title, current.root = current.row.Tree, false
			if current.row.ByPartition || current.row.Tree == "" {
				current.title, current.root = current.row.Title, true
			}
			break
		}
		current = parent
	}
	for i := len(path) - 1; i >= 0; i-- {
		if m := path[i]; !m.known {
			if parent := f.parent(m); parent.known {
				m.title, m.known = parent.title, true
			}
		}
	}
}

// rootTitle returns the title of the root of the tree of an instance.
func (f *forest) rootTitle(n *node) string {
	if !n.known {
		f.settle(n)
	}
	return n.title
}

// tree returns the title of the root of an instance that is no root itself.
func (f *forest) tree(n *node) string {
	title := f.rootTitle(n)
	if n.root {
		return ""
	}
	return title
}

// requester returns the instance that requested another one last, nil for a person
// or if it is not known.
func (f *forest) requester(n *node) *node {
	if !n.occupied() {
		return nil
	}
	r := f.parent(n)
	if !n.row.ByPartition && n.row.Requester != "" && n.row.Requester != personRequester {
		r = f.ofTree(n.row.Computer, n.row.Requester, f.rootTitle(n))
	}
	if r == n {
		return nil
	}
	return r
}

// personRequester is what the reference calls the requester that is no instance.
const personRequester = "user"

// ofTree returns the partition that is meant by a name on a computer: that of the
// computer itself, else the only one of a tree.
func (f *forest) ofTree(computer, name, title string) *node {
	if n := f.at(computer, name); n != nil && n.occupied() {
		return n
	}
	var found *node
	for _, n := range f.named[name] {
		if f.rootTitle(n) != title {
			continue
		}
		if found != nil {
			return nil
		}
		found = n
	}
	return found
}
