package xmlrpc

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// everything holds a value of each type.
func everything() map[string]any {
	return map[string]any{
		"text":     "a < b & c > d ünïcödé \t\n\r\n end",
		"empty":    "",
		"int":      -12,
		"large":    1 << 40,
		"yes":      true,
		"no":       false,
		"double":   1234.5625,
		"bytes":    []byte{0, 1, 2, 255},
		"time":     time.Date(2026, 11, 25, 22, 31, 7, 0, time.UTC),
		"nothing":  nil,
		"list":     []any{1, "two", []any{}, map[string]any{}},
		"<key & >": map[string]any{"": "empty name"},
	}
}

func TestRoundTrip(t *testing.T) {
	document, err := EncodeResponse(everything())
	require.NoError(t, err)
	got, err := DecodeResponse(document)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(everything(), got))

	document, err = EncodeCall("supervisor.test", "a", everything(), []string{"x", "y"}, int64(7))
	require.NoError(t, err)
	method, args, err := DecodeCall(document)
	require.NoError(t, err)
	require.Equal(t, "supervisor.test", method)
	require.Empty(t, cmp.Diff([]any{"a", everything(), []any{"x", "y"}, 7}, args))
}

func TestFault(t *testing.T) {
	_, err := DecodeResponse(EncodeFault(&Fault{Code: 10, String: "BAD_NAME: <nope>"}))
	var fault *Fault
	require.ErrorAs(t, err, &fault)
	require.Equal(t, Fault{Code: 10, String: "BAD_NAME: <nope>"}, *fault)
	require.Equal(t, `<Fault 10: "BAD_NAME: <nope>">`, err.Error())
}

// TestPeerDocuments reads what supervisord 4.3.0 and Python's client write.
func TestPeerDocuments(t *testing.T) {
	got, err := DecodeResponse([]byte(`<?xml version='1.0'?>
<methodResponse>
<params>
<param>
<value><array><data>
<value><struct>
<member><name>statecode</name><value><int>1</int></value></member>
<member><name>statename</name><value><string>RUNNING</string></value></member>
<member><name>empty</name><value><string></string></value></member>
</struct></value>
</data></array></value>
</param>
</params>
</methodResponse>`))
	require.NoError(t, err)
	require.Equal(t, []any{map[string]any{"statecode": 1, "statename": "RUNNING", "empty": ""}}, got)

	method, args, err := DecodeCall([]byte("<?xml version='1.0'?>\n<methodCall>\n<methodName>supervisor.startProcess</methodName>\n" +
		"<params>\n<param>\n<value><string>a:b</string></value>\n</param>\n<param>\n<value><boolean>0</boolean></value>\n</param>\n</params>\n</methodCall>\n"))
	require.NoError(t, err)
	require.Equal(t, "supervisor.startProcess", method)
	require.Equal(t, []any{"a:b", false}, args)

	_, args, err = DecodeCall([]byte("<methodCall><methodName>m</methodName></methodCall>"))
	require.NoError(t, err)
	require.Empty(t, args)
}

// TestDirtyText: supervisord sends log files as they are.
func TestDirtyText(t *testing.T) {
	got, err := DecodeResponse([]byte("<methodResponse><params><param><value><string>\x1b[31mred\x00 \xff\xfe ok</string></value></param></params></methodResponse>"))
	require.NoError(t, err)
	require.Equal(t, "\uFFFD[31mred\uFFFD \uFFFD\uFFFD ok", got)

	document, err := EncodeResponse("\x1b[31m\x00\xff")
	require.NoError(t, err)
	got, err = DecodeResponse(document)
	require.NoError(t, err)
	require.Equal(t, "\uFFFD[31m\uFFFD\uFFFD", got)
}

func TestScalars(t *testing.T) {
	tests := []struct {
		xml  string
		want any
	}{
		{"plain", "plain"},
		{" <i4> 5 </i4> ", 5},
		{"<i8>-9000000000</i8>", -9000000000},
		{"<double> 1e3 </double>", 1000.0},
		{"<base64> aGk\n= </base64>", []byte("hi")},
		{"<dateTime.iso8601>20261125T01:02:03</dateTime.iso8601>", time.Date(2026, 11, 25, 1, 2, 3, 0, time.UTC)},
		{"<nil/>", nil},
		{"<string> kept </string>", " kept "},
		{"<string><![CDATA[<raw>]]></string>", "<raw>"},
	}
	for _, test := range tests {
		got, err := DecodeResponse([]byte("<methodResponse><params><param><value>" + test.xml + "</value></param></params></methodResponse>"))
		require.NoError(t, err, test.xml)
		require.Equal(t, test.want, got, test.xml)
	}
}

