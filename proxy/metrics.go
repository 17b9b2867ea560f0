package proxy

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/promtext"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// calledAs is how a call is counted. Both names come from short lists, whatever
// callers send.
type calledAs struct {
	surface string
	// method is the name of a call of the slap tool or the JSON API, a path of
	// those who watch, else the method of HTTP.
	method string
}

// surfaces are the values of calledAs.surface.
var surfaces = []string{"slaptool", "jsonapi", "hateoas", "panel", "http_proxy", "shacache", "operation", "other"}

// callOf names a call for the metrics.
func (s *Server) callOf(r *http.Request) calledAs {
	path := r.URL.Path
	if _, ok := s.tool[path]; ok {
		return calledAs{"slaptool", path[1:]}
	}
	if name, ok := strings.CutPrefix(path, jsonPrefix); ok && s.json[name] != nil {
		return calledAs{"jsonapi", name}
	}
	if isOperation(path) {
		return calledAs{"operation", path[1:]}
	}
	verb := "other"
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions:
		verb = r.Method
	}
	switch {
	case strings.HasPrefix(path, jsonPrefix), path == jsonPagePath, path+"/" == jsonPagePath:
		return calledAs{"jsonapi", verb}
	case path == "/hateoas", strings.HasPrefix(path, "/hateoas/"):
		return calledAs{"hateoas", verb}
	case isPanel(path):
		return calledAs{"panel", verb}
	case strings.HasPrefix(path, relayPrefix):
		return calledAs{"http_proxy", verb}
	case strings.HasPrefix(path, shacachePrefix):
		return calledAs{"shacache", verb}
	}
	return calledAs{"other", verb}
}

// answered is how often a call had an answer of one class.
type answered struct {
	calledAs
	class string
}

// metrics counts what happens.
type metrics struct {
	started  time.Time
	inFlight atomic.Int64
	took     map[string]*promtext.Distribution // by surface

	mu    sync.RWMutex
	calls map[answered]*atomic.Int64

	commits       *promtext.Distribution // seconds
	groups        *promtext.Distribution // updates of a commit
	commitsFailed atomic.Int64

	census census
}

func newMetrics() *metrics {
	m := &metrics{
		started: time.Now(), calls: map[answered]*atomic.Int64{}, took: map[string]*promtext.Distribution{},
		commits: promtext.NewDistribution(.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10),
		groups:  promtext.NewDistribution(1, 2, 4, 8, 16, 32, 64, 128, 256),
	}
	for _, surface := range surfaces {
		m.took[surface] = promtext.NewDistribution(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10)
	}
	return m
}

// called counts one call; the status is zero if it was not answered.
func (m *metrics) called(as calledAs, status int, took time.Duration) {
	m.took[as.surface].Observe(took.Seconds())
	key := answered{as, "none"}
	if status > 0 {
		key.class = strconv.Itoa(status/100) + "xx"
	}
	m.mu.RLock()
	counter := m.calls[key]
	m.mu.RUnlock()
	if counter == nil {
		m.mu.Lock()
		if counter = m.calls[key]; counter == nil {
			counter = new(atomic.Int64)
			m.calls[key] = counter
		}
		m.mu.Unlock()
	}
	counter.Add(1)
}

// committed counts one commit of the store.
func (m *metrics) committed(c store.Commit) {
	if c.Err != nil {
		m.commitsFailed.Add(1)
		return
	}
	m.commits.Observe(c.Took.Seconds())
	m.groups.Observe(float64(c.Updates))
}

// countedCalls returns the counters in a fixed order.
func (m *metrics) countedCalls() []answered {
	m.mu.RLock()
	defer m.mu.RUnlock()
	keys := make([]answered, 0, len(m.calls))
	for key := range m.calls {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b answered) int {
		return cmp.Or(cmp.Compare(a.surface, b.surface), cmp.Compare(a.method, b.method), cmp.Compare(a.class, b.class))
	})
	return keys
}

func (m *metrics) count(key answered) int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.calls[key].Load()
}

const (
	// The counts of the tables are read from all rows. They are kept for a while,
	// longer if it took long: counting takes a fiftieth of the time, whoever asks.
	shortestCensus = 10 * time.Second
	longestCensus  = 5 * time.Minute
	censusShare    = 50
	censusWait     = 5 * time.Second
	// maxContacts bounds the computers that have a metric of their own: those
	// that were not heard of for longest.
	maxContacts = 1000
)

// census is what the database held a short time ago.
type census struct {
	mu       sync.Mutex
	due      time.Time // when to count again
	counts   store.Counts
	contacts []contact
	// silent counts the formatted computers that were never heard of.
	computers, silent int
}

// contact is when a computer last said something, in seconds since 1970.
type contact struct {
	computer string
	at       float64
}

// takeCensus counts unless it did lately.
func (s *Server) takeCensus(ctx context.Context) (*census, error) {
	c := &s.metrics.census
	began := time.Now()
	if began.Before(c.due) {
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, censusWait)
	defer cancel()
	var computers []*store.Computer
	err := s.master.store.View(ctx, func(r store.Reader) (err error) {
		if computers, err = r.Computers(); err != nil {
			return err
		}
		c.counts, err = r.Counts()
		return err
	})
	if err != nil {
		return nil, err
	}
	c.due = time.Now().Add(censusPeriod(time.Since(began)))
	c.computers, c.silent, c.contacts = 0, 0, nil
	for _, computer := range computers {
		if !computer.Formatted && computer.Reference != s.config.computerID {
			continue
		}
		c.computers++
		if at := s.master.lastContact(computer); at > 0 {
			c.contacts = append(c.contacts, contact{computer.Reference, at})
		} else {
			c.silent++
		}
	}
	slices.SortStableFunc(c.contacts, func(a, b contact) int { return cmp.Compare(a.at, b.at) })
	c.contacts = c.contacts[:min(len(c.contacts), maxContacts)]
	return c, nil
}

// censusPeriod is how long a census that took some time is kept.
func censusPeriod(took time.Duration) time.Duration {
	return min(max(shortestCensus, censusShare*took), longestCensus)
}

// lastContact is when a computer last reported or fetched something.
func (m *master) lastContact(c *store.Computer) float64 {
	m.seen.mu.Lock()
	defer m.seen.mu.Unlock()
	return max(c.Status.CreatedAt, m.seen.last[c.Reference].seen)
}
