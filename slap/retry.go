package slap

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Waits between the attempts of a call.
const (
	retryWaitMin = 200 * time.Millisecond
	retryWaitMax = 5 * time.Second
)

// maxRetryAfter bounds the wait that a master may ask for. If it asks for more,
// the call fails at once and says so: the caller knows better what to do.
const maxRetryAfter = 30 * time.Second

// retrying puts the retry rules around an HTTP client. The reference never
// retries, so that few repetitions are allowed.
func (c *Client) retrying(base *http.Client) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient:   base,
		Logger:       nil,
		RetryWaitMin: retryWaitMin,
		RetryWaitMax: retryWaitMax,
		RetryMax:     c.retries,
		CheckRetry:   mayRetry,
		Backoff:      pause,
		// The last answer is kept: it tells why the master refuses.
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(_ retryablehttp.Logger, r *http.Request, attempt int) {
			if p := policyOf(r.Context()); p != nil {
				p.attempt = attempt + 1
				p.sent.Store(false)
			}
			if attempt > 0 {
				c.log.DebugContext(r.Context(), "repeating call to master", "method", r.Method, "url", public(r.URL), "attempt", attempt+1)
			}
		},
	}
}

// pause returns how long to wait before the next attempt: what the master asks
// for, but not less than the back-off.
func pause(least, most time.Duration, attempt int, response *http.Response) time.Duration {
	wait := backoff(least, most, attempt)
	if asked, ok := retryAfter(response, time.Now()); ok {
		wait = max(wait, asked)
	}
	return wait
}

// retryAfter returns how long an answer asks to wait, in seconds or until a
// date.
func retryAfter(response *http.Response, now time.Time) (time.Duration, bool) {
	if response == nil {
		return 0, false
	}
	text := strings.TrimSpace(response.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, date.Sub(now).Round(time.Second)), true
	}
	return 0, false
}

// backoff returns a random time up to one that doubles with each attempt.
func backoff(least, most time.Duration, attempt int) time.Duration {
	upTo := most
	if attempt < 16 && least < most>>attempt {
		upTo = least << attempt
	}
	return upTo/2 + rand.N(upTo/2+1)
}

// policy is what is known of a call, and of its latest attempt, on all levels
// below. But for sent it is used by the goroutine of the call only.
type policy struct {
	op, method string
	// cancel ends the call, for a cause.
	cancel context.CancelCauseFunc
	// attempt counts from 1.
	attempt int
	// identity is whom the client certificate of the attempt names.
	identity string
	// unseen tells that the master never got the latest attempt, though there
	// was a connection.
	unseen bool
	// sent tells that the head of a request went out in the latest attempt, and
	// heads how often one did for what the transport has to send.
	sent  atomic.Bool
	heads atomic.Int32
}

// maxSendings bounds how often a transport of net/http may send a read that a
// server of HTTP/2 resets: by itself it goes on for ever, without a pause. It may
// try all connections that it keeps, if the master closed them unnoticed.
const maxSendings = maxIdle + 4

var errResends = errors.New("the master refused the request again and again")

// getConn notices that a transport is about to send a request, perhaps again.
func (p *policy) getConn(string) {
	most := int32(maxSendings)
	if p.method != http.MethodGet {
		most = 1
	}
	if p.heads.Load() >= most {
		p.cancel(errResends)
	}
}

// forgetSending is called when it is known that what was sent was not seen.
func (p *policy) forgetSending() {
	p.sent.Store(false)
	p.heads.Store(0)
}

func (p *policy) wroteHeaders() {
	p.sent.Store(true)
	p.heads.Add(1)
}

// mayHaveActed tells whether the master may have made the change that was asked
// for although the call failed.
func (p *policy) mayHaveActed(err error) bool {
	return p.method != http.MethodGet && !p.unseen && (p.sent.Load() || isConnection(err) && !isDial(err))
}

type policyKey struct{}

// withPolicy adds the policy of a call to a context.
func withPolicy(ctx context.Context, p *policy) context.Context {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: p.getConn, WroteHeaders: p.wroteHeaders,
	})
	return context.WithValue(ctx, policyKey{}, p)
}

// policyOf returns the policy in a context, nil if there is none.
func policyOf(ctx context.Context) *policy {
	p, _ := ctx.Value(policyKey{}).(*policy)
	return p
}

// mayRetry tells whether a call may be repeated: a read after a failure to
// connect or 502, 503, 504; a change only if the master never got any of it.
// 408 means "not ready" and is an answer like any other.
func mayRetry(ctx context.Context, response *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	p := policyOf(ctx)
	if p == nil {
		return false, nil
	}
	if err != nil {
		if isTLS(err, p.sent.Load()) {
			return false, nil
		}
		if p.method == http.MethodGet {
			return isConnection(err), nil
		}
		if p.unseen {
			p.unseen = false
			return true, nil
		}
		return isDial(err) && !p.sent.Load(), nil
	}
	if p.method != http.MethodGet {
		return false, nil
	}
	switch response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return mayWait(ctx, response), nil
	}
	return false, nil
}

// mayWait tells whether the wait that an answer asks for is bearable, and ends
// before the context does.
func mayWait(ctx context.Context, response *http.Response) bool {
	asked, ok := retryAfter(response, time.Now())
	if !ok {
		return true
	}
	end, ends := ctx.Deadline()
	return asked <= maxRetryAfter && (!ends || asked < time.Until(end))
}

// isDial tells whether no connection was made, to the master or to the proxy
// on the way to it.
func isDial(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && (e.Op == "dial" || e.Op == "proxyconnect")
}

// isConnection tells whether a connection was not made or broke, in a way that
// may pass.
func isConnection(err error) bool {
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return false
	}
	if isTimeout(err) {
		return false
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return isEOF(err) || isReset(err)
}

// isStillborn tells whether a connection of HTTP/2 ended before any request was
// sent on it. What ended it is told by the next attempt.
func isStillborn(err error) bool {
	return strings.Contains(err.Error(), "http2: client conn could not be established")
}

// isReset tells whether a server of HTTP/2 closed the connection, or gave up
// this request. The types of its errors cannot be named.
func isReset(err error) bool {
	text := err.Error()
	return isStillborn(err) || strings.Contains(text, "stream error: stream ID ") || strings.Contains(text, "http2: server sent GOAWAY") ||
		strings.Contains(text, "http2: Transport received ") || strings.Contains(text, "http2: client connection lost")
}

// isEOF tells whether a connection was closed before an answer came.
func isEOF(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
