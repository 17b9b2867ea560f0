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
	decimal   decimal // if exact
	value     float64 // if not
	carry     float64
	movements int
	special   int
}

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
	default:
		s.float(o.float)
	}
	return 0
}

// float adds with the error of the step carried along, so that small numbers
// are not lost beside large ones.
func (s *sum) float(f float64) {
	next := s.value + f
	if math.Abs(s.value) >= math.Abs(f) {
		s.carry += (s.value - next) + f
	} else {
		s.carry += (f - next) + s.value
	}
	s.value = next
}

// merge adds another sum.
func (s *sum) merge(other *sum) {
	s.movements += other.movements
	s.special += other.special
	s.decimal.add(other.decimal)
	s.float(other.value)
	s.carry += other.carry
}

func (s *sum) result() Sum {
	out := Sum{Value: s.value, Movements: s.movements, Special: s.special}
	switch {
	case s.exact:
		out.Exact = s.decimal.number()
		out.Value, _ = out.Exact.Float64() // a decimal is a number
	case finite(s.value): // a sum beyond the range has no meaningful carry
		out.Value += s.carry
	}
	return out
}
