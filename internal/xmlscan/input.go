package xmlscan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// prepare converts a document to UTF-8 with single line feeds at the end of
// lines, and checks that all its characters are allowed in XML, or replaces
// those that are not. It does not change data, but may return a part of it.
func prepare(data []byte, repair bool) ([]byte, error) {
	text, err := decode(data)
	if err != nil {
		return nil, err
	}
	if err := check(text); err != nil {
		if !repair {
			return nil, err
		}
		// Bytes that are not UTF-8 are U+FFFD for Map.
		text = bytes.Map(func(r rune) rune {
			if !Allowed(r) {
				return utf8.RuneError
			}
			return r
		}, text)
	}
	if bytes.IndexByte(text, '\r') >= 0 {
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
	}
	return text, nil
}

// check fails on a text that holds characters which XML does not allow.
func check(text []byte) error {
	ascii, at := survey(text)
	switch {
	case at >= 0:
		return fmt.Errorf("control character %#02x", text[at])
	case ascii:
		return nil
	case !utf8.Valid(text):
		return errors.New("text that is not UTF-8")
	case bytes.Contains(text, []byte("\uFFFE")), bytes.Contains(text, []byte("\uFFFF")):
		return errors.New("character U+FFFE or U+FFFF")
	}
	return nil
}

// survey tells whether a text is all ASCII, and the position of the first
// control character that XML does not allow, or -1.
func survey(data []byte) (ascii bool, control int) {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	ascii = true
	i := 0
	for ; i+8 <= len(data); i += 8 {
		x := binary.LittleEndian.Uint64(data[i:])
		if x&high != 0 {
			ascii = false
		}
		// Some byte may be below 0x20.
		if (x-0x20*ones)&^x&high != 0 {
			for j := i; j < i+8; j++ {
				if forbidden(data[j]) {
					return ascii, j
				}
			}
		}
	}
	for ; i < len(data); i++ {
		if data[i] >= 0x80 {
			ascii = false
		}
		if forbidden(data[i]) {
			return ascii, i
		}
	}
	return ascii, -1
}

// forbidden tells whether a byte is a control character that XML does not
// allow.
func forbidden(c byte) bool { return c < 0x20 && c != '\t' && c != '\n' && c != '\r' }

// decode converts a document to UTF-8, by its byte order mark or else by its
// declaration.
func decode(data []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xEF\xBB\xBF")):
		return data[3:], nil
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}):
		return fromUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		return fromUTF16(data[2:], binary.BigEndian)
	case bytes.HasPrefix(data, []byte{'<', 0}):
		return fromUTF16(data, binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0, '<'}):
		return fromUTF16(data, binary.BigEndian)
	}
	switch name := strings.ToLower(declaredEncoding(data)); name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return data, nil
	case "iso-8859-1", "iso8859-1", "latin-1", "latin1":
		out := make([]byte, 0, len(data)+len(data)/8)
		for _, b := range data {
			out = utf8.AppendRune(out, rune(b))
		}
		return out, nil
	default:
		return nil, fmt.Errorf("encoding %.40q is not supported", name)
	}
}

func fromUTF16(data []byte, order binary.ByteOrder) ([]byte, error) {
	if len(data)%2 != 0 {
		return nil, errors.New("UTF-16 text with half a character")
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	out := make([]byte, 0, len(data))
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) {
			if i+1 < len(units) {
				r = utf16.DecodeRune(r, rune(units[i+1]))
			}
			if r == utf8.RuneError || utf16.IsSurrogate(r) {
				return nil, errors.New("UTF-16 text with half a character")
			}
			i++
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}

// declaredEncoding returns the encoding that the XML declaration names, or an
// empty text.
func declaredEncoding(data []byte) string {
	if !isDeclaration(data) {
		return ""
	}
	end := bytes.Index(data, []byte("?>"))
	if end < 0 {
		return ""
	}
	declaration := string(data[:end])
	_, rest, ok := strings.Cut(declaration, "encoding")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, " \t\r\n=")
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	name, _, _ := strings.Cut(rest[1:], rest[:1])
	return name
}

// isDeclaration tells whether a document begins with an XML declaration.
func isDeclaration(data []byte) bool {
	return bytes.HasPrefix(data, []byte("<?xml")) && len(data) > 5 && isSpace(data[5])
}
