package supervise

import (
	"slices"
	"time"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// notify puts an event into the queue of every group of listeners that subscribed to it.
func (d *daemon) notify(e event) {
	d.serial++
	e.serial = d.serial
	for _, g := range d.groups {
		if subscribed(g.config.Events, e.kind) && !g.config.isVacant() {
			g.poolSerial++
			d.enqueue(g, &pooledEvent{event: e, poolSerial: g.poolSerial}, false)
			d.nudge()
		}
	}
}

// enqueue adds an event at the end, or, when it is offered again, at the
// beginning; a full queue loses its oldest event.
func (d *daemon) enqueue(g *group, e *pooledEvent, first bool) {
	if len(g.queue) >= g.config.BufferSize {
		d.log.Error("event buffer overflowed, discarding event", "listener", g.config.Name, "serial", g.queue[0].serial)
		g.queue = g.queue[1:]
	}
	if first {
		g.queue = slices.Insert(g.queue, 0, e)
	} else {
		g.queue = append(g.queue, e)
	}
}

// requeue offers the event again that a listener had when it ended or broke the protocol.
func (d *daemon) requeue(g *group, s *listenerSession) {
	if s != nil && s.event != nil {
		d.enqueue(g, s.event, true)
		s.event = nil
	}
}

// dispatch sends the queued events to listeners that are ready.
func (d *daemon) dispatch(g *group) {
	for len(g.queue) > 0 {
		p := g.ready()
		if p == nil {
			return
		}
		e := g.queue[0]
		g.queue = g.queue[1:]
		if err := p.write(e.envelope(d.cfg.identifier, g.config.Name, e.poolSerial)); err != nil {
			d.log.Warn("cannot send an event", "listener", p.fullName(), "error", err)
			p.session.protocol.state = listenerBroken
			d.enqueue(g, e, true)
			continue
		}
		p.session.protocol.sent()
		p.session.event = e
	}
}

// ready returns a listener of the group that may be sent an event.
func (g *group) ready() *process {
	for _, p := range g.processes {
		if p.state == client.Running && p.session != nil && p.session.protocol.state == listenerReady {
			return p
		}
	}
	return nil
}

// listen reads the output of a listener until it ends.
func (d *daemon) listen(p *process, s *listenerSession) {
	buffer := make([]byte, 4096)
	for {
		n, err := s.output.Read(buffer)
		if n > 0 {
			d.locked(func() { d.heard(p, s, buffer[:n]) })
		}
		if err != nil {
			return
		}
	}
}

// heard handles output of a listener.
func (d *daemon) heard(p *process, s *listenerSession, output []byte) {
	if p.session != s {
		return
	}
	verdicts, err := s.protocol.feed(output)
	for _, v := range verdicts {
		switch v {
		case handled:
			s.event = nil
		case rejected:
			d.log.Warn("listener rejected an event", "listener", p.fullName())
			d.requeue(p.group, s)
		}
	}
	if err != nil {
		d.log.Warn("listener ignored until its next start", "listener", p.fullName(), "error", err)
		d.requeue(p.group, s)
	}
	d.dispatch(p.group)
}

// tickPeriods are the periods of the TICK events.
var tickPeriods = []struct {
	period time.Duration
	kind   string
}{{5 * time.Second, "TICK_5"}, {time.Minute, "TICK_60"}, {time.Hour, "TICK_3600"}}

// tickEvents notifies of each period that began since the last call.
func (d *daemon) tickEvents(now time.Time) {
	for _, t := range tickPeriods {
		slice := now.Truncate(t.period).Unix()
		last, ok := d.ticks[t.period]
		d.ticks[t.period] = slice
		if ok && last != slice {
			d.notify(tickEvent(t.kind, slice))
		}
	}
}
