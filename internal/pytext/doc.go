// Package pytext reads and writes the texts in which the Python programs of
// SlapOS put values: JSON as Python writes it, and the literals that are left
// when a stand-alone master stores a value as text ("[1, 'a']", "True").
//
// The values are nil, bool, int64, *big.Int, float64, string, []any and
// map[string]any. What is read is bounded in depth and in the length of its
// numbers, and errors tell where something is wrong, never what is there:
// parameters hold passwords.
package pytext

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
)

const (
	// maxDepth bounds how deep values nest.
	maxDepth = 200
	// maxDigits bounds the digits of a number, as in Python: reading them
	// takes time that grows with their square.
	maxDigits = 4300
)

var (
	errTooDeep = errors.New("nested too deep")
	errNumber  = errors.New("number out of range")
)

// Parse reads a JSON text or, if it is none, a Python literal.
func Parse(text string) (any, error) {
	v, err := ParseJSON(text)
	if err == nil {
		return v, nil
	}
	v, literalErr := ParseLiteral(text)
	if literalErr != nil {
		return nil, fmt.Errorf("neither JSON (%w) nor a Python literal (%w)", err, literalErr)
	}
	return v, nil
}

// number reads a decimal number as int64, *big.Int or float64.
func number(text string) (any, error) {
	if len(text) > maxDigits {
		return nil, errNumber
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, ok := new(big.Int).SetString(text, 10); ok {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, errNumber
	}
	return f, nil
}
