package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// checkBrowser refuses what a web page of another site may make a browser send:
// a Host that this master is not called by (DNS rebinding), and a change that
// comes with a foreign Origin. Programs send no Origin.
func (s *Server) checkBrowser(r *http.Request) error {
	if r.Host != "" && !s.calledBy(r, r.Host) {
		return &Error{
			Status:  http.StatusForbidden,
			Message: "This master is not called " + r.Host + ": use a loopback address, or add the name to its allowed hosts",
		}
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	for _, origin := range r.Header.Values("Origin") {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return &Error{Status: http.StatusForbidden, Message: "Pages of " + origin + " may not change anything on this master"}
		}
	}
	return nil
}

// calledBy tells whether a Host is loopback, configured, or the address on
// which the connection arrived. The last is no danger: a rebound name is never
// an address.
func (s *Server) calledBy(r *http.Request, host string) bool {
	name := hostname(host)
	if isLoopback(name) {
		return true
	}
	for _, allowed := range s.config.allowedHosts {
		if strings.EqualFold(hostname(allowed), name) {
			return true
		}
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return false
	}
	called, err := netip.ParseAddr(name)
	here, okHere := netip.AddrFromSlice(local.IP)
	return err == nil && okHere && called.Unmap().WithZone("") == here.Unmap()
}

// hostname strips port, brackets and the final dot of a Host.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.TrimSuffix(host, ".")
}

func isLoopback(name string) bool {
	if strings.EqualFold(name, "localhost") || strings.HasSuffix(strings.ToLower(name), ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(name)
	return err == nil && address.Unmap().IsLoopback()
}
