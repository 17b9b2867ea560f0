package slap

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-retryablehttp"
)

// answer is what the master said to a call.
type answer struct {
	status int
	header http.Header
	body   []byte
	// asked is the time at which the call began.
	asked time.Time
	// identity is whom the client certificate named.
	identity string
	// direct tells that no redirect was followed, and sent are the headers of
	// the request as it went out, with what observers added.
	direct bool
	sent   http.Header
}

// do performs a call and returns the body of a good answer. It is the one place
// where requests are made and statuses become errors.
func (c *Client) do(ctx context.Context, method string, k call) ([]byte, error) {
	u, err := c.resolve(k.path)
	if err != nil {
		return nil, &Error{Op: k.op, Message: "address of the call", Err: redactParse(k.path, err), Kinds: []error{ErrServer}}
	}
	if method == http.MethodGet && len(k.fields) > 0 {
		u.RawQuery = encode(k.fields)
	}
	stack, err := c.stack()
	if err != nil {
		return nil, &Error{Op: k.op, URL: c.URL(), Err: err, Kinds: []error{ErrAuthentication}}
	}
	if method == http.MethodGet && c.cache != nil {
		return c.cached(ctx, stack, u, k)
	}
	if method != http.MethodGet {
		defer c.wrote()
	}
	a, err := c.fetch(ctx, stack, method, u, k, nil)
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

// fetch asks the master, with retries. The headers in addition are conditions.
func (c *Client) fetch(ctx context.Context, stack *httpStack, method string, u *url.URL, k call, conditions http.Header) (*answer, error) {
	a := &answer{asked: time.Now()}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &policy{op: k.op, method: method, cancel: cancel}
	request, err := c.request(withPolicy(ctx, p), stack, method, u, k)
	if err != nil {
		return nil, &Error{Op: k.op, URL: public(u), Message: "the request cannot be sent", Err: err}
	}
	maps.Copy(request.Header, conditions)
	response, err := stack.client.Do(request)
	if response != nil {
		defer response.Body.Close()
	}
	if err != nil {
		return nil, connectionError(ctx, k, u, err, p, false)
	}
	body, err := c.read(response)
	if err != nil {
		return nil, connectionError(ctx, k, u, err, p, true)
	}
	if failed(response.StatusCode) {
		return nil, statusError(k, u, response, body)
	}
	a.status, a.header, a.body, a.identity = response.StatusCode, response.Header, body, p.identity
	if last := response.Request; last != nil {
		a.direct, a.sent = last.Response == nil, last.Header
	}
	return a, nil
}

// request builds the HTTP request of a call.
func (c *Client) request(ctx context.Context, stack *httpStack, method string, u *url.URL, k call) (*retryablehttp.Request, error) {
	if strings.ContainsFunc(k.auth, unicode.IsControl) {
		return nil, errors.New("identifier with a control character")
	}
	var form any
	if method != http.MethodGet {
		form = []byte(encode(k.fields))
	}
	request, err := retryablehttp.NewRequestWithContext(ctx, method, u.String(), form)
	if err != nil {
		return nil, bare(err)
	}
	request.Header = c.headers(stack, method, u, k)
	return request, nil
}

// headers returns the headers of a call.
func (c *Client) headers(stack *httpStack, method string, u *url.URL, k call) http.Header {
	h := http.Header{"Accept": {"*/*"}, "User-Agent": {c.userAgent}}
	if method != http.MethodGet {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if k.noCache {
		h.Set("Cache-Control", "no-cache")
	}
	switch {
	case k.auth != "" && method != http.MethodGet:
		h.Set("Authorization", k.auth)
	case stack.basic != "" && mayKnow(u, c.base):
		h.Set("Authorization", stack.basic)
	}
	return h
}

// read reads the body of an answer, as UTF-8. It gives up when there is too
// much.
func (c *Client) read(response *http.Response) ([]byte, error) {
	switch {
	case response.StatusCode == http.StatusSwitchingProtocols:
		return nil, nil // what follows is not an answer, nor ends with the context
	case response.ContentLength > c.maxBody:
		return nil, tooLargeError(c.maxBody)
	}
	body, err := readBounded(response.Body, c.maxBody, response.ContentLength)
	if err != nil {
		return nil, err
	}
	return toUTF8(body, response.Header.Get("Content-Type")), nil
}

var errSilence = errors.New("the master stopped sending in the middle of its answer")

// tooLargeError is something of which more came than is read, in bytes.
type tooLargeError int64

func (e tooLargeError) Error() string { return fmt.Sprintf("larger than %d bytes", int64(e)) }

// steady is the body of an answer that has a call given up when nothing comes
// for as long as a time-out. Answers that are not looked at, such as redirects,
// are read too, so that their connection can be used again.
type steady struct {
	io.ReadCloser
	timer   *time.Timer
	timeout time.Duration
}

func (s *steady) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if n > 0 {
		s.timer.Reset(s.timeout)
	}
	return n, err
}

func (s *steady) Close() error {
	s.timer.Stop()
	return s.ReadCloser.Close()
}

// patient is a transport whose answers are steady. The one below may be any.
type patient struct {
	next    http.RoundTripper
	timeout time.Duration
}

var errSentOnce = errors.New("the server gave the request up after it was sent")

// RoundTrip sends a request.
func (t *patient) RoundTrip(r *http.Request) (*http.Response, error) {
	p := policyOf(r.Context())
	if p != nil {
		p.heads.Store(0)
	}
	if again := r.GetBody; again != nil && p != nil && p.method != http.MethodGet {
		// A transport of net/http would send some changes twice; see sending.
		r = r.WithContext(r.Context())
		r.GetBody = func() (io.ReadCloser, error) {
			if p.sent.Load() {
				return nil, errSentOnce
			}
			return again()
		}
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return response, err
	}
	if response.Body == nil {
		response.Body = http.NoBody
	}
	if _, err := r.URL.Parse(response.Header.Get("Location")); err != nil && isRedirect(response.StatusCode) {
		// The HTTP client would say the address, which may have arguments.
		return nil, errors.Join(errLocation, response.Body.Close())
	}
	if p != nil {
		silence := time.AfterFunc(t.timeout, func() { p.cancel(errSilence) })
		response.Body = &steady{response.Body, silence, t.timeout}
	}
	return response, nil
}

// readBounded reads to the end, or fails when there is more than the limit.
// It expects as many bytes as the hint says, if that is not negative.
func readBounded(r io.Reader, limit, hint int64) ([]byte, error) {
	if limit < math.MaxInt64 {
		r = io.LimitReader(r, limit+1)
	}
	var data bytes.Buffer
	if hint > 0 && hint <= min(limit, math.MaxInt32) {
		data.Grow(int(hint) + bytes.MinRead)
	}
	if _, err := data.ReadFrom(r); err != nil {
		return nil, err
	}
	if int64(data.Len()) > limit {
		return nil, tooLargeError(limit)
	}
	return data.Bytes(), nil
}

// toUTF8 converts a body whose Content-Type names ISO-8859-1. Everything else
// is taken to be UTF-8 or to declare its encoding itself.
func toUTF8(body []byte, contentType string) []byte {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		return body
	}
	switch strings.ToLower(parameters["charset"]) {
	case "iso-8859-1", "latin-1", "latin1":
		runes := make([]rune, len(body))
		for i, b := range body {
			runes[i] = rune(b)
		}
		return []byte(string(runes))
	}
	return body
}

