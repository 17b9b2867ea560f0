package supervise

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// eventTypes lists every event type that a listener may subscribe to, with the
// types that include it. PROCESS_LOG and PROCESS_COMMUNICATION are accepted but
// never sent: processes write into their log files without passing by the daemon.
var eventTypes = []string{
	"EVENT",
	"PROCESS_STATE", "PROCESS_STATE_STOPPED", "PROCESS_STATE_EXITED", "PROCESS_STATE_STARTING",
	"PROCESS_STATE_STOPPING", "PROCESS_STATE_BACKOFF", "PROCESS_STATE_FATAL", "PROCESS_STATE_RUNNING",
	"PROCESS_STATE_UNKNOWN",
	"PROCESS_COMMUNICATION", "PROCESS_COMMUNICATION_STDOUT", "PROCESS_COMMUNICATION_STDERR",
	"PROCESS_LOG", "PROCESS_LOG_STDOUT", "PROCESS_LOG_STDERR",
	"REMOTE_COMMUNICATION",
	"SUPERVISOR_STATE_CHANGE", "SUPERVISOR_STATE_CHANGE_RUNNING", "SUPERVISOR_STATE_CHANGE_STOPPING",
	"TICK", "TICK_5", "TICK_60", "TICK_3600",
	"PROCESS_GROUP", "PROCESS_GROUP_ADDED", "PROCESS_GROUP_REMOVED",
}

func knownEvent(name string) bool { return slices.Contains(eventTypes, name) }

// event is something that listeners are told.
type event struct {
	kind    string
	serial  int
	payload string
}

// subscribed reports whether a listener of these types wants the event.
func subscribed(types []string, kind string) bool {
	for _, t := range types {
		if t == "EVENT" || t == kind || strings.HasPrefix(kind, t+"_") {
			return true
		}
	}
	return false
}

// stateEvent describes a change of state of group:name.
func stateEvent(group, name string, t transition) event {
	payload := fmt.Sprintf("processname:%s groupname:%s from_state:%s", name, group, t.from)
	switch t.to {
	case client.Starting, client.Backoff:
		payload += fmt.Sprintf(" tries:%d", t.tries)
	case client.Exited:
		expected := 0
		if t.expected {
			expected = 1
		}
		payload += fmt.Sprintf(" expected:%d pid:%d", expected, t.pid)
	case client.Running, client.Stopping, client.Stopped:
		payload += fmt.Sprintf(" pid:%d", t.pid)
	}
	return event{kind: "PROCESS_STATE_" + t.to.String(), payload: payload}
}

// envelope is the text that a listener reads: a header line and the payload.
func (e event) envelope(server, pool string, poolSerial int) string {
	return fmt.Sprintf("ver:3.0 server:%s serial:%d pool:%s poolserial:%d eventname:%s len:%d\n%s",
		server, e.serial, pool, poolSerial, e.kind, len(e.payload), e.payload)
}

func tickEvent(kind string, when int64) event {
	return event{kind: kind, payload: fmt.Sprintf("when:%d", when)}
}
