package proxy

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file holds the methods of the JSON API that request and change instances.

func jsonRequest(m *master, ctx context.Context, c *jsonCall) (answer *marshal.Dict, err error) {
	shared, _ := c.in.Get("shared")
	q := instanceRequest{
		Release: c.name("software_release_uri"), Type: c.name("software_type"), Reference: c.name("title"),
		Parameters: c.dict("parameters"), Filter: c.dict("sla_parameters"),
		State: cmp.Or(c.text("state"), stateStarted), Shared: shared == true,
		Claim: c.claim, Here: c.here, ForwardedBy: c.forwardedBy,
	}
	if c.err != nil {
		return nil, c.err
	}
	if q.Text, err = encodeParameters(q.Parameters); err != nil {
		return nil, err
	}
	err = m.grant(ctx, c.principal, q, func(g granted) error {
		tree := ""
		if g.frontEnd != nil || g.forwarded != nil {
			if tree, err = m.askingTree(ctx, q); err != nil {
				return err
			}
		}
		if answer, err = g.obtained(q, tree); err != nil {
			return err
		}
		return c.check(answer)
	})
	switch {
	case isAbout(err, noHost), isAbout(err, somethingUnknown) && q.Shared:
		return nil, c.refuse("no_host", marshal.Repr(m.soughtHost(q)))
	case isAbout(err, nothingFree), isAbout(err, somethingUnknown):
		return nil, c.refuse("nothing_free", q.Reference)
	case isAbout(err, anotherMaster):
		return nil, notHere(err)
	}
	return answer, err
}

// askingTree is the title of the root on whose behalf a request comes, for what
// is not kept here.
func (m *master) askingTree(ctx context.Context, q instanceRequest) (tree string, err error) {
	err = m.store.View(ctx, func(r store.Reader) error {
		by, err := m.whoAsks(r, q)
		tree = by.tree
		return err
	})
	return tree, err
}

// notHere is the refusal of another master as this API tells it: that it has
// nothing, or nothing yet, is 403.
func notHere(err error) error {
	status, message := statusOf(err)
	if status == http.StatusRequestTimeout {
		status = http.StatusForbidden
	}
	return &Error{Status: status, Message: message}
}

// soughtHost is what a host of a shared instance has to fit.
func (m *master) soughtHost(q instanceRequest) []string {
	computer := cmp.Or(q.filterText("computer_guid"), m.computerID)
	sought := []string{q.Release, computer}
	if q.Type != "" {
		sought = append(sought, q.Type)
	}
	if partition := partitionOf(computer, q.filterText("instance_guid")); partition != "" {
		sought = append(sought, partition)
	}
	return sought
}

func jsonReportInstance(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	state := c.text("reported_state")
	if state != stateDestroyed {
		return c.keep(ctx, m, correctly(state))
	}
	g, err := c.guid()
	if err != nil {
		return nil, err
	}
	if g.shared {
		return success(ignored, nil)
	}
	var left []string
	err = c.onInstance(ctx, m, ActionReport, g, func(t store.Tx, p *store.Partition) error {
		if p == nil {
			return c.refuse("no_software_instance", g.text)
		}
		left, err = m.destroy(t, p)
		return err
	})
	if err == nil && len(left) > 0 {
		// That the children are asked to go is kept, though this is refused.
		err = c.refuse("not_yet", strings.Join(left, ", "))
	}
	return success("Destroyed", err)
}

// keep keeps a report about an instance, if there is one of that guid: any text
// is accepted.
func (c *jsonCall) keep(ctx context.Context, m *master, rep report) (*marshal.Dict, error) {
	g, ok := readGUID(c.text("instance_guid"))
	if !ok || g.shared {
		return success(ignored, nil)
	}
	return success(ignored, c.onInstance(ctx, m, ActionReport, g, func(t store.Tx, p *store.Partition) error {
		if p == nil {
			return nil
		}
		return m.keepReport(t, p, rep)
	}))
}

func jsonInstanceError(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	return c.keep(ctx, m, erred(c.log("message")))
}

// changing reads the guid of an instance that is to be changed: a shared one
// cannot be.
func (c *jsonCall) changing() (instanceGUID, error) {
	g, err := c.guid()
	if err == nil && g.shared {
		err = c.refuse("not_implemented")
	}
	return g, err
}

func jsonBang(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.changing()
	if err != nil {
		return nil, err
	}
	return success("Bang handled", c.onInstance(ctx, m, ActionReport, g, func(t store.Tx, p *store.Partition) error {
		if p == nil {
			return nil
		}
		return m.bangTree(t, p, c.log("message"))
	}))
}

func jsonRename(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.changing()
	if err != nil {
		return nil, err
	}
	title := c.name("title")
	if c.err != nil {
		return nil, c.err
	}
	return success("Renamed", c.onInstance(ctx, m, ActionRequest, g, func(t store.Tx, p *store.Partition) error {
		if p == nil {
			return nil
		}
		return retitle(t, p, title)
	}))
}

func jsonConnect(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.guid()
	if err != nil {
		return nil, err
	}
	text, err := encodeParameters(c.dict("connection_parameter_dict"))
	if err != nil {
		return nil, err
	}
	return success("Updated", c.onInstance(ctx, m, ActionReport, g, func(t store.Tx, p *store.Partition) error {
		if p != nil {
			return m.publish(t, p, text)
		}
		s, err := c.sharedInstance(t, g)
		if err != nil || s == nil {
			return err
		}
		return m.connectShared(t, s.Key, text)
	}))
}
