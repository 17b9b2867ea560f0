package slap

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"html"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/hashicorp/go-retryablehttp"
)

// maxBody bounds the answers that are read, in bytes.
const maxBody = 64 << 20

// maxRedirects is how many redirects are followed, as by the reference.
const maxRedirects = 30

// do performs a call and returns the body of a good answer. It is the one place
// where requests are made and statuses become errors.
func (c *Client) do(ctx context.Context, method string, k call) ([]byte, error) {
	u, err := c.resolve(k.path)
	if err != nil {
		return nil, &Error{Op: k.op, Message: "address of the call", Err: err, Kinds: []error{ErrServer}}
	}
	stack, err := c.stack()
	if err != nil {
		return nil, &Error{Op: k.op, URL: c.URL(), Err: err, Kinds: []error{ErrAuthentication}}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	request, err := c.request(ctx, stack, method, u, k)
	if err != nil {
		return nil, &Error{Op: k.op, URL: public(u), Message: "the request cannot be sent", Err: err}
	}
	response, err := stack.client.Do(request)
	if err != nil {
		return nil, connectionError(ctx, k, u, err, false)
	}
	defer response.Body.Close()
	body, err := c.read(response, cancel)
	if err != nil {
		return nil, connectionError(ctx, k, u, err, true)
	}
	if failed(response.StatusCode) {
		return nil, statusError(k, u, response, body)
	}
	return body, nil
}

// request builds the HTTP request of a call.
func (c *Client) request(ctx context.Context, stack *httpStack, method string, u *url.URL, k call) (*retryablehttp.Request, error) {
	target := *u
	if strings.ContainsFunc(k.auth, unicode.IsControl) {
		return nil, errors.New("identifier with a control character")
	}
	var form any
	if method == http.MethodGet {
		if len(k.fields) > 0 {
			target.RawQuery = encode(k.fields)
		}
	} else {
		form = []byte(encode(k.fields))
	}
	ctx = withPolicy(ctx, method)
	request, err := retryablehttp.NewRequestWithContext(ctx, method, target.String(), form)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "*/*")
	request.Header.Set("User-Agent", c.userAgent)
	if form != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if k.noCache {
		request.Header.Set("Cache-Control", "no-cache")
	}
	switch {
	case k.auth != "" && form != nil:
		request.Header.Set("Authorization", k.auth)
	case stack.user != nil && u.Host == c.base.Host:
		password, _ := stack.user.Password()
		request.SetBasicAuth(stack.user.Username(), password)
	}
	return request, nil
}

// read reads the body of an answer, as UTF-8. It gives up when nothing comes
// for as long as the time-out, or when there is too much.
func (c *Client) read(response *http.Response, cancel context.CancelCauseFunc) ([]byte, error) {
	silence := time.AfterFunc(c.timeout, func() { cancel(errSilence) })
	defer silence.Stop()
	limited := io.LimitReader(response.Body, maxBody+1)
	var body bytes.Buffer
	if n := response.ContentLength; n > 0 && n <= maxBody {
		body.Grow(int(n) + bytes.MinRead)
	}
	piece := make([]byte, 32<<10)
	for {
		n, err := limited.Read(piece)
		body.Write(piece[:n])
		if n > 0 {
			silence.Reset(c.timeout)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if body.Len() > maxBody {
		return nil, errTooLarge
	}
	return toUTF8(body.Bytes(), response.Header.Get("Content-Type")), nil
}

var (
	errSilence   = errors.New("the master stopped sending in the middle of its answer")
	errTooLarge  = fmt.Errorf("the answer is larger than %d bytes", maxBody)
	errRedirects = fmt.Errorf("the master redirects more than %d times", maxRedirects)
)

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

// failed tells whether a status is a failure: 2xx is not, nor what redirects
// without saying where to.
func failed(status int) bool { return status >= 400 || status < 200 }

// statusError turns the status of an answer into an error.
func statusError(k call, u *url.URL, response *http.Response, body []byte) error {
	e := &Error{
		Op: k.op, URL: public(u), Status: response.StatusCode,
		Message: response.Status,
	}
	if text := http.StatusText(response.StatusCode); text != "" {
		e.Message = fmt.Sprintf("%d %s", response.StatusCode, text)
	}
	if text := excerpt(body); text != "" {
		e.Message += ": " + text
	}
	switch response.StatusCode {
	case http.StatusNotFound:
		e.Kinds = []error{ErrNotFound}
	case http.StatusRequestTimeout:
		e.Kinds = []error{ErrNotReady}
		e.Hint = "the master has not allocated it yet; ask again later"
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Kinds = []error{ErrAuthentication, ErrServer}
		e.Hint = "check the certificate or the password that the master asks for"
	case http.StatusServiceUnavailable:
		e.Kinds = []error{ErrServer}
		e.Hint = "the master is busy or not ready; try again later"
	default:
		e.Kinds = []error{ErrServer}
	}
	return e
}

// connectionError describes a call that got no answer, or only the beginning
// of one.
func connectionError(ctx context.Context, k call, u *url.URL, err error, begun bool) error {
	e := &Error{Op: k.op, URL: public(u), Err: bare(err), Kinds: []error{ErrConnection}}
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSilence):
		e.Message, e.Err = "no complete answer", cause
	case cause != nil:
		e.Message = "given up while waiting for the master"
	case errors.Is(err, errTooLarge), errors.Is(err, errRedirects):
		e.Kinds = []error{ErrServer}
		e.Message = "no usable answer"
	case isTLS(err):
		e.Kinds = []error{ErrAuthentication, ErrConnection}
		e.Message = "the TLS connection was refused"
		e.Hint = "name the authority of the master's certificate with master_ca_file (slap.WithCAFile), " +
			"or switch verification off with master_verify = false (slap.WithoutVerification); check the client certificate"
	case begun:
		e.Message = "the connection broke in the middle of the answer"
	default:
		e.Message = "could not connect to the master"
		e.Hint = "check the master URL, that the master runs, and that IPv6 works on this machine if the URL needs it"
	}
	return e
}

