package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// This file serves the HATEOAS documents that clients read to list and show
// services and computers: web.md section 3.

// Texts of search queries. Both generations name the same things differently.
var hateoasQuery = regexp.MustCompile(`^portal_type:"([^"]*)" AND validation_state:validated(?: AND (title|reference):=(.*))?$`)

// serveHateoas answers below /hateoas.
func (s *Server) serveHateoas(w http.ResponseWriter, r *http.Request, p Principal) error {
	if err := s.config.authorizer.Authorize(r.Context(), p, ActionRead, Object{}); err != nil {
		return withStatus(err, http.StatusForbidden)
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(r.URL.EscapedPath(), "/hateoas"), "/")
	kind, escaped, found := strings.Cut(rest, "/")
	name, err := url.PathUnescape(escaped) // a title may hold a slash
	var document any
	switch {
	case rest == "":
		return s.hateoasEntry(w, r)
	case !found || name == "" || err != nil || strings.Contains(escaped, "/"):
		err = notFound("There is nothing at %s", r.URL.Path)
	case kind == "partitions":
		document, err = s.master.serviceDocument(r.Context(), name)
	case kind == "shared":
		document, err = s.master.sharedDocument(r.Context(), name)
	case kind == "computers":
		document, err = s.master.computerDocument(r.Context(), name)
	default:
		err = notFound("There is nothing at %s", r.URL.Path)
	}
	if err != nil {
		return err
	}
	return writeJSON(w, document)
}

// hateoasEntry serves the root document and its two modes.
func (s *Server) hateoasEntry(w http.ResponseWriter, r *http.Request) error {
	query, err := parseFields(r.URL.RawQuery)
	if err != nil {
		return err
	}
	mode, given := query["mode"]
	switch {
	case !given:
		base := origin(r) + prefix(r) + "/hateoas/"
		link := func(href string) map[string]any { return map[string]any{"href": base + href} }
		return writeJSON(w, map[string]any{"_links": map[string]any{
			"raw_search": link("?mode=search&query={query}&select_list={select_list}"),
			"traverse":   link("?mode=traverse&relative_url={relative_url}&view={view}"),
		}})
	case mode == "search":
		text, ok := query["query"]
		if !ok {
			return badRequest("The field %q is missing", "query")
		}
		rows := newContents()
		if err := s.master.search(r.Context(), text, prefix(r)+"/hateoas/", rows); err != nil {
			return err
		}
		return rows.write(w)
	case mode == "traverse":
		target, ok := query["relative_url"]
		if !ok {
			return badRequest("The field %q is missing", "relative_url")
		}
		if !strings.HasPrefix(target, prefix(r)+"/hateoas/") || strings.ContainsAny(target, "\r\n\\") {
			return badRequest("relative_url leads out of this service")
		}
		w.Header().Set("Location", headerURL(target))
		w.WriteHeader(http.StatusFound)
		return nil
	}
	return badRequest("Unhandled mode: %s", mode)
}

// headerURL escapes the characters of a URL that must not be in a header.
func headerURL(target string) string {
	var b strings.Builder
	for _, c := range []byte(target) {
		if c > ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// origin is the scheme and host under which the caller knows this master. Headers
// of front proxies that are not trusted are gone at this point.
func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if forwarded := lastValue(r.Header.Get("X-Forwarded-Proto")); forwarded == "http" || forwarded == "https" {
		scheme = forwarded
	}
	return scheme + "://" + r.Host
}

// prefix is the path under which a front proxy shows this master.
func prefix(r *http.Request) string {
	p := strings.TrimSuffix(lastValue(r.Header.Get("X-Forwarded-Prefix")), "/")
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "?#\\ ") {
		return ""
	}
	return p
}

func lastValue(list string) string {
	return strings.TrimSpace(list[strings.LastIndex(list, ",")+1:])
}

// requesterName names who requested an instance last: a partition or the user.
func requesterName(partition string) string {
	if partition == "" {
		return "user"
	}
	return partition
}

// field is a field of a view.
func field(kind, key string, value any) map[string]any {
	return map[string]any{"default": value, "key": key, "type": kind}
}

