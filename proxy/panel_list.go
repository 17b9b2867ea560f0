package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file holds the lists of the panel. The store sorts, searches and cuts them
// into pages, so that a page of a large cluster costs as much as one of a small.

const (
	// Rows of a page.
	rowsByDefault = 50
	maxRows       = 500
	// computersShown is how many computers of a release are in the list of releases.
	computersShown = 10
	// softwareShown is how many releases of a computer are in its view.
	softwareShown = 100

	// A search is read from all rows: longer ones are refused.
	maxSearch = 200
	maxWords  = 10
)

// listed is a page of a list. Previous and next are asked for to get the pages
// around, empty at the ends. Count counts the rows of all pages, but never further
// than one beyond store.MostCounted, as all counts of lists.
type listed[T any] struct {
	Rows     []T    `json:"rows"`
	Previous string `json:"previous"`
	Next     string `json:"next"`
	Count    int    `json:"count"`
}

// partOf reads which page is asked for.
func partOf(q url.Values) (p store.Part, err error) {
	p = store.Part{
		Words: strings.Fields(q.Get("q")), After: q.Get("after"), Before: q.Get("before"),
		Limit: max(number(q, "limit", rowsByDefault, maxRows), 1),
	}
	switch {
	case utf8.RuneCountInString(q.Get("q")) > maxSearch || len(p.Words) > maxWords:
		return p, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("This search is too long: search for up to %d words, of %d characters together", maxWords, maxSearch)}
	case p.After != "" && p.Before != "":
		return p, &Error{Status: http.StatusBadRequest, Message: "A page is after one row or before another, not both"}
	}
	return p, nil
}

// number reads a number of a query, from 0 to a limit.
func number(q url.Values, name string, otherwise, limit int) int {
	n, err := strconv.Atoi(q.Get(name))
	if err != nil {
		n = otherwise
	}
	return min(max(n, 0), limit)
}

// shown turns a part of the store into a page.
func shown[R, T any](l store.Listed[R], row func(R) T) listed[T] {
	return listed[T]{Rows: shownRows(l.Rows, row), Previous: l.Previous, Next: l.Next, Count: l.Count}
}

func shownRows[R, T any](rows []R, row func(R) T) []T {
	out := make([]T, 0, len(rows))
	for _, r := range rows {
		out = append(out, row(r))
	}
	return out
}

// listView reads a page of a list for those who may see it.
func listView[T any](ctx context.Context, m *master, p Principal, q url.Values, read func(store.Reader, store.Part) (listed[T], error)) (any, error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{}); err != nil {
		return nil, err
	}
	part, err := partOf(q)
	if err != nil {
		return nil, err
	}
	var v listed[T]
	err = m.store.View(ctx, func(r store.Reader) (err error) {
		v, err = read(r, part)
		return badPlace(err)
	})
	return v, err
}

// badPlace tells who asks for a page that no list named.
func badPlace(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return &Error{Status: http.StatusBadRequest, Message: "There is no such page: begin with the first one", Err: err}
	}
	return err
}

// masterView tells what this master is.
func (m *master) masterView(ctx context.Context, p Principal, _ url.Values) (any, error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{}); err != nil {
		return nil, err
	}
	return map[string]any{"computer": m.computerID}, nil
}

// serviceRow is a root in the list of services.
type serviceRow struct {
	instanceRow
	// Instances counts those of its tree, Failing those of them that report
	// an error.
	Instances int `json:"instances"`
	Failing   int `json:"failing"`
}

// servicesView lists what persons requested: the roots of the trees, and shared
// instances, by title.
func (m *master) servicesView(ctx context.Context, p Principal, q url.Values) (any, error) {
	return listView(ctx, m, p, q, func(r store.Reader, part store.Part) (listed[serviceRow], error) {
		l, err := r.ListServices(part)
		return shown(l, serviceRowOf), err
	})
}

