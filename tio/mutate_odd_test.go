package tio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
)

// odd are the changes that look for what parsers disagree about: characters,
// declarations, scopes of prefixes, line ends and the edges of buffers.
var odd = []func(*rand.Rand, []byte) []byte{
	insertCharacter, insertReference, insertBrackets, insertInstruction, changeDeclaration, changeScopes, changeLineEnds, moveToEdge, changeUnits, nameElement,
}

// insert puts a text anywhere, even into names and in the middle of markup.
func insert(rnd *rand.Rand, document []byte, text string) []byte {
	at := rnd.IntN(len(document) + 1)
	return bytes.Join([][]byte{document[:at], []byte(text), document[at:]}, nil)
}

// character is any, more likely one of Latin-1, and likely beside the edge of a class.
func character(rnd *rand.Rand) rune {
	switch rnd.IntN(3) {
	case 0:
		return rune(1 + rnd.IntN(0xff))
	case 1:
		return rune(rnd.IntN(0x110000))
	}
	return pick(rnd, edges)
}

// edges are characters beside the edges of the classes that XML knows.
var edges = []rune{
	0xb7, 0xd7, 0xf7, 0x2ff, 0x300, 0x36f, 0x370, 0x37e, 0x1fff, 0x2000, 0x200b, 0x200c, 0x200d, 0x2028, 0x203f, 0x2040, 0x206f, 0x2070, 0x218f, 0x2190,
	0x2bff, 0x2c00, 0x2fef, 0x2ff0, 0x3000, 0x3001, 0xd7ff, 0xe000, 0xf8ff, 0xf900, 0xfdcf, 0xfdd0, 0xfdf0, 0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0xeffff, 0xf0000, 0x10ffff,
}

func insertCharacter(rnd *rand.Rand, document []byte) []byte {
	return insert(rnd, document, string(character(rnd)))
}

// insertReference writes a character as a reference, or one in its place.
func insertReference(rnd *rand.Rand, document []byte) []byte {
	form := pick(rnd, []string{"&#%d;", "&#x%x;", "&#x%X;", "&#%07d;", "&#x%09x;", "&#X%x;", "&#%x;", "&#%d", "&#+%d;", "&#-%d;", "&# %d;", "&#%d ;"})
	if rnd.IntN(3) > 0 || len(document) == 0 {
		return insert(rnd, document, fmt.Sprintf(form, character(rnd)))
	}
	at := rnd.IntN(len(document))
	return bytes.Join([][]byte{document[:at], fmt.Appendf(nil, form, document[at]), document[at+1:]}, nil)
}

func insertBrackets(rnd *rand.Rand, document []byte) []byte {
	var text string
	for range 2 + rnd.IntN(4) {
		text += pick(rnd, []string{"]", "]", "]]", ">", "]]>", "<![CDATA[", "&gt;", "&#93;", "<!---->", "<?p?>", "x", "\r", "\n"})
	}
	places := leafForm.FindAllSubmatchIndex(document, -1)
	if len(places) == 0 || rnd.IntN(4) == 0 {
		return insert(rnd, document, text)
	}
	at := pick(rnd, places)[2]
	return bytes.Join([][]byte{document[:at], []byte(text), document[at:]}, nil)
}

func insertInstruction(rnd *rand.Rand, document []byte) []byte {
	name := pick(rnd, []string{"xml", "XML", "Xml", "xml-stylesheet", "xmlns", "xml:a", "a:xml", "x", "-a", "a.b", ":", "é", "a\u00b7", "xml\u00e9"})
	rest := pick(rnd, []string{"", " ", "?", " ?", "\n", " version='1.0'", " encoding='iso-8859-1'", "\tencoding=\"us-ascii\"", " >", " <", " ]]>", " &x;", "=", " --", " \x01"})
	text := "<?" + name + rest + "?>"
	if rnd.IntN(2) == 0 {
		return append([]byte(text), document...)
	}
	pieces := cut(document)
	at := rnd.IntN(len(pieces) + 1)
	return bytes.Join([][]byte{bytes.Join(pieces[:at], nil), []byte(text), bytes.Join(pieces[at:], nil)}, nil)
}

// changeDeclaration spells an XML declaration, mostly nearly right.
func changeDeclaration(rnd *rand.Rand, document []byte) []byte {
	blank := func() string { return pick(rnd, []string{" ", " ", " ", "\t", "\n", "\r\n", "  ", ""}) }
	equals := func() string { return pick(rnd, []string{"=", "=", "=", " = ", "\n=", "=\t", "", "=="}) }
	quoted := func(values ...string) string {
		return fmt.Sprintf(pick(rnd, []string{"'%s'", `"%s"`, "'%s'", `"%s"`, "'%s\"", "%s", "' %s'", "'%s '"}), pick(rnd, values))
	}
	text := pick(rnd, []string{"", "", "", "\ufeff", " "}) + pick(rnd, []string{"<?xml", "<?xml", "<?xml", "<?xml", "<?XML"})
	if rnd.IntN(10) > 0 {
		text += blank() + "version" + equals() + quoted("1.0", "1.0", "1.0", "1.0", "1", "1.", "2.0", "", "1.0a", "&#49;.0")
	}
	if rnd.IntN(2) > 0 {
		text += blank() + pick(rnd, []string{"encoding", "encoding", "encoding", "Encoding"}) + equals() + quoted(encodings...)
	}
	if rnd.IntN(2) > 0 {
		text += blank() + "standalone" + equals() + quoted("yes", "no", "yes", "no", "YES", "", "true", "y")
	}
	if rnd.IntN(10) == 0 {
		text += blank() + pick(rnd, []string{"encoding='utf-8'", "version='1.0'", "x='y'", "x", "<", "?"})
	}
	text += blank() + pick(rnd, []string{"?>", "?>", "?>", "?>", "?>", "? >", ">", "?"})
	return append([]byte(text), withoutDeclaration(document)...)
}

