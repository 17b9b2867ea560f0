package proxy

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
)

// This file is about front proxies: servers that callers see instead of this
// master, under another scheme, name or path (web.md 1).

// forwardedHeaders tell how a front proxy was called.
var forwardedHeaders = []string{"X-Forwarded-Proto", "X-Forwarded-Prefix"}

// WithTrustedProxies names the addresses of front proxies. What they say in
// X-Forwarded-Proto and X-Forwarded-Prefix is believed, the last value of each; from
// everybody else it is ignored. They pass the Host that they were called by, which
// must be among those of WithAllowedHosts; X-Forwarded-Host is not looked at.
func WithTrustedProxies(networks ...netip.Prefix) Option {
	return func(c *config) error {
		c.frontProxies = append(c.frontProxies, networks...)
		return nil
	}
}

// behind returns a request without what somebody who is not trusted says about how
// this master was called.
func (s *Server) behind(r *http.Request) *http.Request {
	if !slices.ContainsFunc(forwardedHeaders, func(name string) bool { return len(r.Header[name]) > 0 }) {
		return r
	}
	if s.trusts(r.RemoteAddr) {
		return r
	}
	r = r.Clone(context.WithValue(r.Context(), relayedKey{}, true))
	for _, name := range forwardedHeaders {
		r.Header.Del(name)
	}
	return r
}

// relayedKey is the key, in the context of a request, of the fact that a front
// proxy that is not trusted passed it on.
type relayedKey struct{}

// trusts tells whether a connection comes from a front proxy.
func (s *Server) trusts(remote string) bool {
	address, ok := addressOf(remote)
	return ok && within(s.config.frontProxies, address)
}

// addressOf is the address at the other end of a connection over IP.
func addressOf(remote string) (netip.Addr, bool) {
	from, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}, false
	}
	return from.Addr().Unmap().WithZone(""), true
}

// within tells whether one of the networks has an address.
func within(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(network netip.Prefix) bool { return network.Contains(address) })
}