func serviceRowOf(s store.Service) serviceRow {
	v := serviceRow{instanceRow: rowOfService(s), Instances: 1 + s.Members, Failing: s.Failing}
	if v.Status.Health == healthError {
		v.Failing++
	}
	return v
}

func rowOfService(s store.Service) instanceRow {
	if s.Shared != nil {
		return sharedRow(s.Shared, s.Release)
	}
	return instanceRowOf(s.Partition)
}

// computerRow is a computer in a list.
type computerRow struct {
	Computer   string      `json:"computer"`
	Address    string      `json:"address"`
	Formatted  bool        `json:"formatted"`
	Status     shownStatus `json:"status"`
	Bang       *shownEvent `json:"bang"`
	Partitions int         `json:"partitions"`
	Free       int         `json:"free"`
	Failing    int         `json:"failing"`
	Releases   int         `json:"releases"`
}

// computerStatusView judges a computer also by how long it has been silent.
func (m *master) computerStatusView(c *store.Computer) shownStatus {
	v := statusView(m.lastSeen(c), "")
	if v.Health == healthOK && m.now()-v.ReportedAt > silentForFifteenMinutes {
		v.Health = healthSilent
	}
	return v
}

func (m *master) computerRowOf(c *store.Computer, size store.ComputerSize) computerRow {
	return computerRow{
		Computer: c.Reference, Address: c.Address, Formatted: c.Formatted,
		Status: m.computerStatusView(c), Bang: eventView(c.Bang),
		Partitions: size.Partitions, Free: size.Free, Failing: size.Failing, Releases: size.Releases,
	}
}

// silentSince is before when a computer was heard of if it is silent.
func (m *master) silentSince() float64 { return m.now() - silentForFifteenMinutes }

// computersView lists the computers. A search for their health knows what was
// written; the rows also know who came in the last minute.
func (m *master) computersView(ctx context.Context, p Principal, q url.Values) (any, error) {
	return listView(ctx, m, p, q, func(r store.Reader, part store.Part) (listed[computerRow], error) {
		l, err := r.ListComputers(part, m.silentSince())
		return shown(l, func(c store.ListedComputer) computerRow { return m.computerRowOf(c.Computer, c.Size) }), err
	})
}

// installation is a release on one computer.
type installation struct {
	Computer  string      `json:"computer"`
	URL       string      `json:"url"`
	State     string      `json:"state"`
	Status    shownStatus `json:"status"`
	Error     *shownEvent `json:"error"`
	Instances int         `json:"instances"`
}

func installationOf(s store.Installation) installation {
	return installation{
		Computer: s.Computer, URL: s.URL, State: s.State, Status: statusView(s.Status, ""), Error: eventView(s.Error), Instances: s.Instances,
	}
}

// partitionEntry is a partition in the list of its computer.
type partitionEntry struct {
	Partition string         `json:"partition"`
	Timestamp float64        `json:"timestamp"`
	Addresses []shownAddress `json:"addresses"`
	Instance  *instanceRow   `json:"instance"`
	Shared    int            `json:"shared"`
}

func partitionEntryOf(p store.ListedPartition) partitionEntry {
	e := partitionEntry{Partition: p.Reference, Timestamp: p.Timestamp, Addresses: addressesView(p.Addresses), Shared: p.Hosted}
	if p.Instance != nil {
		row := instanceRowOf(p.Partition)
		e.Instance = &row
	}
	return e
}

// shownComputer is one computer: its releases, the first ones if there are many, and
// a page of its partitions.
type shownComputer struct {
	computerRow
	Netmask    string                 `json:"netmask"`
	Software   []installation         `json:"software"`
	Partitions listed[partitionEntry] `json:"partition_list"`
}

// computerView shows a computer.
func (m *master) computerView(ctx context.Context, p Principal, q url.Values) (any, error) {
	reference := q.Get("computer")
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{Computer: reference}); err != nil {
		return nil, err
	}
	part, err := partOf(q)
	if err != nil {
		return nil, err
	}
	var v shownComputer
	err = m.store.View(ctx, func(r store.Reader) error {
		c, err := r.Computer(reference)
		if errors.Is(err, store.ErrNotFound) {
			return unknownComputer(reference)
		}
		if err == nil {
			v, err = m.readComputer(r, c, part)
		}
		return badPlace(err)
	})
	return v, err
}

