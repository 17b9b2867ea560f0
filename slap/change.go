package slap

import (
	"maps"
	"slices"
	"strings"
)

// ChangeKind tells what became of a software release or a partition.
type ChangeKind string

// Kinds of changes.
const (
	Added   ChangeKind = "added"
	Changed ChangeKind = "changed"
	Removed ChangeKind = "removed"
)

// Aspects are what changed of a software release or a partition: a set.
type Aspects uint16

// Aspects of a partition. A software release has just AspectState.
const (
	AspectState                Aspects = 1 << iota // the wanted state
	AspectInstance                                 // another instance is in the partition
	AspectSoftwareRelease                          // the software release of the instance
	AspectSoftwareType                             // its software type
	AspectParameters                               // the parameters requested
	AspectConnectionParameters                     // what it has published
	AspectSharedInstances                          // its shared instances and what they request
	AspectAddresses                                // the addresses of the partition
	AspectTitles                                   // the titles of the instance or of its root
	AspectTimestamp                                // the timestamp; alone after a bang
)

// aspects are the aspects, what they are called, and what they compare.
var aspects = []struct {
	aspect Aspects
	name   string
	of     func(Mark) string
}{
	{AspectState, "state", func(m Mark) string { return string(m.State) }},
	{AspectInstance, "instance", func(m Mark) string { return m.Instance }},
	{AspectSoftwareRelease, "software release", func(m Mark) string { return m.SoftwareRelease }},
	{AspectSoftwareType, "software type", func(m Mark) string { return m.SoftwareType }},
	{AspectParameters, "parameters", func(m Mark) string { return m.Parameters }},
	{AspectConnectionParameters, "connection parameters", func(m Mark) string { return m.ConnectionParameters }},
	{AspectSharedInstances, "shared instances", func(m Mark) string { return m.SharedInstances }},
	{AspectAddresses, "addresses", func(m Mark) string { return m.Addresses }},
	{AspectTitles, "titles", func(m Mark) string { return m.Titles }},
	{AspectTimestamp, "timestamp", func(m Mark) string { return m.Timestamp }},
}

// Has tells whether any of some aspects is in the set.
func (a Aspects) Has(some Aspects) bool { return a&some != 0 }

// String names the aspects, separated by commas.
func (a Aspects) String() string {
	var names []string
	for _, known := range aspects {
		if a.Has(known.aspect) {
			names = append(names, known.name)
		}
	}
	return strings.Join(names, ", ")
}

// Change is one thing that changed on a computer.
type Change struct {
	// Kind tells whether it was added, changed or removed.
	Kind ChangeKind
	// SoftwareURL is the software release the change is about, empty if it is
	// about a partition.
	SoftwareURL string
	// PartitionID is the partition the change is about, empty if it is about
	// a software release.
	PartitionID string
	// Aspects are what changed, if the kind is Changed.
	Aspects Aspects
	// Before and After are what was known before, nothing if it was added, and
	// what is known now, nothing if it was removed.
	Before, After Mark
	// SoftwareRelease is the software release as it is now, nil if it was
	// removed.
	SoftwareRelease *SoftwareRelease
	// Partition is the partition as it is now, nil if it was removed.
	Partition *ComputerPartition
}

// String tells what changed, without parameters, for logs.
func (c *Change) String() string {
	text := "partition " + c.PartitionID
	if c.SoftwareURL != "" {
		text = "software release " + c.SoftwareURL
	}
	text += " " + string(c.Kind)
	if c.Aspects != 0 {
		text += ": " + c.Aspects.String()
	}
	return text
}

// Changes compares two looks at a computer. It returns what became of software
// releases, by URL, and then of partitions, by identifier: nothing if all is
// the same. A nil snapshot is one of nothing. Of snapshots that were stored the
// changes have neither SoftwareRelease nor Partition.
func Changes(before, after *Snapshot) []*Change {
	if before == nil {
		before = &Snapshot{}
	}
	if after == nil {
		after = &Snapshot{}
	}
	all := compare(before.SoftwareReleases, after.SoftwareReleases, func(c *Change, url string) {
		c.SoftwareURL, c.SoftwareRelease = url, after.releases[url]
	})
	return append(all, compare(before.Partitions, after.Partitions, func(c *Change, id string) {
		c.PartitionID, c.Partition = id, after.instances[id]
	})...)
}

// compare returns the changes between marks.
func compare(before, after map[string]Mark, name func(*Change, string)) []*Change {
	names := slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after)))
	slices.Sort(names)
	var all []*Change
	for _, key := range slices.Compact(names) {
		was, existed := before[key]
		is, exists := after[key]
		c := &Change{Kind: Changed, Before: was, After: is}
		switch {
		case !existed:
			c.Kind = Added
		case !exists:
			c.Kind = Removed
		case was == is:
			continue
		default:
			c.Aspects = difference(was, is)
		}
		name(c, key)
		all = append(all, c)
	}
	return all
}

// difference returns the aspects in which two marks differ.
func difference(a, b Mark) Aspects {
	var found Aspects
	for _, known := range aspects {
		if known.of(a) != known.of(b) {
			found |= known.aspect
		}
	}
	return found
}
