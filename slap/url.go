package slap

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// parseMasterURL returns the base against which calls are resolved, without
// credentials, and the credentials.
func parseMasterURL(masterURL string) (*url.URL, *url.Userinfo, error) {
	u, err := url.Parse(baseURL(masterURL))
	if err != nil {
		return nil, nil, fmt.Errorf("master URL: %w", redactParse(masterURL, err))
	}
	if scheme := u.Scheme; scheme != "http" && scheme != "https" || u.Host == "" {
		return nil, nil, fmt.Errorf("master URL %q does not begin with http:// or https:// and a host", redact(masterURL, u))
	}
	user := u.User
	u.User = nil
	// A query or fragment of the master URL takes no part in resolution.
	u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery = "", "", "", false
	if i := strings.LastIndexByte(u.Path, '/'); i >= 0 {
		u.Path = u.Path[:i+1]
	}
	if i := strings.LastIndexByte(u.RawPath, '/'); i >= 0 {
		u.RawPath = u.RawPath[:i+1]
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, user, nil
}

var errPassword = errors.New("it cannot be understood; special characters of a user and password in it have to be escaped")

// redactParse drops the text of a URL, which may hold a password, from the
// error of parsing it.
func redactParse(text string, err error) error {
	if strings.Contains(text, "@") {
		return errPassword // what seems to be a port may be a part of one
	}
	if e, ok := err.(*url.Error); ok {
		return e.Err
	}
	return err
}

// redact returns the text of a URL for messages: without credentials, query and
// fragment.
func redact(text string, u *url.URL) string {
	if strings.Contains(text, "@") {
		return public(u)
	}
	if i := strings.IndexAny(text, "?#"); i >= 0 {
		return text[:i]
	}
	return text
}

// baseURL puts brackets around an IPv6 address and adds the final slash.
func baseURL(masterURL string) string {
	base := masterURL
	if i := strings.Index(base, "://"); i >= 0 {
		rest := base[i+3:]
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		base = base[:i+3] + bracketed(rest[:end]) + rest[end:]
	}
	if !strings.HasSuffix(base, "/") {
		base += "/"
	}
	return base
}

// bracketed returns the authority of a URL with brackets around an IPv6
// address. A text that is one address as a whole has no port.
func bracketed(authority string) string {
	if text, ok := ipv6(authority); ok {
		return "[" + text + "]"
	}
	i := strings.LastIndexByte(authority, ':')
	if i < 0 {
		return authority
	}
	if text, ok := ipv6(authority[:i]); ok {
		return "[" + text + "]" + authority[i:]
	}
	return authority
}

// ipv6 returns the canonical text of an IPv6 address.
func ipv6(text string) (string, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return "", false
	}
	// Compat: twelve zero bytes and then a large number is written as an
	// embedded IPv4 address, as the reference does.
	b := a.As16()
	if strings.HasPrefix(a.String(), "::") && !a.Is4In6() && [12]byte(b[:12]) == [12]byte{} && (b[12] != 0 || b[13] != 0) {
		parts := make([]string, 4)
		for i, octet := range b[12:] {
			parts[i] = strconv.Itoa(int(octet))
		}
		return "::" + strings.Join(parts, "."), true
	}
	return a.String(), true
}

// resolve returns the URL of a call: a path relative to the base, a path from
// the root of the host, or a whole URL.
func (c *Client) resolve(path string) (*url.URL, error) {
	ref, err := url.Parse(path)
	if err != nil {
		return nil, err
	}
	u := c.base.ResolveReference(ref)
	for strings.Contains(u.Path, "//") && u.RawPath == "" && u.Host == c.base.Host {
		u.Path = strings.ReplaceAll(u.Path, "//", "/")
	}
	return u, nil
}
