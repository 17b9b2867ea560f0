package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file holds the actions of the panel. They follow the rules of the slap
// tool, and add what a person needs who sees the present state: an action says
// what it is about, and is refused with 409 if that has changed meanwhile.

func conflict(format string, args ...any) error {
	return &Error{Status: http.StatusConflict, Message: fmt.Sprintf(format, args...)}
}

// legibleFields refuses fields that cannot be told to nodes, as the slap tool does.
func legibleFields(fields form) error {
	for name, value := range fields {
		if err := legible(name, value); err != nil {
			return err
		}
	}
	return nil
}

// sortedDict is a dictionary of texts in the order of its keys.
func sortedDict(values map[string]string) (*marshal.Dict, error) {
	d := marshal.NewDict()
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := legibleFields(form{"name of a parameter": key, "parameter " + key: values[key]}); err != nil {
			return nil, err
		}
		d.Set(key, values[key])
	}
	return d, nil
}

// requestedByPanel is the body of the action request: a new instance.
type requestedByPanel struct {
	Title      string            `json:"title"`
	Release    string            `json:"release"`
	Type       string            `json:"type"`
	Computer   string            `json:"computer"`
	State      string            `json:"state"`
	Shared     bool              `json:"shared"`
	Host       string            `json:"host"` // the partition of the host of a shared instance
	Parameters map[string]string `json:"parameters"`
}

func (b requestedByPanel) request(r *http.Request) (q instanceRequest, err error) {
	if b.Title == "" || b.Release == "" {
		return q, badRequest("A title and a software release are needed")
	}
	err = legibleFields(form{"title": b.Title, "release": b.Release, "type": b.Type, "computer": b.Computer, "state": b.State, "host": b.Host})
	if err != nil {
		return q, err
	}
	if err := wantable(b.State, stateStarted, stateStopped); err != nil {
		return q, err
	}
	q = instanceRequest{
		Release: b.Release, Type: b.Type, Reference: b.Title, State: b.State, Shared: b.Shared, New: true,
		Filter: marshal.NewDict(), Here: origin(r) + prefix(r),
	}
	if b.Computer != "" {
		q.Filter.Set("computer_guid", b.Computer)
	}
	if b.Host != "" && b.Shared {
		q.Filter.Set("instance_guid", b.Host)
	}
	if q.Parameters, err = sortedDict(b.Parameters); err != nil {
		return q, err
	}
	q.Text, err = encodeParameters(q.Parameters)
	return q, err
}

// wantable refuses states that the panel does not offer; empty is no wish.
func wantable(state string, offered ...string) error {
	if state == "" || slices.Contains(offered, state) {
		return nil
	}
	return badRequest("The state %q cannot be chosen here, only one of %q", state, offered)
}

// panelRequest requests a new instance and tells where it is.
func (s *Server) panelRequest(r *http.Request, p Principal, b requestedByPanel) (answer any, err error) {
	q, err := b.request(r)
	if err != nil {
		return nil, err
	}
	err = s.master.grant(r.Context(), p, q, func(g granted) error {
		answer, err = whereGranted(g)
		return err
	})
	return answer, err
}

// whereGranted tells the page what a request led to.
func whereGranted(g granted) (any, error) {
	switch {
	case g.frontEnd != nil:
		return map[string]any{"connection": texts(g.frontEnd.connection)}, nil
	case g.shared != nil:
		return map[string]any{"computer": g.shared.Computer, "key": g.shared.Key}, nil
	case g.partition != nil:
		return partitionRef{g.partition.Computer, g.partition.Reference}, nil
	}
	return map[string]any{"elsewhere": true}, nil
}

// untaken refuses the request of a new instance whose title is taken: as a
// request, it would change the present one.
func untaken(r store.Reader, q instanceRequest, by asker) error {
	if q.Shared {
		return untakenShared(r, q, by)
	}
	found, err := findInstance(r, by.tree, q.Reference)
	if found != nil {
		err = conflict("There is an instance %q already, in partition %q of computer %q: change it, or choose another title",
			q.Reference, found.Reference, found.Computer)
	}
	return err
}

