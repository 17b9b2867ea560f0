package tio

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// soak tells whether sizes are those of a long run.
func soak() bool { return os.Getenv("SLAPOS_SOAK") == "1" }

// size is a small size, or a large one in a long run.
func size(small, large int) int {
	if soak() {
		return large
	}
	return small
}

// stream gives pieces of text one after the other, and watches the heap.
type stream struct {
	next   func(i int) string // empty at the end
	i      int
	rest   string
	length int64 // given so far
	peak   uint64
}

func (s *stream) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if s.rest == "" {
			if s.i%1000 == 0 {
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				s.peak = max(s.peak, now.HeapAlloc)
			}
			if s.rest = s.next(s.i); s.rest == "" {
				break
			}
			s.i++
		}
		k := copy(p[n:], s.rest)
		s.rest = s.rest[k:]
		n += k
	}
	s.length += int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// endless is a journal of n movements without a line break, as one transaction or
// as one transaction each.
func endless(n int, single bool) *stream {
	head, rest, _ := strings.Cut(exampleBytes, "<movement>")
	movement, _, _ := strings.Cut(rest, "</movement>")
	movement = "<movement>" + movement + "</movement>"
	_, transaction, _ := strings.Cut(head, "<journal>")
	return &stream{next: func(i int) string {
		switch {
		case i > n:
			return ""
		case i == n && single:
			return "</transaction></journal>"
		case i == n:
			return "</journal>"
		case single && i == 0:
			return "<journal>" + transaction + movement
		case single:
			return movement
		case i == 0:
			return "<journal>" + transaction + movement + "</transaction>"
		}
		return transaction + movement + "</transaction>"
	}}
}

// consumers are all ways to read a document of any size. Each returns how many
// movements it has seen, or -1 if it does not count.
var consumers = map[string]func(r io.Reader) (int, error){
	"Validate": func(r io.Reader) (int, error) { return -1, Validate(r) },
	"Check": func(r io.Reader) (int, error) {
		_, err := Check(r)
		return -1, err
	},
	"Totals": func(r io.Reader) (int, error) {
		totals := Totals{Exact: true}
		err := totals.Read(r)
		n := 0
		for _, t := range totals.ByResource() {
			n += t.Quantity.Movements
		}
		return n, err
	},
	"Decoder and Encoder": func(r io.Reader) (int, error) {
		n := 0
		e := NewEncoder(io.Discard)
		for x, err := range NewDecoder(r).Transactions() {
			if err == nil {
				err = e.Open(&x.Transaction)
			}
			if err != nil {
				return n, err
			}
			for m, err := range x.Movements() {
				if err == nil {
					err = e.Movement(&m)
				}
				if err != nil {
					return n, err
				}
				n++
			}
			if err := e.CloseTransaction(); err != nil {
				return n, err
			}
		}
		return n, e.Close()
	},
}

// heap is how much is in use now.
func heap() uint64 {
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	return now.HeapAlloc
}

// steady is how much more the heap may ever hold while a document of any size is
// read, garbage included.
const steady = 24 << 20

// TestSteadyMemory reads and writes many movements, in one transaction and in one
// each, and looks at the heap on the way. In a long run there are a million.
func TestSteadyMemory(t *testing.T) {
	n := size(20_000, 1_000_000)
	for name, consume := range consumers {
		for shape, single := range map[string]bool{"one transaction": true, "many transactions": false} {
			t.Run(name+"/"+shape, func(t *testing.T) {
				before, document := heap(), endless(n, single)
				count, err := consume(document)
				require.NoError(t, err)
				if count >= 0 {
					require.Equal(t, n, count)
				}
				require.Less(t, int64(document.peak)-int64(before), int64(steady))
			})
		}
	}
}

// TestGigabyte validates a journal of 1 GB.
func TestGigabyte(t *testing.T) {
	if !soak() {
		t.Skip("a long run only: SLAPOS_SOAK=1")
	}
	before, document := heap(), endless(7_000_000, true)
	require.NoError(t, Validate(document))
	require.Greater(t, document.length, int64(1<<30))
	require.Less(t, int64(document.peak)-int64(before), int64(steady))
}

