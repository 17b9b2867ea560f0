package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

// exchange is a recorded call of the reference's client 1.26.1 to the
// reference's proxy 1.26.1, or one made by hand.
type exchange struct {
	Step, Method, Path, Query, Body, Answer string
	Seq                                     int
	Headers                                 map[string]string
	Status                                  int
}

func readTranscript(tb testing.TB) []exchange {
	tb.Helper()
	f, err := os.Open("testdata/transcript-1.26.1.jsonl")
	require.NoError(tb, err)
	defer f.Close()
	var all []exchange
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x exchange
		require.NoError(tb, json.Unmarshal(lines.Bytes(), &x))
		all = append(all, x)
	}
	require.NoError(tb, lines.Err())
	return all
}

func (x exchange) request(tb testing.TB) *http.Request {
	tb.Helper()
	url := x.Path
	if x.Query != "" {
		url += "?" + x.Query
	}
	r := httptest.NewRequest(x.Method, url, strings.NewReader(x.Body))
	r.Host = "127.0.0.1:5000"
	for k, v := range x.Headers {
		r.Header.Set(k, v)
	}
	return r
}

// deviation is an exchange that we answer otherwise than the reference. The
// rows in doc.go tell why, by their letter.
type deviation struct {
	row    string
	status int
	// answer is our body; "*" does not compare it.
	answer string
}

var deviations = map[string]deviation{
	"unknown computer":                    {row: "B", status: 404},
	"unknown partition":                   {row: "B", status: 404},
	"C3 after failed load":                {row: "B", status: 404},
	"register with empty values":          {row: "B", status: 404},
	"final state of unknown names":        {row: "B", status: 404},
	"setConnectionDict unknown partition": {row: "B", status: 404},
	"bang unknown":                        {row: "B", status: 404},
	"rename unknown":                      {row: "B", status: 404},
	"destroyed unknown":                   {row: "B", status: 404},
	"destroyed with empty ids":            {row: "B", status: 404},

	"supply wrong state":     {row: "C", status: 400},
	"supply bad state":       {row: "C", status: 400},
	"product by release url": {row: "C", status: 400},
	"no parameter GET getSoftwareReleaseListFromSoftwareProduct": {row: "C", status: 400},
	"malformed xml":                            {row: "C", status: 400},
	"not xml":                                  {row: "C", status: 400},
	"wrong type":                               {row: "C", status: 400},
	"missing keys":                             {row: "C", status: 400},
	"partition without tap":                    {row: "C", status: 400},
	"object of another class":                  {row: "C", status: 400},
	"request parameters not a dict":            {row: "C", status: 400},
	"request parameters with a non-string key": {row: "C", status: 400},
	"request parameters malformed":             {row: "C", status: 400},
	"request filter not a dict":                {row: "C", status: 400},
	"request state not marshalled":             {row: "C", status: 400},
	"connection xml not a dict":                {row: "C", status: 400},
	"connection xml malformed":                 {row: "C", status: 400},

	"request without partition_parameter_xml": {row: "D", status: 200, answer: "*"},
	"request without filter_xml":              {row: "D", status: 200, answer: "*"},
	"request without shared_xml":              {row: "D", status: 200, answer: "*"},

	"empty POST buildingSoftwareRelease":          {row: "E", status: 400},
	"empty POST availableSoftwareRelease":         {row: "E", status: 400},
	"empty POST softwareReleaseError":             {row: "E", status: 400},
	"empty POST softwareInstanceError":            {row: "E", status: 400},
	"empty POST startedComputerPartition":         {row: "E", status: 400},
	"empty POST stoppedComputerPartition":         {row: "E", status: 400},
	"empty POST useComputer":                      {row: "E", status: 400},
	"empty POST computerBang":                     {row: "E", status: 400},
	"no parameter GET getComputerPartitionStatus": {row: "E", status: 400},
	"computer getStatus":                          {row: "E", status: 200, answer: "*"},

	"request root without state keeps stopped in database": {row: "F", status: 200, answer: "*"},
	"tree: foo re-requested without state":                 {row: "F", status: 200, answer: "*"},
	"tree: child again after rename":                       {row: "F", status: 200, answer: "*"},
	"slave destroyed before existing":                      {row: "G", status: 200, answer: "*"},

	"related instance list":                 {row: "I", status: 200, answer: ""},
	"partition getFullHostingIpAddressList": {row: "J", status: 200, answer: "*"},
	"computer reportUsage":                  {row: "K", status: 400},

	"root url":                      {row: "L", status: 302, answer: ""},
	"run id":                        {row: "-", status: 200, answer: "*"},
	"hateoas without slash":         {row: "M", status: 200, answer: "*"},
	"frontend bypass through https": {row: "N", status: 200, answer: "*"},
}

