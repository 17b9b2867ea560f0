package proxy

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/jsonapi"
)

// This file serves the JSON API: web.md section 4. What its methods take and
// answer is in internal/jsonapi, what they do in the files beside this one.

const (
	jsonPrefix     = "/slapos."
	jsonSchemaPath = "/slapos.json"
	jsonPagePath   = "/jsonapi/"
)

// jsonCall is one call of the JSON API.
type jsonCall struct {
	principal Principal
	claim     claim
	// here is the URL under which the caller knows this master.
	here string
	// forwardedBy names the masters that forwarded the call.
	forwardedBy []string
	api         *jsonapi.API
	method      *jsonapi.Method
	// in is the body, which fits the schema.
	in *marshal.Dict
	// err is the first field that cannot be kept.
	err error
}

// text returns an optional field.
func (c *jsonCall) text(name string) string {
	v, _ := c.in.Get(name)
	text, _ := v.(string)
	return text
}

// name returns a field that is told to nodes in XML.
func (c *jsonCall) name(name string) string {
	text := c.text(name)
	if err := legible(name, text); err != nil && c.err == nil {
		c.err = err
	}
	return text
}

// log returns a text for people.
func (c *jsonCall) log(name string) string { return legibly(c.text(name)) }

// dict returns an object, empty if it is missing.
func (c *jsonCall) dict(name string) *marshal.Dict {
	v, _ := c.in.Get(name)
	if d, ok := v.(*marshal.Dict); ok {
		return d
	}
	return marshal.NewDict()
}

// refuse is the error of a call that fails for a reason of the schema.
func (c *jsonCall) refuse(reason string, about ...string) error {
	return refusal(c.api, reason, about...)
}

func refusal(api *jsonapi.API, reason string, about ...string) error {
	r := api.Refusal(reason, about...)
	return &Error{Status: r.Status, Message: r.Title}
}

// check refuses an answer that does not fit the schema, which is a failure of
// this master. Inside an update, nothing is then changed.
func (c *jsonCall) check(answer *marshal.Dict) error {
	if err := c.method.Response(answer); err != nil {
		return &Error{Status: http.StatusInternalServerError, Message: err.Error()}
	}
	return nil
}

// jsonMethod does what a method is for and returns its answer.
type jsonMethod func(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error)

// serveJSONAPI answers calls of the JSON API, and its documentation. It tells
// whether the path is one of them.
func (s *Server) serveJSONAPI(w http.ResponseWriter, r *http.Request, p Principal) (found bool, err error) {
	switch path := r.URL.Path; {
	case path == jsonSchemaPath, path == jsonPagePath:
		return true, serveJSONDocumentation(w, r)
	case path == strings.TrimSuffix(jsonPagePath, "/"):
		w.Header().Set("Location", headerURL(prefix(r)+jsonPagePath))
		w.WriteHeader(http.StatusPermanentRedirect)
		return true, nil
	case !strings.HasPrefix(path, jsonPrefix):
		return false, nil
	}
	api, err := jsonapi.Load()
	if err != nil {
		return false, err
	}
	method := api.Method(strings.TrimPrefix(r.URL.Path, jsonPrefix))
	if method == nil {
		return false, nil
	}
	c := &jsonCall{
		principal: p, claim: readClaim(r.Header.Get("Authorization")), here: origin(r) + prefix(r),
		forwardedBy: r.Header.Values(pathHeader), api: api, method: method,
	}
	return true, s.serveJSONMethod(w, r, c)
}

// serveJSONDocumentation answers the schema, or the page made from it.
func serveJSONDocumentation(w http.ResponseWriter, r *http.Request) error {
	if answered, err := allow(w, r, http.MethodGet); answered || err != nil {
		return err
	}
	api, err := jsonapi.Load()
	if err != nil {
		return err
	}
	if r.URL.Path == jsonSchemaPath {
		return writeBody(w, "application/schema+json", api.Schema())
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	return writeBody(w, "text/html; charset=utf-8", api.Page())
}

// serveJSONMethod checks a call, in the order of web.md 4.1 but for the Accept
// header, which is looked at before anything is done.
func (s *Server) serveJSONMethod(w http.ResponseWriter, r *http.Request, c *jsonCall) error {
	switch {
	case r.Method == http.MethodOptions:
		return c.refuse("method")
	case r.Method != http.MethodPost:
		_, err := allow(w, r, http.MethodPost)
		return err
	case !acceptsJSON(r.Header.Values("Accept")):
		return c.refuse("accept")
	case !isJSON(r.Header.Get("Content-Type")):
		return c.refuse("content_type")
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	value, err := jsonapi.Read([]byte(body))
	switch {
	case errors.Is(err, jsonapi.ErrSyntax):
		return c.refuse("no_json")
	case err != nil:
		return badRequest("%v", err)
	}
	if err := c.method.Request(value); err != nil {
		return badRequest("%v", err)
	}
	c.in = value.(*marshal.Dict) // as the schemas of all requests want it
	answer, err := s.json[c.method.Name](s.master, r.Context(), c)
	if err != nil {
		return err
	}
	if err := c.check(answer); err != nil {
		return err
	}
	text, err := jsonapi.Append(nil, answer)
	if err != nil {
		return err
	}
	return writeBody(w, "application/json", text)
}

// jsonRefusal tells whether a call that fails is answered in JSON. As with the
// reference, other methods than POST and OPTIONS, and other paths, get a page.
func jsonRefusal(r *http.Request) bool {
	name, ok := strings.CutPrefix(r.URL.Path, jsonPrefix)
	if !ok || r.Method != http.MethodPost && r.Method != http.MethodOptions {
		return false
	}
	api, err := jsonapi.Load()
	return err == nil && api.Method(name) != nil
}

// refuseJSON writes a failed call. What does not exist is 403 in this API.
func refuseJSON(w http.ResponseWriter, err error) {
	status, message := statusOf(err)
	switch {
	case status == http.StatusNotFound:
		status = http.StatusForbidden
	case status == http.StatusInternalServerError && !errors.As(err, new(*Error)):
		if api, err := jsonapi.Load(); err == nil {
			message = api.Refusal("failed").Title
		}
	}
	answer := marshal.NewDict().Set("status", status).Set("type", statusName(status)).Set("title", excerpt(message))
	text, err := jsonapi.Append(nil, answer)
	if err != nil {
		text = []byte("{}")
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) //nolint:errcheck // the caller may be gone
}

// isJSON tells whether a content type is JSON. Web pages cannot send it to other
// sites without being asked whether they may, and this master never says yes.
func isJSON(kind string) bool {
	kind, _, _ = strings.Cut(strings.ToLower(kind), ";")
	kind = strings.TrimSpace(kind)
	return kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")
}

// acceptsJSON tells whether the caller takes JSON: the range that fits best
// decides. No header takes everything.
func acceptsJSON(headers []string) bool {
	best, accepted := 0, true
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		kind, parameters, _ := strings.Cut(part, ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
		if kind == "" {
			continue
		}
		if best == 0 {
			accepted = false
		}
		fit := map[string]int{"*/*": 2, "application/*": 3, "application/json": 4}[kind]
		if best = max(best, 1); fit <= best {
			continue
		}
		best, accepted = fit, quality(parameters) > 0
	}
	return accepted
}

// quality reads the parameter q of a range.
func quality(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(parameter, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0
		}
		return q
	}
	return 1
}