func untakenShared(r store.Reader, q instanceRequest, by asker) error {
	shared, err := r.SharedByKey(by.tree + "_" + q.Reference)
	if err != nil {
		return err
	}
	for _, s := range shared {
		if s.State != stateDestroyed {
			return conflict("There is a shared instance %q already, on computer %q: change it, or choose another title", q.Reference, s.Computer)
		}
	}
	return nil
}

// changedByPanel is the body of the action change. What is absent stays.
type changedByPanel struct {
	// Computer and Partition name an instance, Computer and Key a shared one.
	Computer  string `json:"computer"`
	Partition string `json:"partition"`
	Key       string `json:"key"`

	State   *string `json:"state"`
	Release *string `json:"release"`
	Type    *string `json:"type"`
	// Parameters replace the present ones, whose version is Version.
	Parameters map[string]string `json:"parameters"`
	Version    string            `json:"version"`
	// Title is the one that the person sees, so that the action never meets
	// another instance that came into the partition meanwhile.
	Title *string `json:"title"`
}

// panelChange changes what is wanted of an instance.
func (s *Server) panelChange(r *http.Request, p Principal, b changedByPanel) (any, error) {
	fields := form{}
	for name, value := range map[string]*string{"state": b.State, "release": b.Release, "type": b.Type} {
		if value != nil {
			fields[name] = *value
		}
	}
	if err := legibleFields(fields); err != nil {
		return nil, err
	}
	if b.Release != nil && *b.Release == "" {
		return nil, badRequest("The software release is empty")
	}
	if err := wantable(fields["state"], stateStarted, stateStopped, stateDestroyed); err != nil {
		return nil, err
	}
	var parameters *marshal.Dict
	if b.Parameters != nil {
		var err error
		if parameters, err = sortedDict(b.Parameters); err != nil {
			return nil, err
		}
	}
	state, err := s.master.alter(r.Context(), p, b, parameters)
	return map[string]any{"state": state}, err
}

// alter changes an instance as its requester would, in one update, and returns
// the state that is wanted now.
func (m *master) alter(ctx context.Context, p Principal, b changedByPanel, parameters *marshal.Dict) (state string, err error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRequest, Object{b.Computer, b.Partition}); err != nil {
		return "", err
	}
	err = m.store.Update(ctx, func(t store.Tx) error {
		if b.Key != "" {
			state, err = m.alterShared(t, b, parameters)
		} else {
			state, err = m.alterInstance(t, b, parameters)
		}
		return err
	})
	return state, err
}

func (m *master) alterInstance(t store.Tx, b changedByPanel, parameters *marshal.Dict) (string, error) {
	p, err := existing(t, b.Computer, b.Partition)
	if err != nil {
		return "", err
	}
	i := p.Instance
	if i == nil || b.Title != nil && *b.Title != i.Title {
		return "", conflict("The instance is no longer in partition %q of computer %q", b.Partition, b.Computer)
	}
	q := instanceRequest{Release: i.Release, Type: i.Type, Text: i.Parameters, Filter: marshal.NewDict()}
	if parameters != nil {
		if err := unchanged(b.Version, i.Parameters); err != nil {
			return "", err
		}
		if q.Text, err = encodeParameters(parameters); err != nil {
			return "", err
		}
	}
	b.apply(&q)
	by, err := requesterOf(t, i.Requester)
	if err != nil {
		return "", err
	}
	if _, err := m.change(t, p, q, by); err != nil {
		return "", err
	}
	return p.Instance.State, nil
}

func (m *master) alterShared(t store.Tx, b changedByPanel, parameters *marshal.Dict) (string, error) {
	s, host, err := findShared(t, b.Computer, b.Key)
	if err != nil {
		return "", err
	}
	q := instanceRequest{Release: host.Instance.Release, Shared: true, State: s.State}
	if q.Parameters, _, err = sharedParameters(s); err != nil {
		return "", err
	}
	q.Type = s.Type
	if parameters != nil {
		if err := unchanged(b.Version, s.Entry); err != nil {
			return "", err
		}
		q.Parameters = parameters
	}
	b.apply(&q)
	if q.Release != host.Instance.Release {
		return "", badRequest("The software release of a shared instance is that of its host: change it there")
	}
	by, err := requesterOf(t, s.Requester)
	if err != nil {
		return "", err
	}
	by.tree = s.Tree
	return q.State, m.changeShared(t, s, host, q, by)
}

