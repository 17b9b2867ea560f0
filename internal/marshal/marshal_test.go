package marshal

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestNativesAreWritten(t *testing.T) {
	for _, test := range []struct {
		v    any
		want string
	}{
		{map[string]any{"b": 1, "a": []any{nil, true}}, `<dictionary id="i2"><string>a</string><list id="i3"><none/><bool>1</bool></list><string>b</string><int>1</int></dictionary>`},
		{map[string]string{"k": "<"}, `<dictionary id="i2"><string>k</string><string>&amp;lt;</string></dictionary>`},
		{[]string{"x", "y"}, `<list id="i2"><string>x</string><string>y</string></list>`},
		{[]byte("é"), `<string>&#233;</string>`},
		{[]any{map[string]any{}, []any{}}, `<list id="i2"><dictionary id="i3"/><list id="i4"/></list>`},
		{int64(-3), `<int>-3</int>`},
		{0.1, `<float>0.1</float>`},
	} {
		data, err := Marshal(test.v)
		require.NoError(t, err)
		require.Equal(t, "<marshal>"+test.want+"</marshal>", string(data))
	}
	data, err := Append([]byte("before "), nil)
	require.NoError(t, err)
	require.Equal(t, "before <marshal><none/></marshal>", string(data))
}

func TestRefusedValues(t *testing.T) {
	cycle := map[string]any{}
	cycle["me"] = cycle
	slice := []any{nil}
	slice[0] = slice
	for name, v := range map[string]any{
		"channel": make(chan int), "struct": struct{}{}, "class": &Object{Module: "os", Class: "system"},
		"other module": &Object{Module: "slapos.slap", Class: ClassComputer}, "cyclic map": cycle, "cyclic slice": slice,
		"text": "\x00", "key": map[string]any{"\x0b": 1}, "bytes": []byte{0xff}, "nil list": (*List)(nil), "nil dict": (*Dict)(nil),
		"nil set": (*Set)(nil), "nil object": (*Object)(nil), "nil integer": (*big.Int)(nil), "unsigned": uint(1),
	} {
		data, err := Marshal(v)
		require.Error(t, err, name)
		require.Nil(t, data, name)
	}
}

