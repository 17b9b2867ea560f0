package tio

import "math"

// operand is a number to be added: in 64 bits, or exactly.
type operand struct {
	float   float64
	decimal decimal
	special bool // not to be added
}

func (o operand) times(other operand) operand {
	product := o.float * other.float
	return operand{
		float: product, decimal: o.decimal.times(other.decimal),
		special: o.special || other.special || !finite(product),
	}
}

func finite(f float64) bool { return !math.IsInf(f, 0) && !math.IsNaN(f) }

// sum is a sum in the making.
type sum struct {
	exact     bool
	decimal   decimal     // if exact
	low, high accumulator // if not
	movements int
	special   int
}

// Numbers from huge on are summed apart, divided by 2^scaleDown, so that no sum of
// finite numbers becomes infinite on the way.
const (
	huge      = 0x1p960
	scaleDown = 64
)

// add counts an operand and tells by how many bytes the sum has grown.
func (s *sum) add(o operand) int64 {
	s.movements++
	switch {
	case o.special:
		s.special++
	case s.exact:
		before := s.decimal.size()
		s.decimal.add(o.decimal)
		return s.decimal.size() - before
	case math.Abs(o.float) >= huge:
		s.high.add(math.Ldexp(o.float, -scaleDown))
	default:
		s.low.add(o.float)
	}
	return 0
}

// merge adds another sum.
func (s *sum) merge(other *sum) {
	s.movements += other.movements
	s.special += other.special
	s.decimal.add(other.decimal)
	s.low.merge(other.low)
	s.high.merge(other.high)
}

func (s *sum) result() Sum {
	out := Sum{Value: s.low.total(), Movements: s.movements, Special: s.special}
	switch high := s.high.total(); {
	case s.exact:
		out.Exact = s.decimal.number()
		out.Value, _ = out.Exact.Float64() // a decimal is a number
	case high != 0:
		out.Value = math.Ldexp(high+math.Ldexp(out.Value, -scaleDown), scaleDown)
	}
	return out
}

// accumulator adds with the error of each step carried along, so that small
// numbers are not lost beside large ones.
type accumulator struct{ value, carry float64 }

func (a *accumulator) add(f float64) {
	next := a.value + f
	if math.Abs(a.value) >= math.Abs(f) {
		a.carry += (a.value - next) + f
	} else {
		a.carry += (f - next) + a.value
	}
	a.value = next
}

func (a *accumulator) merge(other accumulator) {
	a.add(other.value)
	a.carry += other.carry
}

func (a accumulator) total() float64 { return a.value + a.carry }
