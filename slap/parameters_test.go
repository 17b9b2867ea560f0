package slap

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

func TestParametersAsText(t *testing.T) {
	p := Parameters{
		"text": "é", "empty": "", "none": nil, "true": true, "int": 3, "int64": int64(-4), "float": 1.0,
		"big": big.NewInt(5), "list": []any{"a", 1}, "nested": Parameters{"k": []any{Parameters{}}},
	}
	for key, want := range map[string]string{
		"text": "é", "empty": "", "true": "True", "int": "3", "int64": "-4", "float": "1.0", "big": "5",
		"list": "['a', 1]", "nested": "{'k': [{}]}",
	} {
		got, ok := p.String(key)
		require.True(t, ok, key)
		require.Equal(t, want, got)
	}
	for _, key := range []string{"none", "missing"} {
		_, ok := p.String(key)
		require.False(t, ok)
	}
	require.Equal(t, []string{"big", "empty", "float", "int", "int64", "list", "nested", "none", "text", "true"}, p.Keys())
	require.NotNil(t, Parameters(nil).Clone())
}

func TestNestedParametersAreSent(t *testing.T) {
	text, err := marshalled("x", "parameters", Parameters{
		"p": Parameters{"s": StateStarted}, "l": []any{Parameters{"a": "b"}}, "m": map[string]any{"p": Parameters{}},
		"t": []string{"x"}, "u": map[string]string{"v": "w"}, "raw": []byte("é"),
	})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"p": map[string]any{"s": "started"}, "l": []any{map[string]any{"a": "b"}}, "m": map[string]any{"p": map[string]any{}},
		"t": []any{"x"}, "u": map[string]any{"v": "w"}, "raw": "é",
	}, value(t, text))
}

func FuzzPartition(f *testing.F) {
	f.Add([]byte(fixture(f, "partition.xml")))
	f.Add([]byte(fixture(f, "computer.xml")))
	for _, e := range readExchanges(f) {
		f.Add([]byte(e.Answer))
	}
	c := client(f, "http://master/")
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := marshal.Unmarshal(data)
		if err != nil {
			return
		}
		_ = readStatus(v)
		_, _ = readCertificate(c, "x", v)
		o, ok := v.(*marshal.Object)
		if !ok {
			return
		}
		if _, _, err := c.Computer("c").readLists(o); err != nil {
			require.NotEmpty(t, err.Error())
		}
		if s, err := readInstance(c, o, Request{}); err == nil {
			newPartition(c, s).SharedInstances()
		}
		if s, err := readPartition(c, &marshal.Natives{}, o); err == nil {
			p := newPartition(c, s)
			p.SharedInstances()
			p.IPList()
			p.InstanceParameters()
		}
	})
}

// TestValuesThatContainThemselves are sent and decoded by nobody, and bring nobody
// down.
func TestValuesThatContainThemselves(t *testing.T) {
	endless := Parameters{}
	endless["a"], endless["b"] = endless, []any{endless}
	list := []any{nil, nil}
	list[0], list[1] = list, list
	c := client(t, "http://127.0.0.1:1/", WithRetry(0))
	for name, p := range map[string]Parameters{"dictionary": endless, "list": {"list": list}} {
		_, err := c.OpenOrder().Request(context60(t), Request{SoftwareRelease: "sr", Reference: "r", Parameters: p})
		require.ErrorContains(t, err, "parameters cannot be sent: values nested more than 1000 deep", name)
		for _, encode := range []func(any) (Parameters, error){EncodeParameters, EncodeJSONParameters} {
			_, err = encode(p)
			require.Error(t, err, name)
		}
		type nested struct {
			A    *nested  `json:"a"`
			B    []nested `json:"b"`
			List []any    `json:"list"`
		}
		require.Error(t, p.Decode(&nested{}), name)
		for _, key := range p.Keys() {
			_, ok := p.String(key)
			require.True(t, ok)
			_, err = p.Int(key)
			require.Error(t, err)
		}
	}
}
