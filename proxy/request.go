package proxy

import (
	"context"
	"errors"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// States of instances that have a meaning for the rules. Others are kept as
// they are asked for.
const (
	stateStarted   = "started"
	stateStopped   = "stopped"
	stateDestroyed = "destroyed"
	stateAvailable = "available"
)

// defaultType is the software type of an instance requested with an empty one.
const defaultType = "default"

// instanceRequest is a request as it was asked.
type instanceRequest struct {
	// Release, Type and Reference are what is asked for.
	Release, Type, Reference string
	// Parameters are the parameters as they came, Text the same as instance
	// XML.
	Parameters *marshal.Dict
	Text       string
	// Filter restricts where the instance may be.
	Filter *marshal.Dict
	// State is the wanted state; empty keeps the present one.
	State string
	// Shared asks for a shared instance.
	Shared bool
	// New refuses a request that would change an instance that is there.
	New bool
	// Claim is the partition that the Authorization header names; Computer
	// and Partition are those of the form.
	Claim               claim
	Computer, Partition string
	// Here is the URL under which the caller knows this master.
	Here string
	// ForwardedBy names the masters that forwarded the request, if a master
	// made it.
	ForwardedBy []string
}

// filterText returns a key of the filter if it is text.
func (q *instanceRequest) filterText(key string) string {
	v, _ := q.Filter.Get(key)
	text, _ := v.(string)
	return text
}

// asker is on whose behalf an instance is requested.
type asker struct {
	// partition is nil for a person.
	partition *store.Partition
	// tree is the title of the root of the asker's tree, empty for a person.
	tree string
}

// instance is the key of the asking instance, zero for a person.
func (a asker) instance() int64 {
	if a.partition == nil {
		return 0
	}
	return a.partition.Instance.ID
}

// granted is what a request for an instance led to.
type granted struct {
	// partition is where the instance is, with its addresses; for a shared
	// instance that of its host. It is nil for a front end that needs none.
	partition *store.Partition
	shared    *store.Shared
	frontEnd  *frontEnd
	// forwarded is set, and nothing else, for what another master granted.
	forwarded *forwarded
	// state is the one to answer, parameters are those asked for.
	state, parameters string
}

// object is a SoftwareInstance, or a ComputerPartition for a front end and for
// what another master granted.
func (g granted) object() (*marshal.Object, error) {
	switch {
	case g.forwarded != nil:
		return g.forwarded.object(), nil
	case g.frontEnd != nil:
		return g.frontEnd.object(), nil
	case g.shared != nil:
		return sharedObject(g.partition, g.shared, g.parameters)
	}
	return instanceObject(g.partition, g.state)
}

// request serves requestComputerPartition.
func (m *master) request(ctx context.Context, p Principal, q instanceRequest) (value *marshal.Object, err error) {
	err = m.grant(ctx, p, q, func(g granted) error {
		value, err = g.object()
		return err
	})
	return value, err
}

// grant finds or makes the instance that is asked for. What answer refuses is
// not kept.
func (m *master) grant(ctx context.Context, p Principal, q instanceRequest, answer func(granted) error) error {
	object := Object{q.Computer, q.Partition}
	if q.Claim.given {
		object = Object{q.Claim.computer, q.Claim.partition}
	}
	if err := m.authorizer.Authorize(ctx, p, ActionRequest, object); err != nil {
		return err
	}
	elsewhere, err := m.forward(ctx, q)
	if err != nil {
		return err
	}
	if elsewhere != nil {
		return answer(granted{forwarded: elsewhere})
	}
	if q.Shared {
		if f := fakeFrontend(q, m.relays); f != nil {
			if err := m.noteFrontEnd(ctx, q, f); err != nil {
				return err
			}
			return answer(granted{frontEnd: f})
		}
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		by, err := m.whoAsks(t, q)
		if err != nil {
			return err
		}
		if q.New {
			if err := untaken(t, q, by); err != nil {
				return err
			}
		}
		ask := m.requestInstance
		if q.Shared {
			ask = m.requestShared
		}
		g, err := ask(t, q, by)
		if err != nil {
			return err
		}
		return answer(g)
	})
}

// whoAsks finds the instance on whose behalf a request comes: the partition of
// the header, which must exist, else that of the form, which need not.
func (m *master) whoAsks(r store.Reader, q instanceRequest) (asker, error) {
	computer, partition := q.Computer, q.Partition
	if q.Claim.given {
		computer, partition = q.Claim.computer, q.Claim.partition
	}
	if computer == "" || partition == "" {
		if q.Claim.given {
			return asker{}, noClaimant(q.Claim)
		}
		return asker{}, nil
	}
	p, err := r.Occupied(computer, partition)
	switch {
	case errors.Is(err, store.ErrNotFound):
		if q.Claim.given {
			return asker{}, noClaimant(q.Claim)
		}
		return asker{}, nil
	case err != nil:
		return asker{}, err
	case p.Instance == nil:
		return asker{}, nil
	}
	tree := p.Instance.Tree
	if tree == "" {
		tree = p.Instance.Title
	}
	return asker{partition: p, tree: tree}, nil
}

func noClaimant(c claim) error {
	partition := c.partition
	if !c.ok {
		partition = "None"
	}
	return badRequest("No partition matching the authorization header: (%s / %s)", c.computer, partition)
}

// requestInstance finds or allocates an instance and brings it to what is
// asked.
func (m *master) requestInstance(t store.Tx, q instanceRequest, by asker) (g granted, err error) {
	p, err := findInstance(t, by.tree, q.Reference)
	if err != nil {
		return g, err
	}
	state := q.State
	if p == nil {
		p, err = m.allocate(t, q, by)
	} else {
		state, err = m.change(t, p, q, by)
	}
	if err != nil {
		return g, err
	}
	if state == "" {
		state = p.Instance.State
	}
	p.Addresses, err = t.Addresses(p)
	return granted{partition: p, state: state}, err
}

