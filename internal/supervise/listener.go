package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// listenerState is where an event listener stands in its protocol.
type listenerState int

const (
	listenerAcknowledged listenerState = iota // its READY is awaited
	listenerReady                             // it may be sent an event
	listenerBusy                              // it handles an event, its RESULT is awaited
	listenerBroken                            // it broke the protocol and gets nothing until its next start
)

// maxResult bounds the result of one event, in bytes.
const maxResult = 1 << 20

// errProtocol is wrapped by errors about output that breaks the listener protocol.
var errProtocol = errors.New("event listener protocol broken")

// listenerProtocol reads the standard output of one event listener: READY,
// then for each event RESULT <length>, newline and that many bytes.
type listenerProtocol struct {
	state  listenerState
	buffer []byte
	length int // of the result being read, -1 before its line is complete
}

// verdict is what feeding output to the protocol brought to light.
type verdict int

const (
	nothingNew verdict = iota
	becameReady
	handled  // the event was processed
	rejected // the event must be offered again
)

func newListenerProtocol() *listenerProtocol { return &listenerProtocol{length: -1} }

// sent notes that an event is on its way.
func (p *listenerProtocol) sent() {
	p.state = listenerBusy
	p.length = -1
}

// feed adds output. It returns the verdicts in order; after an error the
// listener is broken and the event that it had, if any, is rejected.
func (p *listenerProtocol) feed(output []byte) ([]verdict, error) {
	p.buffer = append(p.buffer, output...)
	var verdicts []verdict
	for len(p.buffer) > 0 {
		v, more, err := p.step()
		if v != nothingNew {
			verdicts = append(verdicts, v)
		}
		if err != nil {
			p.state, p.buffer = listenerBroken, nil
			return verdicts, err
		}
		if !more {
			break
		}
	}
	return verdicts, nil
}

// step consumes one token; more is false when it is not complete yet.
func (p *listenerProtocol) step() (v verdict, more bool, err error) {
	switch p.state {
	case listenerAcknowledged:
		return p.ready()
	case listenerBusy:
		if p.length < 0 {
			return p.resultLine()
		}
		return p.result()
	case listenerReady:
		return nothingNew, false, fmt.Errorf("%w: %.40q without an event", errProtocol, p.buffer)
	}
	p.buffer = nil
	return nothingNew, false, nil
}

func (p *listenerProtocol) ready() (verdict, bool, error) {
	const token = "READY\n"
	n := min(len(token), len(p.buffer))
	switch {
	case string(p.buffer[:n]) != token[:n]:
		return nothingNew, false, fmt.Errorf("%w: %.40q instead of READY", errProtocol, p.buffer)
	case n < len(token):
		return nothingNew, false, nil
	}
	p.buffer = p.buffer[n:]
	p.state = listenerReady
	return becameReady, true, nil
}

func (p *listenerProtocol) resultLine() (verdict, bool, error) {
	line, rest, complete := bytes.Cut(p.buffer, []byte("\n"))
	if len(line) > 100 {
		return rejected, false, fmt.Errorf("%w: endless result line", errProtocol)
	}
	if !complete {
		return nothingNew, false, nil
	}
	number, ok := bytes.CutPrefix(line, []byte("RESULT "))
	n, err := strconv.Atoi(string(number))
	if !ok || err != nil || n < 0 || n > maxResult {
		return rejected, false, fmt.Errorf("%w: bad result line %q", errProtocol, line)
	}
	p.length, p.buffer = n, rest
	if n == 0 {
		return p.result()
	}
	return nothingNew, true, nil
}

func (p *listenerProtocol) result() (verdict, bool, error) {
	if len(p.buffer) < p.length {
		return nothingNew, false, nil
	}
	result := string(p.buffer[:p.length])
	p.buffer = p.buffer[p.length:]
	p.length = -1
	p.state = listenerAcknowledged
	if result == "OK" {
		return handled, true, nil
	}
	return rejected, true, nil
}
