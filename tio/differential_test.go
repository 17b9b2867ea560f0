package tio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/testpeer"
)

// judgeText validates documents as the reference does: parsed by lxml, then
// compared with a schema. Each comes with its schema's number and its length; each answer
// is a line of JSON, null for a valid document.
const judgeText = `
import json, struct, sys
from lxml import etree
schemas = [etree.XMLSchema(etree.parse(name)) for name in sys.argv[1:]]
source, answers = sys.stdin.buffer, sys.stdout
while True:
    head = source.read(8)
    if len(head) < 8:
        break
    which, size = struct.unpack(">II", head)
    document = source.read(size)
    schema = schemas[which]
    try:
        tree = etree.fromstring(document)
        problem = None if schema.validate(tree) else str(schema.error_log.last_error)
    except etree.XMLSyntaxError as e:
        problem = "not well-formed: %s" % e
    answers.write(json.dumps(problem) + "\n")
    answers.flush()
`

// judge is a running Python that validates documents with libxml2.
type judge struct {
	in  io.WriteCloser
	out *bufio.Reader
}

const (
	journalSchema = iota
	consumptionSchema
)

func startJudge(t *testing.T) *judge {
	t.Helper()
	peer := testpeer.Get(t, testpeer.Newest)
	schema, err := os.ReadFile("testdata/tio.xsd")
	require.NoError(t, err)
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "journal.xsd"), filepath.Join(dir, "consumption.xsd")}
	require.NoError(t, os.WriteFile(files[0], schema, 0o600))
	require.NoError(t, os.WriteFile(files[1], consumptionSchemaOf(t, schema), 0o600))
	cmd := peer.Command(context.WithoutCancel(t.Context()), "python", append([]string{"-c", judgeText}, files...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, cmd.Wait())
	})
	return &judge{in: in, out: bufio.NewReader(out)}
}

// consumptionSchemaOf makes the schema of partition consumptions, which holds the
// movements of a journal and nothing else.
func consumptionSchemaOf(t *testing.T, journal []byte) []byte {
	t.Helper()
	movement := regexp.MustCompile(`(?s)<xs:element name="movement".*?</xs:complexType>\s*</xs:element>`).Find(journal)
	require.NotEmpty(t, movement)
	return bytes.Join([][]byte{
		[]byte(`<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="consumption"><xs:complexType><xs:sequence>`),
		movement,
		[]byte(`</xs:sequence></xs:complexType></xs:element></xs:schema>`),
	}, nil)
}

// verdict is what libxml2 has against a document, nil if nothing.
func (j *judge) verdict(t *testing.T, schema int, document []byte) *string {
	t.Helper()
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(schema)), uint32(len(document)))
	_, err := j.in.Write(append(head, document...))
	require.NoError(t, err)
	line, err := j.out.ReadBytes('\n')
	require.NoError(t, err)
	var problem *string
	require.NoError(t, json.Unmarshal(line, &problem))
	return problem
}

// stricter tells whether a document is refused for nothing but what this package
// refuses on purpose, as its documentation lists.
func stricter(document []byte, err error) bool {
	list, _ := err.(Errors)
	for _, e := range list {
		switch e.Rule {
		case Doctype, Version, Encoding, Limit:
		case WellFormedness:
			if !aboutNames.MatchString(e.Message) || !reservedName.Match(bytes.ReplaceAll(document, []byte{0}, nil)) {
				return false
			}
		case XSIType:
			if !latinOnly.MatchString(e.Message) {
				return false
			}
		case Float:
			if bareExponentTold.MatchString(e.Message) {
				continue
			}
			return Validate(bytes.NewReader(bareExponent.ReplaceAll(document, []byte("$1$2")))) == nil
		default:
			return false
		}
	}
	return len(list) > 0
}

// aboutNames matches messages about namespaces. lxml forgets what libxml2 has against
// them once libxml2 warns of the name of an instruction that begins with xml, which
// reservedName matches.
var (
	aboutNames   = regexp.MustCompile(`namespace|is not declared|malformed name|xmlns cannot|no colon`)
	reservedName = regexp.MustCompile(`(?i)<\?xml[^ \t\r\n?]`)
)