// findInstance looks for a title in a tree; without a title nothing is found.
func findInstance(r store.Reader, tree, title string) (*store.Partition, error) {
	if title == "" {
		return nil, nil
	}
	p, err := r.Find(tree, title)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return p, err
}

// allocate puts a new instance into the first free partition of the computer
// that the filter names, or of the configured one.
func (m *master) allocate(t store.Tx, q instanceRequest, by asker) (*store.Partition, error) {
	c, err := m.target(t, q)
	if err != nil {
		return nil, err
	}
	p, err := t.FirstFree(c)
	if errors.Is(err, store.ErrNotFound) {
		hint := "destroy an instance there, or format it with more partitions"
		if q.filterText("computer_guid") == "" {
			hint += "; requests for another computer name it in their filter (computer_guid)"
		}
		return nil, lacking(nothingFree, "No free partition on computer %q for %q: %s", c.Reference, q.Reference, hint)
	}
	if err != nil {
		return nil, err
	}
	filter, err := storeDict(q.Filter)
	if err != nil {
		return nil, err
	}
	i := &store.Instance{
		Title: q.Reference, Tree: by.tree, Requester: by.instance(),
		Release: q.Release, Type: q.Type, State: q.State, Parameters: q.Text, Filter: filter,
	}
	if i.Type == "" {
		i.Type = defaultType
	}
	if i.State == "" {
		i.State = stateStarted
	}
	p.Timestamp = later(p.Timestamp, m.now())
	return p, t.Occupy(p, i)
}

// target is the computer that a request is for.
func (m *master) target(r store.Reader, q instanceRequest) (*store.Computer, error) {
	reference := q.filterText("computer_guid")
	if reference == "" {
		reference = m.computerID
	}
	return m.known(r, reference)
}

// change brings an existing instance to what is asked. It returns the state
// that the answer shows: the one asked for, or the one that the root of the
// tree imposes.
func (m *master) change(t store.Tx, p *store.Partition, q instanceRequest, by asker) (string, error) {
	i := p.Instance
	state, err := m.imposed(t, i, q.State)
	if err != nil {
		return "", err
	}
	before := *i
	if state != "" {
		i.State = state
	}
	i.Release, i.Type, i.Parameters = q.Release, q.Type, q.Text
	changed := i.State != before.State || i.Release != before.Release || i.Type != before.Type || i.Parameters != before.Parameters
	if q.Filter.Len() > 0 || i.Filter == "" {
		if i.Filter, err = storeDict(q.Filter); err != nil {
			return "", err
		}
	}
	i.Requester = by.instance()
	if by.partition != nil {
		i.Unlinked = 0
	}
	if changed || i.Filter != before.Filter || i.Requester != before.Requester {
		if err := t.SaveInstance(p); err != nil {
			return "", err
		}
	}
	if changed || p.Timestamp == 0 {
		return state, advance(t, p, m.now())
	}
	return state, nil
}

// imposed replaces the wanted state of an instance by that of its root, if the
// root is not started. Destruction passes if the master is told so.
func (m *master) imposed(r store.Reader, i *store.Instance, wanted string) (string, error) {
	if i.Tree == "" || m.destroyInStopped && wanted == stateDestroyed {
		return wanted, nil
	}
	root, err := r.Find("", i.Tree)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return wanted, nil
	case err != nil:
		return "", err
	case root.Instance.State != stateStarted:
		return root.Instance.State, nil
	}
	return wanted, nil
}

// storeDict is a dictionary as it is stored; an empty one is stored as empty
// text.
func storeDict(d *marshal.Dict) (string, error) {
	if d.Len() == 0 {
		return "", nil
	}
	text, err := marshal.Marshal(d)
	if err != nil {
		return "", badRequest("The dictionary cannot be kept: %v", err)
	}
	return string(text), fits("A dictionary", len(text))
}

// maxKept bounds one dictionary that is kept, in bytes. The answer about a
// computer holds those of all its instances and may not grow beyond measure.
const maxKept = 4 << 20

// fits refuses what is too large to be kept.
func fits(what string, size int) error {
	if size <= maxKept {
		return nil
	}
	return tooLarge("%s of %d bytes as kept: more than %d is refused, put large data into a file and its address here", what, size, maxKept)
}

// encodeParameters turns a dictionary from the wire into instance XML that can
// be kept. No more than that is written: a small body may refer to the same large list
// again and again.
func encodeParameters(d *marshal.Dict) (string, error) { return instanceXMLWithin(d, maxKept) }

// instanceXML is a dictionary that was kept as instance XML.
func instanceXML(d *marshal.Dict) (string, error) { return instanceXMLWithin(d, marshal.MaxBytes) }

// instanceXMLWithin is a dictionary as instance XML. A key that is not text is
// refused.
func instanceXMLWithin(d *marshal.Dict, limit int) (string, error) {
	parameters := make(map[string]any, d.Len())
	for k, v := range d.All() {
		name, ok := k.(string)
		if !ok {
			shown, _ := marshal.StrUpTo(k, maxMessage)
			return "", badRequest("the key %s is not text", shown)
		}
		parameters[name] = v
	}
	text, err := instancexml.EncodeWithin(parameters, limit)
	if errors.Is(err, instancexml.ErrTooLarge) {
		return "", tooLarge("Parameters of more than %d bytes as kept are refused, put large data into a file and its address here", limit)
	}
	if err != nil {
		return "", badRequest("parameters: %v", err)
	}
	return text, nil
}
