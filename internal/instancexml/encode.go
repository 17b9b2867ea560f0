package instancexml

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/slapos/slapos-go/internal/marshal"
)

const header = "<?xml version='1.0' encoding='utf-8'?>\n"

// Encode returns the document of a parameter dictionary, exactly as the
// reference's dict2xml writes it: keys sorted, values that are not text turned
// into text the way Python's str does. It fails on text that XML cannot carry, and
// on a document that Decode would refuse for its size: each of many parameters may
// be the same large list.
func Encode(params map[string]any) (string, error) { return EncodeWithin(params, maxBytes) }

// ErrTooLarge is returned, wrapped, for a document that is larger than it may be.
var ErrTooLarge = errors.New("instance document too large")

// EncodeWithin is Encode with another limit, in bytes. It needs little more memory than
// that, whatever the values are.
func EncodeWithin(params map[string]any, limit int) (string, error) {
	var b strings.Builder
	b.WriteString(header)
	if len(params) == 0 {
		b.WriteString("<instance/>\n")
		return b.String(), nil
	}
	b.WriteString("<instance>\n")
	for _, key := range sortedKeys(params) {
		value, whole := marshal.StrUpTo(params[key], limit)
		if !whole && len(value) <= limit {
			return "", fmt.Errorf("value of parameter %q: %w", key, marshal.ErrTextTooLong)
		}
		if len(value) > limit {
			return "", fmt.Errorf("%w: larger than %d bytes at parameter %.40q", ErrTooLarge, limit, key)
		}
		if at := firstBad(key); at >= 0 {
			return "", fmt.Errorf("parameter %q: %w", key, marshal.ErrText)
		}
		if at := firstBad(value); at >= 0 {
			return "", fmt.Errorf("value of parameter %q: %w", key, marshal.ErrText)
		}
		b.WriteString(`  <parameter id="`)
		idEscapes.WriteString(&b, key)
		b.WriteString(`">`)
		textEscapes.WriteString(&b, value)
		b.WriteString("</parameter>\n")
		if b.Len() > limit-len("</instance>\n") {
			return "", fmt.Errorf("%w: larger than %d bytes at parameter %.40q", ErrTooLarge, limit, key)
		}
	}
	b.WriteString("</instance>\n")
	return b.String(), nil
}

var (
	textEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#13;")
	idEscapes   = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;",
		"\r", "&#13;", "\n", "&#10;", "\t", "&#9;")
)

// firstBad returns the position of the first character that XML cannot carry,
// or -1.
func firstBad(s string) int {
	for i, r := range s {
		switch {
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return i
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// Hash returns the reference's calculate_dict_hash: the SHA-256, in lower case
// hexadecimal, of the Python repr of the sorted list of pairs.
func Hash(params map[string]any) string {
	pairs := make([]any, 0, len(params))
	for _, key := range sortedKeys(params) {
		pairs = append(pairs, marshal.Tuple{key, params[key]})
	}
	sum := sha256.Sum256([]byte(PyRepr(pairs)))
	return hex.EncodeToString(sum[:])
}

// PyRepr returns the text Python's repr gives for a value.
func PyRepr(v any) string { return marshal.Repr(v) }

func sortedKeys(params map[string]any) []string {
	keys := make([]string, 0, len(params))
	for key := range params {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
