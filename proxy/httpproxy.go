package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file is the HTTP proxy behind front ends (web.md 6.1): it shows the web
// sites that requested front ends are for, and nothing else.

// relayPrefix is where the HTTP proxy is; scheme, authority and path follow.
const relayPrefix = "/http_proxy/"

// Limits of the HTTP proxy.
const (
	relayTimeout   = 5 * time.Second  // to connect, to agree on TLS, and to begin an answer
	relayRedirects = 30               // followed one after the other
	relayHeaders   = 256 << 10        // size of the headers of an answer, in bytes
	relayMark      = "Via"            // tells that a request came through a proxy
	relayLongest   = 60 * time.Minute // for the whole of an answer
)

// Headers that pass the HTTP proxy. All others stay behind, cookies above all.
var (
	relayedRequest = []string{
		"Content-Type", "Accept", "Accept-Language", "Range", "If-Modified-Since", "If-None-Match", "User-Agent", "Authorization", "Origin",
	}
	relayedAnswer = []string{
		"Content-Type", "Date", "Last-Modified", "Vary", "Cache-Control", "Etag", "Accept-Ranges", "Content-Range", "Www-Authenticate",
		"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Expose-Headers", "Access-Control-Allow-Headers",
		"Access-Control-Allow-Credentials",
	}
)

// WithoutHTTPProxy switches the HTTP proxy off: /http_proxy is then 404, and front
// ends are always answered with the URL that they are for.
func WithoutHTTPProxy() Option {
	return func(c *config) error { c.noHTTPProxy = true; return nil }
}

// newRelayTransport makes the connections of the HTTP proxy, one for each request.
// Sites behind front ends have addresses for names and certificates of their own,
// which are not verified.
func newRelayTransport() *http.Transport {
	return &http.Transport{
		DialContext:            dialOnce,
		TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		TLSHandshakeTimeout:    relayTimeout,
		ResponseHeaderTimeout:  relayTimeout,
		MaxResponseHeaderBytes: relayHeaders,
		DisableKeepAlives:      true,
	}
}

// Errors of the HTTP proxy that have statuses of their own.
var (
	errNotShown         = errors.New("no requested front end shows it")
	errForbiddenAddress = errors.New("its address is not one of a web site")
	errManyRedirects    = errors.New("too many redirects")
)

// dialOnce resolves a name once and connects to the addresses that it got, so that
// what was checked is what is connected to.
func dialOnce(ctx context.Context, network, hostPort string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	errs := []error{errForbiddenAddress}
	for _, address := range addresses {
		if !mayShow(host, address.Unmap()) {
			continue
		}
		conn, err := new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(address.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		errs = append(errs[:0:0], err)
	}
	return nil, errors.Join(errs...)
}

// mayShow tells whether an address may be that of a web site. Those of this
// machine must be named as such: a name of somebody's may not lead here. Cloud
// machines have their secrets at link-local addresses.
func mayShow(host string, address netip.Addr) bool {
	if inner, ok := hiddenAddress(address); ok && (!mayShow(host, inner) || inner.IsLoopback()) {
		return false
	}
	if !address.IsValid() || address.IsUnspecified() || address.IsMulticast() || address.IsLinkLocalUnicast() || address == secretsOfAmazon {
		return false
	}
	_, err := netip.ParseAddr(host)
	return err == nil || !address.IsLoopback() || isLoopback(host)
}

// secretsOfAmazon is where its machines have by IPv6 what they have at a link-local
// address by IPv4.
var secretsOfAmazon = netip.MustParseAddr("fd00:ec2::254")

// hidingIPv4 are the networks whose addresses hold one of IPv4, with its place: gateways
// lead to it.
var hidingIPv4 = map[netip.Prefix]int{
	netip.MustParsePrefix("64:ff9b::/96"): 12, netip.MustParsePrefix("::/96"): 12, netip.MustParsePrefix("2002::/16"): 2,
}

// hiddenAddress is the address of IPv4 that one of IPv6 stands for.
func hiddenAddress(address netip.Addr) (netip.Addr, bool) {
	for network, at := range hidingIPv4 {
		if network.Contains(address) && !address.IsLoopback() && !address.IsUnspecified() {
			bytes := address.As16()
			return netip.AddrFrom4([4]byte(bytes[at : at+4])), true
		}
	}
	return netip.Addr{}, false
}

// serveHTTPProxy answers below relayPrefix.
func (s *Server) serveHTTPProxy(w http.ResponseWriter, r *http.Request, p Principal) error {
	if err := s.config.authorizer.Authorize(r.Context(), p, ActionRead, Object{}); err != nil {
		return withStatus(err, http.StatusForbidden)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions {
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		return &Error{Status: http.StatusMethodNotAllowed, Message: "The HTTP proxy has no method " + r.Method}
	}
	target, err := relayTarget(r.URL)
	if err != nil {
		return err
	}
	if err := s.master.isShown(r.Context(), target); err != nil {
		return relayRefusal(target, err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), relayLongest)
	defer cancel()
	response, err := s.relay(ctx, r, target)
	if err != nil {
		return relayRefusal(target, err)
	}
	defer response.Body.Close()
	return s.passOn(w, r, response)
}

// cameRound tells whether a call comes from the HTTP proxy of this master: it is no
// site that a front end may show, and its reads are not for everybody.
func (s *Server) cameRound(r *http.Request) bool {
	for _, via := range r.Header.Values(relayMark) {
		if strings.Contains(via, s.master.runID) {
			return true
		}
	}
	return false
}

// relayTarget reads the URL of a site from the path of a call.
func relayTarget(called *url.URL) (*url.URL, error) {
	scheme, rest, found := strings.Cut(strings.TrimPrefix(called.EscapedPath(), relayPrefix), "/")
	if !found || rest == "" {
		return nil, notFound("There is nothing at %s: a scheme, a host and a path must follow %s", called.Path, relayPrefix)
	}
	if scheme = strings.ToLower(scheme); scheme != "http" && scheme != "https" {
		return nil, badRequest(`"url" must be http`)
	}
	escaped, path, _ := strings.Cut(rest, "/")
	authority, err := url.PathUnescape(escaped)
	if err != nil || strings.ContainsAny(authority, "/?#@\\") {
		return nil, badRequest("%q is no host", escaped)
	}
	target, err := url.Parse(scheme + "://" + authority + "/" + path)
	if err != nil || originOf(target) == "" {
		return nil, badRequest("%q is no host", authority)
	}
	if port := target.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, badRequest("%q has no valid port", authority)
		}
	}
	target.RawQuery = called.RawQuery
	return target, nil
}

