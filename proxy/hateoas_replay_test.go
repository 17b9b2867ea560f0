package proxy

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/testpeer"
)

// slashEscaped makes the address of an instance whose title holds a slash ours.
var slashEscaped = []string{"partitions/My%20Inst/ance", "partitions/My%20Inst%2Fance"}

// hateoasDeviations are the documents that we answer otherwise than the newer
// proxy, hateoasAsNewer those that we answer as it does and the older one does not.
var (
	hateoasDeviations = map[string]deviation{
		"root/other-slash-form":             {row: "M", status: 200, answer: "*"},
		"other-version-query":               {row: "M", status: 200, answer: "*"},
		"other-version-computer-query":      {row: "M", status: 200, answer: "*"},
		"traverse/partition":                {row: "M", status: 302},
		"traverse/blank-and-accent":         {row: "M", status: 302},
		"traverse/external-url-is-followed": {row: "M", status: 400},

		"service-info/no-quotes-is-500": {row: "C", status: 400},

		"service-list/ok":                                 {row: "P", status: 200, change: slashEscaped},
		"service-list/no-select_list":                     {row: "P", status: 200, change: slashEscaped},
		"service-list/limit-ignored":                      {row: "P", status: 200, change: slashEscaped},
		"service-info/empty-title-lists-all":              {row: "P", status: 200, change: slashEscaped},
		"document/partition-behind-prefix":                {row: "P", status: 200, change: slashEscaped},
		"document/partition-with-slash-unreachable":       {row: "P", status: 200, answer: "*"},
		"document/computer-with-slash-unreachable":        {row: "P", status: 200, answer: "*"},
		"computer-list/ok":                                {row: "P", status: 200, change: []string{"COMP%202/x", "COMP%202%2Fx"}},
		"service-list/after-shared-destroyed":             {row: "Q", status: 200, change: append([]string{`"<marshal><list id=\"i2\"/></marshal>"`, "null"}, slashEscaped...)},
		"service-list/shared-whose-host-was-freed-is-500": {row: "Q", status: 200, answer: "*"},
		"document/shared-whose-host-was-freed-is-500":     {row: "Q", status: 404},
	}
	hateoasAsNewer = map[string]string{
		"root":                               "O7",
		"root/x-forwarded-proto-and-prefix":  "O7",
		"root/x-forwarded-host":              "O7",
		"service-list/ok":                    "O7",
		"service-list/no-select_list":        "O7",
		"service-list/limit-ignored":         "O7",
		"service-info/ok":                    "O7",
		"service-info/shared":                "O7",
		"service-info/empty-title-lists-all": "O7",
		"service-info/blank":                 "O7",
		"document/partition":                 "O7",
		"document/partition-stopped":         "O7",
		"document/partition-child-reachable": "O7",
		"document/partition-with-blank":      "O7",
		"document/partition-quoted":          "O7",
		"document/shared":                    "O7",
		"search/no-query":                    "O4",
		"traverse/no-relative_url":           "O4",
	}
)

// send makes the call of a recording, whose path holds the query.
func (x exchange) send(t *testing.T, s *Server) replayed {
	t.Helper()
	r := x.request(t)
	r.Host = x.Headers["host"]
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code == x.Status {
		require.Equal(t, x.Location, w.Header().Get("Location"), x.Step)
	}
	return replayed{exchange: x, key: x.Step, status: w.Code, body: w.Body.String()}
}

// TestHateoasRecording replays what was asked of the HATEOAS documents of both
// generations, each in its own words.
func TestHateoasRecording(t *testing.T) {
	all := readExchanges(t, "testdata/hateoas.jsonl.gz")
	require.Len(t, all, 136)
	needed, left := map[string]bool{}, map[string]bool{}
	verified := map[string]replayed{}
	for _, server := range []string{testpeer.Newest, testpeer.Documented} {
		older := server == testpeer.Documented
		s := newMaster(t, WithClock(time.Now)).server
		theirs, ours := newComparable(older, left), newComparable(older, left)
		for _, x := range all {
			if x.Server != server {
				continue
			}
			r := x.send(t, s)
			if !older {
				verified[r.key] = r
			}
			diff := r.diff(t, theirs, ours)
			switch {
			case diff == "":
			case older && hateoasAsNewer[r.key] != "":
				needed["as newer: "+r.key] = true
				newer := verified[r.key]
				r.Status, r.Answer = newer.status, newer.body
				if diff := r.diff(t, theirs, ours); diff != "" {
					t.Errorf("%s: as neither generation:\n%s", r.key, diff)
				}
			default:
				r.isDeclared(t, hateoasDeviations, needed, theirs, ours, diff)
			}
		}
	}
	for step := range hateoasDeviations {
		require.True(t, needed[step], "%q is no deviation", step)
	}
	for step := range hateoasAsNewer {
		require.True(t, needed["as newer: "+step], "%q is answered alike by both generations", step)
	}
}
