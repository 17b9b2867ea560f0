package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
)

// writer adds changes to a reader and notes which answers they outdate.
type writer struct {
	reader
	changed map[place]struct{}
}

var _ Tx = (*writer)(nil)

func (w *writer) exec(q query, args ...any) (sql.Result, error) {
	return w.statement(q).ExecContext(w.ctx, args...)
}

// change runs a statement that has no result.
func (w *writer) change(q query, args ...any) error {
	_, err := w.exec(q, args...)
	return err
}

// insert runs an INSERT and returns the new key.
func (w *writer) insert(q query, args ...any) (id int64, err error) {
	err = w.row(q, args...).Scan(&id)
	return id, err
}

func (w *writer) mark(computer, partition string) {
	if w.changed == nil {
		w.changed = map[place]struct{}{}
	}
	w.changed[place{computer, ""}] = struct{}{}
	if partition != "" {
		w.changed[place{computer, partition}] = struct{}{}
	}
}

func (w *writer) touch(p *Partition) { w.mark(p.Computer, p.Reference) }

// reference turns the zero key into null.
func reference(id int64) sql.NullInt64 { return sql.NullInt64{Int64: id, Valid: id != 0} }

// flag is a truth as databases that have none keep it.
func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (w *writer) EnsureComputer(name string) (*Computer, error) {
	c, err := w.Computer(name)
	if !errors.Is(err, ErrNotFound) {
		return c, err
	}
	c = &Computer{Reference: name}
	c.ID, err = w.insert(qInsertComputer, name)
	w.mark(name, "")
	return c, err
}

func (w *writer) FormatComputer(c *Computer) error {
	w.mark(c.Reference, "")
	c.Formatted = true
	return w.change(qFormatComputer, c.ID, c.Address, c.Netmask)
}

func (w *writer) SaveComputerStatus(c *Computer) error {
	args := append([]any{c.ID}, c.Status.values()...)
	return w.change(qSaveComputerStatus, append(args, c.Bang.Text, c.Bang.At)...)
}

func (w *writer) InsertSoftware(s *Software) (err error) {
	w.mark(s.Computer, "")
	args := append([]any{s.ComputerID, s.URL, s.State}, s.Status.values()...)
	s.ID, err = w.insert(qInsertSoftware, append(args, s.Error.Text, s.Error.At)...)
	return err
}

func (w *writer) SaveSoftwareStatus(s *Software, shown bool) error {
	if shown {
		w.mark(s.Computer, "")
	}
	args := append([]any{s.ID}, s.Status.values()...)
	return w.change(qSaveSoftwareStatus, append(args, s.Error.Text, s.Error.At)...)
}

func (w *writer) MoveSoftware(s *Software, url string) error {
	w.mark(s.Computer, "")
	s.URL = url
	return w.change(qMoveSoftware, s.ID, url)
}

func (w *writer) DeleteSoftware(s *Software) error {
	w.mark(s.Computer, "")
	return w.change(qDeleteSoftware, s.ID)
}

func (w *writer) InsertPartition(c *Computer, name string) (p *Partition, err error) {
	p = &Partition{ComputerID: c.ID, Computer: c.Reference, Reference: name}
	w.touch(p)
	p.ID, err = w.insert(qInsertPartition, c.ID, name)
	return p, err
}

func (w *writer) DeletePartition(p *Partition) error {
	w.touch(p)
	return w.change(qDeletePartition, p.ID)
}

