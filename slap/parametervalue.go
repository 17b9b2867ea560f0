package slap

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/pytext"
)

// Text returns a parameter as text: text itself, and everything else in its
// Python notation. It is ErrNotFound if the parameter is missing or null.
func (p Parameters) Text(key string) (string, error) {
	text, ok := p.String(key)
	if !ok {
		return "", missingParameter(key)
	}
	return text, nil
}

// Int returns a parameter as an integer: a number without a fraction, or text
// that is one. The parameter is missing, ErrNotFound, also if it is null or, as
// a stand-alone master would store that, "" or "None". Anything else, and a
// number that is too large, is a [ParameterError].
func (p Parameters) Int(key string) (int64, error) {
	return number(p, key, "an integer", func(v any) (int64, bool) {
		n, ok := integerOf(v)
		if !ok || !n.IsInt64() {
			return 0, false
		}
		return n.Int64(), true
	})
}

// Float returns a parameter as a floating-point number: a number, or text that
// is one. Errors are those of [Parameters.Int].
func (p Parameters) Float(key string) (float64, error) { return number(p, key, "a number", floatOf) }

// Bool returns a parameter as a truth value: a boolean, the numbers 0 and 1, or
// in any case one of the texts that Python's configuration files know: true,
// yes, on, 1, false, no, off and 0. Errors are those of [Parameters.Int].
func (p Parameters) Bool(key string) (bool, error) { return number(p, key, "a boolean", boolOf) }

// JSON decodes the JSON text in a parameter into what into points to, by the
// rules of [encoding/json] but for the numbers in an any, a map[string]any or a
// Parameters, which are those of [Parameters]. A value that is no text counts
// as decoded already. A missing or null parameter is ErrNotFound; no JSON, or
// JSON of another type, is a [ParameterError].
func (p Parameters) JSON(key string, into any) error {
	v, ok := p[key]
	if !ok || v == nil {
		return missingParameter(key)
	}
	return decodeJSON(key, v, into)
}

// number reads a parameter that is neither text nor a container.
func number[T any](p Parameters, key, want string, read func(any) (T, bool)) (T, error) {
	var none T
	v := plain(p[key])
	if isNull(v) {
		return none, missingParameter(key)
	}
	n, ok := read(v)
	if !ok {
		return none, &ParameterError{Key: key, Want: want, Got: typeOf(v)}
	}
	return n, nil
}

// isNull tells whether a value is null, or what a stand-alone master makes of
// null and what it makes null of.
func isNull(v any) bool { return v == nil || v == "" || v == pyNone }

// integerOf reads a number without a fraction.
func integerOf(v any) (*big.Int, bool) {
	switch v := v.(type) {
	case int:
		return big.NewInt(int64(v)), true
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return v, v != nil
	case float64:
		if v != math.Trunc(v) || math.IsInf(v, 0) {
			return nil, false
		}
		n, _ := big.NewFloat(v).Int(nil)
		return n, true
	case string:
		if n, err := pytext.ParseLiteral(v); err == nil && isNumber(n) {
			return integerOf(n)
		}
	}
	return nil, false
}

func floatOf(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case *big.Int:
		if v == nil {
			return 0, false
		}
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, !math.IsInf(f, 0)
	case float64:
		return v, true
	case string:
		if n, err := pytext.ParseLiteral(v); err == nil && isNumber(n) {
			return floatOf(n)
		}
	}
	return 0, false
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, *big.Int, float64:
		return true
	}
	return false
}

func boolOf(v any) (truth, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case int, int64, float64, *big.Int:
		n, ok := integerOf(v)
		if ok && n.IsInt64() && (n.Int64() == 0 || n.Int64() == 1) {
			return n.Int64() == 1, true
		}
	case string:
		switch strings.ToLower(strings.TrimSpace(v)) {
		case "true", "yes", "on", "1":
			return true, true
		case "false", "no", "off", "0":
			return false, true
		}
	}
	return false, false
}

// listOrDictionary returns what a value holds in the types of package pytext:
// text is read as JSON or, as a stand-alone master stores it, as Python.
func listOrDictionary(v any) any {
	text, ok := v.(string)
	if !ok {
		return v
	}
	parsed, err := pytext.Parse(text)
	if err != nil {
		return v
	}
	return parsed
}

// typeOf names the type of a value, never the value.
func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int, int64, *big.Int, float64, json.Number:
		return "a number"
	case string, []byte:
		return "text"
	case []any, []string, *marshal.List, marshal.Tuple, *marshal.Set:
		return "a list"
	case map[string]any, map[string]string, Parameters, *marshal.Dict:
		return "a dictionary"
	case *marshal.Object:
		return "an object of class " + v.Class
	default:
		return fmt.Sprintf("%T", v)
	}
}

// quoteKey quotes the name of a parameter for messages, and shortens it.
func quoteKey(key string) string {
	const most = 100
	if len(key) > most {
		return strconv.Quote(key[:most]) + "..."
	}
	return strconv.Quote(key)
}
