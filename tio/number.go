package tio

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Number is the text of a quantity or a price, as it stands in the document:
// written back, it is the same. Its grammar is that of the schema: decimal
// digits with optional sign, point and exponent, or INF, -INF, NaN, with white
// space around; but none may follow the last three, as libxml2 allows none.
type Number string

// The numbers that are not finite. They are legal and useless in a sum.
const (
	Infinity         Number = "INF"
	NegativeInfinity Number = "-INF"
	NotANumber       Number = "NaN"
)

// FormatNumber gives the shortest text that reads back as f, in the form that nodes
// write: with an exponent only below 0.0001 and from 1e16 on. It refuses infinities
// and NaN: who really means them writes the constants.
func FormatNumber(f float64) (Number, error) {
	if !finite(f) {
		return "", fmt.Errorf("tio: %v is no quantity", f)
	}
	if size := math.Abs(f); size != 0 && size < 1e-4 || size >= 1e16 {
		return Number(strconv.FormatFloat(f, 'e', -1, 64)), nil
	}
	return Number(strconv.FormatFloat(f, 'f', -1, 64)), nil
}

// Valid tells whether n has the form of a number.
func (n Number) Valid() bool {
	if n.named() {
		return true
	}
	text := unsigned(n.trim())
	whole := digits(text)
	text = text[whole:]
	fraction := 0
	if rest, ok := strings.CutPrefix(text, "."); ok {
		fraction = digits(rest)
		text = rest[fraction:]
	}
	if whole+fraction == 0 {
		return false
	}
	if text == "" {
		return true
	}
	if text[0] != 'e' && text[0] != 'E' {
		return false
	}
	text = unsigned(text[1:])
	return text != "" && digits(text) == len(text)
}

// named tells whether n is one of the three that are not finite.
func (n Number) named() bool {
	switch Number(strings.TrimLeft(string(n), blank)) {
	case Infinity, NegativeInfinity, NotANumber:
		return true
	}
	return false
}

// blank is the white space of XML.
const blank = " \t\r\n"

func (n Number) trim() string { return strings.Trim(string(n), blank) }

func unsigned(text string) string {
	if text != "" && (text[0] == '+' || text[0] == '-') {
		return text[1:]
	}
	return text
}

// digits counts the digits at the start of text.
func digits(text string) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// Float64 gives the value in 64 bits. Numbers beyond the range become
// infinite or zero, as the schema says; the error is only for what is not Valid.
func (n Number) Float64() (float64, error) {
	if !n.Valid() {
		return 0, notNumber(n)
	}
	return n.float(64)
}

// shortNumber is a length up to which strconv.ParseFloat reads numbers rightly. It
// cuts exponents down to five digits, for which a longer text can make up.
const shortNumber = 5000

// float gives the value of a valid number in 32 or 64 bits.
func (n Number) float(bits int) (float64, error) {
	text := n.trim()
	if len(text) > shortNumber {
		negative, significant, scale := n.parts()
		text = "0." + significant + "e" + strconv.Itoa(len(significant)-scale)
		if negative {
			text = "-" + text
		}
	}
	f, err := strconv.ParseFloat(text, bits)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("tio: %w", err)
	}
	return f, nil
}
