package xmlscan

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func scanner(t testing.TB, document string) *Scanner {
	t.Helper()
	s, err := New([]byte(document), limits)
	require.NoError(t, err)
	return s
}

func TestDocument(t *testing.T) {
	s := scanner(t, "<!-- a --><r>x<a>y<b/></a><?p?><c><d/></c>z</r><!-- e -->")
	var names []string
	require.NoError(t, s.Document(func() error {
		names = append(names, string(s.Name()))
		return s.Children(func() error {
			names = append(names, string(s.Name()))
			if string(s.Name()) == "c" {
				return s.Skip()
			}
			more, err := s.Child()
			require.NoError(t, err)
			require.True(t, more)
			names = append(names, string(s.Name()))
			require.NoError(t, s.Skip())
			more, err = s.Child()
			require.False(t, more)
			return err
		})
	}))
	require.Equal(t, []string{"r", "a", "b", "c"}, names)

	for _, bad := range []string{"", "<a>", "<a/><b/>", "<a/>x"} {
		s, err := New([]byte(bad), limits)
		require.NoError(t, err)
		require.Error(t, s.Document(s.Skip), bad)
	}
}

func TestChildOfNothing(t *testing.T) {
	s := scanner(t, "<a> text </a>")
	more, err := s.Child()
	require.NoError(t, err)
	require.True(t, more)
	for range 2 {
		more, err = s.Child()
		require.NoError(t, err)
		require.False(t, more, "neither in the root nor after it")
	}
}

func TestRepair(t *testing.T) {
	lenient := limits
	lenient.Repair = true
	s, err := New([]byte("<a>\x1b[0m\x00\xff\xed\xa0\x80\uFFFF\r\né</a>"), lenient)
	require.NoError(t, err)
	require.NoError(t, s.Document(func() error {
		text, err := s.Chars()
		require.Equal(t, "\uFFFD[0m\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\né", string(text))
		return err
	}))
	s, err = New([]byte("<a>&#1;</a>"), lenient)
	require.NoError(t, err)
	require.Error(t, s.Document(s.Skip), "only what stands for itself is repaired")
}

func TestDoctypeRefused(t *testing.T) {
	strict := limits
	strict.Expansion = 0
	s, err := New([]byte("<!DOCTYPE a><a/>"), strict)
	require.NoError(t, err)
	require.ErrorContains(t, s.Document(s.Skip), "document type declarations are refused")
}

func TestInterner(t *testing.T) {
	var in Interner
	long := strings.Repeat("x", internedLength+1)
	for range 2 {
		for i := range 4 * internedTexts {
			text := strings.Repeat("a", i%internedLength) + string(rune('a'+i%26))
			require.Equal(t, text, in.Text([]byte(text)))
		}
		require.Equal(t, "", in.Text(nil))
		require.Equal(t, long, in.Text([]byte(long)))
	}
	b := []byte("equal")
	in.Text(b)
	require.Zero(t, testing.AllocsPerRun(10, func() { in.Text(b) }))
}
