package slap

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how many redirects are followed, as by the reference.
const maxRedirects = 30

var (
	errRedirects = fmt.Errorf("the master redirects more than %d times", maxRedirects)
	errLocation  = errors.New("the master redirects to an address that cannot be understood")
	errDowngrade = errors.New("the master redirects from https to http, which would show the call to everyone on the way")
)

// follow decides on a redirect and what the next request carries: neither the
// address of the one before, which has arguments, nor conditions, which are
// about that one's answer, nor, on the way to another origin, credentials.
func follow(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errRedirects
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return errDowngrade
	}
	for _, name := range []string{"Referer", "If-None-Match", "If-Modified-Since"} {
		r.Header.Del(name)
	}
	if strays(r) {
		r.Header.Del("Authorization")
	}
	return nil
}

// isRedirect tells whether a status is one of those that are followed.
func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// strays tells whether a redirect on the way to a request led to another
// origin than that of the call. It then stays foreign, even if a later redirect
// leads back.
func strays(r *http.Request) bool {
	for r.Response != nil {
		before := r.Response.Request
		if before == nil || !mayKnow(r.URL, before.URL) {
			return true
		}
		r = before
	}
	return false
}

// mayKnow tells whether a URL may be told what another one is told: they have
// the same origin, or it is the same host with https in place of http.
func mayKnow(to, from *url.URL) bool {
	if !strings.EqualFold(to.Hostname(), from.Hostname()) {
		return false
	}
	if to.Scheme == from.Scheme {
		return port(to) == port(from)
	}
	return from.Scheme == "http" && to.Scheme == "https" && port(from) == "80" && port(to) == "443"
}

// port returns the port of a URL, written or not.
func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}
