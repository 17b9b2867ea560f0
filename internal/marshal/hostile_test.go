package marshal

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/xmlscan/xmlscantest"
)

func TestBodyBeyondTheLimit(t *testing.T) {
	sizes := []int{MaxBytes + 1}
	if os.Getenv("SLAPOS_SOAK") == "1" {
		sizes = append(sizes, 1<<30)
	}
	for _, size := range sizes {
		body := make([]byte, size)
		copy(body, "<marshal>")
		used := xmlscantest.Allocated(func() {
			_, err := Unmarshal(body)
			require.ErrorContains(t, err, "is larger than")
		})
		require.Less(t, used, uint64(1<<20), "the body is not even looked at")
	}
}

func TestHundredThousandLevels(t *testing.T) {
	const levels = 100_000
	for _, element := range []string{"list", "tuple", "dictionary", "set", "marshal", "string"} {
		document := strings.Repeat("<"+element+">", levels)
		used := xmlscantest.Allocated(func() {
			_, err := Unmarshal([]byte(document))
			require.Error(t, err, element)
		})
		require.Less(t, used, uint64(16<<20), element)
	}
	var list, tuple any
	for range levels {
		list, tuple = NewList(list), Tuple{tuple}
	}
	for _, v := range []any{list, tuple} {
		_, err := Marshal(v)
		require.ErrorIs(t, err, errTooDeep)
		_, err = Native(v)
		require.ErrorIs(t, err, errTooDeep)
		_, err = StrWithin(v)
		require.ErrorIs(t, err, ErrTextTooLong)
	}
	require.ErrorIs(t, NewDict().SetAny(tuple, nil), errTooDeep)
}

// TestEntityExpansion: what entities expand to is bounded over the document,
// whether they multiply or one long one is repeated.
func TestEntityExpansion(t *testing.T) {
	laughs := xmlscantest.BillionLaughs()
	long, often := xmlscantest.Quadratic()
	for name, document := range map[string]string{
		"billion laughs":      laughs + `<marshal><string>&laugh;</string></marshal>`,
		"in an attribute":     laughs + `<marshal><list id="&laugh;"/><reference id="x"/></marshal>`,
		"quadratic blow-up":   long + "<marshal><string>" + often + "</string></marshal>",
		"over several places": `<!DOCTYPE m [<!ENTITY a "x">]><marshal><list>` + strings.Repeat("<string>&a;</string>", 100_000) + "</list></marshal>",
		"of nothing":          `<!DOCTYPE m [<!ENTITY a "">]><marshal><string>` + strings.Repeat("&a;", 100_000) + "</string></marshal>",
	} {
		used := xmlscantest.Allocated(func() {
			_, err := Unmarshal([]byte(document))
			require.Error(t, err, name)
		})
		require.Less(t, used, uint64(32<<20), name)
	}
	v, err := Unmarshal([]byte(`<!DOCTYPE m [<!ENTITY a "x&#65;"><!ENTITY b SYSTEM "file:///etc/passwd">]><marshal><string>&a;&b;</string></marshal>`))
	require.NoError(t, err)
	require.Equal(t, "xA", v, "a small one is text, an external one nothing")
}

func TestCycles(t *testing.T) {
	for name, document := range map[string]string{
		"list":      `<list id="i2"><reference id="i2"/></list>`,
		"tuple":     `<list id="i2"><tuple><reference id="i2"/></tuple></list>`,
		"two":       `<list id="i2"><dictionary id="i3"><string>k</string><reference id="i2"/></dictionary><reference id="i3"/></list>`,
		"arguments": `<list id="i2"><object id="i3" module="slapos.slap.slap" class="Computer"><tuple><reference id="i3"/></tuple><none/></object><reference id="i2"/></list>`,
	} {
		v, err := Unmarshal([]byte("<marshal>" + document + "</marshal>"))
		require.NoError(t, err, name)
		_, err = Native(v)
		require.ErrorIs(t, err, ErrCycle, name)
		data, err := Marshal(v)
		require.NoError(t, err, name)
		require.Contains(t, string(data), "<reference", name)
		require.Less(t, len(Repr(v)), 100, name)
	}
	_, err := Unmarshal([]byte(`<marshal><set id="i2"><reference id="i2"/></set></marshal>`))
	require.ErrorContains(t, err, "cannot be a dictionary key")
}

