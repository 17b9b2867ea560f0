package xmlrpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// ErrTooLarge is wrapped by the error about a document beyond MaxDocument.
var ErrTooLarge = errors.New("XML-RPC document too large")

// StatusError is the error about an answer with an HTTP status other than 200.
type StatusError struct {
	Status int // HTTP status code
}

// Error implements error.
func (e *StatusError) Error() string {
	return fmt.Sprintf("HTTP status %d %s", e.Status, http.StatusText(e.Status))
}

// Client calls the methods of one server. It is safe for concurrent use.
type Client struct {
	base      *url.URL
	user      *url.Userinfo // nil: none
	transport *http.Transport
}

// NewClient returns a client of the server at serverURL: unix://<path of the
// socket> or http://<host>:<port>, with an optional user and password. It does no I/O.
func NewClient(serverURL string) (*Client, error) {
	c := &Client{transport: &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}}
	if path, ok := strings.CutPrefix(serverURL, "unix://"); ok {
		if path == "" {
			return nil, errors.New("xmlrpc: the unix URL names no socket")
		}
		c.base = &url.URL{Scheme: "http", Host: "localhost"}
		c.transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		}
		return c, nil
	}
	base, err := url.Parse(serverURL)
	switch {
	case err != nil:
		return nil, fmt.Errorf("xmlrpc: server URL: %w", err)
	case base.Scheme != "http" || base.Host == "":
		return nil, fmt.Errorf("xmlrpc: server URL %q is neither unix:// nor http://", base.Redacted())
	}
	c.base = &url.URL{Scheme: base.Scheme, Host: base.Host}
	c.user = base.User
	return c, nil
}

// SetUser makes calls carry a user and password (HTTP basic authentication).
// Call it before the first call.
func (c *Client) SetUser(user, password string) { c.user = url.UserPassword(user, password) }

// Close drops idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Call calls method on the path /RPC2 and returns its result. A refusal of the
// server is a *Fault, an HTTP failure a *StatusError.
func (c *Client) Call(ctx context.Context, method string, args ...any) (any, error) {
	document, err := EncodeCall(method, args...)
	if err != nil {
		return nil, err
	}
	response, err := c.do(ctx, http.MethodPost, "/RPC2", bytes.NewReader(document))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, MaxDocument+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: read answer: %w", method, err)
	case len(body) > MaxDocument:
		return nil, fmt.Errorf("%s: %w", method, ErrTooLarge)
	}
	result, err := DecodeResponse(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	return result, nil
}

// Get opens another path of the same server for reading, such as
// /logtail/<process>, which does not end by itself. The caller closes the body.
func (c *Client) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	response, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	return response.Body, nil
}

func (c *Client) do(ctx context.Context, verb, path string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, verb, c.base.JoinPath(path).String(), body)
	if err != nil {
		return nil, err
	}
	if c.user != nil {
		password, _ := c.user.Password()
		request.SetBasicAuth(c.user.Username(), password)
	}
	if body != nil {
		request.Header.Set("Content-Type", "text/xml")
	}
	response, err := c.transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close() // the status says it all
		return nil, &StatusError{Status: response.StatusCode}
	}
	return response, nil
}
