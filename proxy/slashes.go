package proxy

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Addresses that programs put together may have slashes too many: several at the
// beginning count as one, several inside a path are merged by a redirect that keeps
// the method, as with the reference (web.md 1).

var slashes = regexp.MustCompile(`//+`)

// singleSlash returns a request whose path begins with one slash.
func singleSlash(r *http.Request) *http.Request {
	if !strings.HasPrefix(r.URL.EscapedPath(), "//") {
		return r
	}
	u := *r.URL
	u.RawPath = "/" + strings.TrimLeft(r.URL.EscapedPath(), "/")
	u.Path, _ = url.PathUnescape(u.RawPath) //nolint:errcheck // what EscapedPath returns is well escaped
	with := r.WithContext(r.Context())
	with.URL = &u
	return with
}

// redirectToSingleSlashes answers a call whose path has several slashes together,
// but for the HTTP proxy, where they belong to the path of the site.
func redirectToSingleSlashes(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.EscapedPath()
	if !strings.Contains(path, "//") || strings.HasPrefix(path, relayPrefix) {
		return false
	}
	target := prefix(r) + slashes.ReplaceAllString(path, "/")
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", headerURL(target))
	w.WriteHeader(http.StatusPermanentRedirect)
	return true
}
