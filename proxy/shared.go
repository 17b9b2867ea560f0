package proxy

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// requestShared finds a host for a shared instance and lists, changes or
// unlists it there.
func (m *master) requestShared(t store.Tx, q instanceRequest, by asker) (g granted, err error) {
	c, err := m.target(t, q)
	if err != nil {
		return g, err
	}
	key := by.tree + "_" + q.Reference
	s, err := t.Shared(c, key)
	if errors.Is(err, store.ErrNotFound) {
		s = &store.Shared{ComputerID: c.ID, Computer: c.Reference, Key: key, Tree: by.tree}
	} else if err != nil {
		return g, err
	}
	host, err := m.host(t, c, q, s)
	if err != nil {
		return g, err
	}
	if err := m.changeShared(t, s, host, q, by); err != nil {
		return g, err
	}
	host.Addresses, err = t.Addresses(host)
	return granted{partition: host, shared: s, parameters: q.Text}, err
}

// host chooses the instance that serves a shared one: the present one while it
// fits, else the first that does.
func (m *master) host(r store.Reader, c *store.Computer, q instanceRequest, s *store.Shared) (*store.Partition, error) {
	wanted := partitionOf(c.Reference, q.filterText("instance_guid"))
	if s.ID != 0 && (wanted == "" || wanted == s.HostPartition) {
		host, err := r.Host(c, q.Release, q.Type, s.HostPartition)
		if !errors.Is(err, store.ErrNotFound) {
			return host, err
		}
	}
	host, err := r.Host(c, q.Release, q.Type, wanted)
	if errors.Is(err, store.ErrNotFound) || err == nil && host.Hidden {
		return nil, lacking(noHost, "No instance of %q with software type %q on computer %q can serve the shared instance %q: request one first",
			q.Release, q.Type, c.Reference, q.Reference)
	}
	return host, err
}

// partitionOf reads the partition from an instance_guid: what follows the
// reference of the computer and one character, else the whole.
func partitionOf(computer, guid string) string {
	if rest, ok := strings.CutPrefix(guid, computer); ok && rest != "" {
		_, size := utf8.DecodeRuneInString(rest)
		return rest[size:]
	}
	return guid
}

// changeShared brings a shared instance to what is asked. The host's timestamp
// is raised whenever what the host sees changes. Only a started shared
// instance is shown to its host.
func (m *master) changeShared(t store.Tx, s *store.Shared, host *store.Partition, q instanceRequest, by asker) error {
	entry, err := sharedEntry(s.Key, q)
	if err != nil {
		return err
	}
	if s.ID == 0 && q.State == stateDestroyed {
		return nil // there is nothing to destroy, and nothing to remember
	}
	before := *s
	s.Tree, s.Requester, s.Host, s.HostPartition = by.tree, by.instance(), host.Instance.ID, host.Reference
	if by.partition != nil {
		s.Unlinked = 0
	}
	if q.State != "" || s.State == stateDestroyed { // one that is gone is a new one
		s.State = q.State
	}
	if s.State == "" {
		s.State = stateStarted
	}
	s.Type, s.Entry = q.Type, entry
	s.Listed = s.State != stateDestroyed && s.State != stateStopped
	moved := before.ID != 0 && before.Host != s.Host
	if s.Listed && (!before.Listed || moved) {
		if s.Position, err = t.NextPosition(); err != nil {
			return err
		}
	}
	shown := s.Listed != before.Listed || s.Listed && (moved || s.Entry != before.Entry)
	if !shown && s.ID != 0 && s.State == before.State && s.Requester == before.Requester && s.Tree == before.Tree && s.Entry == before.Entry {
		return nil
	}
	if err := t.SaveShared(s); err != nil {
		return err
	}
	if !shown {
		return nil
	}
	if moved && before.Listed {
		old, err := t.ByInstance(before.Host)
		if err != nil {
			return err
		}
		if err := advance(t, old, m.now()); err != nil {
			return err
		}
	}
	return advance(t, host, m.now())
}

// sharedEntry is what the host sees of a shared instance: three keys of its
// own, then the parameters, which may replace them.
func sharedEntry(key string, q instanceRequest) (string, error) {
	d := marshal.NewDict().Set("slave_title", key).Set("slap_software_type", q.Type).Set("slave_reference", key)
	for k, v := range q.Parameters.All() {
		if err := d.SetAny(k, v); err != nil {
			return "", badRequest("parameters: %v", err)
		}
	}
	text, err := marshal.Marshal(d)
	if err != nil {
		return "", badRequest("parameters: %v", err)
	}
	return string(text), fits("Parameters", len(text))
}

// sharedParameters takes what a host sees of a shared instance apart: its
// parameters and the software type that it was requested with.
func sharedParameters(s *store.Shared) (parameters *marshal.Dict, kind string, err error) {
	parameters = marshal.NewDict()
	if s.Entry == "" {
		return parameters, s.Type, nil
	}
	entry, err := storedDict(s.Entry)
	if err != nil {
		return nil, "", err
	}
	for k, v := range entry.All() {
		switch k {
		case "slave_title", "slave_reference":
		case "slap_software_type":
			kind = marshal.Str(v)
		default:
			parameters.Set(marshal.Str(k), v)
		}
	}
	return parameters, kind, nil
}
