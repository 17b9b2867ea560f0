package supervise

import (
	"os"
)

// listenerSession is a running event listener: its output and the event that it handles.
type listenerSession struct {
	output   *os.File // the daemon's end of its stdout
	protocol *listenerProtocol
	event    *pooledEvent // sent and not answered yet
}

// pooledEvent is an event in the queue of one group of listeners.
type pooledEvent struct {
	event
	poolSerial int
}

func newListenerSession(output *os.File) *listenerSession {
	return &listenerSession{output: output, protocol: newListenerProtocol()}
}

// close ends the reading of output. A nil session is closed already.
func (s *listenerSession) close() {
	if s != nil {
		_ = s.output.Close() // a read end
	}
}
