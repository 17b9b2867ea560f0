package jsonapi

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

func load(tb testing.TB) *API {
	tb.Helper()
	a, err := Load()
	require.NoError(tb, err)
	return a
}

func parse(tb testing.TB, text string) any {
	tb.Helper()
	v, err := Read([]byte(text))
	require.NoError(tb, err, text)
	return v
}

func TestSchemaDescribesAllMethods(t *testing.T) {
	a := load(t)
	require.Len(t, a.Names(), 25)
	used := map[string]bool{"method": true, "content_type": true, "no_json": true, "accept": true, "failed": true}
	for _, name := range a.Names() {
		written := dict(dict(a.document, "methods"), name)
		require.NotEmpty(t, text(written, "title"), name)
		require.NotEmpty(t, text(written, "description"), name)
		for _, reason := range items(written, "errors") {
			require.NotZero(t, a.Refusal(reason.(string)).Status, "%s: %s", name, reason)
			used[reason.(string)] = true
		}
		require.Contains(t, string(a.Page()), `id="`+name+`"`)
		require.NotNil(t, a.Method(name))
	}
	require.Nil(t, a.Method("get.v0.unknown"))
	for reason := range a.refusals {
		require.True(t, used[reason], "no method is refused with %s", reason)
	}
	require.True(t, json.Valid(a.Schema()))
}

func TestPageUsesNoOtherResource(t *testing.T) {
	page := string(load(t).Page())
	for _, forbidden := range []string{"src=", "@import", "url(", "<script", "<link", "https://"} {
		require.NotContains(t, page, forbidden)
	}
	require.Contains(t, page, `href="../slapos.json"`)
}

func TestRefusal(t *testing.T) {
	a := load(t)
	require.Equal(t, Refusal{400, "No partition matching the authorization header: ({} / b)"}, a.Refusal("no_claimant", "{}", "b"))
	require.Equal(t, Refusal{403, "No instance tree  found."}, a.Refusal("no_tree"))
}

// The first thing that is wrong is told, in the order of web.md 4.2.
func TestFirstFinding(t *testing.T) {
	a := load(t)
	const request = "post.v0.software_instance"
	long := strings.Repeat("é", 201)
	for _, test := range []struct{ method, body, want string }{
		{"get.v0.hateoas_url", `[]`, "[] is not of type 'object'"},
		{"get.v0.hateoas_url", `"x"`, "'x' is not of type 'object'"},
		{"get.v0.hateoas_url", `{"foo": 1, "bar": 2}`, "Additional properties are not allowed ('bar', 'foo' were unexpected)"},
		{request, `{}`, "'title' is a required property"},
		{request, `{"title": "a"}`, "'software_release_uri' is a required property"},
		{request, `{"title": 1, "software_release_uri": 2, "x": 3}`, "'software_type' is a required property"},
		{request, `{"title": 1, "software_release_uri": 2, "software_type": 3, "x": 4}`, "Additional properties are not allowed ('x' was unexpected)"},
		{request, `{"title": 1, "software_type": 3, "software_release_uri": 2}`, "2 is not of type 'string'"},
		{request, `{"title": 1, "software_type": 3, "software_release_uri": "r", "parameters": {}}`, "1 is not of type 'string'"},
		{request, `{"title": "t", "software_type": 3, "software_release_uri": "r", "state": null}`, "None is not one of ['started', 'stopped', 'destroyed']"},
		{request, `{"title": "` + long + `", "software_type": "", "software_release_uri": ""}`, "'" + long + "' is too long"},
		{request, `{"title": "", "software_type": "", "software_release_uri": ""}`, "'' is too short"},
		{request, `{"title": "t", "software_type": "", "software_release_uri": "", "sla_parameters": {"z": 1, "a": 2, "retention_delay": "3"}}`, "'3' is not of type 'number'"},
		{request, `{"title": "t", "software_type": "", "software_release_uri": "", "sla_parameters": {"z": [], "a": 2}}`, "[] is not of type 'string'"},
		{request, `{"title": "t", "software_type": "", "software_release_uri": "", "shared": 0}`, "0 is not of type 'boolean'"},
		{request, `{"title": "t", "software_type": "", "software_release_uri": "", "parameters": [true, null, 1.0, {"b": 1, "a": "x"}]}`, "[True, None, 1.0, {'b': 1, 'a': 'x'}] is not of type 'object'"},
		{"put.v0.compute_node_format", `{"computer_guid": "c", "compute_partition_list": [{"partition_id": "a"}, {"ip_list": {}}, 1]}`, "'partition_id' is a required property"},
		{"put.v0.compute_node_format", `{"computer_guid": "c", "compute_partition_list": [{"partition_id": "a", "ip_list": [{"ip-address": "x", "netmask": 1, "more": 2}], "more": 3}]}`, "1 is not of type 'string'"},
		{"put.v0.compute_node_format", `{"computer_guid": 1, "compute_partition_list": 2}`, "1 is not of type 'string'"},
	} {
		require.EqualError(t, a.Method(test.method).Request(parse(t, test.body)), test.want, test.body)
	}
	require.NoError(t, a.Method(request).Request(parse(t, `{"title": "`+strings.Repeat("é", 200)+`", "software_type": "", "software_release_uri": "", "sla_parameters": {"retention_delay": 1e3, "x": ""}}`)))
}

func TestResponsesAreChecked(t *testing.T) {
	m := load(t).Method("allDocs.v0.compute_node_instance_list")
	require.NoError(t, m.Response(parse(t, `{"result_list": []}`)))
	require.NoError(t, m.Response(parse(t, `{"result_list": [{"title": "a", "instance_guid": "g", "state": "weird"}]}`)))
	require.EqualError(t, m.Response(parse(t, `{"result_list": [{"title": "a", "instance_guid": "g", "state": 1}]}`)), "1 is not of type 'string'")
	m = load(t).Method("put.v0.software_installation_reported_state")
	require.EqualError(t, m.Response(parse(t, `{"type": "weird", "title": "a"}`)), "'weird' does not fit const")
}

