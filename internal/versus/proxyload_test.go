//go:build linux

package versus

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// loader is a client of one connection that costs next to nothing: client and
// server share the processors, and a complete client takes more of them than the
// server. It sends requests that were written beforehand and reads answers to
// their end. It keeps its connection as long as the server does.
type loader struct {
	address string
	conn    net.Conn
	answers *bufio.Reader
}

func newLoader(b *testing.B, m master) *loader {
	b.Helper()
	u, err := url.Parse(m.url)
	require.NoError(b, err)
	return &loader{address: u.Host, answers: bufio.NewReaderSize(nil, 64<<10)}
}

// getRequest is the text of a request for a path.
func (l *loader) getRequest(path string) []byte {
	return fmt.Appendf(nil, "GET /%s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\r\n", path, l.address)
}

// postRequest is the text of a request that posts a form.
func (l *loader) postRequest(path string, form url.Values) []byte {
	body := form.Encode()
	return fmt.Appendf(nil, "POST /%s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\n\r\n%s", path, l.address, len(body), body)
}

// get sends a request and returns the length of the body of its answer, which
// must be 200. A kept connection that the server has closed is replaced.
func (l *loader) get(request []byte) (size int, err error) {
	kept := l.conn != nil
	size, err = l.try(request)
	if kept && errors.Is(err, errClosed) {
		size, err = l.try(request)
	}
	return size, err
}

// errClosed is the end of a connection before the first byte of an answer.
var errClosed = errors.New("connection closed before the answer")

func (l *loader) try(request []byte) (size int, err error) {
	if l.conn == nil {
		if l.conn, err = net.Dial("tcp", l.address); err != nil {
			return 0, err
		}
		l.answers.Reset(l.conn)
	}
	keep := false
	defer func() {
		if err != nil || !keep {
			err = errors.Join(err, l.close())
		}
	}()
	if _, err := l.conn.Write(request); err != nil {
		return 0, errors.Join(errClosed, err)
	}
	if _, err := l.answers.Peek(1); err != nil {
		return 0, errors.Join(errClosed, err)
	}
	size, keep, err = readHead(l.answers)
	if err != nil {
		return 0, err
	}
	_, err = l.answers.Discard(size)
	return size, err
}

func (l *loader) close() error {
	if l.conn == nil {
		return nil
	}
	err := l.conn.Close()
	l.conn = nil
	return err
}

// readHead reads status line and headers of an answer that is 200 and tells its
// length, and whether the connection stays open after the body.
func readHead(r *bufio.Reader) (length int, keep bool, err error) {
	status, err := r.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	keep = bytes.HasPrefix(status, []byte("HTTP/1.1 "))
	if version, rest, _ := bytes.Cut(status, []byte(" ")); !bytes.HasPrefix(version, []byte("HTTP/1.")) || !bytes.HasPrefix(rest, []byte("200 ")) {
		return 0, false, fmt.Errorf("answer %q", status)
	}
	length = -1
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, fmt.Errorf("header %q: %w", line, err)
			}
		case bytes.EqualFold(name, []byte("Connection")):
			keep = bytes.EqualFold(value, []byte("keep-alive"))
		}
	}
	if length < 0 {
		return 0, false, errors.New("an answer without Content-Length")
	}
	return length, keep, nil
}

// TestReadHead reads answers that leave the connection open, that close it and
// that are none.
func TestReadHead(t *testing.T) {
	for _, c := range []struct {
		name, text string
		length     int
		keep, ok   bool
	}{
		{"kept", "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 12, true, true},
		{"closed", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: close\r\n\r\n", 0, false, true},
		{"old", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", 3, false, true},
		{"failure", "HTTP/1.1 500 INTERNAL SERVER ERROR\r\nContent-Length: 3\r\n\r\n", 0, false, false},
		{"no length", "HTTP/1.1 200 OK\r\n\r\n", 0, false, false},
		{"cut off", "HTTP/1.1 200 OK\r\nContent-Le", 0, false, false},
		{"other protocol", "SSH-2.0 200 OK\r\n\r\n", 0, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			length, keep, err := readHead(bufio.NewReader(bytes.NewBufferString(c.text)))
			require.Equal(t, c.ok, err == nil, err)
			require.Equal(t, c.length, length)
			require.Equal(t, c.keep, keep)
		})
	}
}
