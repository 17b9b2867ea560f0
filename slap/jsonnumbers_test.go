package slap

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// nest has an any in all places where one can be.
type nest struct {
	embeddedNest
	Any     any            `json:"any"`
	Map     map[string]any `json:"map"`
	P       Parameters     `json:"p"`
	List    []any          `json:"list"`
	Pointer *any           `json:"pointer"`
	Self    *nest          `json:"self"`
	Nests   map[string]nest
	Pairs   [2]any
	Hidden  *nest `json:"-"`
	Number  float64
}

type embeddedNest struct{ Embedded any }

// TestNumbersInsideStructsStayWhatTheyAre, so that what is decoded and encoded again is
// the same text, and no change.
func TestNumbersInsideStructsStayWhatTheyAre(t *testing.T) {
	const exact = int64(9007199254740993) // a float64 has no such number
	text := `{"Embedded": 9007199254740993, "any": [9007199254740993, 1.0], "map": {"a": 9007199254740993}, "p": {"a": {"b": 9007199254740993}},
		"list": [9007199254740993], "pointer": 9007199254740993, "self": {"any": 9007199254740993},
		"Nests": {"n": {"any": 9007199254740993}}, "Pairs": [9007199254740993, null], "Number": 3}`
	n := nest{}
	n.Hidden = &n
	require.NoError(t, Parameters{"_": text}.Decode(&n))
	require.Equal(t, []any{exact, 1.0}, n.Any)
	require.Equal(t, map[string]any{"a": exact}, n.Map)
	require.Equal(t, Parameters{"a": map[string]any{"b": exact}}, n.P)
	require.Equal(t, []any{exact}, n.List)
	require.Equal(t, []any{exact, exact, exact}, []any{n.Embedded, *n.Pointer, n.Self.Any})
	require.Equal(t, exact, n.Nests["n"].Any)
	require.Equal(t, [2]any{exact, nil}, n.Pairs)
	require.EqualValues(t, 3, n.Number)

	type settings struct{ Extra map[string]any }
	var s settings
	same := `{"Extra": {"cores": 2, "ratio": 2.0}}`
	require.NoError(t, Parameters{"_": same}.Decode(&s))
	again, err := EncodeJSONParameters(s.Extra)
	require.NoError(t, err)
	require.Equal(t, Parameters{"_": `{"cores": 2, "ratio": 2.0}`}, again)
}

// TestDecodingJSONIntoMaps follows encoding/json: what is there stays, also when the
// text does not fit.
func TestDecodingJSONIntoMaps(t *testing.T) {
	m := map[string]any{"kept": "k"}
	p := Parameters{"kept": "k"}
	for _, into := range []any{&m, &p} {
		require.Error(t, Parameters{"_": `["a"]`}.Decode(into))
		require.NoError(t, Parameters{"_": `{"a": 1}`}.Decode(into))
		require.Error(t, Parameters{"_": `{"b": 1} {}`}.Decode(into))
	}
	require.Equal(t, map[string]any{"kept": "k", "a": int64(1)}, m)
	require.Equal(t, Parameters{"kept": "k", "a": int64(1)}, p)
}

func TestNumbersOfDocuments(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("mode") {
		case "search":
			fmt.Fprint(w, `{"_embedded": {"contents": [{"title": 5, "uid": 9007199254740993, "relative_url": "t"}]}}`)
		case "traverse":
			fmt.Fprint(w, `{"_embedded": {"_view": {"my_root_slave": {"type": "IntegerField", "default": 1},
				"my_text_content": {"type": "StringField", "default": "<instance><parameter id=\"_\">{\"port\": 8080}</parameter></instance>"}}}}`)
		default:
			fmt.Fprint(w, `{"_links": {"raw_search": {"href": "?mode=search"}, "traverse": {"href": "?mode=traverse"}}}`)
		}
	}), WithHateoasURL("hateoas"))
	orders, err := c.OpenOrders(context60(t))
	require.NoError(t, err)
	require.Equal(t, "5", orders[0].Reference)
	require.Equal(t, int64(9007199254740993), orders[0].Fields["uid"])
	i, err := c.OpenOrder().Information(context60(t), "5")
	require.NoError(t, err)
	require.True(t, i.Shared)
	require.Equal(t, Parameters{"_": map[string]any{"port": int64(8080)}}, i.Parameters)
}

func TestNumbersOfAnInstanceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(path, []byte(`{"version": 1, "timestamp": 1795562214, "parameters": {"port": 8080, "ratio": 1.0}}`), 0o600))
	f, err := ReadInstanceFile(path)
	require.NoError(t, err)
	require.Equal(t, int64(1795562214), f.Timestamp)
	port, err := f.Parameters.Text("port")
	require.NoError(t, err)
	require.Equal(t, "8080", port)
	require.Equal(t, 1.0, f.Parameters["ratio"])
}
