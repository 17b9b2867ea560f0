package proxy

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/xmlscan"
)

// maxFields bounds the fields of a form.
const maxFields = 1000

// maxAnnounced bounds the memory that is set aside for a body before it comes,
// in bytes.
const maxAnnounced = 64 << 10

// form holds the fields of a call: the query of a GET, the body of a POST. Of
// repeated fields the first counts.
type form map[string]string

// readForm reads the fields of a request. A POST has fields only in its body,
// in either of the two encodings of HTML forms.
func readForm(r *http.Request) (form, error) {
	if r.Method != http.MethodPost {
		return parseFields(r.URL.RawQuery)
	}
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return form{}, drain(r.Body)
	}
	switch kind {
	case "application/x-www-form-urlencoded":
		body, err := readBody(r)
		if err != nil {
			return nil, err
		}
		return parseFields(body)
	case "multipart/form-data":
		return readMultipart(r.Body, parameters["boundary"])
	}
	return form{}, drain(r.Body)
}

// readBody reads a body whose size is bounded already.
func readBody(r *http.Request) (string, error) {
	var b bytes.Buffer
	// What the caller announces is believed to a point only: it may never come.
	if n := min(r.ContentLength, maxAnnounced); n > 0 {
		b.Grow(int(n) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(r.Body); err != nil {
		return "", bodyError(err)
	}
	return b.String(), nil
}

// drain reads a body that is not looked at.
func drain(body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return bodyError(err)
}

func bodyError(err error) error {
	var limit *http.MaxBytesError
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*Error)): // there is no room for it
		return err
	case errors.As(err, &limit):
		return tooLarge("The body is larger than %d bytes, the most that this master reads", limit.Limit)
	}
	return &Error{Status: http.StatusBadRequest, Message: "The body cannot be read", Err: err}
}

// parseFields reads url-encoded fields as the reference does: only & separates
// them, and what is not an escape stands for itself.
func parseFields(text string) (form, error) {
	f := form{}
	for n := 0; text != ""; n++ {
		if n == maxFields {
			return nil, tooLarge("The form has more than %d fields", maxFields)
		}
		var pair string
		pair, text, _ = strings.Cut(text, "&")
		if pair == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		f.add(unescape(key), unescape(value))
	}
	return f, nil
}

func (f form) add(key, value string) {
	if _, ok := f[key]; !ok {
		f[key] = value
	}
}

// unescape decodes a url-encoded text. Bytes that are not UTF-8 become the
// replacement character.
func unescape(s string) string {
	if strings.ContainsAny(s, "%+") {
		var b strings.Builder
		b.Grow(len(s))
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] == '+':
				b.WriteByte(' ')
			case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
				b.WriteByte(unhex(s[i+1])<<4 | unhex(s[i+2]))
				i += 2
			default:
				b.WriteByte(s[i])
			}
		}
		s = b.String()
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}

// readMultipart reads the fields of a multipart body; files are skipped.
func readMultipart(body io.Reader, boundary string) (form, error) {
	f := form{}
	if boundary == "" {
		return f, drain(body)
	}
	parts := multipart.NewReader(body, boundary)
	for n := 0; ; n++ {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return nil, bodyError(err)
		}
		if n == maxFields {
			return nil, tooLarge("The form has more than %d fields", maxFields)
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return nil, bodyError(err)
		}
		if part.FileName() == "" {
			f.add(part.FormName(), strings.ToValidUTF8(string(value), "\uFFFD"))
		}
	}
}

// need returns the values of mandatory fields, in order. They are told to nodes
// in XML, so that a character which XML cannot carry would make the computer that
// they are about unreadable.
func (f form) need(names ...string) ([]string, error) {
	values := make([]string, len(names))
	for i, name := range names {
		value, ok := f[name]
		if !ok {
			return nil, badRequest("The field %q is missing", name)
		}
		if err := legible(name, value); err != nil {
			return nil, err
		}
		values[i] = value
	}
	return values, nil
}

// log returns the text of an optional field that a program wrote for people.
// What XML cannot carry, such as the colors of a terminal, is replaced.
func (f form) log(name string) string { return legibly(f[name]) }

// legibly replaces the characters of a text that XML cannot carry.
func legibly(text string) string {
	return strings.Map(func(r rune) rune {
		if illegible(r) {
			return '\uFFFD'
		}
		return r
	}, text)
}

// legible refuses a field with a character that XML cannot carry.
func legible(name, value string) error {
	if strings.ContainsFunc(value, illegible) {
		return badRequest("The field %q holds a control character, which XML cannot carry", name)
	}
	return nil
}

func illegible(r rune) bool { return !xmlscan.Allowed(r) }

// value unmarshals a field; a missing or empty one is null.
func (f form) value(name string) (any, error) {
	text := f[name]
	if text == "" {
		return nil, nil
	}
	v, err := marshal.Unmarshal([]byte(text))
	if err != nil {
		return nil, malformed(name, err)
	}
	return v, nil
}

// dict unmarshals a field that holds a dictionary; a missing or empty one is an
// empty dictionary.
func (f form) dict(name string) (*marshal.Dict, error) {
	v, err := f.value(name)
	if err != nil {
		return nil, err
	}
	switch d := v.(type) {
	case *marshal.Dict:
		return d, nil
	case nil:
		if f[name] == "" {
			return marshal.NewDict(), nil
		}
	}
	return nil, badRequest("The field %q is not a dictionary", name)
}