// bare drops method and URL, which Error has already, from the error of an HTTP
// client.
func bare(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// public returns a URL for messages: without credentials, query and fragment.
func public(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return shown.String()
}

// excerpt returns the beginning of an error page, without headings and markup,
// on one line.
func excerpt(body []byte) string {
	const limit = 300
	var b strings.Builder
	tag := false
	page := string(body[:min(len(body), 4096)])
	if _, paragraphs, ok := strings.Cut(page, "<p>"); ok {
		page = paragraphs
	}
	for _, r := range page {
		switch {
		case r == '<':
			tag = true
			b.WriteByte(' ')
		case r == '>' && tag:
			tag = false
		case !tag:
			b.WriteRune(r)
		}
	}
	text := strings.Join(strings.Fields(html.UnescapeString(b.String())), " ")
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return text
}

// isTLS tells whether a connection failed because of TLS.
func isTLS(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*certificateFileError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && (e.Op == "remote error" || e.Op == "local error") {
		return true
	}
	return strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: ")
}

// httpStack is what a client needs to make requests. It is made by the first
// call, because making it reads files.
type httpStack struct {
	client *retryablehttpClient
	user   *url.Userinfo
}

// retryablehttpClient sends a request, with retries.
type retryablehttpClient struct{ *retryablehttp.Client }

// CloseIdleConnections closes the connections that no call uses.
func (r *retryablehttpClient) CloseIdleConnections() { r.HTTPClient.CloseIdleConnections() }

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
	base, err := c.baseClient()
	if err != nil {
		return nil, err
	}
	base.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if len(via) >= maxRedirects {
			return errRedirects
		}
		return nil
	}
	c.http = &httpStack{user: user, client: &retryablehttpClient{c.retrying(base)}}
	return c.http, nil
}

// baseClient returns the HTTP client below the retries.
func (c *Client) baseClient() (*http.Client, error) {
	base := &http.Client{}
	if c.httpClient != nil {
		*base = *c.httpClient
	}
	switch {
	case c.transport != nil:
		base.Transport = c.transport
	case c.httpClient == nil:
		t, err := c.newTransport()
		if err != nil {
			return nil, err
		}
		base.Transport = t
	}
	return base, nil
}

func (c *Client) newTransport() (*http.Transport, error) {
	secure, err := c.tlsConfig()
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: c.timeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   c.timeout,
		ResponseHeaderTimeout: c.timeout,
		TLSClientConfig:       secure,
		ForceAttemptHTTP2:     true,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   16,
	}
	if c.environmentProxy {
		t.Proxy = http.ProxyFromEnvironment
	}
	return t, nil
}

// tlsConfig returns the TLS configuration of connections to the master.
func (c *Client) tlsConfig() (*tls.Config, error) {
	t := c.tls.Clone()
	if t == nil {
		t = &tls.Config{}
	}
	if c.insecure {
		t.InsecureSkipVerify = true
	}
	if c.base.Scheme != "https" {
		return t, nil
	}
	if c.caFile != "" && !c.insecure {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, &certificateFileError{"authority", c.caFile, err}
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, &certificateFileError{"authority", c.caFile, errors.New("no certificate in it")}
		}
	}
	if c.certFile != "" {
		if _, err := c.keyPair(); err != nil {
			return nil, err
		}
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.keyPair() }
	}
	return t, nil
}

// keyPair reads the client certificate.
func (c *Client) keyPair() (*tls.Certificate, error) {
	certificate, err := os.ReadFile(c.certFile)
	if err != nil {
		return nil, &certificateFileError{"certificate", c.certFile, err}
	}
	key, err := os.ReadFile(c.keyFile)
	if err != nil {
		return nil, &certificateFileError{"key", c.keyFile, err}
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, &certificateFileError{"certificate and key", c.certFile + " " + c.keyFile, err}
	}
	return &pair, nil
}

// certificateFileError is a certificate or key file that cannot be used.
type certificateFileError struct {
	what, path string
	err        error
}

func (e *certificateFileError) Error() string {
	if path, ok := errors.AsType[*os.PathError](e.err); ok {
		return fmt.Sprintf("TLS %s file %s: %v", e.what, e.path, path.Err)
	}
	return fmt.Sprintf("TLS %s file %s: %v", e.what, e.path, e.err)
}

func (e *certificateFileError) Unwrap() error { return e.err }