// isShown refuses sites that no requested front end is for.
func (m *master) isShown(ctx context.Context, target *url.URL) error {
	return m.store.View(ctx, func(r store.Reader) error {
		_, err := r.FrontEndOf(originOf(target))
		if errors.Is(err, store.ErrNotFound) {
			return errNotShown
		}
		return err
	})
}

// relay asks a site, following its redirects to sites that are shown as well.
func (s *Server) relay(ctx context.Context, r *http.Request, target *url.URL) (*http.Response, error) {
	out, err := http.NewRequestWithContext(ctx, r.Method, target.String(), nil)
	if err != nil {
		return nil, badRequest("%s cannot be asked for", target)
	}
	if r.ContentLength != 0 {
		out.Body, out.ContentLength = r.Body, r.ContentLength
	}
	out.Header.Set("User-Agent", "") // instead of that of the library
	copyHeaders(out.Header, r.Header, relayedRequest)
	if out.Header.Get("Accept") == "" {
		out.Header.Set("Accept", "*/*")
	}
	out.Header.Set(relayMark, "1.1 "+s.master.runID)
	jar, err := cookiejar.New(nil) // for this chain of redirects only
	if err != nil {
		return nil, err
	}
	client := http.Client{Transport: s.relays, Jar: jar, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > relayRedirects {
			return errManyRedirects
		}
		next.Header.Del("Referer")
		if err := s.master.isShown(ctx, next.URL); err != nil {
			return fmt.Errorf("redirected to %s: %w", next.URL, err)
		}
		return nil
	}}
	response, err := client.Do(out)
	if err != nil && response != nil {
		err = errors.Join(err, response.Body.Close())
	}
	return response, err
}

func copyHeaders(to, from http.Header, names []string) {
	for _, name := range names {
		if values := from.Values(name); len(values) > 0 {
			to[http.CanonicalHeaderKey(name)] = values
		}
	}
}

// relayRefusal turns a failure to show a site into an answer; the text is its URL,
// as the reference's.
func relayRefusal(target *url.URL, err error) error {
	status := http.StatusBadGateway
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var dial *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, errNotShown), errors.Is(err, errForbiddenAddress):
		status = http.StatusForbidden
	case errors.Is(err, errManyRedirects):
		status = 520
	case errors.As(err, new(*Error)), errors.Is(err, store.ErrClosed), errors.Is(err, store.ErrUnavailable):
		return err
	case errors.As(err, &record), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch), strings.Contains(err.Error(), "tls: "):
		status = 526
	case errors.As(err, &dns), errors.As(err, &dial) && dial.Op == "dial":
		status = statusUnreachable
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		status = 524
	case errors.As(err, &dial), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		status = statusUnreachable
	default:
		status = 520
	}
	return &Error{Status: status, Message: target.String(), Err: causeOf(err), logged: target.Scheme + "://" + target.Host + loggedURI(target)}
}

// causeOf drops method and URL, which the text has already, from an error of an
// HTTP client.
func causeOf(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// passOn answers with what a site said. It is never shown as a page of this
// master: its scripts could otherwise do what this master's own pages do.
func (s *Server) passOn(w http.ResponseWriter, r *http.Request, response *http.Response) error {
	first := make([]byte, 32<<10)
	n, err := readFirst(response, first)
	if err != nil {
		return relayRefusal(response.Request.URL, context.DeadlineExceeded)
	}
	h := w.Header()
	copyHeaders(h, response.Header, relayedAnswer)
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/octet-stream")
	}
	h.Set("Content-Disposition", "attachment")
	h.Set("Content-Security-Policy", "sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	if location, err := response.Location(); err == nil && originOf(location) != "" {
		h.Set("Location", headerURL(origin(r)+prefix(r)+relayPrefix+relayPath(location.String())))
	}
	if response.ContentLength >= 0 && r.Method != http.MethodHead {
		h.Set("Content-Length", strconv.FormatInt(response.ContentLength, 10))
	}
	status := response.StatusCode
	if status == http.StatusInternalServerError || status < http.StatusOK {
		status = 520
	}
	w.WriteHeader(status)
	stream(w, response.Body, first[:n])
	return nil
}

// readFirst reads the first piece of a body, so that a body that never comes is
// still an error with a status.
func readFirst(response *http.Response, into []byte) (int, error) {
	n, err := io.ReadAtLeast(newPatient(response.Body, relayTimeout), into, 1)
	if errors.Is(err, io.EOF) {
		return 0, nil
	}
	return n, err
}
