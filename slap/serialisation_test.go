package slap

import (
	"encoding/json"
	"math"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/instancexml"
)

func TestTypedParameters(t *testing.T) {
	p := Parameters{
		"port": "8080", "int": int64(-3), "whole": 3.0, "wholeText": "3.0", "ratio": "1.5", "big": new(big.Int).Lsh(big.NewInt(1), 80),
		"yes": "True", "no": "off", "one": int64(1), "true": true, "empty": "", "none": "None", "null": nil,
		"text": "hunter2", "list": []any{"hunter2"}, "plain": 3, "json": `{"a": [1, 2.0]}`, "decoded": map[string]any{"a": []any{1}},
	}
	for key, want := range map[string]int64{"port": 8080, "int": -3, "whole": 3, "wholeText": 3, "one": 1, "plain": 3} {
		got, err := p.Int(key)
		require.NoError(t, err, key)
		require.Equal(t, want, got, key)
	}
	for key, want := range map[string]float64{"port": 8080, "ratio": 1.5, "int": -3, "whole": 3, "big": math.Ldexp(1, 80), "plain": 3} {
		got, err := p.Float(key)
		require.NoError(t, err, key)
		require.InDelta(t, want, got, 0, key)
	}
	for key, want := range map[string]bool{"yes": true, "no": false, "one": true, "true": true} {
		got, err := p.Bool(key)
		require.NoError(t, err, key)
		require.Equal(t, want, got, key)
	}
	for key, want := range map[string]string{"port": "8080", "int": "-3", "whole": "3.0", "yes": "True", "list": "['hunter2']", "empty": ""} {
		got, err := p.Text(key)
		require.NoError(t, err, key)
		require.Equal(t, want, got, key)
	}
	read := func(key string) map[string]error {
		var v any
		return map[string]error{
			"int": second(p.Int(key)), "float": second(p.Float(key)), "bool": second(p.Bool(key)),
			"text": second(p.Text(key)), "json": p.JSON(key, &v),
		}
	}
	for key, missing := range map[string]string{"null": "int float bool text json", "missing": "int float bool text json", "empty": "int float bool", "none": "int float bool"} {
		for kind, err := range read(key) {
			if strings.Contains(missing, kind) {
				require.ErrorIs(t, err, ErrNotFound, key+" "+kind)
				require.ErrorContains(t, err, `"`+key+`"`)
			}
		}
	}
	for key, wrong := range map[string]string{"text": "int float bool json", "list": "int float bool", "big": "int bool", "ratio": "int bool"} {
		for kind, err := range read(key) {
			if !strings.Contains(wrong, kind) {
				require.NoError(t, err, key+" "+kind)
				continue
			}
			var wrongType *ParameterError
			require.ErrorAs(t, err, &wrongType, key+" "+kind)
			require.Equal(t, key, wrongType.Key)
			require.NotErrorIs(t, err, ErrNotFound)
			require.NotContains(t, err.Error(), "hunter2")
		}
	}
	var tree any
	require.NoError(t, p.JSON("json", &tree))
	require.Equal(t, map[string]any{"a": []any{int64(1), 2.0}}, tree)
	require.NoError(t, p.JSON("decoded", &tree))
	require.Equal(t, map[string]any{"a": []any{int64(1)}}, tree)
}

// settings has a field of each sort.
type settings struct {
	embeddedSettings
	*Pointed
	Name     string             `json:"name"`
	Port     uint16             `json:"port"`
	Ratio    float64            `json:"ratio"`
	Debug    bool               `json:"debug"`
	Hosts    []string           `json:"hosts"`
	Ports    []int              `json:"ports"`
	Pair     [2]int             `json:"pair"`
	Limits   map[string]float64 `json:"limits"`
	DB       *database          `json:"db"`
	Address  netip.Addr         `json:"address"`
	Since    time.Time          `json:"since"`
	Raw      json.RawMessage    `json:"raw"`
	Data     []byte             `json:"data"`
	Any      any                `json:"any"`
	Big      *big.Int           `json:"big"`
	Optional *int               `json:"optional"`
	Note     *string            `json:"note"`
	Untagged string
	Ignored  string `json:"-"`
}

type embeddedSettings struct {
	Zone string `json:"zone"`
	Name string `json:"name"` // hidden by the outer one
}

// Pointed is embedded by pointer.
type Pointed struct {
	Rack int `json:"rack"`
}

type database struct {
	User  string `json:"user"`
	Ports []int  `json:"ports"`
}

