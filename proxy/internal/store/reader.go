package store

import (
	"context"
	"database/sql"
	"errors"
)

// reader runs prepared queries in one transaction.
type reader struct {
	ctx        context.Context //nolint:containedctx // lives as long as one View or Update
	tx         *sql.Tx
	statements statements
	// bound are the statements of the transaction that were used already, if those
	// are worth keeping.
	bound statements
}

var _ Reader = (*reader)(nil)

// statement is a query in the transaction.
func (r *reader) statement(q query) *sql.Stmt {
	if r.bound == nil {
		return r.tx.StmtContext(r.ctx, r.statements[q])
	}
	if r.bound[q] == nil {
		r.bound[q] = r.tx.StmtContext(r.ctx, r.statements[q])
	}
	return r.bound[q]
}

func (r *reader) rows(q query, args ...any) (*sql.Rows, error) {
	return r.statement(q).QueryContext(r.ctx, args...)
}

func (r *reader) row(q query, args ...any) *sql.Row {
	return r.statement(q).QueryRowContext(r.ctx, args...)
}

// scanner is a *sql.Row or a *sql.Rows.
type scanner interface{ Scan(dest ...any) error }

// one reads one row, or ErrNotFound.
func one[T any](row *sql.Row, scan func(scanner) (T, error)) (T, error) {
	v, err := scan(row)
	if errors.Is(err, sql.ErrNoRows) {
		var none T
		return none, ErrNotFound
	}
	return v, err
}

// all reads the rows of a query.
func all[T any](r *reader, scan func(scanner) (T, error), q query, args ...any) ([]T, error) {
	rows, err := r.rows(q, args...)
	return collect(rows, err, scan)
}

// allOf reads the rows of a statement that is made for the occasion.
func allOf[T any](r *reader, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	rows, err := r.tx.QueryContext(r.ctx, text, args...)
	return collect(rows, err, scan)
}

