package proxy

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxLogged bounds the path and query of a call in the log, in bytes.
const maxLogged = 2 << 10

// logAccess writes one line for each call, in the layout of the reference; calls
// of probes are for debugging only. What the caller wrote is quoted, so that it
// cannot look like another line.
func (s *Server) logAccess(r *http.Request, w *recorder, took time.Duration) {
	level := slog.LevelInfo
	if isOperation(r.URL.Path) {
		level = slog.LevelDebug
	}
	if !s.config.logger.Enabled(r.Context(), level) {
		return
	}
	s.config.logger.LogAttrs(r.Context(), level,
		fmt.Sprintf("%s %q %d", remoteOf(r), r.Method+" "+loggedURI(r.URL)+" "+r.Proto, w.status),
		slog.String("logger", "werkzeug"), slog.Int64("bytes", w.bytes), slog.Duration("took", took))
}

// remoteOf is the address of the caller, without port.
func remoteOf(r *http.Request) string {
	remote, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return remote
}

// loggedFields are the fields of queries whose values the log shows: names and
// choices. Others may hold parameters of instances, which are secrets.
var loggedFields = map[string]bool{
	"computer_id": true, "computer_guid": true, "computer_reference": true, "computer_partition_id": true,
	"computer_partition_reference": true, "partition_reference": true, "project_reference": true, "reference": true,
	"instance_reference": true, "instance_guid": true, "software_product_reference": true, "software_release_url": true,
	"url": true, "state": true, "mode": true, "query": true, "select_list": true, "limit": true, "local_roles": true,
	"relative_url": true, "view": true, "list_method": true, "portal_type": true, "sort_on": true, "group_by": true,
}

// loggedURI is the path and query of a call without what may be secret.
func loggedURI(u *url.URL) string {
	path, query, found := strings.Cut(u.RequestURI(), "?")
	if found {
		pairs := strings.Split(query, "&")
		for i, pair := range pairs {
			pairs[i] = loggedPair(pair)
		}
		path += "?" + strings.Join(pairs, "&")
	}
	if len(path) > maxLogged {
		path = path[:maxLogged] + "..."
	}
	return path
}

func loggedPair(pair string) string {
	name, value, found := strings.Cut(pair, "=")
	if !found {
		name, value = "", name
	}
	if value == "" {
		return pair
	}
	if !loggedFields[unescape(name)] {
		return strings.TrimPrefix(name+"=***", "=")
	}
	return name + "=" + withoutPassword(value)
}

// withoutPassword hides who fetches a release, and with what, from its URL.
func withoutPassword(escaped string) string {
	text := unescape(escaped)
	if !strings.Contains(text, "@") {
		return escaped
	}
	release, err := url.Parse(text)
	switch {
	case err != nil, release.Opaque != "":
		return "***"
	case release.User == nil:
		return escaped
	}
	release.User = url.User("xxxxx")
	return url.QueryEscape(release.String())
}

// recorder notes what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
