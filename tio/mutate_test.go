package tio

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

// mutator makes documents that are nearly right out of right ones. The same seed
// gives the same documents.
type mutator struct {
	seeds  [][]byte
	pieces [][]byte // of all seeds: tags, texts, comments
}

// extraSeeds hold what the recorded documents lack or have rarely.
var extraSeeds = []string{
	`<consumption><movement><resource>r</resource><quantity>1</quantity><price>0</price><VAT/></movement></consumption>`,
	exampleBytes,
	`<journal xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:schemaLocation="a b">` +
		`<transaction type="t" xsi:noNamespaceSchemaLocation="c"><title xsi:type="xs:token"> a  b </title><start_date xsi:type="xs:language">en-GB</start_date>` +
		`<stop_date xsi:type="xs:NMTOKEN">1-2:3</stop_date><reference xsi:type="xs:Name">a:b</reference><currency xsi:type="xs:NCName">EUR</currency>` +
		`<payment_mode xsi:type="xs:normalizedString">a&#9;b</payment_mode><category xsi:type="xs:string">c</category><arrow type="a"/>` +
		`<movement><resource/><quantity xsi:type="xs:float">1</quantity><price>0</price><VAT/></movement></transaction></journal>`,
}

func newMutator(t *testing.T) *mutator {
	t.Helper()
	m := new(mutator)
	for _, pattern := range []string{"testdata/valid/*.xml", "testdata/invalid/*.xml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			m.seeds = append(m.seeds, data)
		}
	}
	for _, seed := range extraSeeds {
		m.seeds = append(m.seeds, []byte(seed))
	}
	for _, seed := range m.seeds {
		m.pieces = append(m.pieces, cut(seed)...)
	}
	return m
}

var pieceForm = regexp.MustCompile(`(?s)<!--.*?-->|<!\[CDATA\[.*?\]\]>|<[^<>]*>|[^<]+|<`)

// cut cuts a document into tags, texts and the rest. It is not a parser: what it
// does with odd documents only makes odder ones.
func cut(document []byte) [][]byte { return pieceForm.FindAll(document, -1) }

// document returns the document of a number, with one to three changes, mostly of a
// valid document.
func (m *mutator) document(seed uint64, number int) []byte {
	rnd := rand.New(rand.NewPCG(seed, uint64(number)))
	valid := 31 + len(extraSeeds)
	at := rnd.IntN(len(m.seeds))
	if rnd.IntN(4) > 0 {
		at = (len(m.seeds) - len(extraSeeds) + rnd.IntN(valid)) % len(m.seeds)
	}
	document := bytes.Clone(m.seeds[at])
	for range pick(rnd, []int{1, 1, 1, 2, 3}) {
		switch rnd.IntN(15) {
		case 0:
			document = mutateBytes(rnd, document)
		case 1, 2, 3:
			document = mutateValue(rnd, document)
		case 4:
			document = mutateAttribute(rnd, document)
		case 5, 6:
			document = addHarmless(rnd, document)
		case 7:
			document = mutateNamespace(rnd, document)
		case 8, 9, 10, 11:
			document = pick(rnd, odd)(rnd, document)
		default:
			document = m.mutatePieces(rnd, document)
		}
	}
	if rnd.IntN(25) == 0 {
		document = recode(rnd, document)
	}
	return document
}

// mutateBytes changes the document without looking at what it says.
func mutateBytes(rnd *rand.Rand, document []byte) []byte {
	if len(document) == 0 {
		return document
	}
	at := rnd.IntN(len(document))
	switch rnd.IntN(5) {
	case 0:
		return append(document[:at:at], document[at+1:]...)
	case 1:
		document[at] = byte(rnd.IntN(256))
	case 2:
		document[at] ^= 1 << rnd.IntN(8)
	case 3:
		document[at] = pick(rnd, []byte("<>&;:/\"'=!?-[] \t\r\n0eE.+"))
	case 4:
		return document[:at]
	}
	return document
}

// addHarmless puts in what is allowed nearly everywhere.
func addHarmless(rnd *rand.Rand, document []byte) []byte {
	pieces := cut(document)
	at := rnd.IntN(len(pieces) + 1)
	pieces = append(pieces[:at:at], append([][]byte{[]byte(pick(rnd, harmless))}, pieces[at:]...)...)
	return bytes.Join(pieces, nil)
}

