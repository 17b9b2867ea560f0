package xmlrpc

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/xmlscan/xmlscantest"
)

// answer is the document of an answer with a value.
func answer(value string) []byte {
	return []byte("<methodResponse><params><param><value>" + value + "</value></param></params></methodResponse>")
}

func TestHostileAnswers(t *testing.T) {
	const levels, digits = 100_000, 10 << 20
	laughs := xmlscantest.BillionLaughs()
	for name, document := range map[string][]byte{
		"elements":       []byte(strings.Repeat("<methodResponse>", levels)),
		"arrays":         answer(strings.Repeat("<array><data><value>", levels)),
		"structs":        answer(strings.Repeat("<struct><member><name/><value>", levels)),
		"billion laughs": append([]byte(laughs), answer("&laugh;")...),
		"doctype":        append([]byte("<!DOCTYPE m>"), answer("x")...),
		"huge integer":   answer("<int>" + strings.Repeat("9", digits) + "</int>"),
		"huge double":    answer("<double>" + strings.Repeat("9", digits) + "</double>"),
		"huge type":      answer("<" + strings.Repeat("x", digits) + "/>"),
		"huge boolean":   answer("<boolean>" + strings.Repeat("x", digits) + "</boolean>"),
		"bad reference":  answer("&#0;"),
		"second answer":  append(answer("x"), answer("y")...),
	} {
		used := xmlscantest.Allocated(func() {
			_, err := DecodeResponse(document)
			require.ErrorIs(t, err, ErrMalformed, name)
			require.Less(t, len(err.Error()), 300, name)
		})
		require.Less(t, used, uint64(6*digits), name)
	}
}

func TestNamesThatComeTwice(t *testing.T) {
	v, err := DecodeResponse(answer("<struct><member><name>a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct>"))
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": "2"}, v)
}

func TestTextBetweenElementsIsIgnored(t *testing.T) {
	v, err := DecodeResponse([]byte("<methodResponse>a<params>b<!-- c --><param>d<value><array>e<data>f<value>g</value></data></array></value></param></params></methodResponse>"))
	require.NoError(t, err)
	require.Equal(t, []any{"g"}, v)
}

func TestDocumentsInOtherEncodings(t *testing.T) {
	v, err := DecodeResponse(append([]byte("<?xml version='1.0' encoding='iso-8859-1'?>"), answer("\xe9\x1b")...))
	require.NoError(t, err)
	require.Equal(t, "é\uFFFD", v)
	utf16 := "\xff\xfe"
	for _, c := range answer("x") {
		utf16 += string([]byte{c, 0})
	}
	v, err = DecodeResponse([]byte(utf16))
	require.NoError(t, err)
	require.Equal(t, "x", v)
}

// endless is a body that never ends by itself; read counts what was taken.
type endless struct{ read, size int }

func (e *endless) Read(p []byte) (int, error) {
	if e.read >= e.size {
		return 0, io.EOF
	}
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func TestBodyBeyondTheLimit(t *testing.T) {
	size := 4 * MaxCall
	if os.Getenv("SLAPOS_SOAK") == "1" {
		size = 1 << 30
	}
	body := &endless{size: size}
	h := Handler(callerFunc(nil))
	used := xmlscantest.Allocated(func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/RPC2", body))
		require.Equal(t, http.StatusBadRequest, w.Code)
	})
	require.Less(t, body.read, 3*MaxCall, "the rest is not read")
	require.Less(t, used, uint64(16*MaxCall))

	_, err := DecodeResponse(make([]byte, MaxDocument+1))
	require.ErrorIs(t, err, ErrMalformed)
	require.ErrorContains(t, err, "is larger than")
}