// httpStack is what a client needs to make requests. It is made by the first
// call, because making it reads files. From the outside in: retries, redirects,
// observers, time-outs of answers, connections.
type httpStack struct {
	client *retryablehttp.Client
	// base has the connections.
	base http.RoundTripper
	// user are the credentials that are used, and basic is the header that
	// carries them; both may be unset.
	user  *url.Userinfo
	basic string
}

// stack returns the HTTP client, making it if that has not succeeded before.
func (c *Client) stack() (*httpStack, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		return c.http, nil
	}
	user := c.user
	if c.netrc != "" {
		found, err := readNetrc(c.netrc, c.base.Hostname())
		if err != nil {
			return nil, err
		}
		if found != nil {
			user = found
		}
	}
	if _, err := c.keyring.load(); err != nil {
		return nil, err
	}
	s := &httpStack{user: user, basic: basic(user)}
	base := &http.Client{}
	if c.httpClient != nil {
		*base = *c.httpClient
	}
	switch {
	case c.transport != nil:
		s.base = c.transport
	case c.httpClient == nil:
		s.base = c.newPools()
	case base.Transport != nil:
		s.base = base.Transport
	default:
		s.base = http.DefaultTransport
	}
	base.Transport = &observed{next: &patient{s.base, c.timeout}, observers: c.observers, log: c.log}
	base.CheckRedirect = follow
	s.client = c.retrying(base)
	c.http = s
	return s, nil
}

// basic returns the header of credentials, empty if there are none.
func basic(user *url.Userinfo) string {
	if user == nil {
		return ""
	}
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}