// mutatePieces drops, doubles, swaps, moves, renames or adds tags and texts.
func (m *mutator) mutatePieces(rnd *rand.Rand, document []byte) []byte {
	pieces := cut(document)
	if len(pieces) == 0 {
		return document
	}
	at := rnd.IntN(len(pieces))
	insert := func(p []byte) { pieces = append(pieces[:at:at], append([][]byte{p}, pieces[at:]...)...) }
	switch rnd.IntN(8) {
	case 0: // a piece goes
		pieces = append(pieces[:at:at], pieces[at+1:]...)
	case 1: // an element goes, or comes twice
		if end := elementEnd(pieces, at); rnd.IntN(2) == 0 {
			pieces = append(pieces[:at:at], pieces[end:]...)
		} else {
			pieces = append(pieces[:end:end], pieces[at:]...)
		}
	case 2: // two neighbours change places
		middle := elementEnd(pieces, at)
		if middle < len(pieces) {
			end := elementEnd(pieces, middle)
			swapped := append(append([][]byte{}, pieces[middle:end]...), pieces[at:middle]...)
			pieces = append(append(pieces[:at:at], swapped...), pieces[end:]...)
		}
	case 3: // a piece of another document comes in
		insert(pick(rnd, m.pieces))
	case 4: // an element gets another name
		end := elementEnd(pieces, at)
		name, other := pieceName(pieces[at]), pick(rnd, elementNames)
		if name != "" {
			pieces[at] = bytes.Replace(bytes.Clone(pieces[at]), []byte(name), []byte(other), 1)
			if end-1 > at {
				pieces[end-1] = []byte("</" + other + ">")
			}
		}
	case 5, 6: // something small comes in
		insert([]byte(pick(rnd, insertions)))
	case 7: // a small element comes in
		name := pick(rnd, elementNames)
		insert([]byte("<" + name + ">" + pick(rnd, values) + "</" + name + ">"))
	}
	return bytes.Join(pieces, nil)
}

var nameForm = regexp.MustCompile(`^</?([^\s/>!?]+)`)

func pieceName(piece []byte) string {
	if found := nameForm.FindSubmatch(piece); found != nil {
		return string(found[1])
	}
	return ""
}

// elementEnd finds the end of the element that starts at a piece.
func elementEnd(pieces [][]byte, at int) int {
	depth := 0
	for i := at; i < len(pieces); i++ {
		p := pieces[i]
		switch {
		case bytes.HasPrefix(p, []byte("</")):
			depth--
		case len(p) > 1 && p[0] == '<' && p[1] != '!' && p[1] != '?' && !bytes.HasSuffix(p, []byte("/>")):
			depth++
		}
		if depth <= 0 {
			return i + 1
		}
	}
	return len(pieces)
}

var leafForm = regexp.MustCompile(`>([^<>]*)</`)

// mutateValue gives a leaf another text.
func mutateValue(rnd *rand.Rand, document []byte) []byte {
	form := leafForm
	if rnd.IntN(2) == 0 {
		form = regexp.MustCompile(`<(?:quantity|price)[^<>]*>([^<>]*)</`)
	}
	places := form.FindAllSubmatchIndex(document, -1)
	if len(places) == 0 {
		return document
	}
	place := pick(rnd, places)
	value := pick(rnd, values)
	if rnd.IntN(3) == 0 {
		value = pick(rnd, []string{"", "+", "-", " "}) + pick(rnd, values) + pick(rnd, []string{"", "e", "E+", ".", "\n", "<!---->", "<?a?>", "<![CDATA[]]>"}) + pick(rnd, values)
	}
	return bytes.Join([][]byte{document[:place[2]], []byte(value), document[place[3]:]}, nil)
}

var tagForm = regexp.MustCompile(`<[A-Za-z_][^<>]*?(/?)>`)