func (m *master) readComputer(r store.Reader, c *store.Computer, part store.Part) (v shownComputer, err error) {
	size, err := r.SizeOf(c)
	if err != nil {
		return v, err
	}
	v = shownComputer{computerRow: m.computerRowOf(c, size), Netmask: c.Netmask}
	software, err := r.ListSoftware(c, store.Part{Limit: softwareShown})
	if err != nil {
		return v, err
	}
	v.Software = shownRows(software.Rows, installationOf)
	partitions, err := r.ListPartitions(c, part)
	v.Partitions = shown(partitions, partitionEntryOf)
	return v, err
}

// releaseRow is a release with computers on which it is supplied, the first ones if
// there are many.
type releaseRow struct {
	URL       string         `json:"url"`
	Computers []installation `json:"computers"`
	Count     int            `json:"count"`
}

// releasesView lists the supplied releases by URL.
func (m *master) releasesView(ctx context.Context, p Principal, q url.Values) (any, error) {
	return listView(ctx, m, p, q, func(r store.Reader, part store.Part) (listed[releaseRow], error) {
		l, err := r.ListReleases(part, computersShown)
		return shown(l, func(v store.Release) releaseRow {
			return releaseRow{URL: v.URL, Computers: shownRows(v.Installations, installationOf), Count: v.Count}
		}), err
	})
}

// releaseView lists the computers on which one release is supplied.
func (m *master) releaseView(ctx context.Context, p Principal, q url.Values) (any, error) {
	return listView(ctx, m, p, q, func(r store.Reader, part store.Part) (listed[installation], error) {
		l, err := r.ListInstallations(q.Get("release"), part)
		return shown(l, installationOf), err
	})
}

// maxProblems bounds each list of problems.
const maxProblems = 200

// shownProblems is what needs somebody's attention. The lists are cut.
type shownProblems struct {
	Computers     []computerRow  `json:"computers"`
	Releases      []installation `json:"releases"`
	Instances     []instanceRow  `json:"instances"`
	ComputerCount int            `json:"computer_count"`
	ReleaseCount  int            `json:"release_count"`
	InstanceCount int            `json:"instance_count"`
}

// problemsView lists silent and failing computers, releases that could not be
// installed, and instances that failed.
func (m *master) problemsView(ctx context.Context, p Principal, _ url.Values) (any, error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{}); err != nil {
		return nil, err
	}
	var found store.Problems
	err := m.store.View(ctx, func(r store.Reader) (err error) {
		found, err = r.Problems(m.silentSince(), maxProblems)
		return err
	})
	return m.problemsOf(found), err
}

func (m *master) problemsOf(p store.Problems) shownProblems {
	v := shownProblems{
		Releases: shownRows(p.Releases.Rows, installationOf), ReleaseCount: p.Releases.Count,
		Instances: shownRows(p.Instances.Rows, instanceRowOf), InstanceCount: p.Instances.Count + p.Shared.Count,
		Computers: []computerRow{}, ComputerCount: p.Computers.Count + p.Silent.Count,
	}
	for _, c := range slices.Concat(p.Computers.Rows, p.Silent.Rows) {
		row := m.computerRowOf(c, store.ComputerSize{})
		if row.Status.Health != healthError && row.Status.Health != healthSilent {
			v.ComputerCount-- // it came since that was written
			continue
		}
		v.Computers = append(v.Computers, row)
	}
	v.Computers = v.Computers[:min(len(v.Computers), maxProblems)]
	v.Instances = append(v.Instances, shownRows(p.Shared.Rows, rowOfService)...)
	v.Instances = v.Instances[:min(len(v.Instances), maxProblems)]
	return v
}
