package softwareschema

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/slapos/slapos-go/slap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// release is a software release with schemas, as files by path.
var release = map[string]string{
	"sr/software.cfg.json": `{"name": "Web", "description": "A server", "serialisation": "json-in-xml", "unknown": 1, "software-type": {
		"default": {"title": "Server", "request": "schema/in.json", "response": "schema/out.json", "index": 2},
		"site": {"title": "Site", "description": "D", "request": "schema/site.json", "shared": true, "software-type": "default", "index": 1},
		"plain": {"request": "schema/in.json", "serialisation": "xml"},
		"lost": {"request": "schema/nosuch.json"}, "none": {},
		"abroad": {"request": "http://elsewhere.example/in.json"}, "remote": {"request": "schema/remote.json"}, "file": {"request": "schema/file.json"}}}`,
	"sr/schema/in.json": `{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
		"properties": {"foo": {}, "a": {"const": "bar"}, "b": {"$ref": "common.json#/definitions/b"}, "port": {"type": "integer", "maximum": 65535},
			"list": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "string", "pattern": "^p"}}}}},
		"required": ["foo"], "additionalProperties": false}`,
	"sr/schema/common.json": `{"definitions": {"b": {"type": "string"}}}`,
	"sr/schema/out.json":    `{"$schema": "http://json-schema.org/draft-07/schema", "required": ["url"], "properties": {"url": {"type": "string", "format": "uri"}}}`,
	"sr/schema/site.json":   `{"required": ["domain"]}`,
	"sr/schema/remote.json": `{"$ref": "http://elsewhere.example/in.json"}`,
	"sr/schema/file.json":   `{"$ref": "file:///etc/passwd"}`,
	"legacy.cfg.json":       `{"serialisation": "xml", "software-type": {"RootSoftwareInstance": {"request": "sr/schema/site.json"}}}`,
	"broken.cfg.json":       `{"software-type": 1}`,
	"twice.cfg.json": `{"software-type": {"a": {"software-type": "t"}, "b": {"software-type": "t"}, "s": {"software-type": "u"}, "u": {},
		"c": {"software-type": "t", "shared": true}}}`,
	"dir/software/schema.json": `{"serialisation": "xml", "software-type": {"default": {"request": "in.json"}}}`,
	"dir/software/in.json":     `{"required": ["a"]}`,
	"bare/software/web":        "",
}

func files() fs.FS {
	all := fstest.MapFS{"pipe.cfg.json": {Mode: fs.ModeNamedPipe}, "large.cfg.json": {Data: make([]byte, maxDocument+1)}}
	for name, text := range release {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return all
}

// serve serves the release over HTTP.
func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.FileServerFS(files()))
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	return server.URL + "/"
}

func load(t *testing.T, loader Loader, softwareRelease string) *Schema {
	t.Helper()
	s, err := loader.Load(t.Context(), softwareRelease)
	require.NoError(t, err)
	return s
}

func TestDeclaration(t *testing.T) {
	base := serve(t)
	for _, root := range []string{base, "/", "file:///", "file://localhost/"} {
		s := load(t, Loader{Files: files()}, root+"sr/software.cfg")
		at := "file:///"
		if root == base {
			at = base
		}
		want := &Schema{
			URL: at + "sr/software.cfg.json", Name: "Web", Description: "A server", Serialisation: "json-in-xml",
			Types: []*Type{
				{ID: "site", SoftwareType: "default", Shared: true, Title: "Site", Description: "D", Index: 1, Serialisation: "json-in-xml", Request: at + "sr/schema/site.json"},
				{ID: "default", SoftwareType: "default", Title: "Server", Index: 2, Serialisation: "json-in-xml", Request: at + "sr/schema/in.json", Response: at + "sr/schema/out.json"},
				{ID: "abroad", SoftwareType: "abroad", Index: 999, Serialisation: "json-in-xml", Request: "http://elsewhere.example/in.json"},
				{ID: "file", SoftwareType: "file", Index: 999, Serialisation: "json-in-xml", Request: at + "sr/schema/file.json"},
				{ID: "lost", SoftwareType: "lost", Index: 999, Serialisation: "json-in-xml", Request: at + "sr/schema/nosuch.json"},
				{ID: "none", SoftwareType: "none", Index: 999, Serialisation: "json-in-xml"},
				{ID: "plain", SoftwareType: "plain", Index: 999, Serialisation: "xml", Request: at + "sr/schema/in.json"},
				{ID: "remote", SoftwareType: "remote", Index: 999, Serialisation: "json-in-xml", Request: at + "sr/schema/remote.json"},
			},
		}
		require.Empty(t, cmp.Diff(want, s, cmpopts.IgnoreUnexported(Type{})))
		require.Same(t, s.Types[0], s.Default())
	}
	require.Nil(t, (&Schema{}).Default())
}