func (w *writer) ReplaceAddresses(p *Partition, addresses []Address) error {
	w.touch(p)
	if err := w.change(qDeleteAddresses, p.ID); err != nil {
		return err
	}
	for _, a := range addresses {
		if err := w.change(qInsertAddress, p.ID, a.Interface, a.Address, a.Netmask, a.Gateway, a.Network); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) SaveHidden(p *Partition) error {
	if p.Hidden && p.Instance == nil {
		return fmt.Errorf("partition %s of %s is free: it cannot be kept hidden", p.Reference, p.Computer)
	}
	w.touch(p)
	return w.change(qSaveHidden, p.ID, flag(p.Hidden))
}

func (w *writer) Occupy(p *Partition, i *Instance) (err error) {
	if p.Instance != nil {
		return fmt.Errorf("partition %s of %s is not free", p.Reference, p.Computer)
	}
	w.touch(p)
	if err := w.change(qOccupy, p.ID, p.Timestamp); err != nil {
		return err
	}
	p.Instance = i
	i.ID, err = w.insert(qInsertInstance, p.ID, p.ComputerID, i.Title, i.Tree, reference(i.Requester), i.Release, i.Type, i.State,
		i.Parameters, i.Connection, i.Filter)
	return err
}

func (w *writer) SaveInstance(p *Partition) error {
	w.touch(p)
	i := p.Instance
	return w.change(qSaveInstance, i.ID, i.Title, i.Tree, reference(i.Requester), i.Release, i.Type, i.State,
		i.Parameters, i.Connection, i.Filter, i.Unlinked)
}

func (w *writer) SaveStatus(p *Partition, shown bool) error {
	if shown {
		w.touch(p)
	}
	i := p.Instance
	args := append([]any{i.ID}, i.Status.values()...)
	return w.change(qSaveStatus, append(args, i.Error.Text, i.Error.At, i.Bang.Text, i.Bang.At)...)
}

func (w *writer) Free(p *Partition) error {
	w.touch(p)
	if err := w.change(qDeleteInstance, p.Instance.ID); err != nil {
		return err
	}
	p.Instance, p.Shared = nil, nil
	if p.Hidden {
		return w.DeletePartition(p)
	}
	return w.change(qVacate, p.ID)
}

func (w *writer) SaveTimestamp(p *Partition) error {
	w.touch(p)
	return w.change(qSaveTimestamp, p.ID, p.Timestamp)
}

func (w *writer) RenameTree(old, new string) error {
	members, err := w.Members(old)
	if err != nil {
		return err
	}
	for _, p := range members {
		w.touch(p)
	}
	if err := w.change(qRenameTree, old, new); err != nil {
		return err
	}
	return w.change(qRenameSharedTree, old, new)
}

func (w *writer) SaveShared(s *Shared) (err error) {
	host, err := w.ByInstance(s.Host)
	if err != nil {
		return err
	}
	w.touch(host)
	if s.ID == 0 {
		s.ID, err = w.insert(qInsertShared, s.ComputerID, s.Key, s.Tree, s.Host, reference(s.Requester), s.State, flag(s.Listed), s.Position,
			s.Type, s.Entry, s.Connection)
		return err
	}
	args := []any{s.ID, s.Tree, s.Host, reference(s.Requester), s.State, flag(s.Listed), s.Position, s.Type, s.Entry, s.Connection}
	args = append(args, s.Status.values()...)
	return w.change(qSaveShared, append(args, s.Error.Text, s.Error.At, s.Unlinked)...)
}

func (w *writer) NextPosition() (position int64, err error) {
	err = w.row(qNextPosition).Scan(&position)
	return position, err
}

func (w *writer) InsertUsageReport(c *Computer, r *UsageReport) (bool, error) {
	sum := sha256.Sum256([]byte(r.Body))
	digest := hex.EncodeToString(sum[:])
	var last, same int64
	if err := w.row(qUsageVersion, c.ID, r.Reference, digest).Scan(&last, &same); err != nil {
		return false, err
	}
	r.Computer = c.Reference
	if same != 0 {
		r.Version = same
		return false, nil
	}
	r.Version = last + 1
	var err error
	r.ID, err = w.insert(qInsertUsageReport, c.ID, r.Reference, r.Version, digest, r.Body, r.ReceivedAt)
	return true, err
}

func (w *writer) SaveForwarded(f Forwarded) error {
	return w.change(qSaveForwarded, f.Reference, f.Master)
}

func (w *writer) DeleteForwarded(f Forwarded) error {
	return w.change(qDeleteForwarded, f.Reference, f.Master)
}

func (w *writer) SaveFrontEnd(f FrontEnd) error {
	return w.change(qSaveFrontEnd, f.Reference, reference(f.Requester), f.Origin)
}

func (w *writer) DeleteFrontEnd(reference string) error { return w.change(qDeleteFrontEnd, reference) }

func (w *writer) SaveSetting(name, value string) error { return w.change(qSaveSetting, name, value) }

func (w *writer) Prune(reports, errors float64) (removed int64, err error) {
	for _, prune := range []struct {
		before float64
		query  query
	}{
		{reports, qPruneUsage},
		{errors, qPruneSoftware},
		{errors, qPruneInstanceErrors},
		{errors, qPruneInstanceBangs},
		{errors, qPruneShared},
		{errors, qPruneComputers},
	} {
		if prune.before <= 0 {
			continue
		}
		result, err := w.exec(prune.query, prune.before)
		if err != nil {
			return removed, err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return removed, err
		}
		removed += n
	}
	return removed, nil
}
