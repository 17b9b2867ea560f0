package tio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// charset is how the bytes of a document stand for characters.
type charset int

const (
	utf8Bytes charset = iota
	ascii
	latin1
	utf16LittleEndian
	utf16BigEndian
)

// charReader turns a document of any supported encoding into UTF-8 with line
// ends as LF, and refuses what is no XML character. Its Read gives all good
// characters before the error.
type charReader struct {
	r        io.Reader
	raw      []byte // not yet decoded
	eof      bool
	end      error // why eof is set: io.EOF or a failure to read
	charset  charset
	bom      bool
	declared string // the encoding in the XML declaration, if any
	cr       bool   // the last character was CR, given out as LF
	err      error
}

const rawSize = 16 << 10

// startSize is how much of a document is looked at to find its encoding.
const startSize = 1024

// maxEmptyReads is how often in a row a reader may give nothing and no error.
const maxEmptyReads = 100

func newCharReader(r io.Reader) *charReader {
	c := &charReader{r: r, raw: make([]byte, 0, rawSize)}
	c.more(startSize)
	c.detect()
	return c
}

// more reads until there are n undecoded bytes or the document ends, which a
// failure to read also does.
func (c *charReader) more(n int) {
	for empty := 0; len(c.raw) < n && !c.eof; {
		if cap(c.raw) < rawSize {
			c.raw = append(make([]byte, 0, rawSize), c.raw...)
		}
		k, err := c.r.Read(c.raw[len(c.raw):cap(c.raw)])
		c.raw = c.raw[:len(c.raw)+k]
		if k > 0 {
			empty = 0
		} else if empty++; empty > maxEmptyReads && err == nil {
			err = io.ErrNoProgress
		}
		if err != nil {
			c.eof, c.end = true, err
		}
	}
}

// otherStarts are the first bytes of documents in encodings that are not
// supported: of 32 bits, with or without byte order mark, and EBCDIC.
var otherStarts = []string{"\xff\xfe\x00\x00", "\x00\x00\xfe\xff", "<\x00\x00\x00", "\x00\x00\x00<", "\x4c\x6f\xa7\x94"}

// detect chooses the encoding by byte order mark, by the look of "<?" in 16
// bits, or by the XML declaration.
func (c *charReader) detect() {
	for _, start := range otherStarts {
		if bytes.HasPrefix(c.raw, []byte(start)) {
			c.err = errOtherEncoding
			return
		}
	}
	switch {
	case bytes.HasPrefix(c.raw, []byte{0xef, 0xbb, 0xbf}):
		c.raw, c.bom = c.raw[3:], true
	case bytes.HasPrefix(c.raw, []byte{0xff, 0xfe}):
		c.raw, c.bom, c.charset = c.raw[2:], true, utf16LittleEndian
		return
	case bytes.HasPrefix(c.raw, []byte{0xfe, 0xff}):
		c.raw, c.bom, c.charset = c.raw[2:], true, utf16BigEndian
		return
	case bytes.HasPrefix(c.raw, []byte{'<', 0, '?', 0}):
		c.charset = utf16LittleEndian
		return
	case bytes.HasPrefix(c.raw, []byte{0, '<', 0, '?'}):
		c.charset = utf16BigEndian
		return
	}
	c.declared = declaredEncoding(c.raw[:min(len(c.raw), startSize)])
	switch {
	case c.bom:
	case strings.EqualFold(c.declared, "us-ascii"), strings.EqualFold(c.declared, "ascii"):
		c.charset = ascii
	case strings.EqualFold(c.declared, "iso-8859-1"), strings.EqualFold(c.declared, "latin1"):
		c.charset = latin1
	}
}

// declaredEncoding finds the encoding in an XML declaration at the start of raw;
// whether the declaration is right is judged later.
func declaredEncoding(raw []byte) string {
	rest, ok := bytes.CutPrefix(raw, []byte("<?xml"))
	if !ok || len(rest) == 0 || !isBlank(rest[0]) {
		return "" // perhaps an instruction such as xml-stylesheet
	}
	rest, _, ok = bytes.Cut(rest, []byte("?>"))
	if !ok {
		return ""
	}
	_, rest, ok = bytes.Cut(rest, []byte("encoding"))
	if !ok {
		return ""
	}
	rest = bytes.TrimLeft(rest, " \t\r\n=")
	if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	name, _, ok := bytes.Cut(rest[1:], rest[:1])
	if !ok {
		return ""
	}
	return string(name)
}