func TestChooseType(t *testing.T) {
	loader := Loader{Files: files()}
	s, legacy, twice := load(t, loader, "/sr/software.cfg"), load(t, loader, "/legacy.cfg"), load(t, loader, "/twice.cfg")
	for _, test := range []struct {
		schema *Schema
		name   string
		shared bool
		want   string
	}{
		{s, "", false, "default"}, {s, "default", false, "default"}, {s, "RootSoftwareInstance", false, "default"},
		{s, "default", true, "site"}, {s, "site", true, "site"}, {s, "site", false, "site"}, {s, "plain", false, "plain"}, {s, "plain", true, "plain"},
		{legacy, "", false, "RootSoftwareInstance"}, {legacy, "default", true, "RootSoftwareInstance"}, {legacy, "RootSoftwareInstance", false, "RootSoftwareInstance"},
		{twice, "u", false, "u"}, {twice, "t", true, "c"},
	} {
		got, err := test.schema.Type(test.name, test.shared)
		require.NoError(t, err)
		require.Equal(t, test.want, got.ID, "%s %t", test.name, test.shared)
	}
	_, err := s.Type("nosuch", false)
	require.ErrorIs(t, err, ErrUnknownType)
	_, err = legacy.Type("other", false)
	require.ErrorIs(t, err, ErrUnknownType)
	_, err = twice.Type("t", false)
	require.ErrorContains(t, err, "several times")
}

