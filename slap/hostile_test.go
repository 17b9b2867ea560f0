package slap

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
)

// bomb is a document whose entities stand for a text of a gigabyte.
func bomb() string {
	var b strings.Builder
	b.WriteString(`<!DOCTYPE m [<!ENTITY a0 "xxxxxxxxxx">`)
	for i := range 8 {
		fmt.Fprintf(&b, `<!ENTITY a%d "%s">`, i+1, strings.Repeat(fmt.Sprintf("&a%d;", i), 10))
	}
	b.WriteString("]>")
	return b.String()
}

// computerOf is a computer with one partition that has one attribute.
func computerOf(key, value string) string {
	return `<marshal><object module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple><dictionary>` +
		`<string>_computer_partition_list</string><list><object module="slapos.slap.slap" class="ComputerPartition">` +
		`<tuple><string>c</string><string>p</string></tuple><dictionary><string>` + key + `</string>` + value +
		`</dictionary></object></list></dictionary></object></marshal>`
}

// TestHostileMaster has a master answer documents made to exhaust or to lead
// astray whoever reads them: every read is refused with one clear line.
func TestHostileMaster(t *testing.T) {
	deep := strings.Repeat("<list>", 100_000)
	for name, answer := range map[string]string{
		"depth":               "<marshal>" + deep,
		"depth inside":        computerOf("_parameter_dict", deep),
		"entities":            bomb() + "<marshal><string>&a8;</string></marshal>",
		"entities inside":     bomb() + computerOf("_requested_state", "<string>&a8;</string>"),
		"external entity":     `<!DOCTYPE m SYSTEM "file:///etc/passwd"><marshal><string>&x;</string></marshal>`,
		"parameter entity":    `<!DOCTYPE m [<!ENTITY % p SYSTEM "http://127.0.0.1:1/"> %p;]>` + computerOf("_requested_state", "<string>x</string>"),
		"unknown class":       computerOf("_parameter_dict", `<object module="os" class="system"><tuple/><dictionary/></object>`),
		"unknown element":     computerOf("_parameter_dict", "<code>x</code>"),
		"digits":              computerOf("_requested_state", "<int>"+strings.Repeat("9", 1<<20)+"</int>"),
		"reference to nobody": computerOf("_parameter_dict", `<reference id="i99"/>`),
		"cut":                 computerOf("_requested_state", "<string>x</string>")[:200],
		"control characters":  computerOf("_requested_state", "<string>\x00</string>"),
	} {
		c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		ctx := context60(t)
		for call, err := range map[string]error{
			"computer":  second(c.Computer("c").Partitions(ctx)),
			"partition": second(c.ComputerPartition(ctx, "c", "p")),
			"request":   second(c.OpenOrder().Request(ctx, Request{SoftwareRelease: "sr", Reference: "r"})),
			"status":    second(c.PartitionReference("c", "p").Status(ctx)),
			"product":   second(c.SoftwareReleasesOfProduct(ctx, "p")),
		} {
			require.ErrorIs(t, err, ErrServer, "%s of %s", call, name)
			require.ErrorContains(t, err, "cannot be understood", "%s of %s", call, name)
			require.Less(t, len(err.Error()), 600, "%s of %s", call, name)
			require.NotContains(t, err.Error(), "\n", "%s of %s", call, name)
			require.NotContains(t, err.Error(), "root:", "%s of %s", call, name)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestTextOfAnotherIsHarmless has a master say what would do something to a
// terminal, or look like another line of a log.
func TestTextOfAnotherIsHarmless(t *testing.T) {
	for name, answer := range map[string]string{
		"body":    "HTTP/1.1 500 x\r\nContent-Length: 22\r\n\r\n\x1b[2J\x07\x00a\u202eb\u0085c\nlevel=x",
		"reason":  "HTTP/1.1 555 \x1b[2J\r\nContent-Length: 0\r\n\r\n",
		"no head": "\x1b[2J\r\n\r\n",
		"header":  "HTTP/1.1 302 Found\r\nLocation: \x1b[2J://x/\r\nContent-Length: 0\r\n\r\n",
	} {
		c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, answer)
			conn.Close()
		}), WithRetry(0))
		_, err := c.Computer("c").Status(context60(t))
		require.Error(t, err, name)
		text := err.Error()
		if e, ok := errors.AsType[*Error](err); ok {
			text += e.Message
		}
		require.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), "%s: %q", name, text)
	}
	require.Equal(t, "a: b c", (&Error{Op: "a", Err: errors.New("b\nc")}).Error())
}