// accepts tells whether an XML declaration may name this encoding.
func (c *charReader) accepts(name string) bool {
	switch strings.ToLower(name) {
	case "utf-8", "utf8":
		return c.charset == utf8Bytes
	case "utf-16", "utf16":
		return c.charset == utf16LittleEndian || c.charset == utf16BigEndian
	case "utf-16le":
		return c.charset == utf16LittleEndian
	case "utf-16be":
		return c.charset == utf16BigEndian
	case "us-ascii", "ascii":
		return c.charset == ascii || c.charset == utf8Bytes && c.bom
	case "iso-8859-1", "latin1":
		return c.charset == latin1
	}
	return false
}

// errOtherEncoding is the reason why nothing of a document can be read.
var errOtherEncoding = errors.New("an encoding of 32 bits or EBCDIC, which is not supported; use UTF-8")

// badCharacter is what cannot be in a document.
type badCharacter struct{ message string }

func (e *badCharacter) Error() string { return e.message }

// Read decodes into p, which must have room for a few characters.
func (c *charReader) Read(p []byte) (int, error) {
	n := 0
	for c.err == nil && len(p)-n >= utf8.UTFMax {
		if len(c.raw) < utf8.UTFMax && !c.eof {
			if n > 0 {
				return n, nil
			}
			c.more(utf8.UTFMax)
		}
		if len(c.raw) == 0 {
			c.err = c.end
			break
		}
		k := 0
		if c.charset <= latin1 {
			k = c.plain(p[n:])
		}
		if k > 0 {
			n += k
			continue
		}
		r, size, err := c.decode()
		if err != nil {
			c.err = err
			if c.end != nil && c.end != io.EOF && len(c.raw) < utf8.UTFMax {
				c.err = c.end // a character was cut by the failure to read
			}
			break
		}
		c.raw = c.raw[size:]
		n += c.emit(p[n:], r)
	}
	if n > 0 {
		return n, nil
	}
	return 0, c.err
}

// plain copies the printable ASCII characters and line feeds at the start of
// raw, the bulk of every document.
func (c *charReader) plain(p []byte) int {
	most := min(len(p), len(c.raw))
	n := 0
	if c.cr && most > 0 && c.raw[0] == '\n' {
		return 0
	}
	for n < most {
		if n+8 <= most && printable(binary.LittleEndian.Uint64(c.raw[n:])) {
			n += 8
			continue
		}
		if b := c.raw[n]; (b < ' ' || b >= utf8.RuneSelf) && b != '\n' {
			break
		}
		n++
	}
	if n > 0 {
		copy(p, c.raw[:n])
		c.cr = false
		c.raw = c.raw[n:]
	}
	return n
}

// printable tells whether eight bytes are all ASCII and no control characters.
func printable(word uint64) bool {
	const ones = 0x0101010101010101
	return (word|(word-ones*' '))&(ones*0x80) == 0
}

// emit writes one character, with CRLF and CR as LF.
func (c *charReader) emit(p []byte, r rune) int {
	afterCR := c.cr
	c.cr = r == '\r'
	switch {
	case r == '\n' && afterCR:
		return 0
	case r == '\r':
		r = '\n'
	}
	return utf8.EncodeRune(p, r)
}

// decode reads the first character of raw.
func (c *charReader) decode() (rune, int, error) {
	r, size := rune(c.raw[0]), 1
	switch c.charset {
	case utf8Bytes:
		r, size = utf8.DecodeRune(c.raw)
		if r == utf8.RuneError && size <= 1 {
			return 0, 0, &badCharacter{fmt.Sprintf("the byte 0x%02x is not UTF-8", c.raw[0])}
		}
	case ascii:
		if r >= utf8.RuneSelf {
			return 0, 0, &badCharacter{fmt.Sprintf("the byte 0x%02x is not US-ASCII", c.raw[0])}
		}
	case utf16LittleEndian, utf16BigEndian:
		var err error
		if r, size, err = c.decode16(); err != nil {
			return 0, 0, err
		}
	}
	if !isChar(r) {
		return 0, 0, &badCharacter{fmt.Sprintf("the character U+%04X is not allowed in XML", r)}
	}
	return r, size, nil
}

func (c *charReader) decode16() (rune, int, error) {
	var order binary.ByteOrder = binary.LittleEndian
	if c.charset == utf16BigEndian {
		order = binary.BigEndian
	}
	if len(c.raw) < 2 {
		return 0, 0, &badCharacter{"half of a 16-bit character at the end"}
	}
	r := rune(order.Uint16(c.raw))
	if !utf16.IsSurrogate(r) {
		return r, 2, nil
	}
	if len(c.raw) >= 4 {
		if pair := utf16.DecodeRune(r, rune(order.Uint16(c.raw[2:]))); pair != utf8.RuneError {
			return pair, 4, nil
		}
	}
	return 0, 0, &badCharacter{fmt.Sprintf("the surrogate U+%04X has no partner", r)}
}

// isChar tells whether r may occur in an XML 1.0 document.
func isChar(r rune) bool {
	return r >= ' ' && r <= 0xd7ff || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
}