func hateoasDocument(kind string, view map[string]any) map[string]any {
	return map[string]any{
		"_embedded": map[string]any{"_view": view},
		"_links":    map[string]any{"type": map[string]any{"name": kind}},
	}
}

// service is what the document of a service shows.
type service struct {
	title, state, parameters, connection, release, kind string
	shared                                              int
}

func (d service) document() map[string]any {
	text := func(name string, value any) map[string]any { return field("StringField", "field_"+name, value) }
	return hateoasDocument("Instance Tree", map[string]any{
		"form_id":                      field("StringField", "form_id", "InstanceTree_viewAsHateoas"),
		"my_reference":                 text("my_reference", d.title),
		"my_slap_state":                text("my_slap_state", d.state),
		"my_text_content":              text("my_text_content", d.parameters),
		"my_connection_parameter_list": text("my_connection_parameter_list", textOrNull(d.connection)),
		"my_url_string":                text("my_url_string", d.release),
		"my_source_reference":          text("my_source_reference", d.kind),
		"my_root_slave":                field("IntegerField", "field_my_root_slave", d.shared),
	})
}

// serviceDocument shows the first instance of a title, in any tree.
func (m *master) serviceDocument(ctx context.Context, title string) (document any, err error) {
	err = m.store.View(ctx, func(r store.Reader) error {
		p, err := r.Titled(title)
		if errors.Is(err, store.ErrNotFound) {
			return notFound("There is no service %q", title)
		}
		if err != nil {
			return err
		}
		i := p.Instance
		document = service{
			title: i.Title, state: i.State, parameters: i.Parameters, connection: i.Connection, release: i.Release, kind: i.Type,
		}.document()
		return nil
	})
	return document, err
}

// sharedDocument shows a shared instance that a person requested.
func (m *master) sharedDocument(ctx context.Context, title string) (document any, err error) {
	err = m.store.View(ctx, func(r store.Reader) error {
		shared, err := r.SharedByKey("_" + title)
		if err != nil {
			return err
		}
		for _, s := range shared {
			if !s.Listed {
				continue
			}
			host, err := r.ByInstance(s.Host)
			if err != nil {
				return err
			}
			document, err = sharedService(host, s, title)
			return err
		}
		return notFound("There is no shared service %q", title)
	})
	return document, err
}

// sharedService builds the parameters of a shared instance from what its host
// sees.
func sharedService(host *store.Partition, s *store.Shared, title string) (any, error) {
	parameters, kind, err := sharedParameters(s)
	if err != nil {
		return nil, err
	}
	text, err := instanceXML(parameters)
	if err != nil {
		return nil, err
	}
	return service{
		title: title, state: "unused", parameters: text, connection: s.Connection,
		release: host.Instance.Release, kind: kind, shared: 1,
	}.document(), nil
}

func (m *master) computerDocument(ctx context.Context, reference string) (document any, err error) {
	err = m.store.View(ctx, func(r store.Reader) error {
		c, err := r.Computer(reference)
		if errors.Is(err, store.ErrNotFound) || err == nil && !c.Formatted {
			return unknownComputer(reference)
		}
		if err != nil {
			return err
		}
		document = hateoasDocument("Computer", map[string]any{
			"form_id":      field("StringField", "computer", reference),
			"my_reference": field("StringField", "reference", reference),
			"my_title":     field("StringField", "reference", reference),
		})
		return nil
	})
	return document, err
}

// writeJSON answers compact JSON in ASCII with sorted keys and a final newline.
func writeJSON(w http.ResponseWriter, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	return writeBody(w, "application/json", toASCII(b.Bytes()))
}

// toASCII writes what is not ASCII as escapes; it only occurs inside texts.
func toASCII(text []byte) []byte { return appendASCII(make([]byte, 0, len(text)), text) }

// appendASCII is toASCII behind what is there.
func appendASCII(out, text []byte) []byte {
	for len(text) > 0 {
		plain := bytes.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
		if plain < 0 {
			return append(out, text...)
		}
		out = append(out, text[:plain]...)
		r, size := utf8.DecodeRune(text[plain:])
		if r > 0xFFFF {
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		} else {
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[plain+size:]
	}
	return out
}