// TestManyReferences: forty lists, each of which holds the one before twice, are
// written as small as they were read; written out they would not fit any memory.
func TestManyReferences(t *testing.T) {
	document := strings.Repeat(`<list>`, 40) + `<list id="i0"/>`
	for i := range 40 {
		document += fmt.Sprintf(`<reference id="i%d"/></list>`, i)
		document = strings.Replace(document, "<list><list id", fmt.Sprintf(`<list id="i%d"><list id`, i+1), 1)
	}
	v, err := Unmarshal([]byte("<marshal>" + document + "</marshal>"))
	require.NoError(t, err)
	data, err := Marshal(v)
	require.NoError(t, err)
	require.Less(t, len(data), 4000)
	text, whole := str(v)
	require.False(t, whole)
	require.Less(t, len(text), 8*maxValues)
	used := xmlscantest.Allocated(func() {
		_, err = Unmarshal([]byte("<marshal><list>" + document + `<dictionary><reference id="i40"/></dictionary></list></marshal>`))
	})
	require.ErrorContains(t, err, "whose last key, of type list, has no value")
	require.Less(t, used, uint64(1<<20), "not even for the message")
}

// TestIdsAndKeys: the last one counts, of ids as of keys, as in the reference.
func TestIdsAndKeys(t *testing.T) {
	for document, want := range map[string]any{
		`<list><list id="i3"><int>1</int></list><list id="i3"><int>2</int></list><reference id="i3"/></list>`:                 []any{[]any{int64(1)}, []any{int64(2)}, []any{int64(2)}},
		`<dictionary><string>a</string><int>1</int><string>b</string><int>2</int><string>a</string><int>3</int></dictionary>`: map[string]any{"a": int64(3), "b": int64(2)},
		`<dictionary><int>1</int><none/><bool>1</bool><int>2</int><float>1.0</float><int>3</int></dictionary>`:                map[string]any{"1": int64(3)},
	} {
		v, err := Unmarshal([]byte("<marshal>" + document + "</marshal>"))
		require.NoError(t, err)
		got, err := Native(v)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got))
	}
	for document, message := range map[string]string{
		`<list><reference id="i9"/></list>`:                           `unknown id "i9"`,
		`<list><reference/></list>`:                                   "without id",
		`<dictionary><dictionary/><int>1</int></dictionary>`:          "a value of type dictionary cannot be a dictionary key",
		`<dictionary><set/><int>1</int></dictionary>`:                 "a value of type set cannot be a dictionary key",
		`<dictionary><tuple><list/></tuple><int>1</int></dictionary>`: "a value of type list cannot be a dictionary key",
		`<dictionary><string>a</string></dictionary>`:                 "has no value",
	} {
		_, err := Unmarshal([]byte("<marshal>" + document + "</marshal>"))
		require.ErrorContains(t, err, message)
	}
}

// TestDeepKeys: keys nested deep that hold a long text are read, found and
// sorted in linear time.
func TestDeepKeys(t *testing.T) {
	key := func(end string) string {
		return strings.Repeat("<tuple>", 900) + "<string>" + strings.Repeat("x", 1<<20) + end + "</string>" + strings.Repeat("</tuple>", 900) + "<none/>"
	}
	document := "<marshal><dictionary>" + key("b") + key("a") + key("b") + "</dictionary></marshal>"
	var v any
	var err error
	used := xmlscantest.Allocated(func() { v, err = Unmarshal([]byte(document)) })
	require.NoError(t, err)
	require.Equal(t, 2, v.(*Dict).Len())
	require.Less(t, used, uint64(100<<20))
	used = xmlscantest.Allocated(func() { _, err = Marshal(v) })
	require.NoError(t, err)
	require.Less(t, used, uint64(100<<20))
}

func TestHugeNumbers(t *testing.T) {
	const huge, digits = 10 << 20, 1 << 20
	for name, test := range map[string]struct{ text, message string }{
		"integer":          {"<int>" + strings.Repeat("9", huge) + "</int>", "is no integer"},
		"long":             {"<long>-" + strings.Repeat("1", digits) + "</long>", "is no integer"},
		"underscores":      {"<int>" + strings.Repeat("9_", digits/2) + "9</int>", "is no integer"},
		"of other scripts": {"<int>" + strings.Repeat("𝟿", digits/4) + "</int>", "is no integer"},
		"boolean":          {"<bool>" + strings.Repeat("9", digits) + "</bool>", "is no boolean"},
		"exponent":         {"<float>1e" + strings.Repeat("9", digits) + "x</float>", "is no float"},
	} {
		used := xmlscantest.Allocated(func() {
			_, err := Unmarshal([]byte("<marshal>" + test.text + "</marshal>"))
			require.ErrorContains(t, err, test.message, name)
			require.Less(t, len(err.Error()), 400, name)
		})
		require.Less(t, used, uint64(10*huge), name)
	}
	for text, want := range map[string]string{
		strings.Repeat("9", digits):        "inf",
		"0." + strings.Repeat("3", digits): "0.3333333333333333",
		"-1e99999":                         "-inf",
		"1e-99999":                         "0.0",
		strings.Repeat("0", digits) + "1":  "1.0",
	} {
		v, err := Unmarshal([]byte("<marshal><float>" + text + "</float></marshal>"))
		require.NoError(t, err)
		require.Equal(t, want, Repr(v), "as the reference reads it")
	}
	v, err := Unmarshal([]byte("<marshal><int>-" + strings.Repeat("9", maxDigits) + "</int></marshal>"))
	require.NoError(t, err)
	require.Len(t, Repr(v), maxDigits+1)
}