// collect reads all rows of a query.
func collect[T any](rows *sql.Rows, err error, scan func(scanner) (T, error)) ([]T, error) {
	var out []T
	err = eachRow(rows, err, func(row scanner) error {
		v, err := scan(row)
		if err == nil {
			out = append(out, v)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// each calls f with each row of a query.
func (r *reader) each(f func(scanner) error, q query, args ...any) error {
	rows, err := r.rows(q, args...)
	return eachRow(rows, err, f)
}

// eachRow calls f with each row that a query returned, unless that failed.
func eachRow(rows *sql.Rows, err error, f func(scanner) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s *Status) fields() []any {
	return []any{&s.Text, &s.State, &s.Reporter, &s.CreatedAt, &s.Since}
}

func (s Status) values() []any {
	return []any{s.Text, s.State, s.Reporter, s.CreatedAt, s.Since}
}

func scanComputer(s scanner) (*Computer, error) { return scanComputerWith(s) }

// scanComputerWith reads a computer and the columns behind it.
func scanComputerWith(s scanner, more ...any) (*Computer, error) {
	var c Computer
	fields := []any{&c.ID, &c.Reference, &c.Address, &c.Netmask, &c.Formatted, &c.Sequence}
	fields = append(fields, c.Status.fields()...)
	fields = append(fields, &c.Bang.Text, &c.Bang.At)
	return &c, s.Scan(append(fields, more...)...)
}

func scanSoftware(s scanner) (*Software, error) { return scanSoftwareWith(s) }

// scanSoftwareWith reads a supplied release and the columns behind it.
func scanSoftwareWith(s scanner, more ...any) (*Software, error) {
	var w Software
	fields := append([]any{&w.ID, &w.ComputerID, &w.Computer, &w.URL, &w.State}, w.Status.fields()...)
	fields = append(fields, &w.Error.Text, &w.Error.At)
	return &w, s.Scan(append(fields, more...)...)
}

// nullable reads columns that are null for a free partition.
type nullable struct {
	id, requester                                                                         sql.NullInt64
	title, tree, requesterPartition, release, kind, state, parameters, connection, filter sql.NullString
	statusText, statusState, statusReporter, errorText, bangText                          sql.NullString
	statusAt, statusSince, errorAt, bangAt, unlinkedAt                                    sql.NullFloat64
}

func (n *nullable) fields() []any {
	return []any{
		&n.id, &n.title, &n.tree, &n.requester, &n.requesterPartition, &n.release, &n.kind, &n.state,
		&n.parameters, &n.connection, &n.filter, &n.unlinkedAt,
		&n.statusText, &n.statusState, &n.statusReporter, &n.statusAt, &n.statusSince,
		&n.errorText, &n.errorAt, &n.bangText, &n.bangAt,
	}
}

func (n *nullable) instance() *Instance {
	if !n.id.Valid {
		return nil
	}
	return &Instance{
		ID: n.id.Int64, Title: n.title.String, Tree: n.tree.String,
		Requester: n.requester.Int64, RequesterPartition: n.requesterPartition.String,
		Release: n.release.String, Type: n.kind.String, State: n.state.String,
		Parameters: n.parameters.String, Connection: n.connection.String, Filter: n.filter.String,
		Unlinked: n.unlinkedAt.Float64,
		Status: Status{
			Text: n.statusText.String, State: n.statusState.String, Reporter: n.statusReporter.String,
			CreatedAt: n.statusAt.Float64, Since: n.statusSince.Float64,
		},
		Error: Event{Text: n.errorText.String, At: n.errorAt.Float64},
		Bang:  Event{Text: n.bangText.String, At: n.bangAt.Float64},
	}
}

func scanPartition(s scanner) (*Partition, error) { return scanPartitionWith(s) }

// scanPartitionWith reads a partition and the columns behind it.
func scanPartitionWith(s scanner, more ...any) (*Partition, error) {
	var p Partition
	var n nullable
	fields := append([]any{&p.ID, &p.ComputerID, &p.Computer, &p.Reference, &p.Timestamp, &p.Hidden}, n.fields()...)
	if err := s.Scan(append(fields, more...)...); err != nil {
		return nil, err
	}
	p.Instance = n.instance()
	return &p, nil
}

func scanShared(s scanner) (*Shared, error) { return scanSharedWith(s) }

// scanSharedWith reads a shared instance and the columns behind it.
func scanSharedWith(s scanner, more ...any) (*Shared, error) {
	var h Shared
	var requester sql.NullInt64
	var partition, computer sql.NullString
	fields := []any{
		&h.ID, &h.ComputerID, &h.Computer, &h.Key, &h.Tree, &h.Host, &h.HostPartition,
		&requester, &partition, &computer, &h.State, &h.Listed, &h.Position, &h.Type, &h.Entry, &h.Connection, &h.Unlinked,
	}
	fields = append(fields, h.Status.fields()...)
	fields = append(fields, &h.Error.Text, &h.Error.At)
	if err := s.Scan(append(fields, more...)...); err != nil {
		return nil, err
	}
	h.Requester, h.RequesterPartition, h.RequesterComputer = requester.Int64, partition.String, computer.String
	return &h, nil
}

// partitionAddress is an address with the partition that it belongs to.
type partitionAddress struct {
	partition int64
	Address
}

func scanAddress(s scanner) (partitionAddress, error) {
	var a partitionAddress
	err := s.Scan(&a.partition, &a.Interface, &a.Address.Address, &a.Netmask, &a.Gateway, &a.Network)
	return a, err
}

func scanUsage(s scanner) (*UsageReport, error) {
	var u UsageReport
	return &u, s.Scan(&u.ID, &u.Computer, &u.Reference, &u.Version, &u.Body, &u.ReceivedAt)
}

func (r *reader) Computer(reference string) (*Computer, error) {
	return one(r.row(qComputer, reference), scanComputer)
}

func (r *reader) Computers() ([]*Computer, error) { return all(r, scanComputer, qComputers) }

func (r *reader) Software(c *Computer) ([]*Software, error) {
	return all(r, scanSoftware, qSoftware, c.ID)
}

func (r *reader) SoftwareByURL(c *Computer, url string) (*Software, error) {
	return one(r.row(qSoftwareByURL, c.ID, url), scanSoftware)
}

func (r *reader) Partitions(c *Computer) ([]*Partition, error) {
	return r.whole(c, qPartitions, qSharedOfHosts)
}

func (r *reader) Shown(c *Computer) ([]*Partition, error) {
	return r.whole(c, qShownPartitions, qShownShared)
}

// whole reads the partitions of a computer with all their parts.
func (r *reader) whole(c *Computer, qPartitions, qShared query) ([]*Partition, error) {
	partitions, err := all(r, scanPartition, qPartitions, c.ID)
	if err != nil {
		return nil, err
	}
	addresses, err := all(r, scanAddress, qAddressesOfComputer, c.ID)
	if err != nil {
		return nil, err
	}
	shared, err := all(r, scanShared, qShared, c.ID)
	if err != nil {
		return nil, err
	}
	byID := make(map[int64]*Partition, len(partitions))
	byInstance := make(map[int64]*Partition, len(partitions))
	for _, p := range partitions {
		byID[p.ID] = p
		if p.Instance != nil {
			byInstance[p.Instance.ID] = p
		}
	}
	for _, a := range addresses {
		if p := byID[a.partition]; p != nil {
			p.Addresses = append(p.Addresses, a.Address)
		}
	}
	for _, h := range shared {
		if p := byInstance[h.Host]; p != nil {
			p.Shared = append(p.Shared, h)
		}
	}
	return partitions, nil
}

func (r *reader) Partition(computer, reference string) (*Partition, error) {
	p, err := r.Occupied(computer, reference)
	if err != nil {
		return nil, err
	}
	if p.Addresses, err = r.Addresses(p); err != nil {
		return nil, err
	}
	if p.Instance != nil {
		p.Shared, err = all(r, scanShared, qSharedOfHost, p.Instance.ID)
	}
	return p, err
}

func (r *reader) Occupied(computer, reference string) (*Partition, error) {
	return one(r.row(qPartition, computer, reference), scanPartition)
}

func (r *reader) ByInstance(instance int64) (*Partition, error) {
	return one(r.row(qByInstance, instance), scanPartition)
}

func (r *reader) Find(tree, title string) (*Partition, error) {
	return one(r.row(qFind, title, tree), scanPartition)
}

func (r *reader) Titled(title string) (*Partition, error) {
	return one(r.row(qTitled, title), scanPartition)
}

func (r *reader) Members(tree string) ([]*Partition, error) {
	if tree == "" {
		return nil, nil
	}
	return all(r, scanPartition, qMembers, tree)
}

func (r *reader) Roots(title string) ([]*Partition, error) {
	if title == "" {
		return all(r, scanPartition, qRoots)
	}
	return all(r, scanPartition, qRootsTitled, title)
}

func (r *reader) Children(requester int64) ([]*Partition, error) {
	return all(r, scanPartition, qChildren, requester)
}

func (r *reader) Unlinked(before float64) ([]*Partition, error) {
	return all(r, scanPartition, qUnlinked, before)
}

func (r *reader) UnlinkedShared(before float64) ([]*Shared, error) {
	return all(r, scanShared, qUnlinkedShared, before)
}

func (r *reader) FirstFree(c *Computer) (*Partition, error) {
	p := Partition{ComputerID: c.ID, Computer: c.Reference}
	err := r.row(qFirstFree, c.ID).Scan(&p.ID, &p.Reference, &p.Timestamp)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return &p, err
}

func (r *reader) Host(c *Computer, release, softwareType, partition string) (*Partition, error) {
	var row *sql.Row
	switch {
	case softwareType == "" && partition == "":
		row = r.row(qHost, c.ID, release)
	case partition == "":
		row = r.row(qHostTyped, c.ID, release, softwareType)
	case softwareType == "":
		row = r.row(qHostAt, c.ID, release, partition)
	default:
		row = r.row(qHostTypedAt, c.ID, release, softwareType, partition)
	}
	return one(row, scanPartition)
}

func (r *reader) Addresses(p *Partition) ([]Address, error) {
	found, err := all(r, scanAddress, qAddresses, p.ID)
	if err != nil {
		return nil, err
	}
	out := make([]Address, 0, len(found))
	for _, a := range found {
		out = append(out, a.Address)
	}
	return out, nil
}

func (r *reader) Shared(c *Computer, key string) (*Shared, error) {
	return one(r.row(qShared, key, c.ID), scanShared)
}

func (r *reader) SharedByKey(key string) ([]*Shared, error) {
	return all(r, scanShared, qSharedByKey, key)
}

func (r *reader) SharedOfTree(tree string) ([]*Shared, error) {
	return all(r, scanShared, qSharedOfTree, tree)
}

func (r *reader) SharedOf(requester int64) ([]*Shared, error) {
	return all(r, scanShared, qSharedOf, requester)
}

func (r *reader) SharedOfHost(host int64, except string) ([]*Shared, error) {
	return all(r, scanShared, qSharedOfHostBut, host, except)
}

func (r *reader) AllShared() ([]*Shared, error) { return all(r, scanShared, qAllShared) }

func (r *reader) UsageReports(c *Computer) ([]*UsageReport, error) {
	if c == nil {
		return all(r, scanUsage, qAllUsageReports)
	}
	return all(r, scanUsage, qUsageReports, c.ID)
}

func scanForwarded(s scanner) (Forwarded, error) {
	var f Forwarded
	err := s.Scan(&f.Reference, &f.Master)
	return f, err
}

func (r *reader) Forwarded() ([]Forwarded, error) { return all(r, scanForwarded, qForwarded) }

func (r *reader) Setting(name string) (value string, err error) {
	err = r.row(qSetting, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func scanFrontEnd(s scanner) (FrontEnd, error) {
	var f FrontEnd
	var requester sql.NullInt64
	err := s.Scan(&f.Reference, &requester, &f.Origin)
	f.Requester = requester.Int64
	return f, err
}

func (r *reader) FrontEnd(reference string) (FrontEnd, error) {
	return one(r.row(qFrontEnd, reference), scanFrontEnd)
}

func (r *reader) FrontEndOf(origin string) (FrontEnd, error) {
	return one(r.row(qFrontEndOf, origin), scanFrontEnd)
}
