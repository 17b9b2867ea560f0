package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file holds what the panel shows of one thing: a partition, an instance
// with its tree, a shared instance. Times are seconds since 1970, 0 for never.

// Healths of what reports.
const (
	healthOK       = "ok"
	healthPending  = "pending"  // the last report tells another state than the wanted one
	healthBuilding = "building" // a release is being installed
	healthError    = "error"
	healthSilent   = "silent" // a computer that has not come for some time
	healthUnknown  = "unknown"
)

// shownEvent is a dated text.
type shownEvent struct {
	Text string  `json:"text"`
	At   float64 `json:"at"`
}

func eventView(e store.Event) *shownEvent {
	if e.At == 0 && e.Text == "" {
		return nil
	}
	return &shownEvent{Text: e.Text, At: e.At}
}

// shownStatus is the last report about something.
type shownStatus struct {
	Health     string  `json:"health"`
	Text       string  `json:"text"`
	State      string  `json:"reported_state"`
	ReportedAt float64 `json:"reported_at"`
	Since      float64 `json:"since"`
}

// statusView judges a report by its first word, and by whether the state it
// tells is the wanted one. The report of a release tells no wanted state.
func statusView(s store.Status, wanted string) shownStatus {
	v := shownStatus{Health: healthUnknown, Text: s.Text, State: s.State, ReportedAt: s.CreatedAt, Since: s.Since}
	switch firstWord(s.Text) {
	case "":
	case "#access":
		v.Health = healthOK
		if wanted != "" && s.State != wanted {
			v.Health = healthPending
		}
	case "#building":
		v.Health = healthBuilding
	default:
		v.Health = healthError
	}
	return v
}

// partitionRef names a partition.
type partitionRef struct {
	Computer  string `json:"computer"`
	Partition string `json:"partition"`
}

// instanceRow is an instance in a list.
type instanceRow struct {
	partitionRef
	Title     string      `json:"title"`
	Root      string      `json:"root"` // the title of the root, of the root too
	IsRoot    bool        `json:"is_root"`
	Release   string      `json:"release"`
	Type      string      `json:"type"`
	State     string      `json:"state"`
	Status    shownStatus `json:"status"`
	Timestamp float64     `json:"timestamp"`
	// Hidden tells that its node no longer lists its partition.
	Hidden bool `json:"hidden,omitempty"`
	// Key is that of a shared instance, empty for others.
	Key string `json:"key,omitempty"`
	// Requester is the partition of the instance that requested it.
	Requester *partitionRef `json:"requester,omitempty"`
}

func instanceRowOf(p *store.Partition) instanceRow {
	i := p.Instance
	root := i.Tree
	if root == "" {
		root = i.Title
	}
	return instanceRow{
		partitionRef: partitionRef{p.Computer, p.Reference}, Title: i.Title, Root: root, IsRoot: i.Tree == "",
		Release: i.Release, Type: i.Type, State: i.State, Status: statusView(i.Status, i.State), Timestamp: p.Timestamp, Hidden: p.Hidden,
	}
}

// sharedTitle is the title that a shared instance was requested with.
func sharedTitle(s *store.Shared) string { return strings.TrimPrefix(s.Key, s.Tree+"_") }

func sharedRow(s *store.Shared, release string) instanceRow {
	v := instanceRow{
		partitionRef: partitionRef{s.Computer, s.HostPartition}, Title: sharedTitle(s), Root: s.Tree, IsRoot: s.Tree == "",
		Release: release, Type: s.Type, State: s.State, Status: statusView(s.Status, ""), Key: s.Key,
	}
	// Nodes report errors of shared instances only: one without has published
	// or not.
	if v.Status.Health == healthUnknown && s.Connection != "" {
		v.Status.Health = healthOK
	}
	if s.RequesterPartition != "" {
		v.Requester = &partitionRef{s.RequesterComputer, s.RequesterPartition}
	}
	return v
}

// shownParameters are instance XML as texts by name, and what tells apart
// versions of them.
type shownParameters struct {
	Values  map[string]string `json:"values"`
	Version string            `json:"version"`
}

// versionOf changes with a text.
func versionOf(text string) string {
	digest := sha256.Sum256([]byte(text))
	return hex.EncodeToString(digest[:8])
}

func parametersView(text string) (shownParameters, error) {
	d, err := decodeParameters(text)
	return shownParameters{texts(d), versionOf(text)}, err
}

// texts are the parameters of a dictionary as texts. Of values that hold others, which
// may be the same ones many times, no more is shown than may be kept.
func texts(d *marshal.Dict) map[string]string {
	values := make(map[string]string, d.Len())
	room := maxKept
	for k, v := range d.All() {
		text, whole := "", true
		if v != nil {
			text, whole = marshal.StrUpTo(v, room)
		}
		if !whole {
			text = strings.ToValidUTF8(text[:min(len(text), room)], "") + "..."
		}
		room = max(0, room-len(text))
		values[marshal.Str(k)] = text
	}
	return values
}

// shownInstance is all about one instance.
type shownInstance struct {
	instanceRow
	Parameters shownParameters   `json:"parameters"`
	Connection map[string]string `json:"connection"`
	Filter     map[string]string `json:"filter"`
	Addresses  []shownAddress    `json:"addresses"`
	Error      *shownEvent       `json:"error"`
	Bang       *shownEvent       `json:"bang"`
	// Tree are the instances of the tree, the root first, and the shared
	// instances that it requested. Hosted are those that this instance serves, also
	// those that are stopped.
	Tree   []instanceRow `json:"tree"`
	Hosted []instanceRow `json:"hosted"`
}

