package xmlscan

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var limits = Limits{Bytes: 1 << 20, Depth: 50, Expansion: 1000}

// pieces returns the pieces of a document as text.
func pieces(document string) ([]string, error) {
	s, err := New([]byte(document), limits)
	if err != nil {
		return nil, err
	}
	var all []string
	for {
		kind, err := s.Next()
		if err != nil {
			return all, err
		}
		switch kind {
		case EOF:
			return all, nil
		case Start:
			id, _, err := s.Attr("id")
			if err != nil {
				return all, err
			}
			all = append(all, fmt.Sprintf("<%s %q %v", s.Name(), id, s.Namespaced()))
		case End:
			all = append(all, ">")
		case Text:
			all = append(all, string(s.Bytes()))
		case Misc:
			all = append(all, "misc")
		}
	}
}

func TestPieces(t *testing.T) {
	for document, want := range map[string][]string{
		`<a/>`:                                  {`<a "" false`, ">"},
		"\ufeff <a id='x' ></a >\n":             {`<a "x" false`, ">"},
		`<a>b&amp;<![CDATA[<&c]]>d<!--e--></a>`: {`<a "" false`, "b&", "<&c", "d", "misc", ">"},
		`<a xmlns="u"><p:b xmlns:p="v"/><c xmlns=""/></a>`: {`<a "" true`, `<b "" true`, ">", `<c "" false`, ">", ">"},
		"<a id='1\n&#65;\t&quot;'>\r\n\r&#13;</a>":         {`<a "1 A \"" false`, "\n\n\r", ">"},
		`<!DOCTYPE a [<!ENTITY e "v&#65;&f;"><!ENTITY f 'w'><!-- c --><?p?><!ELEMENT a ANY><!ENTITY e "second">` +
			`<!ENTITY g SYSTEM "file:///etc/passwd"><!ENTITY % h "i">]> <a>&e;&g;</a>`: {`<a "" false`, "vAw", ">"},
		"<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>": {`<a "" false`, "é", ">"},
		`<é-1.x/>`: {`<é-1.x "" false`, ">"},
	} {
		got, err := pieces(document)
		require.NoError(t, err, document)
		require.Equal(t, want, got, document)
	}
}