// addedKeys are attributes that the reference does not send: row A.
var addedKeys = map[string]bool{"_access_status": true, "_known_state": true, "_filter_dict": true}

// comparable makes an answer comparable: without what we add, and with each
// timestamp replaced by the number of its first appearance, so that a transcript
// tells which events change which timestamp.
type comparable struct {
	seen map[string]int
	// noAddresses leaves out the ip_list.
	noAddresses bool
}

var timestampText = regexp.MustCompile(`<string>(\d{10}(?:\.\d+)?)</string>|"timestamp":(\d{10}(?:\.\d+)?)`)

// address is where the reference was recorded, and where we are called.
var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

func (c *comparable) text(tb testing.TB, body string) string {
	tb.Helper()
	if strings.HasPrefix(body, "<marshal>") && !strings.Contains(body, "Fake ") {
		v, err := marshal.Unmarshal([]byte(body))
		require.NoError(tb, err, body)
		again, err := marshal.Marshal(c.without(v))
		require.NoError(tb, err)
		body = string(again)
	}
	body = address.ReplaceAllString(strings.TrimSpace(body), "http://MASTER")
	return timestampText.ReplaceAllStringFunc(body, func(s string) string {
		m := timestampText.FindStringSubmatch(s)
		key := m[1] + m[2]
		if c.seen[key] == 0 {
			c.seen[key] = len(c.seen) + 1
		}
		return strings.Replace(s, key, fmt.Sprintf("T%d", c.seen[key]), 1)
	})
}

// without copies a value without the attributes that we add.
func (c *comparable) without(v any) any {
	switch v := v.(type) {
	case *marshal.Object:
		o := *v
		o.State = c.without(v.State).(*marshal.Dict)
		return &o
	case *marshal.Dict:
		d := marshal.NewDict()
		for k, item := range v.All() {
			if name, ok := k.(string); ok && (addedKeys[name] || c.noAddresses && name == "ip_list") {
				continue
			}
			_ = d.SetAny(k, c.without(item))
		}
		return d
	case *marshal.List:
		l := marshal.NewList()
		for _, item := range v.Items {
			l.Items = append(l.Items, c.without(item))
		}
		return l
	}
	return v
}

func TestTranscript(t *testing.T) {
	s, err := Open(t.Context(), "", WithSoftwareProducts(Product{"kvm", "http://sr.example/product/software.cfg"}))
	require.NoError(t, err)
	defer s.Close()
	theirs, ours := comparable{seen: map[string]int{}}, comparable{seen: map[string]int{}}
	twins := false
	for _, x := range readTranscript(t) {
		// From here on two computers have partitions of the same names. The
		// recording starts this part without partitions.
		if x.Step == "collision: format both computers" && x.Seq == 0 {
			for _, computer := range []string{"computer", "COMP-2"} {
				require.NoError(t, s.master.format(t.Context(), Principal{}, computerConfiguration{reference: computer}))
			}
			twins = true
		}
		theirs.noAddresses = twins && x.Path == "/requestComputerPartition" // row H
		ours.noAddresses = theirs.noAddresses
		w := httptest.NewRecorder()
		s.ServeHTTP(w, x.request(t))
		got, err := io.ReadAll(w.Body)
		require.NoError(t, err)
		name := fmt.Sprintf("%s/%d", x.Step, x.Seq)
		d, deviates := deviations[x.Step]
		if x.Path == "/hateoas" || x.Path == "/hateoas/" && strings.HasPrefix(x.Query, "mode=traverse") && x.Status == 302 {
			d, deviates = deviation{status: w.Code, answer: "*"}, true
		}
		wantStatus, want := x.Status, x.Answer
		if deviates {
			wantStatus, want = d.status, d.answer
		}
		if w.Code != wantStatus {
			t.Errorf("%s: status %d, want %d: %s", name, w.Code, wantStatus, got)
			continue
		}
		if w.Code >= 400 || want == "*" || x.Method == http.MethodHead {
			continue
		}
		if diff := cmp.Diff(theirs.text(t, want), ours.text(t, string(got))); diff != "" {
			t.Errorf("%s: %s %s %s\nanswer (-reference +ours):\n%s", name, x.Method, x.Path, x.Body, diff)
		}
	}
}

func TestDeviationsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	steps := map[string]bool{}
	for _, x := range readTranscript(t) {
		steps[x.Step] = true
	}
	for step, d := range deviations {
		require.True(t, steps[step], "the transcript has no step %q", step)
		if d.row != "-" { // a random value is no deviation
			require.Contains(t, string(doc), "//   - "+d.row+". ", step)
		}
	}
}
