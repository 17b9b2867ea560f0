package slaptest

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"sync"
)

// Transport is an [http.RoundTripper] that records calls and breaks those that
// its faults strike. Give it to slap.WithTransport. It may be used by several
// goroutines, and by several clients. It reads the bodies of requests at once,
// and holds all calls until it is reset.
type Transport struct {
	next http.RoundTripper

	mu     sync.Mutex
	faults []*injected
	calls  []*Call
}

// injected is a fault of one transport, the number of calls it would have struck
// but for the conditions that count, and whether it struck one.
type injected struct {
	Fault
	seen   int
	struck bool
}

// New returns a transport that passes calls on to another, with faults. nil
// stands for a new [http.Transport]: the master is wherever the client says.
func New(next http.RoundTripper, faults ...Fault) *Transport {
	if next == nil {
		next = &http.Transport{}
	}
	t := &Transport{next: next}
	t.Inject(faults...)
	return t
}

// Inject adds faults. All that strike a call act, each around those that were
// added later: a Delay added before a Status delays it.
func (t *Transport) Inject(faults ...Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range faults {
		t.faults = append(t.faults, &injected{Fault: f})
	}
}

// Reset forgets the calls, and has these faults instead of those there were.
func (t *Transport) Reset(faults ...Fault) {
	t.mu.Lock()
	t.calls, t.faults = nil, nil
	t.mu.Unlock()
	t.Inject(faults...)
}

// Calls returns the calls since the last reset, in the order in which they came.
func (t *Transport) Calls() []Call {
	t.mu.Lock()
	defer t.mu.Unlock()
	calls := make([]Call, len(t.calls))
	for i, c := range t.calls {
		calls[i] = *c
	}
	return calls
}

// CallsTo returns those of the calls whose path is a name, or ends in a slash
// and that name.
func (t *Transport) CallsTo(name string) []Call {
	return slices.DeleteFunc(t.Calls(), func(c Call) bool { return !c.isTo(name) })
}

// Unused returns the names of the faults that struck no call since they were added,
// in that order. A test that wants none of them notices a condition that no call
// meets, such as a path that is misspelt.
func (t *Transport) Unused() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var names []string
	for _, f := range t.faults {
		if !f.struck {
			names = append(names, f.name)
		}
	}
	return names
}

// RoundTrip passes a call on, unless a fault strikes.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	call, strike := t.begin(r, body)
	response, err := strike(r)
	t.mu.Lock()
	defer t.mu.Unlock()
	call.Done, call.Err = true, err
	if response != nil {
		call.Status = response.StatusCode
	}
	return response, err
}

// CloseIdleConnections closes those of the transport behind.
func (t *Transport) CloseIdleConnections() {
	if idle, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
}

// begin records a call, and chooses the faults that strike it.
func (t *Transport) begin(r *http.Request, body []byte) (*Call, roundTrip) {
	call := &Call{Method: r.Method, Path: r.URL.Path, Fields: fields(r, body), Header: r.Header.Clone()}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls = append(t.calls, call)
	strike := func(r *http.Request) (*http.Response, error) {
		t.mu.Lock()
		call.Reached = true
		t.mu.Unlock()
		return t.next.RoundTrip(r)
	}
	for _, f := range slices.Backward(t.faults) {
		if !f.wants(*call) {
			continue
		}
		f.seen++
		if f.counted == nil || f.counted(f.seen) {
			f.struck = true
			strike = f.act(strike)
			call.Faults = append([]string{f.name}, call.Faults...)
		}
	}
	return call, strike
}

// readBody reads and closes the body of a request, if there is one.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}

// fields returns the fields of a request. What cannot be read is left out.
func fields(r *http.Request, body []byte) url.Values {
	all := r.URL.Query()
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return all
	}
	// What was understood before an error is returned beside it.
	form, _ := url.ParseQuery(string(body))
	for name, values := range form {
		all[name] = append(all[name], values...)
	}
	return all
}