func TestReleaseThatIsADirectory(t *testing.T) {
	loader := Loader{Files: files()}
	kind, err := load(t, loader, "/dir").Type("", false)
	require.NoError(t, err)
	found, err := kind.ValidateRequest(t.Context(), slap.Parameters{})
	require.NoError(t, err)
	require.Equal(t, []Finding{{"$", "'a' is a required property"}}, found)
	_, err = loader.Load(t.Context(), "file:///bare/")
	require.ErrorIs(t, err, ErrUndeclared)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestEncodeAndDecode(t *testing.T) {
	s := load(t, Loader{Files: files()}, "/sr/software.cfg")
	for name, want := range map[string]slap.Parameters{"default": {"_": `{"foo": 1}`}, "plain": {"foo": int64(1)}} {
		kind, err := s.Type(name, false)
		require.NoError(t, err)
		got, err := kind.Encode(map[string]int{"foo": 1})
		require.NoError(t, err)
		require.Equal(t, want, got)
		var back map[string]int
		require.NoError(t, kind.Decode(got, &back))
		require.Equal(t, map[string]int{"foo": 1}, back)
	}
	kind := &Type{}
	_, err := kind.Encode(map[string]int{})
	require.Error(t, err)
	var back map[string]int
	require.NoError(t, kind.Decode(slap.Parameters{"_": `{"a": 1}`}, &back))
	require.Equal(t, map[string]int{"a": 1}, back)
}

func TestValidate(t *testing.T) {
	for _, root := range []string{serve(t), "/"} {
		s := load(t, Loader{Files: files()}, root+"sr/software.cfg")
		kind, err := s.Type("", false)
		require.NoError(t, err)
		for _, test := range []struct {
			parameters any
			want       []string
		}{
			{map[string]any{"foo": 1, "a": "bar", "$schema": "x"}, nil},
			{slap.Parameters{"_": `{"foo": 1, "a": "bar"}`, "timestamp": "1"}, nil},
			{slap.Parameters{"foo": 1}, nil},
			{struct {
				Foo int `json:"foo"`
			}{}, nil},
			{map[string]any{}, []string{"$: 'foo' is a required property"}},
			{map[string]any{"foo": 1, "a": "hunter2", "port": 70000}, []string{"$.a: 'bar' was expected", "$.port: greater than the maximum of 65535"}},
			{map[string]any{"foo": 1, "x": "hunter2"}, []string{"$: Additional properties are not allowed ('x' was unexpected)"}},
			{map[string]any{"foo": 1, "b": 7}, []string{"$.b: got number, want string"}},
			{map[string]any{"foo": 1, "list": []any{map[string]any{}, map[string]any{"x": "hunter2"}}}, []string{"$.list[1].x: does not match the pattern '^p'"}},
			{"hunter2", []string{"$: got string, want object"}},
		} {
			found, err := kind.ValidateRequest(t.Context(), test.parameters)
			require.NoError(t, err)
			var lines []string
			for _, f := range found {
				lines = append(lines, f.String())
			}
			require.Equal(t, test.want, lines)
		}
		found, err := kind.ValidateResponse(t.Context(), map[string]any{"url": ":hunter2"})
		require.NoError(t, err)
		require.Equal(t, []Finding{{"$.url", "not a valid uri"}}, found)
		_, err = kind.ValidateRequest(t.Context(), map[string]any{"a": make(chan int)})
		require.Error(t, err)
		_, err = kind.ValidateRequest(t.Context(), slap.Parameters{"_": "hunter2"})
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
		site, err := s.Type("default", true)
		require.NoError(t, err)
		_, err = site.ValidateResponse(t.Context(), map[string]any{})
		require.ErrorIs(t, err, ErrUndeclared)
		require.ErrorContains(t, err, `names no response schema`)
	}
}

// Findings are shown to people and written to logs: none has a value in it.
func TestFindingsHoldNoValues(t *testing.T) {
	const secret = "5551234"
	for _, schema := range []string{
		`{"minimum": 9e9}`, `{"maximum": 1}`, `{"exclusiveMinimum": 9e9}`, `{"exclusiveMaximum": 1}`, `{"multipleOf": 5551233}`, `{"enum": [1, 2]}`,
		`{"const": {"a": 1}}`, `{"type": "string"}`, `{"not": {}}`, `false`, `{"oneOf": [{}, {}]}`, `{"anyOf": [false]}`,
	} {
		expectFindings(t, schema, json.Number(secret), secret)
	}
	for _, schema := range []string{
		`{"pattern": "^x"}`, `{"format": "ipv6"}`, `{"format": "date-time"}`, `{"minLength": 90}`, `{"maxLength": 1}`, `{"enum": ["a"]}`, `{"const": 3}`,
	} {
		expectFindings(t, `{"$schema": "http://json-schema.org/draft-07/schema#", `+schema[1:], secret, secret)
	}
	expectFindings(t, `{"uniqueItems": true}`, []any{secret, secret}, secret)
	expectFindings(t, `{"contains": {"type": "number"}}`, []any{secret}, secret)
}

func expectFindings(t *testing.T, schema string, value any, secret string) {
	t.Helper()
	loader := Loader{Files: fstest.MapFS{
		"r.json": {Data: []byte(`{"software-type": {"default": {"request": "in.json"}}}`)}, "in.json": {Data: []byte(schema)},
	}}
	kind, err := load(t, loader, "/r").Type("", false)
	require.NoError(t, err)
	found, err := kind.ValidateRequest(t.Context(), value)
	require.NoError(t, err, schema)
	require.NotEmpty(t, found, schema)
	for _, f := range found {
		require.NotContains(t, f.String(), secret, schema)
	}
}

func TestDocumentsThatCannotBeRead(t *testing.T) {
	base := serve(t)
	loader := Loader{Files: files()}
	for address, want := range map[string]error{
		base + "nosuch.cfg": fs.ErrNotExist, "/nosuch.cfg": fs.ErrNotExist, base + "broken.cfg": nil, "/broken.cfg": nil, "/pipe.cfg": nil,
		"/large.cfg": nil, base + "large.cfg": nil, "": nil, "relative/software.cfg": nil, "ftp://x/y": nil, "file://host/x": nil, "http:///x": nil, "\x7f://": nil,
		"http://user:hunter2@127.0.0.1:1/x": syscall.ECONNREFUSED, "http://user:hunter2@[::1": nil,
	} {
		_, err := loader.Load(t.Context(), address)
		var unread *LoadError
		require.ErrorAs(t, err, &unread, address)
		require.NotContains(t, err.Error(), "hunter2")
		if want != nil {
			require.ErrorIs(t, err, want, address)
		}
	}
	none := Loader{}
	_, err := none.Load(t.Context(), "/sr/software.cfg")
	require.ErrorContains(t, err, "no files are read")
	_, err = none.Load(canceled(t), base+"sr/software.cfg")
	require.ErrorIs(t, err, context.Canceled)
	for _, root := range []string{base, "/"} {
		s := load(t, loader, root+"sr/software.cfg")
		for name, want := range map[string]error{"lost": fs.ErrNotExist, "none": ErrUndeclared, "abroad": ErrForeign, "remote": ErrForeign} {
			kind, err := s.Type(name, false)
			require.NoError(t, err)
			_, err = kind.ValidateRequest(t.Context(), map[string]any{})
			require.ErrorIs(t, err, want, name)
		}
	}
	kind, err := load(t, loader, base+"sr/software.cfg").Type("file", false)
	require.NoError(t, err)
	_, err = kind.ValidateRequest(t.Context(), map[string]any{})
	require.ErrorIs(t, err, ErrForeign, "a schema from elsewhere does not read files here")
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// A schema that names ever more documents ends at a bound.
func TestDocumentsAreBounded(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		switch {
		case r.URL.Path == "/sr.json":
			fmt.Fprint(w, `{"software-type": {"default": {"request": "0"}, "big": {"request": "big0"}}}`)
		case strings.HasPrefix(r.URL.Path, "/big"):
			fmt.Fprintf(w, `{"$ref": "big%d", "description": "%s"}`, requests, strings.Repeat("x", maxDocument-100))
		default:
			fmt.Fprintf(w, `{"$ref": "%d"}`, requests)
		}
	}))
	defer server.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	s := load(t, Loader{}, server.URL+"/sr")
	for name, most := range map[string]int{"default": maxDocuments + 2, "big": maxTotal/maxDocument + 3} {
		requests = 0
		kind, err := s.Type(name, false)
		require.NoError(t, err)
		_, err = kind.ValidateRequest(t.Context(), map[string]any{})
		require.ErrorContains(t, err, "more than")
		require.LessOrEqual(t, requests, most)
	}
}

