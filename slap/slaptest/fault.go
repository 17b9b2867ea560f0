package slaptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Fault is something that goes wrong, and the calls for which it does: all of
// them, unless conditions are added. Make it with one of the functions below;
// the methods return a copy with one condition more. A Fault does not change,
// and may be given to several transports: each counts for itself.
type Fault struct {
	name       string
	conditions []func(Call) bool
	counted    func(n int) bool
	act        func(next roundTrip) roundTrip
}

// roundTrip is the one method of an [http.RoundTripper].
type roundTrip func(*http.Request) (*http.Response, error)

func fault(name string, act func(next roundTrip) roundTrip) Fault {
	return Fault{name: name, act: act}
}

// Refuse refuses the connection: nothing is sent, and the client knows it.
func Refuse() Fault {
	return fault("refused", func(roundTrip) roundTrip {
		return func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		}
	})
}

// CutBefore cuts the connection after the client began to send and before the
// call reaches the master.
func CutBefore() Fault {
	return fault("cut before", func(roundTrip) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			tellSent(r)
			return nil, reset()
		}
	})
}

// CutAfter lets the master act, and cuts the connection before any of its
// answer comes.
func CutAfter() Fault {
	return fault("cut after", func(next roundTrip) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			if err := discard(next(r)); err != nil {
				return nil, err
			}
			return nil, reset()
		}
	})
}

// Delay waits before the call is passed on. If the context of the call ends
// first, the master never gets it.
func Delay(d time.Duration) Fault {
	return fault("delayed before", func(next roundTrip) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			if err := wait(r.Context(), d); err != nil {
				return nil, err
			}
			return next(r)
		}
	})
}

// DelayAfter lets the master act, and waits before its answer is passed on. If
// the context of the call ends first, the answer is lost.
func DelayAfter(d time.Duration) Fault {
	return fault("delayed after", func(next roundTrip) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			response, err := next(r)
			if err != nil {
				return nil, err
			}
			if err := wait(r.Context(), d); err != nil {
				return nil, errors.Join(err, response.Body.Close())
			}
			return response, nil
		}
	})
}

// Status answers in the place of the master, which does not get the call.
func Status(code int, body string) Fault {
	return fault(fmt.Sprint(code, " before"), func(roundTrip) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			tellSent(r)
			return answer(r, code, body), nil
		}
	})
}

// StatusAfter lets the master act, and answers in its place, as a front end
// does that lost patience (504) or the connection (502).
func StatusAfter(code int, body string) Fault {
	return fault(fmt.Sprint(code, " after"), func(next roundTrip) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			if err := discard(next(r)); err != nil {
				return nil, err
			}
			return answer(r, code, body), nil
		}
	})
}

// Garble lets the master act, and replaces the body of its answer; status and
// headers stay, but for Content-Length.
func Garble(body string) Fault {
	return ofBody("garbled", func(response *http.Response) {
		old := response.Body
		response.Body = &replaced{strings.NewReader(body), old}
		response.ContentLength = int64(len(body))
		response.Header = response.Header.Clone()
		response.Header.Del("Content-Length")
	})
}

// Truncate lets the master act, and cuts the connection after n bytes of the
// body of its answer. A body that is not longer stays whole.
func Truncate(n int) Fault {
	return ofBody("truncated", func(response *http.Response) {
		response.Body = &truncated{response.Body, n}
	})
}

// Slow lets the master act, and passes on the body of its answer n bytes at a
// time, at least one, with a pause before each piece.
func Slow(n int, pause time.Duration) Fault {
	return ofBody("slow", func(response *http.Response) {
		ctx := context.Background()
		if response.Request != nil {
			ctx = response.Request.Context()
		}
		response.Body = &slow{response.Body, ctx, max(1, n), pause}
	})
}

// ofBody is a fault of the body of an answer.
func ofBody(name string, change func(*http.Response)) Fault {
	return fault(name, func(next roundTrip) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			response, err := next(r)
			if err != nil {
				return nil, err
			}
			if response.Request == nil {
				response.Request = r
			}
			change(response)
			return response, nil
		}
	})
}

// When restricts the fault to calls for which a function returns true. It is
// called for one call at a time, and is given what is known of a call before it
// is sent. It must not call the Transport, which waits for it.
func (f Fault) When(condition func(Call) bool) Fault {
	f.conditions = append(slices.Clip(f.conditions), condition)
	return f
}

// OnPath restricts the fault to calls of the protocol with a name: those whose
// path is that, or ends in a slash and that. It may have slashes itself.
func (f Fault) OnPath(name string) Fault {
	return f.When(func(c Call) bool { return c.isTo(name) })
}

// OnMethod restricts the fault to an HTTP method: GET, which reads, or POST,
// which changes something.
func (f Fault) OnMethod(method string) Fault {
	return f.When(func(c Call) bool { return c.Method == method })
}

// OnField restricts the fault to calls with a value in a field of the form, or
// of the query.
func (f Fault) OnField(name, value string) Fault {
	return f.When(func(c Call) bool { return slices.Contains(c.Fields[name], value) })
}

// Once restricts the fault to the first of the calls that its other conditions
// leave.
func (f Fault) Once() Fault { return f.First(1) }

// First restricts the fault to the first n of the calls that its other
// conditions leave. Of First, Nth and Every the last counts.
func (f Fault) First(n int) Fault { return f.which(func(i int) bool { return i <= n }) }

// Nth restricts the fault to one of the calls that its other conditions leave,
// counted from 1.
func (f Fault) Nth(n int) Fault { return f.which(func(i int) bool { return i == n }) }

// Every restricts the fault to every n-th of the calls that its other conditions
// leave: the n-th, the 2n-th and so on.
func (f Fault) Every(n int) Fault { return f.which(func(i int) bool { return n > 0 && i%n == 0 }) }

func (f Fault) which(counted func(n int) bool) Fault {
	f.counted = counted
	return f
}

// wants tells whether the conditions allow the fault for a call, but for those
// that count.
func (f Fault) wants(c Call) bool {
	for _, condition := range f.conditions {
		if !condition(c) {
			return false
		}
	}
	return true
}

// reset is the error of a connection that was cut.
func reset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// wait waits, or ends with the context.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// discard reads an answer to its end, so that the master has done its work.
func discard(response *http.Response, err error) error {
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}
