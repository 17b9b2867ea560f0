package slap

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCredentialsStayAtHome(t *testing.T) {
	var seen []http.Header
	var bodies []string
	note := func(r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen, bodies = append(seen, r.Header.Clone()), append(bodies, string(body))
	}
	var home string
	foreign := serve(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		if r.URL.Path == "/back" {
			http.Redirect(w, r, home+"/end", http.StatusTemporaryRedirect)
		}
	})
	home = serve(t, func(w http.ResponseWriter, r *http.Request) {
		note(r)
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, foreign+"/end", http.StatusTemporaryRedirect)
		case "/there-and-back":
			http.Redirect(w, r, foreign+"/back", http.StatusTemporaryRedirect)
		case "/near":
			http.Redirect(w, r, mount+"/end", http.StatusTemporaryRedirect)
		}
	})
	c := client(t, strings.Replace(home, "http://", "http://user:secret@", 1), WithCache(NewMemoryCache(1<<20)))
	for _, auth := range []string{"", "X-SlapPartition computer_id=C, computer_partition_id=P"} {
		for path, kept := range map[string][]bool{
			"near": {true, true}, "away": {true, false}, "there-and-back": {true, false, false},
			foreign + "/y": {auth != ""}, // a call to there, as of HATEOAS; only GETs, which do not carry it
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				seen, bodies = nil, nil
				_, err := c.do(context60(t), method, call{op: "x", path: path, auth: auth, fields: []field{{"a", "hidden"}}})
				require.NoError(t, err)
				require.Len(t, seen, len(kept))
				for i, header := range seen {
					if strings.HasPrefix(path, "http") && method == http.MethodGet {
						require.Empty(t, header.Get("Authorization"))
						continue
					}
					require.Equal(t, kept[i], header.Get("Authorization") != "", "%s %s, request %d", method, path, i)
					require.Empty(t, header.Get("Referer"), "the address has arguments")
					if method == http.MethodPost {
						require.Equal(t, "a=hidden", bodies[i])
					}
				}
			}
		}
	}
}

func TestRedirectToHTTPIsRefused(t *testing.T) {
	a := newAuthority(t)
	plain := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("asked without TLS") })
	master := a.serveHandler(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain, http.StatusPermanentRedirect)
	}, tls.NoClientCert, false)
	c := client(t, master, WithCAFile(a.file))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		_, err := c.do(context60(t), method, call{op: "x", path: "y", fields: []field{{"a", "hidden"}}})
		require.ErrorIs(t, err, ErrServer)
		require.ErrorContains(t, err, "https to http")
		require.NotContains(t, err.Error(), "hidden")
	}
}

func TestMayKnow(t *testing.T) {
	for _, test := range []struct {
		from, to string
		want     bool
	}{
		{"http://a/x", "http://a/y", true},
		{"http://a/x", "http://A:80/y", true},
		{"https://a:443/x", "https://a/y", true},
		{"http://a/x", "https://a/y", true},
		{"https://a/x", "http://a/y", false},
		{"http://a:81/x", "https://a/y", false},
		{"http://a:81/x", "http://a:82/y", false},
		{"http://a/x", "http://sub.a/y", false},
		{"http://[fd00::1]/x", "http://[fd00::1]:80/y", true},
		{"http://[fd00::1]/x", "http://[fd00::2]/y", false},
	} {
		from, err := url.Parse(test.from)
		require.NoError(t, err)
		to, err := url.Parse(test.to)
		require.NoError(t, err)
		require.Equal(t, test.want, mayKnow(to, from), "%s to %s", test.from, test.to)
	}
}
