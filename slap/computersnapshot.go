package slap

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
)

// Snapshot is what a computer had to run when it was looked at, without the
// parameters themselves. Two are compared by [Changes]. It can be stored as JSON
// and a later run of the program may go on from it, see [WatchSince]. What it
// holds in place of parameters are digests: not readable, but who can guess a
// parameter can check the guess, so store it where passwords may be.
//
// A Snapshot may be shared by goroutines as long as none calls Apply.
type Snapshot struct {
	// Computer is the identifier of the computer.
	Computer string `json:"computer"`
	// SoftwareReleases are those to build or to remove, by URL.
	SoftwareReleases map[string]Mark `json:"software_releases"`
	// Partitions are all partitions, free ones included, by identifier.
	Partitions map[string]Mark `json:"partitions"`

	// What the marks were taken from; missing if the snapshot was stored.
	releases  map[string]*SoftwareRelease
	instances map[string]*ComputerPartition
}

// Mark is what a Snapshot knows of a partition or, with nothing but its state,
// of a software release. Digests of what is empty are empty.
type Mark struct {
	// State is the wanted state; StateDestroyed on a free partition.
	State State `json:"state,omitempty"`
	// Instance is the identifier of the instance at the master.
	Instance string `json:"instance,omitempty"`
	// SoftwareRelease is the URL of the software release of the instance.
	SoftwareRelease string `json:"software_release,omitempty"`
	// SoftwareType is the software type of the instance.
	SoftwareType string `json:"software_type,omitempty"`
	// Timestamp is that of [ComputerPartition.Timestamp].
	Timestamp string `json:"timestamp,omitempty"`
	// Parameters is the digest of the parameters requested.
	Parameters string `json:"parameters,omitempty"`
	// ConnectionParameters is the digest of what the instance has published.
	ConnectionParameters string `json:"connection_parameters,omitempty"`
	// SharedInstances is the digest of the shared instances, in any order.
	SharedInstances string `json:"shared_instances,omitempty"`
	// Addresses is the digest of the addresses of the partition.
	Addresses string `json:"addresses,omitempty"`
	// Titles is the digest of the titles of the instance and of its root.
	Titles string `json:"titles,omitempty"`
}

// Snapshot reads what the computer has to run and returns its digest. What
// SoftwareReleases and Partitions know stays as it is. Errors are those of
// Refresh.
func (c *Computer) Snapshot(ctx context.Context) (*Snapshot, error) {
	look, err := c.client.Computer(c.guid).load(ctx, true)
	if err != nil {
		return nil, err
	}
	return newSnapshot(c.guid, look.releases, look.partitions), nil
}

func newSnapshot(computer string, releases []*SoftwareRelease, partitions []*ComputerPartition) *Snapshot {
	s := &Snapshot{
		Computer:         computer,
		SoftwareReleases: make(map[string]Mark, len(releases)), releases: make(map[string]*SoftwareRelease, len(releases)),
		Partitions: make(map[string]Mark, len(partitions)), instances: make(map[string]*ComputerPartition, len(partitions)),
	}
	for _, r := range releases {
		s.SoftwareReleases[r.URI()] = Mark{State: r.State()}
		s.releases[r.URI()] = r
	}
	for _, p := range partitions {
		at := p.told()
		s.Partitions[at.partitionID] = at.mark()
		s.instances[at.partitionID] = p
	}
	return s
}

// Apply makes one of the changes in the snapshot. A program that stores its
// snapshot after each change that it has dealt with loses none when it is
// stopped.
func (s *Snapshot) Apply(c *Change) {
	marks, name := &s.Partitions, c.PartitionID
	if c.SoftwareURL != "" {
		marks, name = &s.SoftwareReleases, c.SoftwareURL
	}
	if c.Kind == Removed {
		delete(*marks, name)
		return
	}
	if *marks == nil {
		*marks = map[string]Mark{}
	}
	(*marks)[name] = c.After
}

// mark returns what a Snapshot keeps of a partition.
func (s *snapshot) mark() Mark {
	m := Mark{
		State: s.state, Instance: s.guid, SoftwareType: s.text("slap_software_type"), Timestamp: s.text("timestamp"),
		ConnectionParameters: digest(s.connection, func(string) bool { return true }),
		Parameters:           digest(s.parameters, func(key string) bool { return !addedByMaster(key) }),
		Addresses: digest(s.parameters, func(key string) bool {
			return key == "ip_list" || key == "full_ip_list" || key == "full_address_list"
		}),
		Titles:          digest(s.parameters, func(key string) bool { return addedByMaster(key) && strings.HasSuffix(key, "title") }),
		SharedInstances: digestOfList(s.parameters["slave_instance_list"]),
	}
	if s.release != nil {
		m.SoftwareRelease = s.release.URI()
	}
	return m
}

// digest returns a digest of the parameters whose keys are wanted.
func digest(p Parameters, wanted func(string) bool) string {
	var texts []string
	for _, key := range p.Keys() {
		if wanted(key) {
			texts = append(texts, marshal.Repr(key)+": "+marshal.Repr(plain(p[key])))
		}
	}
	return digestOf(texts)
}

// digestOfList returns a digest of a list that has no order.
func digestOfList(v any) string {
	var texts []string
	for _, item := range itemsOf(v) {
		texts = append(texts, marshal.Repr(plain(item)))
	}
	slices.Sort(texts)
	return digestOf(texts)
}

func digestOf(texts []string) string {
	if len(texts) == 0 {
		return ""
	}
	hash := sha256.New()
	for _, text := range texts {
		_, _ = io.WriteString(hash, text) // a hash takes all
		_, _ = io.WriteString(hash, "\n")
	}
	return base64.RawURLEncoding.EncodeToString(hash.Sum(nil)[:16])
}
