package proxy

import (
	"context"
	"errors"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// supply asks for a release to be installed on a computer or removed from it.
// The release moves to the end of the computer's list, with no report on it.
func (m *master) supply(ctx context.Context, p Principal, url, computer, state string) error {
	if state != stateAvailable && state != stateDestroyed {
		return badRequest("A release can be supplied as %q or %q, not as %q", stateAvailable, stateDestroyed, state)
	}
	if url == "" {
		return badRequest("The field %q is empty: no node can install such a release", "url")
	}
	if err := m.authorizer.Authorize(ctx, p, ActionSupply, Object{Computer: computer}); err != nil {
		return err
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		c, err := t.EnsureComputer(computer)
		if err != nil {
			return err
		}
		s := store.Software{ComputerID: c.ID, Computer: computer, URL: url, State: state}
		old, err := t.SoftwareByURL(c, url)
		if err == nil {
			s.Status, s.Error = old.Status, old.Error
			err = t.DeleteSoftware(old)
		} else if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		if err != nil {
			return err
		}
		return t.InsertSoftware(&s)
	})
}

// supplied returns a release that is supplied on a computer.
func (m *master) supplied(r store.Reader, url, computer string) (*store.Software, error) {
	c, err := r.Computer(computer)
	if errors.Is(err, store.ErrNotFound) {
		return nil, unknownComputer(computer)
	}
	if err != nil {
		return nil, err
	}
	s, err := r.SoftwareByURL(c, url)
	if errors.Is(err, store.ErrNotFound) {
		return nil, lacking(somethingUnknown, "Release %q is not supplied on computer %q: supply it first", url, computer)
	}
	return s, err
}

// reportRelease keeps what a node tells about a release.
func (m *master) reportRelease(ctx context.Context, p Principal, url, computer string, rep report) error {
	if err := m.authorizer.Authorize(ctx, p, ActionReport, Object{Computer: computer}); err != nil {
		return err
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		s, err := m.supplied(t, url, computer)
		if err != nil {
			return err
		}
		now := m.now()
		shown := s.Status.Text == "" || knownState(s.Status.Text) != knownState(rep.text)
		s.Status = reported(s.Status, rep.text, rep.state, computer, now)
		if rep.errorLog != "" {
			s.Error = store.Event{Text: kept(rep.errorLog), At: now}
		}
		return t.SaveSoftwareStatus(s, shown)
	})
}

// removed serves the report that a release is gone from a computer.
func (m *master) removed(ctx context.Context, p Principal, url, computer string) error {
	if err := m.authorizer.Authorize(ctx, p, ActionReport, Object{Computer: computer}); err != nil {
		return err
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		c, err := t.Computer(computer)
		if errors.Is(err, store.ErrNotFound) {
			return unknownComputer(computer)
		}
		if err != nil {
			return err
		}
		s, err := t.SoftwareByURL(c, url)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		return t.DeleteSoftware(s)
	})
}
