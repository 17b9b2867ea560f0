package slaptest

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Call is a call that went through a [Transport]. What it holds is for reading.
type Call struct {
	// Method is GET or POST, and Path is the path of the URL.
	Method, Path string
	// Fields are those of the query, and of the form if there is one.
	Fields url.Values
	// Header is that of the request, credentials included.
	Header http.Header
	// Faults names the faults that struck, the outermost first.
	Faults []string
	// Reached tells that the call was passed on to the master.
	Reached bool
	// Done tells that an answer or an error was returned. Before that, Status
	// and Err are not known.
	Done bool
	// Status is that of the answer that the client got, 0 if it got none.
	Status int
	// Err is why it got none. An answer whose body breaks off has none here.
	Err error
}

// Field returns the first value of a field, empty if there is none.
func (c Call) Field(name string) string { return c.Fields.Get(name) }

// String tells what became of the call in a line, for messages of tests:
//
//	POST /supplySupply: 200
//	POST /requestComputerPartition (cut after): read tcp: read: connection reset by peer
func (c Call) String() string {
	var b strings.Builder
	b.WriteString(c.Method + " " + c.Path)
	if len(c.Faults) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(c.Faults, ", "))
	}
	switch {
	case !c.Done:
		b.WriteString(": under way")
	case c.Err != nil:
		fmt.Fprintf(&b, ": %v", c.Err)
	default:
		fmt.Fprintf(&b, ": %d", c.Status)
	}
	return b.String()
}

// isTo tells whether the path is, or ends in, a name.
func (c Call) isTo(name string) bool {
	return strings.HasSuffix("/"+strings.TrimPrefix(c.Path, "/"), "/"+strings.TrimPrefix(name, "/"))
}
