package proxy

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// Ages, in seconds, from which a status counts as silent (master.md section 4).
const (
	silentForFiveMinutes    = 216
	silentForFifteenMinutes = 432
)

// maxKeptText bounds the error log that is kept of a report, in bytes. Its end
// is kept: that is where the reason is.
const maxKeptText = 64 << 10

// errorTail is how many characters of an error log a status text holds.
const errorTail = 80

// reported returns a status after a report. The state of the last report that
// had one is kept.
func reported(before store.Status, text, state, reporter string, now float64) store.Status {
	s := store.Status{Text: text, State: state, Reporter: reporter, CreatedAt: now, Since: now}
	if state == "" {
		s.State = before.State
	}
	if before.Text != "" && firstWord(before.Text) == firstWord(text) {
		s.Since = before.Since
	}
	return s
}

// statusText is the text of a status, or the one that stands for no report.
func statusText(s store.Status, reference string) string {
	if s.Text == "" {
		return "#error no data found for " + reference
	}
	return s.Text
}

// knownState is the state of a release that a status text stands for.
func knownState(text string) string {
	switch firstWord(text) {
	case "#access":
		return "available"
	case "#building":
		return "building"
	}
	return "error"
}

// statusDict is the dictionary of master.md section 4.
func statusDict(s store.Status, reference, portalType string, now float64) *marshal.Dict {
	d := marshal.NewDict().Set("reference", reference).Set("portal_type", portalType)
	if s.Text == "" {
		return d.Set("user", "SlapOS Master").Set("created_at", httpTime(now)).Set("since", httpTime(now)).
			Set("state", "").Set("text", statusText(s, reference)).Set("no_data", 1)
	}
	age := now - s.CreatedAt
	return d.Set("user", s.Reporter).Set("created_at", httpTime(s.CreatedAt)).Set("since", httpTime(s.Since)).
		Set("state", s.State).Set("text", s.Text).
		Set("no_data_since_15_minutes", flag(age > silentForFifteenMinutes)).
		Set("no_data_since_5_minutes", flag(age > silentForFiveMinutes))
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

func httpTime(seconds float64) string {
	return time.UnixMicro(int64(seconds * 1e6)).UTC().Format(http.TimeFormat)
}

// tail returns the last n characters of a text.
func tail(s string, n int) string {
	start := len(s)
	for ; n > 0 && start > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:start])
		start -= size
	}
	return s[start:]
}

// kept is an error log as it is stored.
func kept(log string) string {
	if len(log) <= maxKeptText {
		return log
	}
	return strings.ToValidUTF8(log[len(log)-maxKeptText:], "")
}

// sightings remembers when computers last fetched their information. Fetching
// must not wait for the disk, so it is written from time to time only.
type sightings struct {
	mu   sync.Mutex
	last map[string]sighting
	// writers counts the writes under way, which Close waits for.
	writers sync.WaitGroup
	closed  bool
}

type sighting struct{ seen, written float64 }

// sightingPeriod is how often the last access of a computer is written, in
// seconds.
const sightingPeriod = 60

// sighted notes that a computer fetched its information.
func (m *master) sighted(reference string) {
	now := m.now()
	s := &m.seen
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]sighting{}
	}
	last := s.last[reference]
	last.seen = now
	due := now-last.written >= sightingPeriod && !s.closed
	if due {
		last.written = now
		s.writers.Go(func() { m.writeSighting(reference, now) })
	}
	s.last[reference] = last
}

func (m *master) writeSighting(reference string, now float64) {
	err := m.store.Update(context.Background(), func(t store.Tx) error {
		c, err := t.Computer(reference)
		if err != nil || c.Status.CreatedAt >= now {
			return err
		}
		c.Status = reported(c.Status, "#access "+reference, "", reference, now)
		return t.SaveComputerStatus(c)
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		m.log.Warn("the last access of a computer is not kept", "computer", reference, "error", err)
	}
}

// flushSightings writes the last accesses and waits for them.
func (m *master) flushSightings() {
	s := &m.seen
	s.mu.Lock()
	s.closed = true
	pending := map[string]float64{}
	for reference, last := range s.last {
		if last.seen > last.written {
			pending[reference] = last.seen
		}
	}
	s.mu.Unlock()
	s.writers.Wait()
	for reference, seen := range pending {
		m.writeSighting(reference, seen)
	}
}

// lastSeen adds what is not written yet to the status of a computer.
func (m *master) lastSeen(c *store.Computer) store.Status {
	m.seen.mu.Lock()
	seen := m.seen.last[c.Reference].seen
	m.seen.mu.Unlock()
	if seen <= c.Status.CreatedAt {
		return c.Status
	}
	return reported(c.Status, "#access "+c.Reference, "", c.Reference, seen)
}

// computerStatus returns when and how a computer last reported.
func (m *master) computerStatus(ctx context.Context, p Principal, reference string) (status *marshal.Dict, err error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{Computer: reference}); err != nil {
		return nil, err
	}
	err = m.store.View(ctx, func(r store.Reader) error {
		c, err := m.known(r, reference)
		if err == nil {
			status = statusDict(m.lastSeen(c), reference, "Compute Node", m.now())
		}
		return err
	})
	return status, err
}