type shownAddress struct {
	Interface string `json:"interface"`
	Address   string `json:"address"`
	Netmask   string `json:"netmask"`
}

func addressesView(addresses []store.Address) []shownAddress {
	out := []shownAddress{}
	for _, a := range addresses {
		out = append(out, shownAddress{a.Interface, a.Address, a.Netmask})
	}
	return out
}

// instanceView shows the instance of a partition.
func (m *master) instanceView(ctx context.Context, p Principal, q url.Values) (v any, err error) {
	computer, partition := q.Get("computer"), q.Get("partition")
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{computer, partition}); err != nil {
		return nil, err
	}
	err = m.store.View(ctx, func(r store.Reader) error {
		found, err := r.Partition(computer, partition)
		if errors.Is(err, store.ErrNotFound) {
			return unknownPartition(computer, partition)
		}
		if err != nil {
			return err
		}
		if found.Instance == nil {
			return notFound("Partition %q of computer %q is free: the instance that was there is gone", partition, computer)
		}
		v, err = readInstance(r, found)
		return err
	})
	return v, err
}

func readInstance(r store.Reader, p *store.Partition) (v shownInstance, err error) {
	i := p.Instance
	v = shownInstance{
		instanceRow: instanceRowOf(p), Addresses: addressesView(p.Addresses), Hosted: []instanceRow{},
		Error: eventView(i.Error), Bang: eventView(i.Bang),
	}
	shared, err := r.SharedOfHost(i.ID, stateDestroyed) // its node is not shown those that are stopped
	if err != nil {
		return v, err
	}
	for _, s := range shared {
		v.Hosted = append(v.Hosted, sharedRow(s, i.Release))
	}
	if v.Parameters, err = parametersView(i.Parameters); err != nil {
		return v, err
	}
	if v.Connection, v.Filter, err = dictionaries(i.Connection, i.Filter); err != nil {
		return v, err
	}
	if v.Tree, err = treeRowsOf(r, p); err != nil {
		return v, err
	}
	for _, row := range v.Tree {
		if row.partitionRef == v.partitionRef && row.Key == "" {
			v.Requester = row.Requester
		}
	}
	return v, nil
}

func dictionaries(connection, filter string) (published, restricted map[string]string, err error) {
	c, err := decodeParameters(connection)
	if err != nil {
		return nil, nil, err
	}
	f := marshal.NewDict()
	if filter != "" {
		if f, err = storedDict(filter); err != nil {
			return nil, nil, err
		}
	}
	return texts(c), texts(f), nil
}

// treeRowsOf lists the whole tree of an instance: its instances, each with its
// requester, and the shared instances that they requested.
func treeRowsOf(r store.Reader, p *store.Partition) ([]instanceRow, error) {
	tree, err := wholeTree(r, p)
	if err != nil {
		return nil, err
	}
	places := make(map[int64]partitionRef, len(tree))
	for _, member := range tree {
		places[member.Instance.ID] = partitionRef{member.Computer, member.Reference}
	}
	rows := []instanceRow{}
	for _, member := range tree {
		row := instanceRowOf(member)
		if place, ok := places[member.Instance.Requester]; ok {
			row.Requester = &place
		}
		rows = append(rows, row)
	}
	if rows[0].Root == "" {
		return rows, nil // an instance without title can have no tree
	}
	shared, err := r.SharedOfTree(rows[0].Root)
	if err != nil {
		return nil, err
	}
	for _, s := range shared {
		host, err := r.ByInstance(s.Host)
		if err != nil {
			return nil, err
		}
		rows = append(rows, sharedRow(s, host.Instance.Release))
	}
	return rows, nil
}

// shownShared is all about one shared instance.
type shownShared struct {
	instanceRow
	Parameters shownParameters   `json:"parameters"`
	Connection map[string]string `json:"connection"`
	Error      *shownEvent       `json:"error"`
	// Host is the instance that serves it.
	Host      instanceRow    `json:"host"`
	Addresses []shownAddress `json:"addresses"`
}

// sharedView shows a shared instance.
func (m *master) sharedView(ctx context.Context, p Principal, q url.Values) (v any, err error) {
	computer, key := q.Get("computer"), q.Get("key")
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{Computer: computer}); err != nil {
		return nil, err
	}
	err = m.store.View(ctx, func(r store.Reader) error {
		s, host, err := findShared(r, computer, key)
		if err != nil {
			return err
		}
		v, err = readSharedInstance(r, s, host)
		return err
	})
	return v, err
}

// findShared returns a shared instance and the partition of its host.
func findShared(r store.Reader, computer, key string) (*store.Shared, *store.Partition, error) {
	gone := notFound("There is no shared instance %q on computer %q: it is gone", key, computer)
	c, err := r.Computer(computer)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, gone
	}
	if err != nil {
		return nil, nil, err
	}
	s, err := r.Shared(c, key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, gone
	}
	if err != nil {
		return nil, nil, err
	}
	host, err := r.ByInstance(s.Host)
	return s, host, err
}

func readSharedInstance(r store.Reader, s *store.Shared, host *store.Partition) (v shownShared, err error) {
	parameters, _, err := sharedParameters(s)
	if err != nil {
		return v, err
	}
	v = shownShared{instanceRow: sharedRow(s, host.Instance.Release), Error: eventView(s.Error), Host: instanceRowOf(host)}
	v.Parameters = shownParameters{texts(parameters), versionOf(s.Entry)}
	if v.Connection, _, err = dictionaries(s.Connection, ""); err != nil {
		return v, err
	}
	addresses, err := r.Addresses(host)
	v.Addresses = addressesView(addresses)
	return v, err
}
