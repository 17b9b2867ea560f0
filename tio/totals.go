package tio

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Total is the sum of one resource.
type Total struct {
	Resource  string
	Reference string  // only from Totals.ByReference
	Quantity  float64 // of the finite numbers
	Movements int     // how many were added
	NotFinite int     // how many of these were infinite or NaN, and are not in Quantity
}

// Totals sums quantities. The zero value is ready for use; it is not safe for
// concurrent use. The memory grows with the number of different resources and
// references.
type Totals struct {
	sums map[[2]string]*sum
}

// sum adds with the error of each step carried along, so that small
// numbers are not lost beside large ones.
type sum struct {
	Total
	carry float64
}

// Add counts a movement. The error is for a quantity that is no number.
func (t *Totals) Add(m Movement) error {
	f, err := m.Quantity.Float64()
	if err != nil {
		return fmt.Errorf("%w (quantity of %s)", err, shorten(m.Resource))
	}
	if t.sums == nil {
		t.sums = make(map[[2]string]*sum)
	}
	key := [2]string{m.Resource, m.Reference.Value}
	s := t.sums[key]
	if s == nil {
		s = &sum{Total: Total{Resource: key[0], Reference: key[1]}}
		t.sums[key] = s
	}
	s.Movements++
	if math.IsInf(f, 0) || math.IsNaN(f) {
		s.NotFinite++
		return nil
	}
	s.add(f)
	return nil
}

func (s *sum) add(f float64) {
	next := s.Quantity + f
	if math.Abs(s.Quantity) >= math.Abs(f) {
		s.carry += (s.Quantity - next) + f
	} else {
		s.carry += (f - next) + s.Quantity
	}
	s.Quantity = next
}

// total is the sum with what was carried; a sum beyond the range is infinite.
func (s *sum) total() Total {
	total := s.Total
	if !math.IsInf(total.Quantity, 0) {
		total.Quantity += s.carry
	}
	return total
}

// ByReference gives one total per pair of resource and reference, sorted by
// them. Movements of one partition have its reference.
func (t *Totals) ByReference() []Total {
	out := make([]Total, 0, len(t.sums))
	for _, s := range t.sums {
		out = append(out, s.total())
	}
	slices.SortFunc(out, func(a, b Total) int {
		if c := strings.Compare(a.Resource, b.Resource); c != 0 {
			return c
		}
		return strings.Compare(a.Reference, b.Reference)
	})
	return out
}

// ByResource gives one total per resource, sorted by it.
func (t *Totals) ByResource() []Total {
	merged := make(map[string]*sum)
	var order []string
	for _, s := range t.ByReference() {
		all := merged[s.Resource]
		if all == nil {
			all = &sum{Total: Total{Resource: s.Resource}}
			merged[s.Resource] = all
			order = append(order, s.Resource)
		}
		all.add(s.Quantity)
		all.Movements += s.Movements
		all.NotFinite += s.NotFinite
	}
	out := make([]Total, 0, len(order))
	for _, resource := range order {
		out = append(out, merged[resource].total())
	}
	return out
}

// Totals sums a whole journal.
func (j *Journal) Totals() (*Totals, error) {
	var t Totals
	for i := range j.Transactions {
		for _, m := range j.Transactions[i].Movements {
			if err := t.Add(m); err != nil {
				return nil, err
			}
		}
	}
	return &t, nil
}