// changeScopes declares, hides and uses a few prefixes in several tags.
func changeScopes(rnd *rand.Rand, document []byte) []byte {
	prefixes := []string{"p", "q", "xsi", "xs", "xml", ""}
	spaces := []string{"u", "v", "", xsiNamespace, xsiNamespace, xsdNamespace, xsdNamespace, xmlNamespace, xmlnsNamespace}
	for range 1 + rnd.IntN(4) {
		places := tagForm.FindAllSubmatchIndex(document, -1)
		if len(places) == 0 {
			return document
		}
		at := pick(rnd, places)[2]
		if rnd.IntN(3) == 0 {
			at = places[0][2]
		}
		var text string
		for range 1 + rnd.IntN(3) {
			prefix := pick(rnd, prefixes)
			switch rnd.IntN(4) {
			case 0, 1:
				text += strings.TrimSuffix(" xmlns:"+prefix, ":") + `="` + pick(rnd, spaces) + `"`
			case 2:
				text += " " + strings.TrimPrefix(prefix+":", ":") + pick(rnd, []string{"type", "nil", "schemaLocation", "noNamespaceSchemaLocation", "lang"}) + `="` + pick(rnd, []string{"", "a b", "p:string", "xs:string", "q:token", "string", "xs:float"}) + `"`
			case 3:
				text += ` xsi:type="` + strings.TrimPrefix(pick(rnd, prefixes)+":", ":") + pick(rnd, []string{"string", "token", "float", "NCName"}) + `"`
			}
		}
		document = bytes.Join([][]byte{document[:at], []byte(text), document[at:]}, nil)
	}
	return document
}

var lineEnd = regexp.MustCompile(`\r\n|\r|\n| `)

func changeLineEnds(rnd *rand.Rand, document []byte) []byte {
	end := pick(rnd, []string{"\r", "\r\n", "\n", "\r\r\n", "\n\r", "\u0085", "\u2028", "&#13;", "&#xD;\n"})
	rare := 1 + rnd.IntN(4)
	return lineEnd.ReplaceAllFunc(document, func(old []byte) []byte {
		if rnd.IntN(rare) > 0 {
			return old
		}
		return []byte(end)
	})
}

// moveToEdge puts so much before a place that the edge of a buffer is near it.
func moveToEdge(rnd *rand.Rand, document []byte) []byte {
	document = changeLineEnds(rnd, document)
	pieces := cut(document)
	if len(pieces) == 0 {
		return document
	}
	at := rnd.IntN(len(pieces))
	before := len(bytes.Join(pieces[:at], nil))
	filler := max(0, (1+rnd.IntN(2))*bufferSize-before-len("<!---->")-rnd.IntN(40)+8)
	text := "<!--" + strings.Repeat(pick(rnd, []string{"x", "\n", " "}), filler) + "-->"
	return bytes.Join([][]byte{bytes.Join(pieces[:at], nil), []byte(text), bytes.Join(pieces[at:], nil)}, nil)
}

// changeUnits writes the document in 16 bits and breaks a unit of it.
func changeUnits(rnd *rand.Rand, document []byte) []byte {
	order := pick(rnd, []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian})
	document = inUTF16(append([]byte("\ufeff"), withoutDeclaration(insertCharacter(rnd, document))...), order)
	at := rnd.IntN(len(document)/2) * 2
	var units []byte
	for range rnd.IntN(3) {
		units = order.AppendUint16(units, pick(rnd, []uint16{0xd800, 0xdbff, 0xdc00, 0xdfff, 0xd83d, 0xde00, 0xfffe, 0xffff, 0xfeff, 0, 'x', ' '}))
	}
	if rnd.IntN(8) == 0 {
		units = append(units, 0)
	}
	return bytes.Join([][]byte{document[:at], units, document[at:]}, nil)
}

// nameElement adds an element, an attribute or an instruction with an odd name.
func nameElement(rnd *rand.Rand, document []byte) []byte {
	name := pick(rnd, []string{"", "a", "_", ":", "x:", "xml:", "xmlns:"}) + string(character(rnd)) + pick(rnd, []string{"", "a", "-", ".", ":b", strings.Repeat("n", 900)})
	form := pick(rnd, []string{"<%s/>", "<%s></%s>", "<?%s?>", "<title %s=''/>", "<title xmlns:%s='u'/>", "<category xmlns='%s'/>", "&%s;"})
	text := strings.ReplaceAll(form, "%s", name)
	pieces := cut(document)
	at := rnd.IntN(len(pieces) + 1)
	return bytes.Join([][]byte{bytes.Join(pieces[:at], nil), []byte(text), bytes.Join(pieces[at:], nil)}, nil)
}