// latinOnly matches the message about a name with characters that this package
// does not look up.
var latinOnly = regexp.MustCompile(`[^\x00-\xff].*" is no (Name|NCName|NMTOKEN)$`)

// bareExponentTold matches the message about an exponent without digits, and
// bareExponent what long values have of it, in encodings of 16 bits too.
var bareExponentTold = regexp.MustCompile(`[0-9.][eE][+-]?( |\\[tnr])*" is no number$`)

var bareExponent = regexp.MustCompile(`([0-9.]\x00?)[eE]\x00?(?:[+-]\x00?)?((?:[ \t\r\n]\x00?)*<)`)

func TestFixturesAgainstLibxml2(t *testing.T) {
	j := startJudge(t)
	files, err := filepath.Glob("testdata/*/*.xml")
	require.NoError(t, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		problem := j.verdict(t, journalSchema, data)
		require.Equal(t, strings.Contains(file, "invalid"), problem != nil, file)
		require.Equal(t, problem != nil, Validate(bytes.NewReader(data)) != nil, file)
	}
}

// TestMutatedDocumentsAgainstLibxml2 compares the verdicts on mutated documents:
// 500, and 20,000 with SLAPOS_SOAK=1.
func TestMutatedDocumentsAgainstLibxml2(t *testing.T) {
	j, m := startJudge(t), newMutator(t)
	count := 500
	if os.Getenv("SLAPOS_SOAK") == "1" {
		count = 20_000
	}
	const seed = 4
	var valid, invalid, excluded int
	for i := range count {
		document := m.document(seed, i)
		schema, err := journalSchema, Validate(bytes.NewReader(document))
		if bytes.Contains(document, []byte("<consumption")) {
			schema, err = consumptionSchema, ValidateConsumption(bytes.NewReader(document))
		}
		problem := j.verdict(t, schema, document)
		switch {
		case problem == nil && err == nil:
			valid++
		case problem != nil && err != nil:
			invalid++
		case stricter(document, err):
			excluded++
		case problem == nil:
			t.Errorf("document %d of seed %d: libxml2 accepts it, this package says: %v\n%q", i, seed, err, document)
		default:
			t.Errorf("document %d of seed %d: this package accepts it, libxml2 says: %s\n%q", i, seed, *problem, document)
		}
	}
	t.Logf("%d valid, %d invalid, %d refused by the stricter rules alone", valid, invalid, excluded)
	require.Greater(t, valid, count/10, "too few valid documents to mean anything")
	require.Less(t, excluded, count/10, "too many documents left out")
}

// TestCharactersAgainstLibxml2 puts every character of Latin-1, and those beside the
// edges of the classes of XML, into every kind of place.
func TestCharactersAgainstLibxml2(t *testing.T) {
	characters := slices.Clone(edges)
	for r := rune(1); r < 0x100; r++ {
		characters = append(characters, r)
	}
	body := strings.TrimPrefix(exampleBytes, `<?xml version='1.0' encoding='utf-8'?>`)
	j := startJudge(t)
	for _, place := range []struct{ old, new string }{
		{"ZZ", "a%cb"}, {"ZZ", "&#%d;"}, {"ZZ", "&a%cb;"}, {"ZZ", "<?a%cb?>"}, {"ZZ", "<?%cb?>"}, {"ZZ", "<!--%c-->"}, {"ZZ", "<![CDATA[%c]]>"}, {">10<", ">10%c<"},
		{"A &amp; B", "%c"}, {"<title>", "<title %cb=''>"}, {"<title>", "<title a%cb=''>"}, {"<title>", "<title%ca=''>"},
		{"<journal>", "<journal xmlns:p='a%cb'>"}, {"<journal>", "<journal xmlns:%c='u'>"}, {"<journal>", "<journal xmlns:a%c='u'>"}, {"<journal>", "%c<journal>"},
	} {
		for _, r := range characters {
			document := strings.Replace(body, place.old, fmt.Sprintf(place.new, r), 1)
			for _, data := range [][]byte{[]byte(document), inUTF16([]byte("\ufeff"+document), binary.BigEndian)} {
				problem, err := j.verdict(t, journalSchema, data), Validate(bytes.NewReader(data))
				require.True(t, (problem == nil) == (err == nil) || stricter(data, err), "%q with U+%04X: %v", place.new, r, err)
			}
		}
	}
}
