package proxy

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Large bodies are carried in pieces. Neither who sends nor who receives may keep
// the other waiting for longer than this between two of them; the whole may take
// its time.
const pieceTimeout = 30 * time.Second

// stream writes what is left of a body after its first piece. It breaks the
// connection if the body ends early or stops, so that nobody takes a part for the
// whole.
func stream(w http.ResponseWriter, body io.ReadCloser, first []byte) {
	control := http.NewResponseController(w)
	from := newPatient(body, pieceTimeout)
	piece := make([]byte, 32<<10)
	for {
		if len(first) > 0 {
			// Whoever waits for the answer sends nothing meanwhile: the limit for
			// reading the call would cut off what is written.
			err := errors.Join(extend(control.SetWriteDeadline), extend(control.SetReadDeadline))
			if err == nil {
				_, err = w.Write(first)
			}
			if err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		n, err := from.Read(piece)
		first = piece[:n]
		if errors.Is(err, io.EOF) && n == 0 {
			return
		}
		if err != nil && !errors.Is(err, io.EOF) {
			panic(http.ErrAbortHandler)
		}
	}
}

// extend moves a deadline of a connection; what is no connection has none.
func extend(set func(time.Time) error) error {
	err := set(time.Now().Add(pieceTimeout))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// patient reads from a body that is closed when nothing comes for some time.
type patient struct {
	io.Reader
	timer   *time.Timer
	timeout time.Duration
}

func newPatient(body io.ReadCloser, timeout time.Duration) *patient {
	timer := time.AfterFunc(timeout, func() { _ = body.Close() }) // reading then fails
	timer.Stop()
	return &patient{body, timer, timeout}
}

// Read reads the next piece.
func (p *patient) Read(b []byte) (int, error) {
	p.timer.Reset(p.timeout)
	defer p.timer.Stop()
	return p.Reader.Read(b)
}

// pacedReader reads the body of a call that may take its time as long as it comes. The
// answer has as much time after the last piece.
type pacedReader struct {
	io.Reader
	control *http.ResponseController
}

// Read reads the next piece.
func (p pacedReader) Read(b []byte) (int, error) {
	if err := errors.Join(extend(p.control.SetReadDeadline), extend(p.control.SetWriteDeadline)); err != nil {
		return 0, err
	}
	return p.Reader.Read(b)
}

// pacedWriter writes an answer that may take its time as long as it is taken.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

// Write writes the next piece.
func (p pacedWriter) Write(b []byte) (int, error) {
	if err := errors.Join(extend(p.control.SetWriteDeadline), extend(p.control.SetReadDeadline)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}