// apply puts the wishes of a person into a request.
func (b changedByPanel) apply(q *instanceRequest) {
	for field, wish := range map[*string]*string{&q.State: b.State, &q.Release: b.Release, &q.Type: b.Type} {
		if wish != nil {
			*field = *wish
		}
	}
}

// unchanged refuses to replace parameters that the person has not seen.
func unchanged(seen, present string) error {
	if seen == versionOf(present) {
		return nil
	}
	return conflict("The parameters were changed meanwhile: look at the present ones and change those")
}

// requesterOf keeps an instance as requested by whoever did last.
func requesterOf(r store.Reader, instance int64) (asker, error) {
	if instance == 0 {
		return asker{}, nil
	}
	p, err := r.ByInstance(instance)
	return asker{partition: p}, err
}

// renamedByPanel is the body of the action rename.
type renamedByPanel struct {
	Computer  string `json:"computer"`
	Partition string `json:"partition"`
	Title     string `json:"title"`
	NewTitle  string `json:"new_title"`
}

// panelRename renames a root with its tree. The title of another instance is
// how its requester finds it, so that only the requester can change it.
func (s *Server) panelRename(r *http.Request, p Principal, b renamedByPanel) (any, error) {
	if b.NewTitle == "" {
		return nil, badRequest("The new title is empty")
	}
	if err := legibleFields(form{"new title": b.NewTitle}); err != nil {
		return nil, err
	}
	if err := s.config.authorizer.Authorize(r.Context(), p, ActionRequest, Object{b.Computer, b.Partition}); err != nil {
		return nil, err
	}
	return map[string]any{}, s.master.store.Update(r.Context(), func(t store.Tx) error {
		found, err := existing(t, b.Computer, b.Partition)
		if err != nil {
			return err
		}
		if found.Instance == nil || found.Instance.Title != b.Title {
			return conflict("The instance %q is no longer in partition %q of computer %q", b.Title, b.Partition, b.Computer)
		}
		if found.Instance.Tree != "" {
			return badRequest("%q was requested by another instance, which knows it by this title", b.Title)
		}
		taken, err := findInstance(t, "", b.NewTitle)
		if err != nil {
			return err
		}
		if taken != nil && taken.ID != found.ID {
			return conflict("There is an instance %q already: choose another title", b.NewTitle)
		}
		return retitle(t, found, b.NewTitle)
	})
}

// bangedByPanel is the body of the action bang.
type bangedByPanel struct {
	Computer  string `json:"computer"`
	Partition string `json:"partition"`
	Message   string `json:"message"`
}

// panelBang makes the nodes process a tree again.
func (s *Server) panelBang(r *http.Request, p Principal, b bangedByPanel) (any, error) {
	return map[string]any{}, s.master.bang(r.Context(), p, b.Computer, b.Partition, legibly(b.Message))
}

// suppliedByPanel is the body of the action supply.
type suppliedByPanel struct {
	Computer string `json:"computer"`
	Release  string `json:"release"`
	State    string `json:"state"`
}

// panelSupply supplies a release on a known computer, or removes it.
func (s *Server) panelSupply(r *http.Request, p Principal, b suppliedByPanel) (any, error) {
	if err := legibleFields(form{"release": b.Release, "computer": b.Computer}); err != nil {
		return nil, err
	}
	if err := s.config.authorizer.Authorize(r.Context(), p, ActionRead, Object{Computer: b.Computer}); err != nil {
		return nil, err
	}
	err := s.master.store.View(r.Context(), func(r store.Reader) error {
		_, err := r.Computer(b.Computer)
		if errors.Is(err, store.ErrNotFound) {
			return unknownComputer(b.Computer)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{}, s.master.supply(r.Context(), p, b.Release, b.Computer, b.State)
}
