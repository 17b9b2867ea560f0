package proxy

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file holds the lists of the panel: searched, sorted and cut into pages by
// the master, so that a page of a large cluster stays small.

// Rows of a page.
const (
	rowsByDefault = 50
	maxRows       = 500
)

// listed is a page of a list. Total counts all rows, Matched those that the
// search lets through.
type listed[T any] struct {
	Total   int `json:"total"`
	Matched int `json:"matched"`
	Offset  int `json:"offset"`
	Limit   int `json:"limit"`
	Rows    []T `json:"rows"`
}

// page searches a list and cuts the page out that a query asks for. What is
// searched in a row is what key tells; every word of the search must be there.
func page[T any](q url.Values, rows []T, key func(T) []string) listed[T] {
	v := listed[T]{Total: len(rows), Limit: number(q, "limit", rowsByDefault, maxRows), Offset: number(q, "offset", 0, len(rows))}
	words := strings.Fields(strings.ToLower(q.Get("q")))
	if len(words) > 0 {
		rows = slices.DeleteFunc(rows, func(row T) bool {
			text := strings.ToLower(strings.Join(key(row), "\n"))
			return slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
		})
	}
	v.Matched = len(rows)
	// A page beyond the end is the last one: rows may have gone meanwhile.
	if v.Limit = max(v.Limit, 1); v.Offset >= v.Matched {
		v.Offset = max(v.Matched-1, 0) / v.Limit * v.Limit
	}
	v.Rows = rows[v.Offset:min(v.Offset+v.Limit, v.Matched)]
	if v.Rows == nil {
		v.Rows = []T{}
	}
	return v
}

// number reads a number of a query, from 0 to a limit.
func number(q url.Values, name string, otherwise, limit int) int {
	n, err := strconv.Atoi(q.Get(name))
	if err != nil {
		n = otherwise
	}
	return min(max(n, 0), limit)
}

func keyOfRow(r instanceRow) []string {
	kind := "instance"
	if r.Key != "" {
		kind = "shared"
	}
	return []string{r.Title, r.Root, r.Computer, r.Partition, r.Release, r.Type, r.State, r.Status.Health, kind}
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
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{}); err != nil {
		return nil, err
	}
	var v listed[serviceRow]
	err := m.store.View(ctx, func(r store.Reader) error {
		rows, err := serviceRows(r)
		if err != nil {
			return err
		}
		v = page(q, rows, func(s serviceRow) []string { return keyOfRow(s.instanceRow) })
		for i := range v.Rows {
			if err := countTree(r, &v.Rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return v, err
}

func serviceRows(r store.Reader) (rows []serviceRow, err error) {
	roots, err := r.Roots("")
	if err != nil {
		return nil, err
	}
	for _, root := range roots {
		rows = append(rows, serviceRow{instanceRow: instanceRowOf(root)})
	}
	shared, err := r.SharedOfTree("")
	if err != nil {
		return nil, err
	}
	for _, s := range shared {
		if s.State == stateDestroyed {
			continue
		}
		host, err := r.ByInstance(s.Host)
		if err != nil {
			return nil, err
		}
		rows = append(rows, serviceRow{instanceRow: sharedRow(s, host.Instance.Release)})
	}
	slices.SortStableFunc(rows, func(a, b serviceRow) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.Title, b.Title))
	})
	return rows, nil
}