// partitionStatus returns when and how the instance of a partition last
// reported.
func (m *master) partitionStatus(ctx context.Context, p Principal, computer, partition string) (status *marshal.Dict, err error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{computer, partition}); err != nil {
		return nil, err
	}
	err = m.store.View(ctx, func(r store.Reader) error {
		found, err := existing(r, computer, partition)
		if err != nil {
			return err
		}
		var s store.Status
		if found.Instance != nil {
			s = found.Instance.Status
		}
		status = statusDict(s, guid(computer, partition), "Software Instance", m.now())
		return nil
	})
	return status, err
}

// releaseStatus returns what was last reported about a release on a computer.
func (m *master) releaseStatus(ctx context.Context, p Principal, url, computer string) (status *marshal.Dict, err error) {
	if err := m.authorizer.Authorize(ctx, p, ActionRead, Object{Computer: computer}); err != nil {
		return nil, err
	}
	err = m.store.View(ctx, func(r store.Reader) error {
		s, err := m.supplied(r, url, computer)
		if err == nil {
			status = statusDict(s.Status, url, "Software Installation", m.now())
		}
		return err
	})
	return status, err
}

// report is what a node tells about an object.
type report struct {
	text, state string
	// errorLog and bang are kept with their date.
	errorLog, bang string
}

// correctly is the report that an instance is in a state.
func correctly(state string) report {
	return report{text: "#access Instance correctly " + state, state: state}
}

// Reports about releases.

func buildingReport(url string) report {
	return report{text: "#building software release " + url, state: "building"}
}

func availableReport(url string) report {
	return report{text: "#access software release " + url + " available", state: stateAvailable}
}

func failedReport(url, log string) report {
	return report{text: "#error while installing " + url, errorLog: log}
}

// erred is the report that an instance failed.
func erred(log string) report {
	return report{text: "#error while instanciating: " + tail(log, errorTail), errorLog: log}
}

// reportPartition keeps a report about the instance of a partition.
func (m *master) reportPartition(ctx context.Context, p Principal, computer, partition string, rep report) error {
	return m.onInstance(ctx, p, ActionReport, Object{computer, partition}, func(t store.Tx, found *store.Partition) error {
		return m.keepReport(t, found, rep)
	})
}

// keepReport writes a report about an instance.
func (m *master) keepReport(t store.Tx, p *store.Partition, rep report) error {
	i, now := p.Instance, m.now()
	shown := rep.text != i.Status.Text
	i.Status = reported(i.Status, rep.text, rep.state, p.Computer, now)
	if rep.errorLog != "" {
		i.Error = store.Event{Text: kept(rep.errorLog), At: now}
	}
	if rep.bang != "" {
		i.Bang = store.Event{Text: kept(rep.bang), At: now}
	}
	return t.SaveStatus(p, shown)
}

// instanceError keeps an error of an instance, or of a shared one that it
// hosts.
func (m *master) instanceError(ctx context.Context, p Principal, computer, partition, key, log string) error {
	rep := erred(log)
	if key == "" {
		return m.reportPartition(ctx, p, computer, partition, rep)
	}
	if err := m.authorizer.Authorize(ctx, p, ActionReport, Object{computer, partition}); err != nil {
		return err
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		host, err := existing(t, computer, partition)
		if err != nil {
			return err
		}
		shared, err := t.SharedByKey(key)
		if err != nil {
			return err
		}
		for _, s := range shared {
			if host.Instance == nil || s.Host != host.Instance.ID {
				continue
			}
			s.Status = reported(s.Status, rep.text, "", computer, m.now())
			s.Error = store.Event{Text: kept(log), At: m.now()}
			if err := t.SaveShared(s); err != nil {
				return err
			}
		}
		return nil
	})
}

// computerBang keeps that a computer asked for attention. As with the
// reference's proxy, no partition is processed again because of it.
func (m *master) computerBang(ctx context.Context, p Principal, reference, message string) error {
	if err := m.authorizer.Authorize(ctx, p, ActionReport, Object{Computer: reference}); err != nil {
		return err
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		c, err := m.known(t, reference)
		if err != nil {
			return err
		}
		now := m.now()
		c.Status = reported(m.lastSeen(c), "#error bang: "+kept(message), "", reference, now)
		c.Bang = store.Event{Text: kept(message), At: now}
		return t.SaveComputerStatus(c)
	})
}