func TestDigitsOfAllScripts(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.Is(unicode.Nd, r) {
			first := r
			for unicode.Is(unicode.Nd, first-1) {
				first--
			}
			require.Equal(t, int(r-first)%10, digitValue(r), "%U", r)
		}
	}
}

// inUTF16 encodes a text with a byte order mark.
func inUTF16(text string, bigEndian bool) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune("\uFEFF" + text)) {
		if bigEndian {
			out = append(out, byte(unit>>8), byte(unit))
		} else {
			out = append(out, byte(unit), byte(unit>>8))
		}
	}
	return out
}

func TestEncodings(t *testing.T) {
	const document = "<marshal><string>é😀&#233;</string></marshal>"
	for _, data := range [][]byte{[]byte(document), []byte("\uFEFF" + document), inUTF16(document, false), inUTF16(document, true)} {
		v, err := Unmarshal(data)
		require.NoError(t, err)
		require.Equal(t, "é😀é", v)
	}
	whole := inUTF16(document, false)
	for name, data := range map[string][]byte{
		"NUL":            []byte("<marshal><string>\x00</string></marshal>"),
		"NUL only":       make([]byte, 100),
		"NUL reference":  []byte("<marshal><string>&#0;</string></marshal>"),
		"not UTF-8":      []byte("<marshal><string>\xff</string></marshal>"),
		"surrogate":      []byte("<marshal><string>\xed\xa0\x80</string></marshal>"),
		"overlong":       []byte("<marshal><string>\xc0\xbc</string></marshal>"),
		"cut character":  []byte("<marshal><string>\xc3</string></marshal>"),
		"half a unit":    whole[:len(whole)-1],
		"UTF-32":         []byte("\xff\xfe\x00\x00<\x00\x00\x00"),
		"declared other": []byte("<?xml version='1.0' encoding='utf-7'?><marshal><none/></marshal>"),
	} {
		_, err := Unmarshal(data)
		require.Error(t, err, name)
	}
}

// TestMemoryIsInProportion: of all documents, those with the shortest elements
// take the most memory.
func TestMemoryIsInProportion(t *testing.T) {
	const size = 1 << 20
	for _, element := range []string{"<none/>", "<list/>", "<tuple/>", "<set/>", "<dictionary/>", "<string/>", "<int>1</int>", "<a/>", "<!---->", "<list><set/></list>"} {
		document := "<marshal><list>" + strings.Repeat(element, size/len(element)) + "</list></marshal>"
		used := xmlscantest.Allocated(func() {
			_, err := Unmarshal([]byte(document))
			if element == "<a/>" {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
			}
		})
		require.Less(t, used, uint64(40*size), "%s", element)
	}
}

// TestDepthIsTheSameBothWays writes the deepest value, and reads what was written.
func TestDepthIsTheSameBothWays(t *testing.T) {
	var v any = "x"
	for range MaxDepth {
		v = []any{v}
	}
	data, err := Marshal(v)
	require.NoError(t, err)
	back, err := Unmarshal(data)
	require.NoError(t, err)
	native, err := Native(back)
	require.NoError(t, err)
	require.Equal(t, v, native)

	_, err = Marshal([]any{v})
	require.ErrorIs(t, err, errTooDeep)
	deeper := bytes.Replace(data, []byte("<string>x</string>"), []byte("<list><string>x</string></list>"), 1)
	_, err = Unmarshal(deeper)
	require.ErrorContains(t, err, "deep")
}

func TestNativesAreBoundTogether(t *testing.T) {
	list := NewList(make([]any, maxValues-1)...)
	var n Natives
	for range maxNatives / maxValues {
		_, err := n.Native(list)
		require.NoError(t, err)
	}
	_, err := n.Native(list)
	require.ErrorContains(t, err, "too large")
	_, err = Native(list)
	require.NoError(t, err, "a value by itself")
	_, err = new(Natives).Native(NewList(list, list))
	require.ErrorContains(t, err, "too large", "each is bound by itself, too")
}