func TestMalformed(t *testing.T) {
	value := func(xml string) string {
		return "<methodResponse><params><param><value>" + xml + "</value></param></params></methodResponse>"
	}
	tests := map[string]string{
		"nothing":          "",
		"no XML":           "hello",
		"other root":       "<html></html>",
		"cut":              "<methodResponse><params><param><value><int>1",
		"empty":            "<methodResponse></methodResponse>",
		"no value":         "<methodResponse><params></params></methodResponse>",
		"two values":       "<methodResponse><params><param><value>a</value></param><param><value>b</value></param></params></methodResponse>",
		"unknown type":     value("<date>1</date>"),
		"bad int":          value("<int>1x</int>"),
		"huge int":         value("<int>99999999999999999999</int>"),
		"bad boolean":      value("<boolean>yes</boolean>"),
		"bad double":       value("<double>NaN</double>"),
		"bad base64":       value("<base64>!</base64>"),
		"bad time":         value("<dateTime.iso8601>yesterday</dateTime.iso8601>"),
		"text beside":      value("x<int>1</int>"),
		"two types":        value("<int>1</int><int>2</int>"),
		"array of nothing": value("<array></array>"),
		"nameless member":  value("<struct><member><value>1</value></member></struct>"),
		"nested text":      value("<string><b>x</b></string>"),
		"fault no struct":  "<methodResponse><fault><value>x</value></fault></methodResponse>",
		"fault no code":    "<methodResponse><fault><value><struct></struct></value></fault></methodResponse>",
		"doctype":          `<!DOCTYPE x [<!ENTITY a "aaaa">]>` + value("&a;"),
		"unknown entity":   value("&a;"),
		"deep":             value(strings.Repeat("<array><data><value>", 100) + strings.Repeat("</value></data></array>", 100)),
	}
	for name, document := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeResponse([]byte(document))
			require.ErrorIs(t, err, ErrMalformed)
		})
	}
	_, _, err := DecodeCall([]byte("<methodCall><methodName> </methodName></methodCall>"))
	require.ErrorIs(t, err, ErrMalformed)
	_, _, err = DecodeCall([]byte("<methodCall><params></params></methodCall>"))
	require.ErrorIs(t, err, ErrMalformed)
}

func TestEncodeRefuses(t *testing.T) {
	deep := any("x")
	for range 100 {
		deep = []any{deep}
	}
	for _, v := range []any{struct{}{}, deep, map[string]any{"a": make(chan int)}, []any{complex(1, 1)}} {
		_, err := EncodeResponse(v)
		require.Error(t, err, "%T", v)
	}
}

func FuzzDecodeCall(f *testing.F) {
	document, err := EncodeCall("supervisor.test", everything())
	require.NoError(f, err)
	f.Add(document)
	f.Add([]byte("<methodCall><methodName>m</methodName></methodCall>"))
	f.Fuzz(func(t *testing.T, document []byte) {
		method, args, err := DecodeCall(document)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformed)
			return
		}
		again, err := EncodeCall(method, args...)
		require.NoError(t, err)
		method2, args2, err := DecodeCall(again)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSpace(method), method2)
		require.Len(t, args2, len(args))
	})
}

func FuzzDecodeResponse(f *testing.F) {
	document, err := EncodeResponse(everything())
	require.NoError(f, err)
	f.Add(document)
	f.Add(EncodeFault(&Fault{Code: 1, String: "x"}))
	f.Add([]byte("<methodResponse><params><param><value>\x1b</value></param></params></methodResponse>"))
	f.Fuzz(func(t *testing.T, document []byte) {
		v, err := DecodeResponse(document)
		if err != nil {
			return
		}
		again, err := EncodeResponse(v)
		require.NoError(t, err)
		v2, err := DecodeResponse(again)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(v, v2))
	})
}

// status is the answer of getAllProcessInfo for n processes.
func status(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = map[string]any{
			"name": fmt.Sprintf("service-%d-on-watch", i), "group": fmt.Sprintf("slappart%d", i), "state": 20, "statename": "RUNNING",
			"description": "pid 12345, uptime 1 day, 0:01:02", "pid": 12345, "start": 1795561529, "stop": 0, "now": 1795561600,
			"spawnerr": "", "exitstatus": 0, "stdout_logfile": "/srv/slapgrid/slappart0/.slappart0_service.log", "stderr_logfile": "",
		}
	}
	return list
}

func BenchmarkDecode(b *testing.B) {
	document, err := EncodeResponse(status(500))
	require.NoError(b, err)
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeResponse(document); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	list := status(500)
	b.ReportAllocs()
	for b.Loop() {
		document, err := EncodeResponse(list)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(document)))
	}
}
