package proxy

import (
	"fmt"
	"io"
	"strings"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// reportedEvent is an error or a bang with its whole text.
type reportedEvent struct {
	kind, object string
	event        store.Event
}

// events are the last errors and bangs of computers, releases and instances, in
// the order in which they are shown.
func (s *shownState) events() (all []reportedEvent) {
	add := func(kind, object string, e store.Event) {
		if e.At != 0 {
			all = append(all, reportedEvent{kind, object, e})
		}
	}
	for _, c := range s.computers {
		add("bang", c.Reference, c.Bang)
	}
	for _, r := range s.software {
		add("error", r.Computer+" "+r.URL, r.Error)
	}
	for _, p := range s.busy {
		object := guid(p.Computer, p.Reference)
		if p.Instance.Title != "" {
			object += " " + p.Instance.Title
		}
		add("error", object, p.Instance.Error)
		add("bang", object, p.Instance.Bang)
	}
	return all
}

func showErrors(w io.Writer, s *shownState) error {
	events := s.events()
	for _, e := range events {
		fmt.Fprintf(w, "%s of %s, %s\n", e.kind, e.object, shownTime(e.event.At))
		for line := range strings.Lines(e.event.Text) {
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\r\n"))
		}
	}
	if len(events) == 0 {
		fmt.Fprintln(w, "errors: none")
	}
	return nil
}

func errorsValue(s *shownState) (any, error) {
	value := []any{}
	for _, e := range s.events() {
		value = append(value, map[string]any{"kind": e.kind, "object": e.object, "at": shownTime(e.event.At), "text": e.event.Text})
	}
	return value, nil
}
