package instancexml

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/xmlscan/xmlscantest"
)

func TestBodyBeyondTheLimit(t *testing.T) {
	sizes := []int{maxBytes + 1}
	if os.Getenv("SLAPOS_SOAK") == "1" {
		sizes = append(sizes, 1<<30)
	}
	for _, size := range sizes {
		text := strings.Repeat(" ", size)
		used := xmlscantest.Allocated(func() {
			_, err := Decode(text)
			require.ErrorContains(t, err, "is larger than")
		})
		require.Less(t, used, uint64(1<<20), "the text is not even copied")
	}
}

func TestRefusedDocuments(t *testing.T) {
	const levels = 100_000
	laughs := xmlscantest.BillionLaughs()
	long, often := xmlscantest.Quadratic()
	parameter := func(text string) string {
		return `<instance><parameter id="a">` + text + `</parameter></instance>`
	}
	for name, text := range map[string]string{
		"levels":              strings.Repeat("<instance>", levels),
		"levels in parameter": `<instance><parameter id="a">` + strings.Repeat("<a>", levels),
		"billion laughs":      laughs + parameter("&laugh;"),
		"laughs in id":        laughs + `<instance><parameter id="&laugh;">b</parameter></instance>`,
		"quadratic blow-up":   long + parameter(often),
		"NUL":                 parameter("\x00"),
		"control reference":   parameter("&#1;"),
		"not UTF-8":           parameter("\xff"),
		"half UTF-16":         "\xff\xfe<\x00i",
	} {
		used := xmlscantest.Allocated(func() {
			_, err := Decode(text)
			require.ErrorContains(t, err, "instance document", name)
			require.Less(t, len(err.Error()), 200, name)
		})
		require.Less(t, used, uint64(8<<20), name)
	}
}

// TestParameterThatComesOften: joining its texts takes linear time.
func TestParameterThatComesOften(t *testing.T) {
	const times = 200_000
	text := "<instance>" + strings.Repeat(`<parameter id="a">x</parameter>`, times) + "</instance>"
	var got map[string]any
	used := xmlscantest.Allocated(func() {
		var err error
		got, err = Decode(text)
		require.NoError(t, err)
	})
	require.Equal(t, map[string]any{"a": strings.Repeat("x ", times-1) + "x"}, got)
	require.Less(t, used, uint64(64<<20))
}

// TestValuesBeyondAllMeasure: a small value that would be an enormous text is an
// error, and one that contains itself is written as Python writes it.
func TestValuesBeyondAllMeasure(t *testing.T) {
	list := marshal.NewList()
	for range 40 {
		list = marshal.NewList(list, list)
	}
	_, err := Encode(map[string]any{"a": list})
	require.ErrorIs(t, err, marshal.ErrTextTooLong)
	require.ErrorContains(t, err, `"a"`)

	cycle := marshal.NewList()
	cycle.Items = append(cycle.Items, cycle)
	text, err := Encode(map[string]any{"a": cycle})
	require.NoError(t, err)
	require.Contains(t, text, ">[[...]]<")
}

// TestSameListInManyParameters: what is small on the wire is refused when it would
// be larger than what can be read again.
func TestSameListInManyParameters(t *testing.T) {
	list := marshal.NewList()
	for range 100_000 {
		list.Items = append(list.Items, nil)
	}
	params := map[string]any{}
	for key := range 10_000 {
		params[strconv.Itoa(key)] = list
	}
	used := xmlscantest.Allocated(func() {
		_, err := Encode(params)
		require.ErrorContains(t, err, "larger than")
	})
	require.Less(t, used, uint64(1<<30))
}
