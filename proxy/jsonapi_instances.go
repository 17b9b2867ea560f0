package proxy

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/jsonapi"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// guidSeparator joins the parts of an instance_guid: the title, the title of the
// root (empty for a root itself), and 1 for a shared instance, else 0.
const guidSeparator = "___"

// maxReadings bounds the ways in which an instance_guid is read.
const maxReadings = 256

// instanceGUID is an instance_guid, in all the ways in which it can be read:
// titles may hold the separator.
type instanceGUID struct {
	text     string
	shared   bool
	readings []guidReading
}

type guidReading struct{ title, tree string }

// jsonGUID is the instance_guid of an instance.
func jsonGUID(title, tree string, shared bool) string {
	kind := "0"
	if shared {
		kind = "1"
	}
	return title + guidSeparator + tree + guidSeparator + kind
}

// readGUID reads an instance_guid. As with the reference, any number other than
// 0 stands for a shared instance.
func readGUID(text string) (g instanceGUID, ok bool) {
	at := strings.LastIndex(text, "_") + 1
	number := text[at:]
	names, separated := strings.CutSuffix(text[:at], guidSeparator)
	if _, err := strconv.Atoi(number); !separated || err != nil && !errors.Is(err, strconv.ErrRange) {
		return g, false
	}
	g = instanceGUID{text: text, shared: strings.Trim(number, "+-0") != ""}
	for i := range names {
		tree, here := strings.CutPrefix(names[i:], guidSeparator)
		if !here {
			continue
		}
		if len(g.readings) == maxReadings {
			return g, false
		}
		g.readings = append(g.readings, guidReading{names[:i], tree})
	}
	return g, len(g.readings) > 0
}

// guid reads the field instance_guid.
func (c *jsonCall) guid() (instanceGUID, error) {
	text := c.text("instance_guid")
	g, ok := readGUID(text)
	if !ok {
		return g, c.refuse("not_handled", text)
	}
	return g, nil
}

// instance finds the instance that a guid stands for, or returns nil.
func (c *jsonCall) instance(r store.Reader, g instanceGUID) (found *store.Partition, err error) {
	if g.shared {
		return nil, nil
	}
	for _, reading := range g.readings {
		p, err := findInstance(r, reading.tree, reading.title)
		switch {
		case err != nil:
			return nil, err
		case p == nil:
		case found != nil:
			return nil, c.refuse("ambiguous", g.text)
		default:
			found = p
		}
	}
	return found, nil
}

// sharedInstance finds the shared instance that a guid stands for, unless it is
// destroyed, or returns nil. With the same reference on several computers, the
// first counts.
func (c *jsonCall) sharedInstance(r store.Reader, g instanceGUID) (found *store.Shared, err error) {
	if !g.shared {
		return nil, nil
	}
	for _, reading := range g.readings {
		all, err := r.SharedByKey(reading.tree + "_" + reading.title)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			switch {
			case s.State == stateDestroyed:
			case found == nil:
				found = s
			case found.Key != s.Key:
				return nil, c.refuse("ambiguous", g.text)
			}
		}
	}
	return found, nil
}

// onInstance changes the instance that a guid stands for, which is nil if there
// is none. What f refuses is not kept.
func (c *jsonCall) onInstance(ctx context.Context, m *master, a Action, g instanceGUID, f func(store.Tx, *store.Partition) error) error {
	return m.store.Update(ctx, func(t store.Tx) error {
		p, err := c.instance(t, g)
		if err != nil {
			return err
		}
		var object Object
		if p != nil {
			object = Object{p.Computer, p.Reference}
		}
		if err := m.authorizer.Authorize(ctx, c.principal, a, object); err != nil {
			return err
		}
		return f(t, p)
	})
}

// namesOf takes the reference of a shared instance apart: the title of the root
// of the tree that requested it, and its own.
func namesOf(s *store.Shared) (tree, title string) {
	if title, ok := strings.CutPrefix(s.Key, s.Tree+"_"); ok {
		return s.Tree, title
	}
	// The tree was renamed; the reference keeps the name that it had.
	tree, title, _ = strings.Cut(s.Key, "_")
	return tree, title
}

// jsonInstance is the object that the API shows of an instance, web.md 4.5.
type jsonInstance struct {
	title, tree            string
	release, kind, state   string
	connection, parameters *marshal.Dict
	shared                 bool
	addresses              []store.Address
	computer, partition    string
	timestamp              float64
}

