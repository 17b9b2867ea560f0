//go:build linux

package versus

import (
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// BenchmarkCodec reads and writes the description of a computer of 500
// instances, as a master sends it, with either library inside its own process.
func BenchmarkCodec(b *testing.B) {
	peer := testpeer.Get(b, testpeer.Newest)
	document := fullComputer(b, 500)
	b.Run("decode/ours", func(b *testing.B) {
		b.SetBytes(int64(len(document)))
		for b.Loop() {
			_, err := marshal.Unmarshal(document)
			require.NoError(b, err)
		}
	})
	b.Run("decode/reference", func(b *testing.B) {
		reportReference(b, len(document), measureReference(b, peer, document, b.N).Loads)
	})
	b.Run("encode/ours", func(b *testing.B) {
		value, err := marshal.Unmarshal(document)
		require.NoError(b, err)
		var written []byte
		b.SetBytes(int64(len(document)))
		for b.Loop() {
			written, err = marshal.Append(written[:0], value)
			require.NoError(b, err)
		}
		b.StopTimer()
		require.Equal(b, string(document), string(written))
	})
	b.Run("encode/reference", func(b *testing.B) {
		reportReference(b, len(document), measureReference(b, peer, document, b.N).Dumps)
	})
}

// fullComputer returns what our master says about a computer.
func fullComputer(b *testing.B, partitions int) []byte {
	b.Helper()
	m := startOurs(b)
	m.format(b, "computer", partitions)
	m.allocate(b, "computer", partitions, 1)
	answer, err := http.Get(m.url + "getFullComputerInformation?computer_id=computer")
	require.NoError(b, err)
	defer answer.Body.Close()
	require.Equal(b, http.StatusOK, answer.StatusCode)
	document, err := io.ReadAll(answer.Body)
	require.NoError(b, err)
	return document
}

// referenceTimes is how long the reference's library took, in seconds.
type referenceTimes struct {
	Loads, Dumps float64
}

const measureText = `
import json, sys, time
from slapos.util import loads, dumps
document = open(sys.argv[1], "rb").read()
times = int(sys.argv[2])
value = loads(document)
start = time.perf_counter()
for _ in range(times):
    loads(document)
middle = time.perf_counter()
for _ in range(times):
    written = dumps(value)
end = time.perf_counter()
with open(sys.argv[1] + ".written", "wb") as f:
    f.write(written if isinstance(written, bytes) else written.encode())
print(json.dumps({"Loads": middle - start, "Dumps": end - middle}))
`

// measureReference reads and writes a document a number of times with the
// reference's library, and checks that it writes what it read.
func measureReference(b *testing.B, peer *testpeer.Peer, document []byte, times int) referenceTimes {
	b.Helper()
	dir := b.TempDir()
	file := filepath.Join(dir, "document")
	require.NoError(b, os.WriteFile(file, document, 0o600))
	count, err := json.Marshal(times)
	require.NoError(b, err)
	var spent referenceTimes
	runPython(b, peer, dir, &spent, measureText, file, string(count))
	written, err := os.ReadFile(file + ".written")
	require.NoError(b, err)
	require.Equal(b, string(document), string(written))
	return spent
}

// reportReference reports the time the library took, without that of starting
// Python.
func reportReference(b *testing.B, size int, seconds float64) {
	b.ReportMetric(seconds*float64(time.Second)/float64(b.N), "ns/op")
	b.ReportMetric(float64(size)*float64(b.N)/seconds/1e6, "MB/s")
}

// runPython runs a program of the reference's Python in a directory, and reads
// the JSON that it prints.
func runPython(tb testing.TB, peer *testpeer.Peer, dir string, result any, program string, args ...string) {
	tb.Helper()
	cmd := peer.Command(tb.Context(), "python", append([]string{"-c", program}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "HOME="+dir)
	var problems strings.Builder
	cmd.Stderr = &problems
	output, err := cmd.Output()
	require.NoError(tb, err, problems.String())
	require.NoError(tb, json.Unmarshal(output, result), string(output))
}

// oddDocuments are documents on the border of what is allowed. The value tells
// why our verdict differs from the reference's, and is empty if it does not.
var oddDocuments = map[string]string{
	`<marshal><list><list id="i3"><int>1</int></list><list id="i3"><int>2</int></list><reference id="i3"/></list></marshal>`:                     "",
	`<marshal><dictionary><string>a</string><int>1</int><string>b</string><int>2</int><string>a</string><int>3</int></dictionary></marshal>`:     "",
	`<marshal><dictionary><int>1</int><none/><bool>1</bool><int>2</int><float>1.0</float><int>3</int></dictionary></marshal>`:                    "",
	`<marshal><dictionary><tuple><int>1</int></tuple><int>1</int><tuple><float>1</float></tuple><int>2</int></dictionary></marshal>`:             "",
	`<marshal><list><reference id="i9"/></list></marshal>`:                                                                                       "",
	`<marshal><list id="i2"><reference id="i2"/></list></marshal>`:                                                                               "",
	`<marshal><dictionary id="i2"><string>me</string><reference id="i2"/></dictionary></marshal>`:                                                "",
	`<marshal><dictionary><list/><int>1</int></dictionary></marshal>`:                                                                            "",
	`<marshal><dictionary><string>a</string></dictionary></marshal>`:                                                                             "",
	`<marshal><set><list/></set></marshal>`:                                                                                                      "",
	`<marshal><int>` + strings.Repeat("9", 4300) + `</int></marshal>`:                                                                            "",
	`<marshal><int>` + strings.Repeat("9", 4301) + `</int></marshal>`:                                                                            "",
	`<marshal><int>-` + strings.Repeat("0", 4301) + `</int></marshal>`:                                                                           "leading zeros do not make a number long",
	`<marshal><int>𝟿٣</int></marshal>`:                                                                                                           "",
	`<marshal><float>` + strings.Repeat("9", 100_000) + `</float></marshal>`:                                                                     "",
	`<marshal><float>1e99999</float></marshal>`:                                                                                                  "",
	`<marshal><float>1_0.5</float></marshal>`:                                                                                                    "",
	`<marshal><float>Infinity</float></marshal>`:                                                                                                 "",
	`<marshal><object module="os" class="system"><tuple/><dictionary/></object></marshal>`:                                                       "",
	`<marshal><object module="slapos.slap.slap" class="OpenOrder"><tuple/><dictionary/></object></marshal>`:                                      "",
	`<marshal><code>x</code></marshal>`:                                                                                                          "",
	"<marshal><string>\x00</string></marshal>":                                                                                                   "",
	"<marshal><string>&#1;</string></marshal>":                                                                                                   "",
	"<marshal><string>\xff</string></marshal>":                                                                                                   "",
	"<marshal><string>\xed\xa0\x80</string></marshal>":                                                                                           "",
	"<marshal><string>\u007f\u0085</string></marshal>":                                                                                           "",
	"\xff\xfe<\x00m\x00a\x00r\x00s\x00h\x00a\x00l\x00>\x00<\x00n\x00o\x00n\x00e\x00/\x00>\x00<\x00/\x00m\x00a\x00r\x00s\x00h\x00a\x00l\x00>\x00": "",
	`<!DOCTYPE m [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><marshal><string>&b;</string></marshal>`:                                                  "",
	`<!DOCTYPE m [<!ENTITY a "&b;"><!ENTITY b "&a;">]><marshal><string>&b;</string></marshal>`:                                                   "",
	`<!DOCTYPE m [<!ENTITY a "<none/>">]><marshal>&a;</marshal>`:                                                                                 "entities expand to text only",
	`<marshal>` + strings.Repeat("<list>", 900) + strings.Repeat("</list>", 900) + `</marshal>`:                                                  "",
	`<marshal>` + strings.Repeat("<list>", 1001) + strings.Repeat("</list>", 1001) + `</marshal>`:                                                "",
	`<marshal>` + strings.Repeat("<list>", 1002) + strings.Repeat("</list>", 1002) + `</marshal>`:                                                "depth is bounded",
}

const judgeText = `
import json, sys
from slapos.util import loads, dumps
sys.setrecursionlimit(20000)
verdicts = []
for document in json.load(open(sys.argv[1])):
    try:
        written = dumps(loads(bytes.fromhex(document)))
        verdicts.append(written.decode() if isinstance(written, bytes) else written)
    except Exception as e:
        verdicts.append(None)
print(json.dumps(verdicts))
`

// TestOddDocuments: the reference reads the same of our odd documents, and writes
// the same of what it read.
func TestOddDocuments(t *testing.T) {
	peer := testpeer.Get(t, testpeer.Newest)
	var documents, encoded []string
	for document := range oddDocuments {
		documents = append(documents, document)
		encoded = append(encoded, hex.EncodeToString([]byte(document)))
	}
	data, err := json.Marshal(encoded)
	require.NoError(t, err)
	dir := t.TempDir()
	file := filepath.Join(dir, "documents.json")
	require.NoError(t, os.WriteFile(file, data, 0o600))
	var verdicts []*string
	runPython(t, peer, dir, &verdicts, judgeText, file)
	require.Len(t, verdicts, len(documents))
	for i, document := range documents {
		var ours *string
		if value, err := marshal.Unmarshal([]byte(document)); err == nil {
			written, err := marshal.Marshal(value)
			require.NoError(t, err)
			text := string(written)
			ours = &text
		}
		difference := cmp.Diff(verdicts[i], ours)
		if oddDocuments[document] == "" {
			require.Empty(t, difference, "%.200q", document)
		} else {
			require.NotEmpty(t, difference, "%.200q is read alike, unlike what is said", document)
		}
	}
}