func TestRead(t *testing.T) {
	d := parse(t, `{"b": 1, "a": [1.0, -0, 12345678901234567890, true, null, "\ud83d\ude00\\ud800"], "b": 2}`).(*marshal.Dict)
	require.Equal(t, `{'b': 2, 'a': [1.0, 0, 12345678901234567890, True, None, '😀\\ud800']}`, marshal.Repr(d))
	b, err := Append(nil, d)
	require.NoError(t, err)
	require.Equal(t, `{"b": 2, "a": [1.0, 0, 12345678901234567890, true, null, "\ud83d\ude00\\ud800"]}`, string(b))
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", `{"a":`, `{"a" 1}`, `[1,]`, `{,}`, `{"a": 1}}`, "NaN", "Infinity", "nul", "'x'", "{'a': 1}", "\ufeff{}", `"` + "\x00" + `"`,
		strings.Repeat("[", 1<<20),
	} {
		_, err := Read([]byte(text))
		require.ErrorIs(t, err, ErrSyntax, "%.40q", text)
	}
	for _, text := range []string{
		`1e999`, `[-1e999]`, strings.Repeat("9", 5000), `"` + "\xff" + `"`, `"\ud800"`, `"\udc00\ud800"`, `{"\ud800x": 1}`, `"\ud800\n"`,
		strings.Repeat("[", 101) + strings.Repeat("]", 101), "[" + strings.Repeat("1,", 1<<19) + "1]",
	} {
		_, err := Read([]byte(text))
		require.ErrorIs(t, err, ErrLimit, "%.40q", text)
	}
	parse(t, strings.Repeat("[", 100)+strings.Repeat("]", 100))
}

func TestValuesOfTheSlapTool(t *testing.T) {
	inside := marshal.NewList()
	inside.Items = append(inside.Items, inside)
	big1, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	large := marshal.NewList(strings.Repeat("x", 1<<20))
	many := marshal.NewList()
	for range 100 {
		many.Items = append(many.Items, large)
	}
	d := marshal.NewDict().Set("inside", inside).Set("many", many).Set("inf", math.Inf(1)).Set("c", complex(1, 2)).
		Set("t", marshal.Tuple{int64(1), marshal.NewDict().Set("k", nil)}).Set("set", &marshal.Set{Items: []any{"a"}}).Set("n", big1)
	require.NoError(t, d.SetAny(int64(7), true))
	plain := Plain(d)
	b, err := Append(nil, plain)
	require.NoError(t, err)
	require.Equal(t, `{"inside": "...", "many": "...", "inf": "inf", "c": "(1+2j)", "t": [1, {"k": null}], "set": ["a"], "n": 123456789012345678901234567890, "7": true}`, string(b))
	require.True(t, json.Valid(b))
	native(plain)
}

// FuzzRead reads arbitrary texts: what is read is written as JSON that reads
// back as the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{`{"a": [1, 1.5, -0.0, 1e20, "\u00e9\ud83d\ude00", null, true]}`, `{"a": 1, "a": {}}`, `1e999`, `"\ud800"`, `[[[`, "\x00", `123456789012345678901234567890`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Read(text)
		if err != nil {
			return
		}
		first, err := Append(nil, v)
		require.NoError(t, err)
		again, err := Read(first)
		require.NoError(t, err)
		second, err := Append(nil, again)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
		native(v)
	})
}

// FuzzCheck checks arbitrary bodies against the schemas: each is accepted or
// refused in words.
func FuzzCheck(f *testing.F) {
	a := load(f)
	for i := range a.Names() {
		f.Add(i, `{"title": "a", "computer_guid": 1, "instance_guid": null, "x": []}`)
		f.Add(i, `{"compute_partition_list": [{"partition_id": 1, "ip_list": [{}, 2]}], "computer_guid": "c"}`)
	}
	f.Fuzz(func(t *testing.T, method int, body string) {
		v, err := Read([]byte(body))
		if err != nil {
			return
		}
		m := a.Method(a.Names()[(method%25+25)%25])
		for _, err := range []error{m.Request(v), m.Response(v)} {
			if err != nil {
				require.NotEmpty(t, err.Error())
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		_, err := read()
		require.NoError(b, err)
	}
}

func BenchmarkRequest(b *testing.B) {
	m := load(b).Method("post.v0.software_instance")
	body := []byte(`{"title": "instance", "software_release_uri": "http://sr.example/software.cfg", "software_type": "default", "parameters": {"port": "8080", "host": "localhost"}}`)
	b.ReportAllocs()
	for b.Loop() {
		v, err := Read(body)
		if err == nil {
			err = m.Request(v)
		}
		require.NoError(b, err)
	}
}

// A body may be wrong in each of its parts: to find the first takes no longer for each
// of them if there are many.
func TestManyWrongParts(t *testing.T) {
	api, err := Load()
	require.NoError(t, err)
	var text strings.Builder
	text.WriteString(`{"title": "t", "software_release_uri": "http://r", "software_type": "", "sla_parameters": {`)
	const keys = 100_000
	for i := range keys {
		fmt.Fprintf(&text, `"%d": %d, `, i, i)
	}
	text.WriteString(`"last": ""}}`)
	v, err := Read([]byte(text.String()))
	require.NoError(t, err)
	began := time.Now()
	require.EqualError(t, api.Method("post.v0.software_instance").Request(v), "0 is not of type 'string'")
	require.Less(t, time.Since(began), 10*time.Second)
}