func full() settings {
	nine, note := 9, "é'\"\n"
	return settings{
		embeddedSettings: embeddedSettings{Zone: "z"}, Pointed: &Pointed{Rack: 4},
		Name: "n", Port: 80, Ratio: 1.5, Debug: true, Hosts: []string{"a", "b'"}, Ports: []int{1, 2}, Pair: [2]int{3, 4},
		Limits: map[string]float64{"cpu": 0.5}, DB: &database{User: "u", Ports: []int{5}}, Address: netip.MustParseAddr("fd00::1"),
		Since: time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), Raw: json.RawMessage(`{"x": [1]}`), Data: []byte("\x00\xff"),
		Any: "any", Big: new(big.Int).Lsh(big.NewInt(1), 80), Optional: &nine, Note: &note, Untagged: "u",
	}
}

var comparable = []cmp.Option{
	cmp.AllowUnexported(settings{}, embeddedSettings{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b *big.Int) bool { return a == b || a != nil && b != nil && a.Cmp(b) == 0 }), cmpopts.EquateEmpty(),
}

// standAlone returns parameters as they come back from a stand-alone master.
func standAlone(t testing.TB, p Parameters) Parameters {
	t.Helper()
	text, err := instancexml.Encode(plain(p).(map[string]any))
	require.NoError(t, err)
	back, err := instancexml.Decode(text)
	require.NoError(t, err)
	for _, key := range []string{"ip_list", "slave_instance_list"} {
		back[key] = []any{}
	}
	back["timestamp"] = "1795562214.819259"
	return back
}

func TestStructsTravel(t *testing.T) {
	want := full()
	for _, s := range []Serialisation{SerialisationXML, SerialisationJSONInXML} {
		p, err := s.Encode(want)
		require.NoError(t, err)
		again, err := s.Encode(&want)
		require.NoError(t, err)
		require.Equal(t, p, again, "the same value is the same parameters")
		require.Equal(t, s, p.Serialisation())
		for _, received := range []Parameters{p, standAlone(t, p)} {
			var got, other settings
			require.NoError(t, received.Decode(&got))
			require.Empty(t, cmp.Diff(want, got, comparable...))
			require.NoError(t, s.Decode(received, &other))
			require.Empty(t, cmp.Diff(want, other, comparable...))
		}
	}
	_, err := Serialisation("yaml").Encode(want)
	require.Error(t, err)
	require.Error(t, Serialisation("").Decode(Parameters{}, &want))
	require.ErrorIs(t, SerialisationJSONInXML.Decode(Parameters{"a": "b"}, &want), ErrNotFound)
	var got map[string]any
	require.NoError(t, SerialisationXML.Decode(Parameters{"_": "{}"}, &got))
	require.Equal(t, map[string]any{"_": "{}"}, got)
}

// What programs of the reference write reaches Go programs through a master that
// makes text of everything.
func TestDecodeTextsOfPython(t *testing.T) {
	python := Parameters{
		"name": "None", "port": int64(80), "debug": false, "ratio": 2.0, "hosts": []any{"a", "b'"}, "ports": nil, "optional": nil,
		"limits": map[string]any{"cpu": int64(1)}, "db": map[string]any{"user": "u", "ports": []any{int64(5)}}, "PAIR": []any{1}, "unknown": []any{},
	}
	received := standAlone(t, python)
	require.Equal(t, "['a', \"b'\"]", received["hosts"])
	got := settings{Debug: true, Ports: []int{7}, Pair: [2]int{8, 9}}
	require.NoError(t, received.Decode(&got))
	want := settings{
		Name: "None", Port: 80, Ratio: 2, Hosts: []string{"a", "b'"}, Ports: []int{7}, Pair: [2]int{1, 0},
		Limits: map[string]float64{"cpu": 1}, DB: &database{User: "u", Ports: []int{5}},
	}
	require.Empty(t, cmp.Diff(want, got, comparable...))
}

func TestDecodeIntoContainers(t *testing.T) {
	p := Parameters{"a": int64(1), "b": "2"}
	var m map[string]int
	require.NoError(t, p.Decode(&m))
	require.Equal(t, map[string]int{"a": 1, "b": 2}, m)
	var tree any
	require.NoError(t, p.Decode(&tree))
	require.Equal(t, map[string]any{"a": int64(1), "b": "2"}, tree)
	var q Parameters
	require.NoError(t, Parameters{"_": `{"n": 9007199254740993}`, "timestamp": "1"}.Decode(&q))
	require.Equal(t, Parameters{"n": int64(9007199254740993)}, q)
	require.NoError(t, Parameters{"_": map[string]any{"n": 1}}.Decode(&q), "HATEOAS decodes it already")
	require.Equal(t, Parameters{"n": int64(1)}, q)
	require.NoError(t, Parameters{"_": "null"}.Decode(&q))
	require.NoError(t, Parameters(nil).Decode(&q))
	require.Equal(t, SerialisationXML, Parameters{"_": "{}", "a": 1}.Serialisation())
	received := Parameters{"a": 1, "timestamp": "1", "ip_list": nil, "slave_instance_list": nil}
	require.Equal(t, Parameters{"a": 1}, received.Requested())
	require.Len(t, received, 4)
}