func TestHostileDocuments(t *testing.T) {
	bomb := `<!DOCTYPE m [<!ENTITY a0 "xxxxxxxxxx">`
	for i := range 9 {
		bomb += fmt.Sprintf(`<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
	}
	for name, test := range map[string]struct{ document, message string }{
		"depth":          {strings.Repeat("<list>", maxElements+1), "nested more than"},
		"entities":       {bomb + "]><marshal><string>&a9;</string></marshal>", "entities"},
		"external":       {`<!DOCTYPE m [<!ENTITY % p SYSTEM "http://x/"> %p;]><marshal/>`, "malformed"},
		"class":          {`<marshal><object id="i2" module="os" class="system"><tuple/><dictionary/></object></marshal>`, "refusing to unmarshal an object of class os.system"},
		"unknown":        {"<marshal><code>x</code></marshal>", `unknown element "code"`},
		"digits":         {"<marshal><int>" + strings.Repeat("9", maxDigits+1) + "</int></marshal>", "is no integer"},
		"forward":        {`<marshal><list><reference id="i3"/><list id="i3"/></list></marshal>`, `unknown id "i3"`},
		"object parts":   {`<marshal><object module="slapos.slap.slap" class="Computer"><tuple/></object></marshal>`, "1 parts"},
		"object args":    {`<marshal><object module="slapos.slap.slap" class="Computer"><int>1</int><dictionary/></object></marshal>`, "no tuple"},
		"object state":   {`<marshal><object module="slapos.slap.slap" class="Computer"><tuple><none/></tuple><list/></object></marshal>`, "no dictionary"},
		"key":            {`<marshal><dictionary><tuple><list/></tuple><int>1</int></dictionary></marshal>`, "cannot be a dictionary key"},
		"set of lists":   {`<marshal><set><list/></set></marshal>`, "cannot be a dictionary key"},
		"nested marshal": {`<marshal><tuple><marshal/></tuple></marshal>`, "elsewhere than at the root"},
		"empty nested":   {`<marshal><marshal/></marshal>`, "no value"},
	} {
		_, err := Unmarshal([]byte(test.document))
		require.ErrorContains(t, err, test.message, name)
		require.Less(t, len(err.Error()), 300, name)
	}
}

func TestDeepestDocument(t *testing.T) {
	deep := strings.Repeat("<list>", MaxDepth-1) + strings.Repeat("</list>", MaxDepth-1)
	v, err := Unmarshal([]byte("<marshal>" + deep + "</marshal>"))
	require.NoError(t, err)
	_, err = Marshal(v)
	require.NoError(t, err)
	_, err = Native(v)
	require.NoError(t, err)
	require.Len(t, Repr(v), 2*(MaxDepth-1))
}

func TestValueInsideItself(t *testing.T) {
	v, err := Unmarshal([]byte(`<marshal><dictionary id="i2"><string>me</string><reference id="i2"/></dictionary></marshal>`))
	require.NoError(t, err)
	me, ok := v.(*Dict).Get("me")
	require.True(t, ok)
	require.Same(t, v, me)
	_, err = Native(v)
	require.ErrorIs(t, err, ErrCycle)
	require.Equal(t, "{'me': {...}}", Repr(v))
}

func TestReferenceToAnObject(t *testing.T) {
	v, err := Unmarshal([]byte(`<marshal><list><object id="i3" module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple>` +
		`<dictionary/></object><reference id="i3"/></list></marshal>`))
	require.NoError(t, err)
	items := v.(*List).Items
	require.Same(t, items[0], items[1])
	id, ok := items[1].(*Object).Get("_computer_id")
	require.True(t, ok)
	require.Equal(t, "c", id)
}

func TestNativeIsBounded(t *testing.T) {
	// Each list refers twice to the one before: small, and yet enormous.
	var v any = NewList()
	for range 40 {
		v = NewList(v, v)
	}
	_, err := Native(v)
	require.ErrorContains(t, err, "too large")
}

func TestNative(t *testing.T) {
	d := NewDict().Set("l", NewList(int64(1), Tuple{"a"})).Set("s", &Set{Items: []any{"x"}})
	require.NoError(t, d.SetAny(int64(1), "one"))
	n, err := Native(d)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(map[string]any{"l": []any{int64(1), []any{"a"}}, "s": []any{"x"}, "1": "one"}, n))
}

func TestDict(t *testing.T) {
	d := NewDict()
	for i := range 3 * indexFrom {
		d.Set(fmt.Sprint("k", i), i)
	}
	for i := range 3 * indexFrom {
		d.Set(fmt.Sprint("k", i), -i)
	}
	require.Equal(t, 3*indexFrom, d.Len())
	for i := range 3 * indexFrom {
		v, ok := d.Get(fmt.Sprint("k", i))
		require.True(t, ok)
		require.Equal(t, -i, v)
	}
	_, ok := d.Get("none")
	require.False(t, ok)
	_, ok = (*Dict)(nil).Get("none")
	require.False(t, ok)
	require.Zero(t, (*Dict)(nil).Len())

	for _, large := range []bool{false, true} {
		d := NewDict()
		if large {
			for i := range indexFrom {
				d.Set(fmt.Sprint("k", i), i)
			}
		}
		before := d.Len()
		for _, key := range []any{1, int64(1), 1.0, true, big.NewInt(1)} {
			require.NoError(t, d.SetAny(key, key))
		}
		require.NoError(t, d.SetAny("1", 0))
		require.NoError(t, d.SetAny(nil, 0))
		require.NoError(t, d.SetAny(Tuple{"a", Tuple{1}}, 0))
		require.NoError(t, d.SetAny(Tuple{"a", Tuple{1.0}}, 1))
		require.NoError(t, d.SetAny(1.5, 0))
		require.NoError(t, d.SetAny(complex(1, 2), 0))
		require.Equal(t, before+6, d.Len(), "keys that are equal in Python are one key")
		require.Error(t, d.SetAny(NewList(), 0))
		require.Error(t, d.SetAny(Tuple{NewDict()}, 0))
		for range d.All() {
			break
		}
	}
}

func TestRepr(t *testing.T) {
	o := NewObject(ClassComputer, "c")
	for want, v := range map[string]any{
		"None": nil, "True": true, "-1": -1, "[1, 'a']": []any{1, "a"}, "['a']": []string{"a"}, "('a',)": Tuple{"a"}, "()": Tuple{},
		"{'a': 1, 'b': 2}": map[string]any{"b": 2, "a": 1}, "{'a': 'b'}": map[string]string{"a": "b"}, "set()": &Set{}, "{1}": &Set{Items: []any{1}},
		`"it's"`: "it's", `'it\'s "x"'`: `it's "x"`, `'\\\n\r\t\x00\x7f\xa0'`: "\\\n\r\t\x00\x7f\u00a0", `'\u2028é😀\U000e0001'`: "\u2028é😀\U000e0001",
		`b'a\xff\''`: []byte("a\xff'")[:2], "1.5": 1.5, "(1+2j)": complex(1, 2), "2j": complex(0, 2),
		"<slapos.slap.slap.Computer object>": o, "<struct {}>": struct{}{}, "12345678901234567890": mustInt("12345678901234567890"),
	} {
		if want == `b'a\xff\''` {
			want = `b'a\xff'`
		}
		require.Equal(t, want, Repr(v))
	}
	require.Equal(t, `b"it's"`, Repr([]byte("it's")))
	require.Equal(t, "text", Str("text"))
	require.Equal(t, "bytes", Str([]byte("bytes")))
	require.Equal(t, `'\udcff'`, Repr("\xff"))
}

func TestObjectAttributes(t *testing.T) {
	o := NewObject(ClassSoftwareRelease, "sr")
	o.State.Set("_requested_state", "destroyed").Set("_software_release", "other")
	v, ok := o.Get("_software_release")
	require.True(t, ok)
	require.Equal(t, "other", v, "the state wins")
	v, ok = o.Get("_computer_guid")
	require.True(t, ok)
	require.Nil(t, v, "an argument left out is null")
	_, ok = o.Get("nothing")
	require.False(t, ok)
	_, ok = (*Object)(nil).Get("x")
	require.False(t, ok)
	require.Equal(t, "{'_software_release': 'other', '_computer_guid': None, '_software_instance_list': [], '_requested_state': 'destroyed'}",
		Repr(o.Attributes()))
}

func TestTruth(t *testing.T) {
	for _, v := range []any{nil, false, "", []byte{}, 0, int64(0), 0.0, new(big.Int), NewList(), &Set{}, []any{}, Tuple{}, NewDict(), map[string]any{}} {
		require.False(t, Truth(v), "%T", v)
	}
	for _, v := range []any{true, "x", []byte("x"), 1, int64(-1), 0.5, big.NewInt(1), NewList(nil), &Set{Items: []any{1}}, []any{nil}, Tuple{nil}, NewDict().Set("a", 1), map[string]any{"a": 1}, NewObject(ClassComputer)} {
		require.True(t, Truth(v), "%T", v)
	}
}

// FuzzUnmarshal checks that what is read can be written, and that writing what
// was read from that gives the same again.
func FuzzUnmarshal(f *testing.F) {
	for _, v := range readVectors(f) {
		if v.Marshalled != nil || v.MarshalledHex != "" {
			f.Add(v.document(f))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Unmarshal(data)
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 400)
			return
		}
		_, _ = Native(v)
		first, err := Marshal(v)
		if err != nil {
			// Characters outside ASCII in names of classes cannot occur, and
			// depth was checked: nothing that is read is refused.
			t.Fatalf("cannot write what was read: %v", err)
		}
		again, err := Unmarshal(first)
		require.NoError(t, err)
		second, err := Marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
	})
}