func countTree(r store.Reader, s *serviceRow) error {
	s.Instances = 1
	if s.Status.Health == healthError {
		s.Failing = 1
	}
	if s.Key != "" || s.Title == "" {
		return nil
	}
	members, err := r.Members(s.Title)
	s.Instances += len(members)
	for _, p := range members {
		if statusView(p.Instance.Status, "").Health == healthError {
			s.Failing++
		}
	}
	return err
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

func (m *master) computerRowOf(c *store.Computer) computerRow {
	return computerRow{
		Computer: c.Reference, Address: c.Address, Formatted: c.Formatted,
		Status: m.computerStatusView(c), Bang: eventView(c.Bang),
	}
}

// computersView lists the computers.
func (m *master) computersView(ctx context.Context, p Principal, q url.Values) (any, error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{}); err != nil {
		return nil, err
	}
	var v listed[computerRow]
	err := m.store.View(ctx, func(r store.Reader) error {
		computers, err := r.Computers()
		if err != nil {
			return err
		}
		byName := make(map[string]*store.Computer, len(computers))
		rows := make([]computerRow, 0, len(computers))
		for _, c := range computers {
			byName[c.Reference] = c
			rows = append(rows, m.computerRowOf(c))
		}
		slices.SortFunc(rows, func(a, b computerRow) int { return strings.Compare(a.Computer, b.Computer) })
		v = page(q, rows, func(c computerRow) []string { return []string{c.Computer, c.Address, c.Status.Health} })
		for i := range v.Rows {
			if err := countComputer(r, byName[v.Rows[i].Computer], &v.Rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return v, err
}

func countComputer(r store.Reader, c *store.Computer, row *computerRow) error {
	software, err := r.Software(c)
	if err != nil {
		return err
	}
	partitions, err := r.Shown(c)
	if err != nil {
		return err
	}
	row.Releases, row.Partitions = len(software), len(partitions)
	for _, p := range partitions {
		if p.Instance == nil {
			row.Free++
		} else if statusView(p.Instance.Status, "").Health == healthError {
			row.Failing++
		}
	}
	return nil
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

func installationOf(s *store.Software) installation {
	return installation{Computer: s.Computer, URL: s.URL, State: s.State, Status: statusView(s.Status, ""), Error: eventView(s.Error)}
}

// partitionEntry is a partition in the list of its computer.
type partitionEntry struct {
	Partition string         `json:"partition"`
	Timestamp float64        `json:"timestamp"`
	Addresses []shownAddress `json:"addresses"`
	Instance  *instanceRow   `json:"instance"`
	Shared    int            `json:"shared"`
}

func keyOfPartition(p partitionEntry) []string {
	key := []string{p.Partition}
	for _, a := range p.Addresses {
		key = append(key, a.Address)
	}
	if p.Instance == nil {
		return append(key, "free")
	}
	return append(key, keyOfRow(*p.Instance)...)
}

// shownComputer is one computer: its releases, and a page of its partitions.
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
	var v shownComputer
	err := m.store.View(ctx, func(r store.Reader) error {
		c, err := r.Computer(reference)
		if errors.Is(err, store.ErrNotFound) {
			return unknownComputer(reference)
		}
		if err != nil {
			return err
		}
		v = shownComputer{computerRow: m.computerRowOf(c), Netmask: c.Netmask}
		return fillComputer(r, c, &v, q)
	})
	return v, err
}

func fillComputer(r store.Reader, c *store.Computer, v *shownComputer, q url.Values) error {
	software, err := r.Software(c)
	if err != nil {
		return err
	}
	partitions, err := r.Shown(c)
	if err != nil {
		return err
	}
	uses := map[string]int{}
	entries := make([]partitionEntry, 0, len(partitions))
	for _, p := range partitions {
		e := partitionEntry{Partition: p.Reference, Timestamp: p.Timestamp, Addresses: addressesView(p.Addresses), Shared: len(p.Shared)}
		if p.Instance == nil {
			v.Free++
		} else {
			row := instanceRowOf(p)
			e.Instance = &row
			uses[row.Release]++
			if row.Status.Health == healthError {
				v.Failing++
			}
		}
		entries = append(entries, e)
	}
	v.Releases, v.computerRow.Partitions = len(software), len(partitions)
	v.Software = []installation{}
	for _, s := range software {
		i := installationOf(s)
		i.Instances = uses[s.URL]
		v.Software = append(v.Software, i)
	}
	v.Partitions = page(q, entries, keyOfPartition)
	return nil
}

// releaseRow is a release with the computers on which it is supplied.
type releaseRow struct {
	URL       string         `json:"url"`
	Instances int            `json:"instances"`
	Computers []installation `json:"computers"`
}

// releasesView lists the supplied releases by URL.
func (m *master) releasesView(ctx context.Context, p Principal, q url.Values) (any, error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{}); err != nil {
		return nil, err
	}
	var v listed[releaseRow]
	err := m.store.View(ctx, func(r store.Reader) error {
		all, uses, err := allInstallations(r)
		if err != nil {
			return err
		}
		byURL := map[string]*releaseRow{}
		for _, i := range all {
			row := byURL[i.URL]
			if row == nil {
				row = &releaseRow{URL: i.URL}
				byURL[i.URL] = row
			}
			i.Instances = uses[release{i.Computer, i.URL}]
			row.Instances += i.Instances
			row.Computers = append(row.Computers, i)
		}
		rows := make([]releaseRow, 0, len(byURL))
		for _, row := range byURL {
			rows = append(rows, *row)
		}
		slices.SortFunc(rows, func(a, b releaseRow) int { return strings.Compare(a.URL, b.URL) })
		v = page(q, rows, keyOfRelease)
		return nil
	})
	return v, err
}

// release is a release on a computer.
type release struct{ computer, url string }

func keyOfRelease(r releaseRow) []string {
	key := []string{r.URL}
	for _, i := range r.Computers {
		key = append(key, i.Computer, i.State, i.Status.Health)
	}
	return key
}

// allInstallations reads what is supplied anywhere, and how many instances use
// it.
func allInstallations(r store.Reader) (all []installation, uses map[release]int, err error) {
	computers, err := r.Computers()
	if err != nil {
		return nil, nil, err
	}
	uses = map[release]int{}
	for _, c := range computers {
		software, err := r.Software(c)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range software {
			all = append(all, installationOf(s))
		}
		partitions, err := r.Shown(c)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range partitions {
			if p.Instance != nil {
				uses[release{c.Reference, p.Instance.Release}]++
			}
		}
	}
	return all, uses, nil
}

// maxProblems bounds each list of problems.
const maxProblems = 200

// shownProblems is what needs somebody's attention. Counts are of all, the lists
// are cut.
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
	v := shownProblems{Computers: []computerRow{}, Releases: []installation{}, Instances: []instanceRow{}}
	err := m.store.View(ctx, func(r store.Reader) error {
		computers, err := r.Computers()
		if err != nil {
			return err
		}
		for _, c := range computers {
			if row := m.computerRowOf(c); row.Status.Health == healthError || row.Status.Health == healthSilent {
				v.Computers = collect(v.Computers, row, &v.ComputerCount)
			}
			if err := v.addProblemsOf(r, c); err != nil {
				return err
			}
		}
		return nil
	})
	return v, err
}

func (v *shownProblems) addProblemsOf(r store.Reader, c *store.Computer) error {
	software, err := r.Software(c)
	if err != nil {
		return err
	}
	for _, s := range software {
		if i := installationOf(s); i.Status.Health == healthError {
			v.Releases = collect(v.Releases, i, &v.ReleaseCount)
		}
	}
	partitions, err := r.Shown(c)
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if p.Instance == nil {
			continue
		}
		if row := instanceRowOf(p); row.Status.Health == healthError {
			v.Instances = collect(v.Instances, row, &v.InstanceCount)
		}
		for _, s := range p.Shared {
			if row := sharedRow(s, p.Instance.Release); row.Status.Health == healthError {
				v.Instances = collect(v.Instances, row, &v.InstanceCount)
			}
		}
	}
	return nil
}

// collect counts a row, and keeps it if there is room.
func collect[T any](rows []T, row T, count *int) []T {
	if *count++; len(rows) == maxProblems {
		return rows
	}
	return append(rows, row)
}