func TestDecodeErrorsNameKeysAndNoValues(t *testing.T) {
	var none *settings
	for _, test := range []struct {
		p    Parameters
		into any
		keys []string
	}{
		{Parameters{"port": "hunter2"}, &settings{}, []string{"port"}},
		{Parameters{"port": "70000"}, &settings{}, []string{"port"}},
		{Parameters{"port": int64(-1)}, &settings{}, []string{"port"}},
		{Parameters{"debug": "hunter2", "ratio": "hunter2"}, &settings{}, []string{"debug", "ratio"}},
		{Parameters{"hosts": "hunter2"}, &settings{}, []string{"hosts"}},
		{Parameters{"ports": "[1, 'hunter2']"}, &settings{}, []string{"ports[1]"}},
		{Parameters{"db": `{"ports": [1, "hunter2"]}`}, &settings{}, []string{"db.ports[1]"}},
		{Parameters{"limits": map[string]any{"cpu": "hunter2"}}, &settings{}, []string{"limits.cpu"}},
		{Parameters{"address": "hunter2"}, &settings{}, []string{"address"}},
		{Parameters{"since": "hunter2"}, &settings{}, []string{"since"}},
		{Parameters{"data": "hunter2!"}, &settings{}, []string{"data"}},
		{Parameters{"a": "hunter2"}, &map[string]int{}, []string{"a"}},
		{Parameters{"a": "hunter2"}, &struct{ A chan int }{}, []string{"a"}},
		{Parameters{"a": "hunter2"}, &map[int]int{}, []string{""}},
		{Parameters{"a": "hunter2"}, new(int), []string{""}},
		{Parameters{"a": "hunter2"}, settings{}, []string{""}},
		{Parameters{"a": "hunter2"}, none, []string{""}},
		{Parameters{"_": `{"port": "hunter2"}`}, &settings{}, []string{"_.port"}},
		{Parameters{"_": `{"db": {"ports": [1, "hunter2"]}}`}, &settings{}, []string{"_.db.ports"}},
		{Parameters{"_": `{"port": 70000}`}, &settings{}, []string{"_.port"}},
		{Parameters{"_": `{"since": "hunter2"}`}, &settings{}, []string{"_"}},
		{Parameters{"_": `hunter2`}, &settings{}, []string{"_"}},
		{Parameters{"_": `hunter2`}, &map[string]any{}, []string{"_"}},
		{Parameters{"_": `["hunter2"]`}, &map[string]any{}, []string{"_"}},
		{Parameters{"_": `["hunter2"]`}, &Parameters{}, []string{"_"}},
		{Parameters{"_": `{}`}, settings{}, []string{"_"}},
	} {
		err := test.p.Decode(test.into)
		require.Error(t, err, test.p)
		for _, key := range test.keys {
			named := "parameters: want"
			if key != "" {
				named = `parameter "` + key + `"`
			}
			require.ErrorContains(t, err, named)
		}
		var wrong *ParameterError
		require.ErrorAs(t, err, &wrong)
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), "70000")
	}
}

func TestEncodeParameters(t *testing.T) {
	p, err := EncodeParameters(map[string]any{"a": 1, "f": 1.0, "t": true, "n": nil, "l": []any{1, "x"}, "d": map[string]any{"b": 1, "a": "é"}, "s": StateStarted})
	require.NoError(t, err)
	require.Equal(t, Parameters{"a": int64(1), "f": 1.0, "t": true, "l": `[1, "x"]`, "d": `{"a": "\u00e9", "b": 1}`, "s": "started"}, p)
	p, err = EncodeParameters(struct {
		A int    `json:"a,omitempty"`
		B *int   `json:"b"`
		C string `json:"c"`
	}{C: "<&>"})
	require.NoError(t, err)
	require.Equal(t, Parameters{"c": "<&>"}, p)
	p, err = EncodeParameters(nil)
	require.NoError(t, err)
	require.Empty(t, p)
	for _, bad := range []any{1, "x", []any{}, map[string]any{"a": make(chan int)}, math.NaN()} {
		_, err := EncodeParameters(bad)
		var wrong *ParameterError
		require.ErrorAs(t, err, &wrong)
		require.Empty(t, wrong.Key)
	}
	_, err = EncodeParameters(map[string]any{"a": make(chan int)})
	require.EqualError(t, err, "parameters: want a value that JSON can hold, got chan int")
}

