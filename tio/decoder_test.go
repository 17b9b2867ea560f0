package tio

import (
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

const exampleReport = `<consumption><movement><resource>r</resource><quantity>1</quantity><price>0</price><VAT/><category>c</category></movement>` +
	`<movement><resource>s</resource><quantity>2</quantity><price>0</price><VAT/></movement></consumption>`

func TestDecoderOfConsumption(t *testing.T) {
	want, err := ParseConsumption(strings.NewReader(exampleReport))
	require.NoError(t, err)
	d := NewDecoder(strings.NewReader(exampleReport))
	var got []Movement
	for m, err := range d.Consumption() {
		require.NoError(t, err)
		got = append(got, m)
	}
	require.Empty(t, cmp.Diff(want.Movements, got))
	for _, err := range d.Consumption() {
		require.Error(t, err, "a second time")
	}
	for range NewDecoder(strings.NewReader(exampleReport)).Consumption() {
		break // leaving early is no error
	}
	require.NoError(t, ValidateConsumption(strings.NewReader(exampleReport)))

	bad := strings.ReplaceAll(exampleReport, "<price>0<", "<price>x<")
	last := lastError(NewDecoder(strings.NewReader(bad)).Consumption())
	one, ok := errors.AsType[*Error](last)
	require.True(t, ok)
	require.Equal(t, "/consumption/movement[1]/price", one.Path)
	all, ok := errors.AsType[Errors](ValidateConsumption(strings.NewReader(bad)))
	require.True(t, ok)
	require.Len(t, all, 2)
	require.NotNil(t, find(ValidateConsumption(strings.NewReader(exampleBytes)), string(Root), ""), "a journal")
	require.NotNil(t, find(Validate(strings.NewReader(exampleReport)), string(Root), ""), "not a journal")
}

// TestDecoderIsLazy makes a decoder of a reader that must not be touched, with an
// option that is wrong.
func TestDecoderIsLazy(t *testing.T) {
	NewDecoder(iotest.ErrReader(errors.New("touched")))
	for _, err := range NewDecoder(iotest.ErrReader(errors.New("touched")), WithMaxText(0)).Transactions() {
		require.EqualError(t, err, "tio: the limit 0 is not positive")
	}
}

// lastError reads to the end and returns the last error.
func lastError[T any](items iter.Seq2[T, error]) (last error) {
	for _, err := range items {
		last = err
	}
	return last
}