func (i jsonInstance) dict() *marshal.Dict {
	root := i.tree
	if root == "" {
		root = i.title
	}
	short, full := addressLists(i.addresses)
	return marshal.NewDict().
		Set("title", i.title).
		Set("instance_guid", jsonGUID(i.title, i.tree, i.shared)).
		Set("software_release_uri", i.release).
		Set("software_type", i.kind).
		Set("state", i.state).
		Set("connection_parameters", i.connection).
		Set("parameters", i.parameters).
		Set("shared", i.shared).
		Set("root_instance_title", root).
		Set("ip_list", short).
		Set("full_ip_list", full).
		Set("sla_parameters", marshal.NewDict()).
		Set("computer_guid", i.computer).
		Set("compute_partition_id", i.partition).
		Set("processing_timestamp", int64(i.timestamp)).
		Set("access_status_message", "")
}

// sortedParameters reads stored instance XML, keys in order.
func sortedParameters(text string) (*marshal.Dict, error) {
	values, err := instancexml.Decode(text)
	if err != nil {
		return nil, err
	}
	return jsonapi.Sorted(values), nil
}

// placed shows the instance of a partition that was read with its addresses.
func placed(p *store.Partition) (*marshal.Dict, error) {
	parameters, err := sortedParameters(p.Instance.Parameters)
	if err != nil {
		return nil, err
	}
	connection, err := sortedParameters(p.Instance.Connection)
	if err != nil {
		return nil, err
	}
	i := p.Instance
	return jsonInstance{
		title: i.Title, tree: i.Tree, release: i.Release, kind: i.Type, state: i.State,
		connection: connection, parameters: parameters, addresses: p.Addresses,
		computer: p.Computer, partition: p.Reference, timestamp: p.Timestamp,
	}.dict(), nil
}

// hosted shows a shared instance. Its release, type and timestamp are those of
// its host.
func hosted(r store.Reader, s *store.Shared) (*marshal.Dict, error) {
	host, err := r.ByInstance(s.Host)
	if err != nil {
		return nil, err
	}
	parameters, _, err := sharedParameters(s)
	if err != nil {
		return nil, err
	}
	connection, err := sortedParameters(s.Connection)
	if err != nil {
		return nil, err
	}
	tree, title := namesOf(s)
	return jsonInstance{
		title: title, tree: tree, release: host.Instance.Release, kind: host.Instance.Type, state: s.State,
		connection: connection, parameters: jsonapi.Plain(parameters), shared: true,
		computer: host.Computer, partition: host.Reference, timestamp: host.Timestamp,
	}.dict(), nil
}

// obtained shows what a request of a tree led to. Of a shared instance it shows
// the addresses of the host, and the parameters as the host's XML would have
// them.
func (g granted) obtained(q instanceRequest, tree string) (*marshal.Dict, error) {
	asked := jsonInstance{
		title: q.Reference, tree: tree, release: q.Release, kind: q.Type, state: q.State, parameters: q.Parameters, shared: q.Shared,
	}
	switch {
	case g.frontEnd != nil:
		asked.state, asked.connection, asked.partition = stateStarted, g.frontEnd.connection, g.frontEnd.name
		return asked.dict(), nil
	case g.forwarded != nil:
		return g.forwarded.shown(asked), nil
	case g.shared == nil:
		return placed(g.partition)
	}
	parameters, err := sortedParameters(g.parameters)
	if err != nil {
		return nil, err
	}
	connection, err := sortedParameters(g.shared.Connection)
	if err != nil {
		return nil, err
	}
	host := g.partition
	tree, title := namesOf(g.shared)
	state := g.shared.State
	if g.shared.ID == 0 {
		state = stateDestroyed // it never was
	}
	return jsonInstance{
		title: title, tree: tree, release: host.Instance.Release, kind: host.Instance.Type, state: state,
		connection: connection, parameters: parameters, shared: true, addresses: host.Addresses,
		computer: host.Computer, partition: host.Reference,
	}.dict(), nil
}

// shown completes what was asked for with what another master tells.
func (f *forwarded) shown(i jsonInstance) *marshal.Dict {
	get := func(name string) any {
		v, _ := f.instance.Get(name)
		return v
	}
	i.connection = marshal.NewDict()
	if published, ok := get("_connection_dict").(*marshal.Dict); ok {
		i.connection = jsonapi.Plain(published)
	}
	i.computer, _ = get("slap_computer_id").(string)
	i.partition, _ = get("slap_computer_partition_id").(string)
	return i.dict()
}
