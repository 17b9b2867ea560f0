package proxy

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// This file serves the files of the panel: its page, and those of the public
// directory. The calls that the page makes are in panel_api.go.

// panelFiles are the page, its style and its program: all that a browser needs.
//
//go:embed panel/panel.html panel/panel.css panel/panel.js panel/icon.svg
var panelFiles embed.FS

// panelPage is the file that is served as the page itself.
const panelPage = "panel.html"

// panelPolicy lets the page load and call nothing but its own master.
const panelPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// isPanel tells whether a path belongs to the panel.
func isPanel(path string) bool {
	return path == "/" || path == "/panel" || strings.HasPrefix(path, "/panel/")
}

// servePanel answers what isPanel.
func (s *Server) servePanel(w http.ResponseWriter, r *http.Request, p Principal) error {
	name, inside := strings.CutPrefix(r.URL.Path, "/panel/")
	if call, ok := strings.CutPrefix(name, "api/"); ok && inside {
		return s.servePanelCall(w, r, p, call)
	}
	if answered, err := allow(w, r, http.MethodGet); answered || err != nil {
		return err
	}
	protectPage(w.Header())
	if !inside {
		return redirectToPanel(w, r)
	}
	if public, ok := strings.CutPrefix(name, "public/"); ok {
		return s.servePublic(w, r, p, public)
	}
	return servePanelFile(w, r, name)
}

// protectPage sets what keeps other sites away from a page of this master.
func protectPage(h http.Header) {
	h.Set("Content-Security-Policy", panelPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// redirectToPanel leads to the page. The address is relative, so that it holds
// under a prefix that nobody told us about.
func redirectToPanel(w http.ResponseWriter, r *http.Request) error {
	target, status := "panel/", http.StatusFound
	if r.URL.Path == "/panel" {
		status = http.StatusPermanentRedirect
	}
	if before := prefix(r); before != "" {
		target = headerURL(before) + "/panel/"
	}
	w.Header().Set("Location", target)
	w.WriteHeader(status)
	return nil
}

// servePanelFile serves one of the embedded files.
func servePanelFile(w http.ResponseWriter, r *http.Request, name string) error {
	h := w.Header()
	if name == "" {
		name = panelPage
		h.Set("Content-Disposition", "inline; filename="+panelPage)
	}
	body, err := panelFiles.ReadFile("panel/" + name)
	if err != nil {
		return notFound("There is nothing at %s", r.URL.Path)
	}
	digest := sha256.Sum256(body)
	h.Set("Etag", `"`+hex.EncodeToString(digest[:16])+`"`)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Type", contentType(name))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(body)))
	return nil
}

// contentType is the type of a file by its name, the same on every machine for
// the files of the panel.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}

// servePublic serves a file of the public directory as a download. Nothing
// outside of the directory is reached, whatever links it holds.
func (s *Server) servePublic(w http.ResponseWriter, r *http.Request, p Principal, name string) error {
	if err := s.config.authorizer.Authorize(r.Context(), p, ActionRead, Object{}); err != nil {
		return withStatus(err, http.StatusForbidden)
	}
	if s.config.panel.publicDirectory == "" {
		return &Error{Status: http.StatusForbidden, Message: "The public directory path is not configured."}
	}
	file, info, err := openPublic(s.config.panel.publicDirectory, name)
	if err != nil {
		s.config.logger.DebugContext(r.Context(), "no public file", "name", name, "error", err)
		return notFound("There is no public file at %s", r.URL.Path)
	}
	defer file.Close()
	h := w.Header()
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(name)}))
	h.Set("Cache-Control", "no-cache")
	h.Set("Etag", fmt.Sprintf(`"%x-%x"`, info.ModTime().UnixNano(), info.Size()))
	h.Set("Content-Type", contentType(name))
	http.ServeContent(w, r, "", info.ModTime(), file)
	return nil
}

// errNotRegular is what is under a name but is no regular file.
var errNotRegular = errors.New("not a regular file")

// openPublic opens a regular file below a directory; a pipe is not waited for.
func openPublic(directory, name string) (*os.File, fs.FileInfo, error) {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	return regular(root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

// openRegular opens a regular file; a pipe is not waited for.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	return regular(os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0))
}

// regular closes what was opened but is no regular file.
func regular(file *os.File, err error) (*os.File, fs.FileInfo, error) {
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return file, info, nil
}
