package slap

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Waits between the attempts of a call.
const (
	retryWaitMin = 200 * time.Millisecond
	retryWaitMax = 5 * time.Second
)

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
		Backoff: func(least, most time.Duration, attempt int, _ *http.Response) time.Duration {
			return backoff(least, most, attempt)
		},
		// The last answer is kept: it tells why the master refuses.
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(_ retryablehttp.Logger, r *http.Request, attempt int) {
			if attempt > 0 {
				c.log.Debug("repeating call to master", "method", r.Method, "url", public(r.URL), "attempt", attempt+1)
			}
		},
	}
}

// backoff returns a random time up to one that doubles with each attempt.
func backoff(least, most time.Duration, attempt int) time.Duration {
	upTo := most
	if attempt < 16 {
		upTo = min(most, least<<attempt)
	}
	return upTo/2 + rand.N(upTo/2+1)
}

// policy is what the retry rules know of a call.
type policy struct {
	method string
	// sent tells that the head of a request went out.
	sent atomic.Bool
}

type policyKey struct{}

// withPolicy adds to a context what mayRetry needs.
func withPolicy(ctx context.Context, method string) context.Context {
	p := &policy{method: method}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { p.sent.Store(true) },
	})
	return context.WithValue(ctx, policyKey{}, p)
}

// mayRetry tells whether a call may be repeated: a read after a failure to
// connect or 502, 503, 504; a change only if nothing of it was ever sent.
// 408 means "not ready" and is an answer like any other.
func mayRetry(ctx context.Context, response *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	p, ok := ctx.Value(policyKey{}).(*policy)
	if !ok {
		return false, nil
	}
	if err != nil {
		if isTLS(err) {
			return false, nil
		}
		if p.method == http.MethodGet {
			return isConnection(err), nil
		}
		return isDial(err) && !p.sent.Load(), nil
	}
	if p.method != http.MethodGet {
		return false, nil
	}
	switch response.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true, nil
	}
	return false, nil
}

// isDial tells whether no connection was made.
func isDial(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "dial"
}

// isConnection tells whether a connection was not made or broke, in a way that
// may pass.
func isConnection(err error) bool {
	if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound {
		return false
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return false
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	return isEOF(err)
}