// TestLongParts: what may be of any length needs no memory, and the rest is
// refused before it does.
func TestLongParts(t *testing.T) {
	pieces := size(2000, 100_000) // of 1 kB
	part := strings.Repeat("a", 1024)
	tests := []struct {
		name, before, part, after string
		rule                      Rule
	}{
		{"comment", "<journal><!--", part, "-->", ""},
		{"instruction", "<journal><?pi ", part, "?>", ""},
		{"white space", "<journal>", strings.Repeat(" \n", 512), "", ""},
		{"CDATA of white space", "<journal><![CDATA[", strings.Repeat(" ", 1024), "]]>", ""},
		{"comments", "<journal>", "<!--" + part + "-->", "", ""},
		{"text in the wrong place", "<journal>", part, "", StrayText},
		{"unknown elements", "<journal>", "<x><y>" + part + "</y></x>", "", UnexpectedElement},
		{"text of a leaf", "<journal><transaction type=''><title>", part, "</title></transaction>", Limit},
		{"CDATA of a leaf", "<journal><transaction type=''><title><![CDATA[", part, "]]></title></transaction>", Limit},
		{"attribute", "<journal><transaction type='", part, "'/>", Limit},
		{"name", "<journal><", part, "/>", Limit},
		{"instruction's name", "<journal><?", part, "?>", Limit},
		{"attributes", "<journal><transaction a='", part, "' b='" + part + "'/>", Limit},
		{"depth", "<journal>", "<x>", "", Limit},
		{"character reference", "<journal>&#", "0", "32;", ""},
		{"entity", "<journal>&", part, ";", WellFormedness},
		{"declaration", "<?xml version='1.0", part, "'?>", WellFormedness},
		{"white space in a tag", "<journal", strings.Repeat(" ", 1024), ">", ""},
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(exampleBytes, `<?xml version='1.0' encoding='utf-8'?>`), "<journal>")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := heap()
			document := &stream{next: func(i int) string {
				switch {
				case i == 0:
					return test.before
				case i <= pieces:
					return test.part
				case i == pieces+1:
					return test.after + rest
				}
				return ""
			}}
			err := Validate(document)
			if test.rule == "" {
				require.NoError(t, err)
			} else {
				require.NotNil(t, find(err, string(test.rule), ""), "%v", err)
			}
			require.Less(t, int64(document.peak)-int64(before), int64(steady))
		})
	}
}

// TestSplitAnywhere gets the documents in all kinds of pieces.
func TestSplitAnywhere(t *testing.T) {
	readers := map[string]func(io.Reader) io.Reader{
		"one byte":        iotest.OneByteReader,
		"half":            iotest.HalfReader,
		"error with data": iotest.DataErrReader,
		"random":          func(r io.Reader) io.Reader { return randomReader{r, rand.New(rand.NewPCG(1, 2))} },
	}
	files, err := filepath.Glob("testdata/*/*.xml")
	require.NoError(t, err)
	for name, split := range readers {
		t.Run(name, func(t *testing.T) {
			for _, file := range files {
				data, err := os.ReadFile(file)
				require.NoError(t, err)
				want, wantErr := Decode(bytes.NewReader(data))
				got, gotErr := Decode(split(bytes.NewReader(data)))
				require.Equal(t, wantErr, gotErr, file)
				require.Empty(t, cmp.Diff(want, got), file)
				wantWarnings, _ := Check(bytes.NewReader(data))
				gotWarnings, _ := Check(split(bytes.NewReader(data)))
				require.Equal(t, wantWarnings, gotWarnings, file)
			}
		})
	}
}

// randomReader gives a few bytes, or none.
type randomReader struct {
	r   io.Reader
	rnd *rand.Rand
}

func (r randomReader) Read(p []byte) (int, error) {
	return r.r.Read(p[:min(len(p), r.rnd.IntN(8))])
}

func TestReaderWithoutProgress(t *testing.T) {
	for name, consume := range consumers {
		_, err := consume(io.MultiReader(strings.NewReader("<journal>"), stuck{}))
		require.ErrorIs(t, err, io.ErrNoProgress, name)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

// TestCancel ends every kind of reading in the middle of a document.
func TestCancel(t *testing.T) {
	reason := errors.New("not wanted any more")
	for name, consume := range consumers {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			document := endless(1<<30, true)
			inner := document.next
			document.next = func(i int) string {
				if i == 1000 {
					cancel(reason)
				}
				return inner(i)
			}
			count, err := consume(ContextReader(ctx, document))
			require.ErrorIs(t, err, reason)
			require.Less(t, count, 1200)
			require.Less(t, document.i, 1200, "soon")
		})
	}
}