// TestEncodingThatIsALie has an answer say that it is compressed.
func TestEncodingThatIsALie(t *testing.T) {
	var good bytes.Buffer
	z := gzip.NewWriter(&good)
	_, _ = io.WriteString(z, strings.Repeat("hello ", 100))
	_ = z.Close()
	wrong := bytes.Clone(good.Bytes())
	wrong[len(wrong)-8]++ // the checksum
	corrupt := bytes.Clone(good.Bytes())
	corrupt[12] ^= 0xff
	for name, body := range map[string][]byte{"text": []byte("<marshal><none/></marshal>"), "checksum": wrong, "corrupt": corrupt} {
		c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(body)
		}))
		_, err := c.get(context60(t), call{op: "x", path: "y"})
		require.ErrorIs(t, err, ErrServer, name)
		require.NotErrorIs(t, err, ErrConnection, name)
		require.ErrorContains(t, err, "no usable answer", name)
	}
}

// TestCompressedBomb has a master answer a body that unpacks to an endless one.
func TestCompressedBomb(t *testing.T) {
	c := client(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.Copy(z, zeros{}) // the client goes away
		_ = z.Close()
	}))
	_, err := c.Computer("c").Partitions(context60(t))
	require.ErrorIs(t, err, ErrServer)
	require.ErrorContains(t, err, "larger than")
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestDocumentThatRefersToItselfOften has each of many partitions refer to one large
// value: the document is small, and what it stands for is not.
func TestDocumentThatRefersToItselfOften(t *testing.T) {
	var large strings.Builder // a hundred thousand times null
	large.WriteString(`<list id="l0">` + strings.Repeat("<none/>", 10) + `</list>`)
	for i := range 4 {
		fmt.Fprintf(&large, `<list id="l%d">%s</list>`, i+1, strings.Repeat(fmt.Sprintf(`<reference id="l%d"/>`, i), 10))
	}
	place := func(i int, key, value string) string {
		return fmt.Sprintf(`<object id="p%d" module="slapos.slap.slap" class="ComputerPartition"><tuple><string>c</string><string>p%d</string></tuple>`+
			`<dictionary><string>%s</string>%s</dictionary></object>`, i, i, key, value)
	}
	for name, test := range map[string]struct {
		partition func(i int) string
		readable  bool
	}{
		"parameters": {func(i int) string {
			return place(i, "_parameter_dict", `<dictionary><string>a</string><reference id="l4"/></dictionary>`)
		}, false},
		"filter": {func(i int) string {
			return place(i, "_filter_dict", `<dictionary><string>a</string><reference id="l4"/></dictionary>`)
		}, false},
		"text": {func(i int) string { return place(i, "_access_status", `<reference id="l4"/>`) }, true},
		"partition": {func(i int) string {
			return []string{place(0, "_access_status", "<none/>"), `<reference id="p0"/>`}[min(i, 1)]
		}, false},
	} {
		var all strings.Builder
		for i := range 100 {
			all.WriteString(test.partition(i))
		}
		a := newAsked(t, 200, `<marshal><object module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple><dictionary>`+
			`<string>large</string><list>`+large.String()+`</list><string>_computer_partition_list</string><list>`+all.String()+`</list></dictionary></object></marshal>`)
		partitions, err := a.Computer("c").Partitions(context60(t))
		if !test.readable {
			require.ErrorIs(t, err, ErrServer, name)
			continue
		}
		require.NoError(t, err)
		require.Len(t, partitions, 100)
		require.Empty(t, partitions[99].AccessStatus())
	}
}

// TestParametersAreWhatIsDocumented: nothing else comes out of an answer.
func TestParametersAreWhatIsDocumented(t *testing.T) {
	ctx := context60(t)
	for _, value := range []string{
		`<complex>1.0 5.0</complex>`, `<list><complex>1.0 5.0</complex></list>`,
		`<object module="slapos.slap.slap" class="SoftwareInstance"><tuple/><dictionary/></object>`,
	} {
		a := newAsked(t, 200, `<marshal><dictionary><string>a</string>`+value+`</dictionary></marshal>`)
		status, err := a.Computer("c").Status(ctx)
		require.NoError(t, err)
		require.Empty(t, status.Fields)
		for _, name := range []string{"_parameter_dict", "_connection_dict", "_filter_dict"} {
			a.text = computerOf(name, "<dictionary><string>a</string>"+value+"</dictionary>")
			_, err := a.Computer("c").Partitions(ctx)
			require.ErrorIs(t, err, ErrServer)
			require.ErrorContains(t, err, "is no parameter")
		}
	}
	a := newAsked(t, 200, computerOf("_parameter_dict", `<dictionary><string>a</string><tuple><set><int>1</int></set><none/><bool>1</bool>`+
		`<float>1</float><long>99999999999999999999</long><dictionary><int>1</int><string>x</string></dictionary></tuple></dictionary>`))
	partitions, err := a.Computer("c").Partitions(ctx)
	require.NoError(t, err)
	huge, _ := new(big.Int).SetString("99999999999999999999", 10)
	require.Equal(t, Parameters{"a": []any{[]any{int64(1)}, nil, true, 1.0, huge, map[string]any{"1": "x"}}}, partitions[0].InstanceParameters())
}
