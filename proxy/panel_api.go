package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
)

// This file serves the calls of the panel, below /panel/api/. They are for the
// page only and change with it; programs use the slap tool or the JSON API.
//
// A view is read with GET from one snapshot and has an Etag, so that a page that
// asks again and again is told 304 while nothing changed:
//
//	master                           what this master is
//	services?q=&after=&limit=        roots of trees, shared instances of persons
//	instance?computer=&partition=    one instance, with its whole tree
//	shared?computer=&key=            one shared instance
//	computers?q=&after=&limit=       computers, with counts
//	computer?computer=&q=&after=     one computer: releases, partitions
//	releases?q=&after=&limit=        releases by URL, with their first computers
//	release?release=&q=&after=       computers of one release
//	problems                         what failed or is silent
//	schema?release=&entry=           what a release declares (panel_schema.go)
//
// A list is given in pages: its answer tells what after= gives the next one, and
// what before= gives the previous one. Words of q= must all be in a row.
//
// An action is a POST of one JSON object: request, change, rename, bang, supply,
// validate. Its answer is a JSON object. Every refusal, of views too, is
//
//	{"error": {"status": 404, "message": "…"}}

// panelView reads a view.
type panelView func(m *master, ctx context.Context, p Principal, q url.Values) (any, error)

// panelAction carries out an action on what its body decodes into.
type panelAction func(s *Server, r *http.Request, p Principal) (any, error)

func panelViews() map[string]panelView {
	return map[string]panelView{
		"master":    (*master).masterView,
		"services":  (*master).servicesView,
		"instance":  (*master).instanceView,
		"shared":    (*master).sharedView,
		"computers": (*master).computersView,
		"computer":  (*master).computerView,
		"releases":  (*master).releasesView,
		"release":   (*master).releaseView,
		"problems":  (*master).problemsView,
	}
}

func panelActions() map[string]panelAction {
	return map[string]panelAction{
		"request":  action((*Server).panelRequest),
		"change":   action((*Server).panelChange),
		"rename":   action((*Server).panelRename),
		"bang":     action((*Server).panelBang),
		"supply":   action((*Server).panelSupply),
		"validate": action((*Server).panelValidate),
	}
}

// action reads the body of an action and carries it out.
func action[T any](act func(*Server, *http.Request, Principal, T) (any, error)) panelAction {
	return func(s *Server, r *http.Request, p Principal) (any, error) {
		var body T
		if err := readPanelBody(r, &body); err != nil {
			return nil, err
		}
		return act(s, r, p, body)
	}
}

// servePanelCall answers one call of the page, refusals too.
func (s *Server) servePanelCall(w http.ResponseWriter, r *http.Request, p Principal, name string) error {
	protectPage(w.Header())
	w.Header().Set("Cache-Control", "no-store")
	err := s.panelCall(w, r, p, name)
	if err == nil {
		return nil
	}
	status, message := statusOf(err)
	body, encodeErr := json.Marshal(map[string]any{"error": map[string]any{"status": status, "message": excerpt(message)}})
	if encodeErr != nil {
		return errors.Join(err, encodeErr)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) //nolint:errcheck // the caller may be gone
	return err           // is logged if it is ours
}

func (s *Server) panelCall(w http.ResponseWriter, r *http.Request, p Principal, name string) error {
	var read func() (any, error)
	if view, ok := panelViews()[name]; ok {
		read = func() (any, error) { return view(s.master, r.Context(), p, r.URL.Query()) }
	} else if name == "schema" {
		read = func() (any, error) { return s.schemaView(r.Context(), p, r.URL.Query()) }
	}
	if read != nil {
		if answered, err := allow(w, r, http.MethodGet); answered || err != nil {
			return err
		}
		value, err := read()
		if err != nil {
			return err
		}
		return answerView(w, r, value)
	}
	act, ok := panelActions()[name]
	if !ok {
		return notFound("There is nothing at %s", r.URL.Path)
	}
	if answered, err := allow(w, r, http.MethodPost); answered || err != nil {
		return err
	}
	if err := checkPageSends(r); err != nil {
		return err
	}
	value, err := act(s, r, p)
	if err != nil {
		return err
	}
	return writeJSON(w, value)
}

// answerView writes a view, or 304 if the page has it.
func answerView(w http.ResponseWriter, r *http.Request, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(digest[:16]) + `"`
	w.Header().Set("Cache-Control", "no-cache, private")
	w.Header().Set("Etag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return writeBody(w, "application/json", body)
}

// checkPageSends refuses actions that a page of another site could make a
// browser send without asking first: forms cannot send JSON, and programs of
// other pages are asked for a permission that is never given. It comes on top of
// the check of Origin.
func checkPageSends(r *http.Request) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &Error{Status: http.StatusUnsupportedMediaType, Message: "Send one JSON object, as application/json"}
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "same-origin", "none":
		return nil
	default:
		return &Error{Status: http.StatusForbidden, Message: "Pages of other sites may not change anything on this master"}
	}
}

// readPanelBody reads the JSON object of an action. Unknown keys are refused.
func readPanelBody(r *http.Request, body any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(body)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("more than one JSON value")
		}
	}
	if errors.As(err, new(*http.MaxBytesError)) || errors.As(err, new(*Error)) {
		return bodyError(err)
	}
	if err != nil {
		return &Error{Status: http.StatusBadRequest, Message: "The body cannot be read as the JSON object of this action", Err: err}
	}
	return nil
}