// FuzzText checks that every text comes back as it was.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "é", "<&>", "&lt;", "\r\n", "]]>", "😀\u0085\u007f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		data, err := Marshal(map[string]any{"k": text})
		if err != nil {
			require.ErrorIs(t, err, ErrText)
			return
		}
		v, err := Unmarshal(data)
		require.NoError(t, err)
		got, _ := v.(*Dict).Get("k")
		require.Equal(t, text, got)
		_ = Repr(text)
	})
}

// computer returns a computer as the stand-alone master describes it.
func computer(partitions int) *Object {
	list := NewList()
	for i := range partitions {
		name := fmt.Sprint("slappart", i)
		release := NewObject(ClassSoftwareRelease, "https://example.org/db/software.cfg", "computer")
		release.State.Set("_software_release", release.Args[0]).Set("_computer_guid", "computer").Set("_software_instance_list", NewList())
		p := NewObject(ClassComputerPartition, "computer", name, nil)
		p.State.Set("_computer_id", "computer").
			Set("_connection_dict", NewDict().Set("url", fmt.Sprintf("http://[fd00::%x]:8080/", i))).
			Set("_instance_guid", "computer-"+name).Set("_need_modification", int64(1)).
			Set("_parameter_dict", NewDict().
				Set("full_address_list", NewList()).Set("instance_title", fmt.Sprint("instance ", i)).
				Set("ip_list", NewList(Tuple{"tap0", fmt.Sprint("10.0.0.", i)}, Tuple{"tap0", fmt.Sprintf("fd00::%x", i)})).
				Set("parameter", `{"a": [1, 2], "b": "<&>"}`).
				Set("root_instance_title", "root").Set("slap_computer_id", "computer").Set("slap_computer_partition_id", name).
				Set("slap_software_release_url", release.Args[0]).Set("slap_software_type", "default").
				Set("slave_instance_list", NewList()).Set("timestamp", "1795562214.819259")).
			Set("_partition_id", name).Set("_request_dict", nil).Set("_requested_state", "started").
			Set("_software_release_document", release)
		list.Items = append(list.Items, p)
	}
	c := NewObject(ClassComputer, "computer")
	c.State.Set("_computer_id", "computer").Set("_computer_partition_list", list).Set("_software_release_list", NewList())
	return c
}

