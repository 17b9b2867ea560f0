package proxy

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzCall sends arbitrary calls to a master that holds something. No call may
// crash it, hang it, or break what it promises about its state.
func FuzzCall(f *testing.F) {
	for _, x := range readTranscript(f) {
		f.Add(x.Method == "POST", x.Path, x.Query, x.Headers["content-type"], x.Headers["authorization"], x.Body)
	}
	f.Add(false, "/hateoas/", "mode=search&query=portal_type%3A%22Computer%22", "", "", "")
	f.Add(true, "/supplySupply", "", "multipart/form-data; boundary=b", "", "--b\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\nx\r\n--b--")
	s, err := Open(f.Context(), "")
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, s.Close()) })
	c := computerConfiguration{reference: "computer"}
	for _, p := range []string{"slappart0", "slappart1", "slappart2"} {
		c.partitions = append(c.partitions, partitionConfiguration{reference: p})
	}
	f.Fuzz(func(t *testing.T, post bool, path, query, kind, authorization, body string) {
		require.NoError(t, s.master.format(t.Context(), Principal{}, c))
		method := "GET"
		if post {
			method = "POST"
		}
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = "/"+strings.TrimPrefix(path, "/"), query
		r.Host = "localhost"
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code == 500 {
			t.Fatalf("%s %s: %s", method, path, w.Body)
		}
		// What was stored can be shown.
		for _, target := range []string{
			"/getFullComputerInformation?computer_id=computer",
			"/hateoas/?mode=search&query=portal_type%3A%22Instance%20Tree%22%20AND%20validation_state%3Avalidated",
		} {
			w := get(s, target)
			require.Equal(t, 200, w.Code, w.Body)
		}
	})
}