// mutateAttribute adds an attribute to a tag, or takes one away.
func mutateAttribute(rnd *rand.Rand, document []byte) []byte {
	if rnd.IntN(6) == 0 {
		places := regexp.MustCompile(`\s[\w:]+\s*=\s*("[^"<]*"|'[^'<]*')`).FindAllIndex(document, -1)
		if len(places) > 0 {
			place := pick(rnd, places)
			return append(document[:place[0]:place[0]], document[place[1]:]...)
		}
	}
	places := tagForm.FindAllSubmatchIndex(document, -1)
	if len(places) == 0 {
		return document
	}
	place := pick(rnd, places)[2]
	return bytes.Join([][]byte{document[:place], []byte(" " + pick(rnd, attributesToAdd)), document[place:]}, nil)
}

// mutateNamespace declares a namespace whose name is made of pieces of URIs.
func mutateNamespace(rnd *rand.Rand, document []byte) []byte {
	var name string
	for range 1 + rnd.IntN(6) {
		name += pick(rnd, uriPieces)
	}
	at := bytes.Index(document, []byte("<journal"))
	if at < 0 {
		return document
	}
	at += len("<journal")
	return bytes.Join([][]byte{document[:at], []byte(` xmlns:uri="` + name + `"`), document[at:]}, nil)
}

// recode writes the document in another encoding, or only says so.
func recode(rnd *rand.Rand, document []byte) []byte {
	switch rnd.IntN(5) {
	case 0:
		return append([]byte("\xef\xbb\xbf"), document...)
	case 1:
		return append([]byte(`<?xml version="1.0" encoding="`+pick(rnd, encodings)+`"?>`), withoutDeclaration(document)...)
	case 2:
		return append([]byte("<?xml version='1.0' encoding='"+pick(rnd, encodings)+"'?>"), inUTF16(withoutDeclaration(document), binary.LittleEndian)...)
	}
	order := pick(rnd, []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian})
	text := withoutDeclaration(document)
	switch rnd.IntN(3) {
	case 0:
		text = append([]byte("\ufeff"), text...)
	case 1:
		text = append([]byte(`<?xml version="1.0" encoding="UTF-16"?>`), text...)
	case 2:
		text = append([]byte("\ufeff"+`<?xml version="1.0" encoding="`+pick(rnd, encodings)+`"?>`), text...)
	}
	return inUTF16(text, order)
}

func withoutDeclaration(document []byte) []byte {
	return regexp.MustCompile(`^<\?xml[^>]*\?>`).ReplaceAll(document, nil)
}

func inUTF16(text []byte, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(string(text))) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

func pick[T any](rnd *rand.Rand, from []T) T { return from[rnd.IntN(len(from))] }

