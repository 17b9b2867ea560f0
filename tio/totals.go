package tio

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// DefaultMaxTotals bounds the memory of [Totals], in bytes.
const DefaultMaxTotals = 256 << 20

// ErrTooMany is the reason why [Totals] takes no more: it has too many different
// resources, references and currencies for its memory.
var ErrTooMany = errors.New("too many different resources, references or currencies")

// Sum is a sum of finite numbers, and how many it is made of.
type Sum struct {
	Value     float64 // in 64 bits; infinite if it is beyond their range
	Exact     Number  // the same without any rounding, in decimal; empty unless Totals.Exact
	Movements int     // how many were counted
	Special   int     // how many of these are not in the sum, see Totals
}

// Total is the quantity of one resource.
type Total struct {
	Resource  string
	Reference string // only from Totals.ByReference
	Quantity  Sum
}

// PartitionTotal is what the movements with one reference amount to.
type PartitionTotal struct {
	Partition string  // the reference; empty for movements without one
	Resources []Total // sorted by resource
}

// Amount is what was charged in one currency: the sum of quantity times price.
type Amount struct {
	Currency string
	Amount   Sum
}

// Totals sums quantities and amounts (tio.md 3.4). The zero value is ready for
// use; it is not safe for concurrent use. Infinities and NaN are counted in
// Special of the sums they would spoil, and not added.
//
// Numbers are added in 64 bits with the rounding errors of each step carried
// along. If Exact is set they are added as the decimals they are; those with
// more than [MaxExactDigits] digits before or after the point are then counted in
// Special.
//
// The memory grows with the number of different resources, references and
// currencies only, whatever the size of the documents; MaxBytes bounds it.
type Totals struct {
	Exact    bool  // to be set before the first movement is added
	MaxBytes int64 // zero stands for DefaultMaxTotals

	quantities map[[2]string]*sum
	amounts    map[string]*sum
	used       int64
}

// overhead is about what one sum takes besides its names.
const overhead = 256

// Add counts a movement of a transaction with a currency. The error is for a
// quantity or a price that is no number, or wraps [ErrTooMany]; the movement is then
// not counted.
func (t *Totals) Add(currency string, m Movement) error {
	quantity, err := t.operand(m.Quantity)
	if err != nil {
		return fmt.Errorf("%w (quantity of %s)", err, shorten(m.Resource))
	}
	price, err := t.operand(m.Price)
	if err != nil {
		return fmt.Errorf("%w (price of %s)", err, shorten(m.Resource))
	}
	if t.quantities == nil {
		t.quantities, t.amounts = make(map[[2]string]*sum), make(map[string]*sum)
	}
	key := [2]string{m.Resource, m.Reference.Value}
	of, known := t.quantities[key]
	amount, paid := t.amounts[currency]
	var more int64
	if !known {
		of, more = &sum{exact: t.Exact}, overhead+int64(len(key[0])+len(key[1]))
	}
	if !paid {
		amount, more = &sum{exact: t.Exact}, more+overhead+int64(len(currency))
	}
	limit := t.MaxBytes
	if limit == 0 {
		limit = DefaultMaxTotals
	}
	if t.used+more > limit {
		return fmt.Errorf("tio: totals: %w", ErrTooMany)
	}
	t.quantities[key], t.amounts[currency] = of, amount
	t.used += more + of.add(quantity) + amount.add(quantity.times(price))
	return nil
}

func (t *Totals) operand(n Number) (operand, error) {
	if t.Exact {
		return exactOperand(n)
	}
	f, err := n.Float64()
	return operand{float: f, special: !finite(f)}, err
}

// Read adds the movements of a journal of any size, which is validated at the
// same time. Its errors are those of [Decoder.Transactions] and Add; what came
// before the error is counted.
func (t *Totals) Read(r io.Reader, opts ...DecodeOption) error {
	for x, err := range NewDecoder(r, opts...).Transactions() {
		if err != nil {
			return err
		}
		for m, err := range x.Movements() {
			if err == nil {
				err = t.Add(x.Currency, m)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// AddJournal adds every movement of a journal, up to the first error of Add.
func (t *Totals) AddJournal(j *Journal) error {
	for i := range j.transactions() {
		x := &j.Transactions[i]
		for _, m := range x.Movements {
			if err := t.Add(x.Currency, m); err != nil {
				return err
			}
		}
	}
	return nil
}

// AddConsumption adds every movement of the report of a partition, up to the
// first error of Add. Such a report has no currency, and its movements count for
// the partition as they will in the journal of [Aggregate].
func (t *Totals) AddConsumption(partition string, c *Consumption) error {
	for _, m := range c.movements() {
		if err := t.Add("", inPartition(partition, m)); err != nil {
			return err
		}
	}
	return nil
}

// Totals sums a whole journal in 64 bits. The errors are those of [Totals.Add].
func (j *Journal) Totals() (*Totals, error) {
	var t Totals
	if err := t.AddJournal(j); err != nil {
		return nil, err
	}
	return &t, nil
}

// ByReference gives one total per pair of resource and reference, sorted by
// them. An absent reference counts as an empty one.
func (t *Totals) ByReference() []Total {
	out := make([]Total, 0, len(t.quantities))
	for _, key := range t.keys(0, 1) {
		out = append(out, Total{key[0], key[1], t.quantities[key].result()})
	}
	return out
}

// ByResource gives one total per resource, sorted by it.
func (t *Totals) ByResource() []Total {
	var out []Total
	var sums []*sum
	for i, key := range t.keys(0, 1) {
		if i == 0 || key[0] != out[len(out)-1].Resource {
			out = append(out, Total{Resource: key[0]})
			sums = append(sums, &sum{exact: t.Exact})
		}
		sums[len(sums)-1].merge(t.quantities[key])
	}
	for i := range out {
		out[i].Quantity = sums[i].result()
	}
	return out
}

// ByPartition gives the totals of each partition, sorted by reference: quantities
// of different resources have different units and no sum.
func (t *Totals) ByPartition() []PartitionTotal {
	var out []PartitionTotal
	for i, key := range t.keys(1, 0) {
		if i == 0 || key[1] != out[len(out)-1].Partition {
			out = append(out, PartitionTotal{Partition: key[1]})
		}
		last := &out[len(out)-1]
		last.Resources = append(last.Resources, Total{Resource: key[0], Quantity: t.quantities[key].result()})
	}
	return out
}

// ByCurrency gives the amount in each currency, sorted by it.
func (t *Totals) ByCurrency() []Amount {
	out := make([]Amount, 0, len(t.amounts))
	for _, currency := range slices.Sorted(maps.Keys(t.amounts)) {
		out = append(out, Amount{currency, t.amounts[currency].result()})
	}
	return out
}

// keys lists the pairs of resource and reference, sorted by one, then the other.
func (t *Totals) keys(first, second int) [][2]string {
	return slices.SortedFunc(maps.Keys(t.quantities), func(a, b [2]string) int {
		if c := strings.Compare(a[first], b[first]); c != 0 {
			return c
		}
		return strings.Compare(a[second], b[second])
	})
}