func TestRefusedDocuments(t *testing.T) {
	nested := `<!DOCTYPE a [<!ENTITY e0 "x">`
	for i := range 12 {
		nested += fmt.Sprintf(`<!ENTITY e%d "&e%d;">`, i+1, i)
	}
	bomb := `<!DOCTYPE a [<!ENTITY e0 "xxxxxxxxxx">`
	for i := range 7 {
		bomb += fmt.Sprintf(`<!ENTITY e%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&e%d;", i), 10))
	}
	for name, document := range map[string]string{
		"empty": "", "white space": " \n", "no markup": "text", "no end": "<a>", "wrong end": "<a></b>", "end only": "</a>",
		"two roots": "<a/><b/>", "text after": "<a/>b", "text before": "b<a/>", "CDATA after": "<a/><![CDATA[x]]>",
		"cut start": "<a", "cut attribute": "<a id", "cut value": "<a id='", "cut end": "<a></a", "cut comment": "<a><!-- ", "cut CDATA": "<a><![CDATA[",
		"cut PI": "<?a", "only <": "<", "only <a/": "<a/", "no name": "< a/>", "digit name": "<1/>", "attribute without value": "<a b/>",
		"attributes together": "<a b='1'c='2'/>", "attribute twice": "<a b='1' b='2'/>", "markup in attribute": "<a b='<'/>",
		"unknown declaration": "<a><!FOO></a>", "late declaration": " <?xml version='1.0'?><a/>", "declaration inside": "<a><?xml version='1.0'?></a>",
		"late doctype": "<a><!DOCTYPE a></a>", "two doctypes": "<!DOCTYPE a><!DOCTYPE a><a/>", "cut doctype": "<!DOCTYPE a [", "markup in doctype": "<!DOCTYPE <a/>",
		"odd doctype": "<!DOCTYPE a [x]><a/>", "parameter entity": `<!DOCTYPE a [<!ENTITY % p "<!ENTITY e 'x'>"> %p;]><a/>`,
		"unknown entity": "<a>&x;</a>", "empty reference": "<a>&;</a>", "open reference": "<a>&amp</a>", "character zero": "<a>&#0;</a>",
		"character too large": "<a>&#x110000;</a>", "surrogate": "<a>&#xD800;</a>", "control reference": "<a>&#1;</a>", "FFFE reference": "<a>&#xFFFE;</a>",
		"bad number": "<a>&#12x;</a>", "control": "<a>\x01</a>", "NUL": "<a>\x00</a>", "FFFF": "<a>\uffff</a>", "not UTF-8": "<a>\xff</a>",
		"half UTF-16": "\xff\xfe<", "half surrogate": "\xff\xfe<\x00\x00\xd8<\x00", "encoding": "<?xml version='1.0' encoding='ebcdic'?><a/>",
		"entity with markup": `<!DOCTYPE a [<!ENTITY e "<b/>">]><a>&e;</a>`, "entity in itself": `<!DOCTYPE a [<!ENTITY e "&e;">]><a>&e;</a>`,
		"entities too deep": nested + "]><a>&e12;</a>", "entities too many": bomb + "]><a>&e7;</a>",
		"too deep": strings.Repeat("<a>", 51), "too many attributes": "<a" + attributes(65) + "/>",
		"too many entities": "<!DOCTYPE a [" + entities(257) + "]><a/>", "entity in attribute": "<a id='&x;'/>",
		"too large": "<a>" + strings.Repeat("x", limits.Bytes) + "</a>",
	} {
		_, err := pieces(document)
		require.Error(t, err, name)
		require.Less(t, len(err.Error()), 200, name)
	}
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

func entities(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<!ENTITY a%d ''>", i)
	}
	return b.String()
}

func TestErrorsTellWhere(t *testing.T) {
	_, err := pieces("<a>\n <b>\n</a>")
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 3, e.Line)
	require.Equal(t, 1, e.Column)
	require.EqualError(t, err, "XML line 3, column 1: end of element a that is not open")
}

func TestChars(t *testing.T) {
	for document, want := range map[string]string{
		`<a>plain</a>`: "plain", `<a/>`: "", `<a></a>`: "", `<a>x</a  >`: "x",
		`<a>b<!--c-->&lt;<![CDATA[d]]><?e?></a>`: "b<d",
	} {
		s, err := New([]byte("<r>"+document+"<z/></r>"), limits)
		require.NoError(t, err)
		for string(s.Name()) != "a" {
			_, err = s.Next()
			require.NoError(t, err)
		}
		got, err := s.Chars()
		require.NoError(t, err, document)
		require.Equal(t, want, string(got))
		require.Equal(t, 1, s.Depth())
		kind, err := s.Next()
		require.NoError(t, err)
		require.Equal(t, Start, kind)
		require.Equal(t, "z", string(s.Name()))
	}
	s, err := New([]byte("<a>b<c/></a>"), limits)
	require.NoError(t, err)
	_, err = s.Next()
	require.NoError(t, err)
	_, err = s.Chars()
	require.ErrorIs(t, err, ErrElement)
}

func FuzzScanner(f *testing.F) {
	for _, seed := range []string{
		`<a id="x">b&amp;<![CDATA[c]]></a>`, `<!DOCTYPE a [<!ENTITY e "v">]><a>&e;</a>`, "\xff\xfe<\x00a\x00/\x00>\x00",
		"<?xml version='1.0' encoding='latin-1'?><a/>", "<a><!-- --><?p ?></a>",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := New(data, limits)
		if err != nil {
			return
		}
		for depth := 0; ; {
			kind, err := s.Next()
			if err != nil {
				var where *Error
				if errors.As(err, &where) {
					require.Positive(t, where.Line)
				}
				return
			}
			switch kind {
			case Start:
				depth++
				_, _, _ = s.Attr("id")
			case End:
				depth--
			case EOF:
				require.Zero(t, depth)
				return
			}
			require.Equal(t, depth, s.Depth())
		}
	})
}