var (
	elementNames = []string{
		"journal", "transaction", "title", "start_date", "stop_date", "reference", "currency", "payment_mode", "category", "arrow",
		"movement", "source", "destination", "resource", "quantity", "price", "VAT", "vat", "consumption", "x", "a:b", "é", "Title", "1",
	}
	values = []string{
		"", " ", "0", "1", "-1", "+1", "1.", ".5", ".", "1e5", "1E-5", "1e400", "1e-400", "INF", "-INF", "+INF", "NaN", "nan", "-NaN", "inf", "Infinity",
		"1,5", "0x1p3", "1_000", "12GB", "\u00a01", "1\u00a0", "\u0661", "\u22121", "007", "1e05", "1e 5", "1 e5", "\t1\r\n", "1&#13;", "&#9;1&#10;", "1&#x20;",
		"None", "R&amp;D", "&lt;", "a&b", "&#0;", "&#xFFFE;", "&#x10FFFF;", "&#x110000;", "&unknown;", "]]>", "]]&gt;", "\u2028", "\u0085", "\ufffd", "\x7f",
		"<![CDATA[1]]>", "1<!--2-->3", "<?p 1?>2", "<![CDATA[<]]>", "99999999999999999999999999999999999999999", "<b/>", "<b>1</b>", "é", "\U0001f600",
	}
	harmless   = []string{" ", "\n\t", "\r\n", "\r", "<!-- a - b -->", "<!---->", "<?pi?>", "<?pi a?b ??>", "<![CDATA[]]>", "<![CDATA[ ]]>", "<?é\n?>"}
	insertions = []string{
		" ", "\n", "\t", "\r\n", "\r", "\u00a0", "\ufeff", "x", "&", "&amp;", "&#32;", "&#x9;", "&#13;", "&#160;", "&nbsp;", "&#xd800;", "<!-- -->", "<!---->", "<!-- -- -->", "<!--->",
		"<!-- --->", "<?pi?>", "<?pi a?b?>", "<?xml version='1.0'?>", "<?XML?>", "<?a:b?>", "<?pi", "<![CDATA[]]>", "<![CDATA[ ]]>", "<![CDATA[x]]>", "]]>", "]]", "<", ">",
		"<a:b/>", `<title xmlns=""/>`, `<title xmlns="u"/>`, "<title/>", "<title></title>", "<journal/>", "<!DOCTYPE journal>", "<!ELEMENT a>", "<![INCLUDE[]]>", "\x00", "\x0b", "\ufffe", "\x80",
	}
	attributesToAdd = []string{
		`type=""`, `type="t"`, `type='a&#9;b'`, "type='a\tb'", `type="<"`, `type="&lt;"`, `type="&"`, `type`, `type=`, `type=t`, `Type="t"`, `x="1"`, `xml:lang="en"`, `xml:space="preserve"`, `xml:base="b"`,
		`xml:id="i"`, `xmlns=""`, `xmlns="u"`, `xmlns:p="u"`, `xmlns:p=""`, `xmlns:p="u" p:type="t"`, `xmlns:p="u" xmlns:q="u" p:a="" q:a=""`, `p:type="t"`, `xmlns:xml="http://www.w3.org/XML/1998/namespace"`,
		`xmlns:xml="u"`, `xmlns:xmlns="u"`, `xmlns:p="http://www.w3.org/2000/xmlns/"`, `xmlns:p="http://www.w3.org/XML/1998/namespace"`, `xmlns="http://www.w3.org/XML/1998/namespace"`, `xmlns:XML="u"`,
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`, `xmlns:p="http://www.w3.org/2001/XMLSchema-instance" p:nil="false"`, `xsi:nil="true"`,
		`xmlns:p="http://www.w3.org/2001/XMLSchema-instance" p:schemaLocation="a b"`, `xmlns:p="http://www.w3.org/2001/XMLSchema-instance" p:schemaLocation="a"`,
		`xmlns:p="http://www.w3.org/2001/XMLSchema-instance" p:noNamespaceSchemaLocation="a b"`, `xmlns:p="http://www.w3.org/2001/XMLSchema-instance" p:other=""`,
		xsiTypeOf("xs:string"), xsiTypeOf("xs:token"), xsiTypeOf("xs:normalizedString"), xsiTypeOf("xs:language"), xsiTypeOf("xs:Name"), xsiTypeOf("xs:NCName"), xsiTypeOf("xs:NMTOKEN"),
		xsiTypeOf("xs:float"), xsiTypeOf("xs:double"), xsiTypeOf("xs:decimal"), xsiTypeOf("xs:anyType"), xsiTypeOf("xs:anySimpleType"), xsiTypeOf("xs:NMTOKENS"), xsiTypeOf("string"), xsiTypeOf("q:string"),
		xsiTypeOf(" xs:string\n"), xsiTypeOf(""), xsiTypeOf("xs:"), xsiTypeOf(":string"), xsiTypeOf("xs:a:b"), xsiTypeOf("xs:1"),
		`xmlns="http://www.w3.org/2001/XMLSchema" ` + xsiTypeOf("string"),
	}
	uriPieces = []string{
		"http:", "urn:", "//", "/", "a", "h.example", ":", ":80", ":x", "@", "?", "#", "[", "]", "[::1]", "%41", "%4", "%", " ", "é", "~", "!", "^", "{", "\\", "+", "-", ".", "1", "99999999999", "&amp;", "&lt;", "'",
	}
	encodings = []string{"UTF-8", "utf-8", "utf8", "UTF8", "UTF-16", "utf-16", "UTF-16LE", "UTF-16BE", "utf16", "US-ASCII", "ascii", "ASCII", "ISO-8859-1", "latin1", "latin-1", "windows-1252", "x", "", "1", "utf_8", " utf-8"}
)

func xsiTypeOf(name string) string {
	return `xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="` + name + `"`
}
