package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

const header = "<?xml version='1.0'?>\n"

// dateTimeLayout is dateTime.iso8601 as Python writes it.
const dateTimeLayout = "20060102T15:04:05"

// EncodeCall returns the document of a call of method with the arguments args.
// It fails only for a value of a type that XML-RPC cannot carry.
func EncodeCall(method string, args ...any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(header + "<methodCall>\n<methodName>")
	escape(&b, method)
	b.WriteString("</methodName>\n<params>\n")
	for i, arg := range args {
		if err := encodeParam(&b, arg); err != nil {
			return nil, fmt.Errorf("xmlrpc: argument %d of %s: %w", i+1, method, err)
		}
	}
	b.WriteString("</params>\n</methodCall>\n")
	return b.Bytes(), nil
}

// EncodeResponse returns the document of a successful answer.
func EncodeResponse(value any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(header + "<methodResponse>\n<params>\n")
	if err := encodeParam(&b, value); err != nil {
		return nil, fmt.Errorf("xmlrpc: result: %w", err)
	}
	b.WriteString("</params>\n</methodResponse>\n")
	return b.Bytes(), nil
}

// EncodeFault returns the document of a refused call.
func EncodeFault(f *Fault) []byte {
	var b bytes.Buffer
	b.WriteString(header + "<methodResponse>\n<fault>\n<value><struct>\n<member>\n<name>faultCode</name>\n<value><int>")
	b.WriteString(strconv.Itoa(f.Code))
	b.WriteString("</int></value>\n</member>\n<member>\n<name>faultString</name>\n<value><string>")
	escape(&b, f.String)
	b.WriteString("</string></value>\n</member>\n</struct></value>\n</fault>\n</methodResponse>\n")
	return b.Bytes()
}

func encodeParam(b *bytes.Buffer, v any) error {
	b.WriteString("<param>\n")
	if err := encodeValue(b, v, 0); err != nil {
		return err
	}
	b.WriteString("</param>\n")
	return nil
}

func encodeValue(b *bytes.Buffer, v any, depth int) error {
	if depth > MaxDepth {
		return errors.New("value nests too deep")
	}
	b.WriteString("<value>")
	if err := encodeContent(b, v, depth); err != nil {
		return err
	}
	b.WriteString("</value>\n")
	return nil
}

func encodeContent(b *bytes.Buffer, v any, depth int) error {
	switch v := v.(type) {
	case nil:
		b.WriteString("<nil/>")
	case string:
		b.WriteString("<string>")
		escape(b, v)
		b.WriteString("</string>")
	case bool:
		if v {
			b.WriteString("<boolean>1</boolean>")
		} else {
			b.WriteString("<boolean>0</boolean>")
		}
	case int:
		encodeInt(b, int64(v))
	case int64:
		encodeInt(b, v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("not a finite number")
		}
		b.WriteString("<double>" + strconv.FormatFloat(v, 'f', -1, 64) + "</double>")
	case []byte:
		b.WriteString("<base64>" + base64.StdEncoding.EncodeToString(v) + "</base64>")
	case time.Time:
		b.WriteString("<dateTime.iso8601>" + v.UTC().Format(dateTimeLayout) + "</dateTime.iso8601>")
	case []any:
		return encodeArray(b, v, depth)
	case []string:
		return encodeArray(b, v, depth)
	case map[string]any:
		return encodeStruct(b, v, depth)
	default:
		return fmt.Errorf("no XML-RPC type for %T", v)
	}
	return nil
}

func encodeInt(b *bytes.Buffer, v int64) {
	tag := "int"
	if v != int64(int32(v)) { //nolint:gosec // the comparison is the check
		tag = "i8" // beyond the 32 bits of the standard
	}
	b.WriteString("<" + tag + ">" + strconv.FormatInt(v, 10) + "</" + tag + ">")
}

func encodeArray[T any](b *bytes.Buffer, items []T, depth int) error {
	b.WriteString("<array><data>\n")
	for _, item := range items {
		if err := encodeValue(b, item, depth+1); err != nil {
			return err
		}
	}
	b.WriteString("</data></array>")
	return nil
}

func encodeStruct(b *bytes.Buffer, members map[string]any, depth int) error {
	b.WriteString("<struct>\n")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		b.WriteString("<member>\n<name>")
		escape(b, name)
		b.WriteString("</name>\n")
		if err := encodeValue(b, members[name], depth+1); err != nil {
			return fmt.Errorf("member %q: %w", name, err)
		}
		b.WriteString("</member>\n")
	}
	b.WriteString("</struct>")
	return nil
}

// escape writes s as character data. What XML 1.0 cannot hold (most control
// characters, bytes that are not UTF-8) becomes U+FFFD: log files are full of them.
func escape(b *bytes.Buffer, s string) {
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '\r':
			b.WriteString("&#13;")
		case r == utf8.RuneError && size == 1, !isXMLRune(r):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteString(s[i : i+size])
		}
		i += size
	}
}

// isXMLRune reports whether XML 1.0 allows r in a document.
func isXMLRune(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}
