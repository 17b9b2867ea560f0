package tio

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// MaxExactDigits is how many digits before and after the point numbers may have
// that are computed exactly. Every finite number of 64 bits fits. It bounds
// memory and time, since a few characters such as 1e400000000 can stand for
// a number of any length.
const MaxExactDigits = 1100

// ErrRange is the reason why a number has no exact value here: it is infinite or NaN, or
// beyond [MaxExactDigits].
var ErrRange = errors.New("not finite, or with too many digits")

// decimal is unscaled / 10^scale. The zero value is 0.
type decimal struct {
	unscaled *big.Int // nil: 0
	scale    int
}

func (d decimal) integer() *big.Int {
	if d.unscaled == nil {
		return new(big.Int)
	}
	return d.unscaled
}

// Rat gives the exact value. The error wraps [ErrRange] for numbers that have none,
// and is another one for what is not Valid.
func (n Number) Rat() (*big.Rat, error) {
	if !n.Valid() {
		return nil, notNumber(n)
	}
	d, ok := n.decimal()
	if !ok {
		return nil, fmt.Errorf("tio: %s: %w", shorten(string(n)), ErrRange)
	}
	return new(big.Rat).SetFrac(d.integer(), power(d.scale)), nil
}

func exactOperand(n Number) (operand, error) {
	if !n.Valid() {
		return operand{}, notNumber(n)
	}
	d, ok := n.decimal()
	return operand{decimal: d, special: !ok}, nil
}

func notNumber(n Number) error { return fmt.Errorf("tio: %s is no number", shorten(string(n))) }

// decimal gives the exact value of a valid number, and false if it has none.
func (n Number) decimal() (decimal, bool) {
	if n.named() {
		return decimal{}, false
	}
	negative, significant, scale := n.parts()
	if significant == "" {
		return decimal{}, true // whatever the exponent
	}
	if before := len(significant) - scale; before > MaxExactDigits || scale > MaxExactDigits {
		return decimal{}, false
	}
	significant += strings.Repeat("0", max(0, -scale))
	d := decimal{new(big.Int), max(0, scale)}
	d.unscaled.SetString(significant, 10) // digits alone
	if negative {
		d.unscaled.Neg(d.unscaled)
	}
	return d, true
}

// parts takes a valid and finite number apart: it is significant * 10^-scale.
// Significant has no zeros around and is empty for zero. Exponents of more than
// 31 bits are cut down to that, for which no text of an allowed length makes up.
func (n Number) parts() (negative bool, significant string, scale int) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(n.trim()), "e")
	whole, fraction, _ := strings.Cut(unsigned(mantissa), ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	significant = strings.TrimRight(digits, "0")
	power10, _ := strconv.ParseInt(exponent, 10, 31) // absent: 0; too large: the largest
	return strings.HasPrefix(mantissa, "-"), significant, len(fraction) - (len(digits) - len(significant)) - int(power10)
}

func power(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

// add adds other to d. Other does not change.
func (d *decimal) add(other decimal) {
	if d.unscaled == nil {
		d.unscaled = new(big.Int)
	}
	summand := other.integer()
	switch {
	case d.scale < other.scale:
		d.unscaled.Mul(d.unscaled, power(other.scale-d.scale))
		d.scale = other.scale
	case d.scale > other.scale:
		summand = new(big.Int).Mul(summand, power(d.scale-other.scale))
	}
	d.unscaled.Add(d.unscaled, summand)
}

func (d decimal) times(other decimal) decimal {
	return decimal{new(big.Int).Mul(d.integer(), other.integer()), d.scale + other.scale}
}

// size is the length of the number in bytes.
func (d decimal) size() int64 { return int64(d.integer().BitLen()+7) / 8 }

// number writes the value without exponent and without superfluous zeros.
func (d decimal) number() Number {
	value := d.integer()
	text := new(big.Int).Abs(value).String()
	if missing := d.scale + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	if d.scale > 0 {
		point := len(text) - d.scale
		text = strings.TrimRight(strings.TrimRight(text[:point]+"."+text[point:], "0"), ".")
	}
	if value.Sign() < 0 {
		text = "-" + text
	}
	return Number(text)
}