// computerSizes are the sizes at which the cost must be linear.
var computerSizes = []int{10, 500, 10_000}

func BenchmarkMarshalComputer(b *testing.B) {
	for _, partitions := range computerSizes {
		b.Run(fmt.Sprint(partitions), func(b *testing.B) {
			c := computer(partitions)
			data, err := Marshal(c)
			require.NoError(b, err)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Append(data[:0], c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkUnmarshalComputer(b *testing.B) {
	for _, partitions := range computerSizes {
		b.Run(fmt.Sprint(partitions), func(b *testing.B) {
			data, err := Marshal(computer(partitions))
			require.NoError(b, err)
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Unmarshal(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestMade writes values that are made on the way: the document is that of a value
// that was there, ids go on, and what is inside keeps its identities to itself.
func TestMade(t *testing.T) {
	shared := NewList("in")
	var items []any
	for i := range 40 {
		items = append(items, Made(func() (any, error) {
			return NewList(NewDict().Set("n", i), shared, shared), nil
		}))
	}
	got, err := Marshal(NewList(items...))
	require.NoError(t, err)
	for i := range items {
		own := NewList("in")
		items[i] = NewList(NewDict().Set("n", i), own, own)
	}
	want, err := Marshal(NewList(items...))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))

	broken := errors.New("broken")
	_, err = Marshal([]any{Made(func() (any, error) { return nil, broken })})
	require.ErrorIs(t, err, broken)
	_, err = Marshal(Made(nil))
	require.Error(t, err)
	var endless Made
	endless = func() (any, error) { return endless, nil }
	_, err = Marshal(endless)
	require.ErrorContains(t, err, "deep")
}

// TestGuessedSize writes lists whose first values are much larger, or smaller, than
// the others.
func TestGuessedSize(t *testing.T) {
	large := strings.Repeat("x", 200<<10)
	for _, first := range []string{large, "x"} {
		items := make([]any, 400)
		for i := range items {
			items[i] = "y"
			if i < 20 {
				items[i] = first
			}
		}
		text, err := Marshal(items)
		require.NoError(t, err)
		value, err := Unmarshal(text)
		require.NoError(t, err)
		require.Equal(t, items, value.(*List).Items)
		require.Less(t, cap(text), 2*len(text)+32<<20)
	}
}

// The wanted values are those of Python's float and of its XML parser.
func TestOddFloatsAndEntities(t *testing.T) {
	for _, text := range []string{"nan", "+nan", "-nan", " -NaN "} {
		v, err := Unmarshal([]byte("<marshal><float>" + text + "</float></marshal>"))
		require.NoError(t, err, text)
		require.Equal(t, "nan", Repr(v), text)
	}
	for _, text := range []string{"nan+", "+-nan", "nana", "-"} {
		_, err := Unmarshal([]byte("<float>" + text + "</float>"))
		require.Error(t, err, text)
	}
	v, err := Unmarshal([]byte(`<!DOCTYPE m [<!ENTITY a "e&#38;#60;&#38;amp;&#x26;#38;">]><marshal><string>&a;</string></marshal>`))
	require.NoError(t, err)
	require.Equal(t, "e<&&", v)
	for _, bad := range []string{`<!ENTITY a '&#38;'>`, `<!ENTITY a '&#0;'>`, `<!ENTITY a '&#38'>`, `<!ENTITY a '&#60;none/>'>`} {
		_, err := Unmarshal([]byte(`<!DOCTYPE m [` + bad + `]><string>&a;</string>`))
		require.Error(t, err, bad)
	}
}
