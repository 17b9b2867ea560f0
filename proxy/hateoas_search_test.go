package proxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A list that takes several pieces is the same text as one that is encoded at once,
// with sorted keys; a row may be larger than a piece.
func TestLongServiceList(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 120)
	large := strings.Repeat("<é&\u2028😀\x7f>", 10_000)
	for i := range 120 {
		q := asking{title: fmt.Sprintf("é \"%d\" 😀/", i)}
		if i%40 == 0 {
			q.parameters = map[string]any{"large": large}
		}
		m.place(q)
	}
	m.place(asking{title: "ß", shared: true})
	w := httptest.NewRecorder()
	query := url.QueryEscape(`portal_type:"Instance Tree" AND validation_state:validated`)
	m.server.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/hateoas/?mode=search&query="+query, nil))
	require.Equal(t, http.StatusOK, w.Code)
	require.Greater(t, w.Body.Len(), 3*contentsPiece)
	require.Equal(t, strconv.Itoa(w.Body.Len()), w.Header().Get("Content-Length"))

	var decoded struct {
		Embedded struct {
			Contents []map[string]any `json:"contents"`
		} `json:"_embedded"`
	}
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.UseNumber()
	require.NoError(t, d.Decode(&decoded))
	require.Len(t, decoded.Embedded.Contents, 121)
	again := httptest.NewRecorder()
	require.NoError(t, writeJSON(again, map[string]any{"_embedded": map[string]any{"contents": decoded.Embedded.Contents}}))
	require.Equal(t, again.Body.String(), w.Body.String())
}
