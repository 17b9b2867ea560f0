package marshal

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// maxDigits bounds the digits of an integer, as Python does: to read a longer
// one takes time that grows faster than its length.
const maxDigits = 4300

var errNumber = errors.New("malformed number")

// parseInt reads an integer as Python does: a sign, digits of any script, and
// single underscores between digits.
func parseInt(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	digits, err := asciiDigits(text, false)
	if err != nil {
		return nil, err
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n, nil
	}
	if len(strings.TrimLeft(digits, "+-")) > maxDigits {
		return nil, errNumber
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return nil, errNumber
	}
	return n, nil
}

// asciiDigits replaces the digits of other scripts and drops underscores
// between digits. Unless other characters are allowed, they are an error.
func asciiDigits(text string, others bool) (string, error) {
	var b strings.Builder
	digit := false
	for i, r := range text {
		switch {
		case r == '_':
			next := text[i+1:]
			if !digit || next == "" || next[0] == '_' {
				return "", errNumber
			}
			digit = false
			continue
		case r >= '0' && r <= '9':
			b.WriteRune(r)
			digit = true
			continue
		case r >= 0x80 && unicode.Is(unicode.Nd, r):
			b.WriteByte(byte('0' + digitValue(r)))
			digit = true
			continue
		case i == 0 && (r == '+' || r == '-'), others && r < 0x80:
			b.WriteRune(r)
			digit = false
			continue
		}
		return "", errNumber
	}
	return b.String(), nil
}

// digitValue returns the value of a decimal digit of any script: in Unicode they
// come in runs of ten, or of several times ten.
func digitValue(r rune) int {
	for _, run := range unicode.Nd.R16 {
		if r <= rune(run.Hi) {
			return int(r-rune(run.Lo)) % 10
		}
	}
	for _, run := range unicode.Nd.R32 {
		if r <= rune(run.Hi) {
			return int(r-rune(run.Lo)) % 10
		}
	}
	return 0
}

// parseFloat reads a float as Python does.
func parseFloat(text string) (any, error) {
	text, err := asciiDigits(text, true)
	if err != nil || strings.ContainsAny(text, "xXpP") {
		return nil, errNumber
	}
	// Go reads a sign before inf, but none before nan.
	if len(text) == 4 && (text[0] == '+' || text[0] == '-') && strings.EqualFold(text[1:], "nan") {
		text = text[1:]
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return nil, errNumber
	}
	return f, nil
}

// parseComplex reads the real and the imaginary part.
func parseComplex(text string) (any, error) {
	first, second, ok := strings.Cut(text, " ")
	if !ok {
		return nil, errNumber
	}
	re, err := parseFloat(first)
	if err != nil {
		return nil, err
	}
	im, err := parseFloat(strings.TrimSpace(second))
	if err != nil {
		return nil, err
	}
	return complex(re.(float64), im.(float64)), nil
}