func TestFurtherOrigins(t *testing.T) {
	abroad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"required": ["a"]}`) }))
	defer abroad.Close()
	loader := Loader{Client: abroad.Client(), Origins: []string{abroad.URL}, Files: fstest.MapFS{
		"r.json": {Data: []byte(`{"software-type": {"default": {"request": "` + abroad.URL + `/in.json"}}}`)},
	}}
	kind, err := load(t, loader, "/r").Type("", false)
	require.NoError(t, err)
	found, err := kind.ValidateRequest(t.Context(), map[string]any{})
	require.NoError(t, err)
	require.Len(t, found, 1)
}

func TestOrigins(t *testing.T) {
	for address, want := range map[string]string{
		"HTTP://Example.org:80/x": "http://example.org", "https://example.org:443": "https://example.org", "http://example.org:443": "http://example.org:443",
		"http://[FD00::1]/": "http://[fd00::1]", "http://user:pw@h/": "http://h", "file:///x": "file://",
	} {
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, want, origin(u))
	}
}

func FuzzParse(f *testing.F) {
	for name, text := range release {
		if strings.HasSuffix(name, ".cfg.json") {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse([]byte(text), &url.URL{Scheme: "https", Host: "example.org", Path: "/sr/software.cfg"})
		if err != nil {
			return
		}
		for _, kind := range s.Types {
			got, err := s.Type(kind.SoftwareType, kind.Shared)
			if err == nil {
				require.NotNil(t, got)
			}
		}
	})
}

// FuzzValidate checks that a hostile schema is an error at worst.
func FuzzValidate(f *testing.F) {
	for name, text := range release {
		if strings.HasPrefix(name, "sr/schema/") {
			f.Add(text, `{"foo": 1, "list": [{"x": "y"}]}`)
		}
	}
	f.Add(`{"$ref": "#"}`, `1`)
	f.Add(`{"$dynamicRef": "#a", "$defs": {"a": {"$dynamicAnchor": "a", "$ref": "in.json"}}}`, `[1]`)
	f.Add(`{"minimum": 1e999999999}`, `1e308`)
	f.Fuzz(func(t *testing.T, schema, value string) {
		var parameters any
		if (slap.Parameters{"_": value}).JSON("_", &parameters) != nil {
			return
		}
		loader := Loader{Files: fstest.MapFS{
			"r.json": {Data: []byte(`{"software-type": {"default": {"request": "in.json"}}}`)}, "in.json": {Data: []byte(schema)},
		}}
		s, err := loader.Load(t.Context(), "/r")
		require.NoError(t, err)
		_, _ = s.Default().ValidateRequest(t.Context(), parameters)
	})
}

func TestDeclarationsOfOtherFormsAreToldInTheirTerms(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                    "the declaration is not an object but of the type array",
		`{"software-type": 3}`:  "software-type in the declaration cannot be of the type number",
		`{"name": ["hunter2"]}`: "name in the declaration cannot be of the type array",
	} {
		loader := Loader{Files: fstest.MapFS{"sr/software.cfg.json": {Data: []byte(text)}}}
		_, err := loader.Load(t.Context(), "/sr/software.cfg")
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "Go value")
	}
}

// TestFindingsAreOrdered has the validator go through several dictionaries, which
// have no order.
func TestFindingsAreOrdered(t *testing.T) {
	loader := Loader{Files: fstest.MapFS{
		"r.cfg.json": {Data: []byte(`{"name": "n", "software-type": {"default": {"title": "t", "request": "in.json"}}}`)},
		"in.json": {Data: []byte(`{"$schema": "http://json-schema.org/draft-07/schema#", "additionalProperties": false, "properties": {"p": {}, "q": {}},
			"dependencies": {"p": ["u"], "q": ["v"]}, "patternProperties": {"^k": {"type": "integer"}, "k": {"pattern": "z"}}}`)},
	}}
	kind, err := load(t, loader, "/r.cfg").Type("", false)
	require.NoError(t, err)
	for range 50 {
		found, err := kind.ValidateRequest(t.Context(), map[string]any{"p": 1, "q": 1, "a": 1, "b": 1, "c": 1, "k": "x"})
		require.NoError(t, err)
		require.Equal(t, []Finding{
			{"$", "Additional properties are not allowed ('a', 'b', 'c' were unexpected)"},
			{"$", "properties 'u' required, if 'p' exists"},
			{"$", "properties 'v' required, if 'q' exists"},
			{"$.k", "does not match the pattern 'z'"},
			{"$.k", "got string, want integer"},
		}, found)
	}
}

func TestRedirects(t *testing.T) {
	hops := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/endless.cfg.json" || hops < 3 {
			hops++
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return
		}
		_, _ = w.Write([]byte(`{"name": "n"}`))
	}))
	defer server.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	require.Equal(t, "n", load(t, Loader{}, server.URL+"/r.cfg").Name)
	_, err := (&Loader{}).Load(t.Context(), server.URL+"/endless.cfg")
	require.ErrorContains(t, err, "more than 10 redirects")

	to := func(address string) *http.Request { return httptest.NewRequest(http.MethodGet, address, nil) }
	require.NoError(t, follow(to("https://b/"), []*http.Request{to("http://a/")}))
	require.NoError(t, follow(to("https://b/"), []*http.Request{to("https://a/")}))
	require.ErrorContains(t, follow(to("http://a/"), []*http.Request{to("https://a/")}), "https to http")
}