// The wanted texts were written by Python 3: json.dumps(value, sort_keys=True).
func TestEncodeJSONParameters(t *testing.T) {
	for want, v := range map[string]any{
		`{"a": [1, 2]}`:                      map[string]any{"a": []int{1, 2}},
		`{"a": 1.0, "b": "\u00e9", "c": {}}`: Parameters{"c": Parameters{}, "b": "é", "a": 1.0},
		`{"a": null, "b": "<&>"}`: struct {
			B string `json:"b"`
			A *int   `json:"a"`
		}{B: "<&>"},
		`null`: nil,
	} {
		p, err := EncodeJSONParameters(v)
		require.NoError(t, err)
		require.Equal(t, Parameters{"_": want}, p)
	}
	_, err := EncodeJSONParameters(make(chan int))
	require.Error(t, err)
	_, err = EncodeJSONParameters(Parameters{"a": "hunter2\xff"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

// TestFieldsAreThoseOfJSON compares which fields count with encoding/json.
func TestFieldsAreThoseOfJSON(t *testing.T) {
	type Deep struct{ X, Y, Z string }
	type One struct {
		Deep
		X string
		B string `json:"b"`
		C string `json:"c"`
	}
	type Two struct {
		B string
		T string `json:"b"`
		C string `json:"c"`
		Z string
	}
	type Twice struct{ T1, T2 string }
	type Left struct {
		Twice
		T2 string
	}
	type Right struct{ *Twice }
	type all struct {
		One
		Left
		Right
		*Two `json:",omitempty"`
		Deep `json:"deep"`
		Self *all
		Y    string `json:"-"`
		no   string
	}
	_ = all{}.no
	text := `{"X":"1","Y":"2","Z":"3","b":"4","B":"5","c":"6","deep":{"X":"7"},"Self":{"X":"8"},"-":"9","no":"10","T1":"11","T2":"12"}`
	var want, got all
	wantErr := json.Unmarshal([]byte(text), &want)
	var values Parameters
	require.NoError(t, json.Unmarshal([]byte(text), &values))
	require.Equal(t, wantErr, values.Decode(&got))
	require.Equal(t, want, got)
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"port": "80", "hosts": "['a']", "db": "{'user': 1}", "raw": "[", "limits": {"a": "1e5"}}`)
	f.Add(`{"_": "{\"port\": 1, \"since\": \"x\"}"}`)
	f.Add(`{"big": "99999999999999999999", "since": "2024-01-02T03:04:05Z", "pair": [1, 2, 3], "any": null, "data": "AP8="}`)
	f.Fuzz(func(t *testing.T, text string) {
		var p Parameters
		if (Parameters{"_": text}).Decode(&p) != nil {
			return
		}
		var s settings
		if p.Decode(&s) != nil {
			return
		}
		for _, serialisation := range []Serialisation{SerialisationXML, SerialisationJSONInXML} {
			encoded, err := serialisation.Encode(s)
			if err != nil {
				continue // times and raw JSON that cannot be written
			}
			var again settings
			require.NoError(t, serialisation.Decode(encoded, &again))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	p, err := EncodeParameters(full())
	require.NoError(b, err)
	for b.Loop() {
		var s settings
		if err := p.Decode(&s); err != nil {
			b.Fatal(err)
		}
	}
}

// TestDecodeAShare of software that is serialised as JSON, as its host finds it at a
// real master, which adds something about its connection parameters.
func TestDecodeAShare(t *testing.T) {
	share := sharedOf([]any{map[string]any{
		"slave_reference": "SOFTINST-2", "slave_title": "site", "slap_software_type": "default", "timestamp": int64(1795562300),
		"connection-parameter-hash": "5f1d", "_": `{"name": "n", "port": 80}`,
	}})[0]
	require.Equal(t, SerialisationJSONInXML, share.Parameters.Serialisation())
	var got settings
	require.NoError(t, share.Parameters.Decode(&got))
	require.Equal(t, "n", got.Name)
	require.EqualValues(t, 80, got.Port)
	require.Equal(t, Parameters{"_": `{"name": "n", "port": 80}`}, share.Parameters.Requested())
}
