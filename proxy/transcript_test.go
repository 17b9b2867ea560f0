package proxy

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// exchange is a recorded call to the reference's proxy, by its client or by hand.
type exchange struct {
	// Client and Server are the versions, Step names the call of the client's
	// library, Seq counts the exchanges of the step.
	Client, Server, Step                string
	Seq                                 int
	Method, Path, Query, Body, Location string
	Headers                             map[string]string
	// Forwarded tells that the proxy itself called another one.
	Forwarded bool
	Status    int
	Answer    string
}

// readExchanges reads a recording.
func readExchanges(tb testing.TB, path string) (all []exchange) {
	tb.Helper()
	f, err := os.Open(path)
	require.NoError(tb, err)
	defer f.Close()
	text, err := gzip.NewReader(f)
	require.NoError(tb, err)
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var x exchange
		require.NoError(tb, json.Unmarshal(lines.Bytes(), &x))
		all = append(all, x)
	}
	require.NoError(tb, lines.Err())
	return all
}

// readTranscripts reads what the clients of both generations said to the proxies
// of both.
func readTranscripts(tb testing.TB) []exchange {
	tb.Helper()
	return readExchanges(tb, "testdata/transcripts.jsonl.gz")
}

// readTranscript reads what the newest client said to the newest proxy.
func readTranscript(tb testing.TB) (run []exchange) {
	tb.Helper()
	for _, x := range readTranscripts(tb) {
		if x.Client == testpeer.Newest && x.Server == testpeer.Newest && !x.Forwarded {
			run = append(run, x)
		}
	}
	return run
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
	// change, if set, makes our body of the reference's: texts and what is there
	// instead, pairwise.
	change []string
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
	"partition getStatus":                         {row: "E", status: 200, answer: "*"},

	"request root without state keeps stopped in database": {row: "F", status: 200, answer: "*"},
	"tree: foo re-requested without state":                 {row: "F", status: 200, answer: "*"},
	"tree: child again after rename":                       {row: "F", status: 200, answer: "*"},
	"slave destroyed before existing":                      {row: "G", status: 200, answer: "*"},

	"related instance list":                 {row: "I", status: 200, answer: ""},
	"partition getFullHostingIpAddressList": {row: "J", status: 200, answer: "*"},
	"computer reportUsage":                  {row: "K", status: 400},

	"root url":        {row: "L", status: 302, answer: ""},
	"run id":          {row: "-", status: 200, answer: "*"},
	"url with a path": {row: "-", status: 200, answer: "*"},

	// TestHateoasRecording compares what these answer.
	"hateoas without slash":             {row: "M", status: 200, answer: "*"},
	"getOpenOrderDict":                  {row: "M", status: 200, answer: "*"},
	"getComputerDict":                   {row: "M", status: 200, answer: "*"},
	"computer getInformation/0":         {row: "M", status: 200, answer: "*"},
	"computer getInformation/1":         {row: "M", status: 302},
	"computer getInformation unknown":   {row: "M", status: 200, answer: "*"},
	"open order getInformation/0":       {row: "M", status: 200, answer: "*"},
	"open order getInformation/1":       {row: "M", status: 302},
	"open order getInformation/2":       {row: "M", status: 200, answer: "*"},
	"open order getInformation unknown": {row: "M", status: 200, answer: "*"},
}

// asNewer are the steps that the older proxy answers otherwise: we answer as the
// newer one. The rows in doc.go tell why, by their number.
var asNewer = map[string]string{
	"host slave_instance_list":                     "O2",
	"slave result, getState":                       "O2",
	"slave result, getInstanceGuid":                "O2",
	"host after slave destroy":                     "O2",
	"timestamps after bang":                        "O2",
	"after rename":                                 "O2",
	"after reload":                                 "O2",
	"destroyed root with children":                 "O2",
	"states after first destroyed":                 "O2",
	"final information":                            "O2",
	"collision: B requests foo on COMP-2":          "O2",
	"collision: information of computer":           "O2",
	"collision: information of COMP-2":             "O2",
	"propagation: timestamps before":               "O2",
	"propagation: timestamps after":                "O2",
	"propagation: timestamps unchanged":            "O2",
	"propagation: timestamps of the new requester": "O2",
	"tree: foo re-requested started":               "O2",
	"tree: deep re-requested started":              "O2",
	"tree: states":                                 "O2",
	"tree: timestamps after bang":                  "O2",
	"tree: timestamps after bang, COMP-2":          "O2",
	"tree: free partition requests":                "O2",

	"request from unknown partition":         "O3",
	"authorization header unknown partition": "O3",
	"authorization header computer only":     "O3",

	"request without software_type":       "O4",
	"request without partition_reference": "O4",
	"request without state":               "O4",
	"hateoas search without query":        "O4",
	"hateoas traverse without url":        "O4",

	"request empty software type": "O5",

	"forward not ready (external answers 408)": "O6",
	"forward not ready then accessor":          "O6",
	"forward dead master":                      "O6",

	"frontend bypass through https": "O8",

	"hateoas with slash": "M",
}

// addedKeys are attributes that the reference does not send: row A; olderKeys those
// that only the newer does: row O1.
var (
	addedKeys = map[string]bool{"_access_status": true, "_known_state": true, "_filter_dict": true}
	olderKeys = map[string]bool{"slap_computer_id": true, "slap_computer_partition_id": true, "slap_software_release_url": true}
)

// comparable makes an answer comparable: without what we add, and with each
// timestamp replaced by the number of its first appearance, so that a transcript
// tells which events change which timestamp.
type comparable struct {
	seen map[string]int
	// noAddresses leaves out the ip_list, row H.
	noAddresses bool
	// older leaves out what only the newer generation answers, row O1, and all
	// timestamps.
	older bool
	// left names the rows for which something was left out.
	left map[string]bool
}

func newComparable(older bool, left map[string]bool) *comparable {
	return &comparable{seen: map[string]int{}, older: older, left: left}
}

var timestampText = regexp.MustCompile(`<string>(\d{10}(?:\.\d+)?)</string>|"timestamp":(\d{10}(?:\.\d+)?)`)

// address is where the reference was recorded, and where we are called.
var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func (c *comparable) text(tb testing.TB, body string) string {
	tb.Helper()
	if strings.HasPrefix(body, "<marshal>") {
		v, err := marshal.Unmarshal([]byte(body))
		require.NoError(tb, err, body)
		again, err := marshal.Marshal(c.without(v, false))
		require.NoError(tb, err)
		body = string(again)
	}
	body = address.ReplaceAllString(strings.TrimSpace(body), "MASTER")
	return timestampText.ReplaceAllStringFunc(body, func(s string) string {
		m := timestampText.FindStringSubmatch(s)
		key := m[1] + m[2]
		if c.seen[key] == 0 && !c.older {
			c.seen[key] = len(c.seen) + 1
		}
		return strings.Replace(s, key, fmt.Sprintf("T%d", c.seen[key]), 1)
	})
}

// without copies a value without the attributes that we add. parameters tells that
// it holds the parameters of an instance.
func (c *comparable) without(v any, parameters bool) any {
	switch v := v.(type) {
	case *marshal.Object:
		o := *v
		if c.older && o.Class == "ComputerPartition" && len(o.Args) == 3 {
			o.Args, c.left["O1"] = o.Args[:2], true
		}
		o.State = c.without(v.State, false).(*marshal.Dict)
		return &o
	case *marshal.Dict:
		d := marshal.NewDict()
		for k, item := range v.All() {
			name, _ := k.(string)
			switch {
			case addedKeys[name]:
				c.left["A"] = true
			case c.older && parameters && olderKeys[name]:
				c.left["O1"] = true
			case c.noAddresses && name == "ip_list":
				c.left["H"] = true
			default:
				_ = d.SetAny(k, c.without(item, name == "_parameter_dict"))
			}
		}
		return d
	case *marshal.List:
		l := marshal.NewList()
		for _, item := range v.Items {
			l.Items = append(l.Items, c.without(item, false))
		}
		return l
	}
	return v
}

// compare tells how two answers differ. What differs is not counted, so that the
// numbers of timestamps stay comparable.
func compare(tb testing.TB, theirs, ours *comparable, want, got string) string {
	tb.Helper()
	theirSeen, ourSeen := maps.Clone(theirs.seen), maps.Clone(ours.seen)
	diff := cmp.Diff(theirs.text(tb, want), ours.text(tb, got))
	if diff != "" {
		theirs.seen, ours.seen = theirSeen, ourSeen
	}
	return diff
}

// replayed is an exchange with our answer.
type replayed struct {
	exchange
	// key tells the exchanges of the clients apart: the step and the number in it,
	// without redirections and what a proxy asked another.
	key    string
	status int
	body   string
	// twins tells that two computers have partitions of the same names.
	twins bool
}

// diff compares with what the reference answered.
func (r replayed) diff(tb testing.TB, theirs, ours *comparable) string {
	tb.Helper()
	theirs.noAddresses = r.twins && r.Path == "/requestComputerPartition"
	ours.noAddresses = theirs.noAddresses
	switch {
	case r.status != r.Status:
		return fmt.Sprintf("status %d, not %d: %s", r.status, r.Status, r.body)
	case r.status >= http.StatusBadRequest || r.Method == http.MethodHead:
		return "" // pages for people
	}
	return compare(tb, theirs, ours, r.Answer, r.body)
}

// forwardedTo is the other master of the recordings: it answers as it was recorded.
// The requests that it gets are those of TestForwardingTranscript.
type forwardedTo struct{ answers []string }

func (f *forwardedTo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/getRunId" {
		_, _ = io.WriteString(w, "another")
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	if len(f.answers) == 0 {
		w.WriteHeader(http.StatusRequestTimeout) // the steps "not ready"
		return
	}
	_, _ = io.WriteString(w, f.answers[0])
	f.answers = f.answers[1:]
}

// recordedThere is where the other master was.
const recordedThere = "127.0.0.1:18602"

// replay sends what a client said to a fresh master. forwarded are the answers of
// another master, by step.
func replay(t *testing.T, run []exchange, forwarded map[string]string) (all []replayed) {
	t.Helper()
	other := &forwardedTo{}
	there := serveMaster(t, other)
	host := strings.TrimSuffix(strings.TrimPrefix(there, "http://"), "/")
	escape := strings.NewReplacer(":", "%3A")
	m := newMaster(t, WithClock(time.Now), WithSoftwareProducts(Product{"kvm", "http://sr.example/product/software.cfg"}), WithMultimaster(
		OtherMaster{URL: there, Releases: []string{"http://sr.example/forwarded/software.cfg", "http://sr.example/notready/software.cfg"}},
		OtherMaster{
			URL: strings.TrimSuffix(there, "/"), Releases: []string{"http://sr.example/forwarded-from-partition/software.cfg"},
			Computer: "external_computer", Partition: "slappart0",
		},
		OtherMaster{URL: "http://127.0.0.1:9", Releases: []string{"http://sr.example/dead/software.cfg"}},
		OtherMaster{URL: "https://127.0.0.1:9", Releases: []string{"http://sr.example/nocert/software.cfg"}},
	))
	numbers, twins := map[string]int{}, false
	for _, x := range run {
		if x.Forwarded {
			continue
		}
		// From here on two computers have partitions of the same names. The
		// recording starts this part without partitions.
		if x.Step == "collision: format both computers" && x.Seq == 0 {
			for _, computer := range []string{"computer", "COMP-2"} {
				require.NoError(t, m.format(t.Context(), Principal{}, computerConfiguration{reference: computer}))
			}
			twins = true
		}
		if answer, ok := forwarded[x.Step]; ok {
			other.answers = []string{answer}
		}
		x.Body = strings.ReplaceAll(x.Body, escape.Replace(recordedThere), escape.Replace(host))
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, x.request(t))
		all = append(all, replayed{
			exchange: x, key: fmt.Sprintf("%s/%d", x.Step, numbers[x.Step]), status: w.Code, body: w.Body.String(), twins: twins,
		})
		if x.Status != http.StatusPermanentRedirect {
			numbers[x.Step]++
		}
		require.Empty(t, other.answers, "%s: nothing was forwarded", x.Step)
	}
	return all
}

// TestTranscripts replays what the clients of both generations said to the proxies
// of both. Each answer is that of the proxy in the recording, or, where the
// generations differ, that of the newer one to the same client; exceptions are rows
// of the tables above, all of which must be needed.
func TestTranscripts(t *testing.T) {
	needed, left := map[string]bool{}, map[string]bool{}
	all := readTranscripts(t)
	for _, client := range testpeer.Versions() {
		runs, forwarded := map[string][]exchange{}, map[string]string{}
		for _, x := range all {
			if x.Client != client {
				continue
			}
			runs[x.Server] = append(runs[x.Server], x)
			if x.Forwarded && x.Server == testpeer.Newest && x.Method == http.MethodPost {
				forwarded[x.Step] = x.Answer
			}
		}
		verified := map[string]replayed{}
		theirs, ours := newComparable(false, left), newComparable(false, left)
		for _, r := range replay(t, runs[testpeer.Newest], forwarded) {
			verified[r.key] = r
			if diff := r.diff(t, theirs, ours); diff != "" {
				r.isDeclared(t, deviations, needed, theirs, ours, diff)
			}
		}
		theirs, ours = newComparable(true, left), newComparable(true, left)
		for _, r := range replay(t, runs[testpeer.Documented], forwarded) {
			diff := r.diff(t, theirs, ours)
			if diff == "" {
				continue
			}
			newer, recorded := verified[r.key]
			if asNewer[r.Step] == "" || !recorded {
				r.isDeclared(t, deviations, needed, theirs, ours, diff)
				continue
			}
			needed[r.Step] = true
			r.Status, r.Answer = newer.status, newer.body
			if diff := r.diff(t, theirs, ours); diff != "" {
				t.Errorf("%s: as neither generation:\n%s", r.key, diff)
			}
		}
	}
	for step := range deviations {
		require.True(t, needed[step], "%q is no deviation", step)
	}
	for step := range asNewer {
		require.True(t, needed[step], "%q is answered alike by both generations", step)
	}
	require.Equal(t, map[string]bool{"A": true, "H": true, "O1": true}, left)
}

// isDeclared requires that an answer is the one that a table of deviations tells,
// and notes that the table does.
func (r replayed) isDeclared(t *testing.T, declared map[string]deviation, needed map[string]bool, theirs, ours *comparable, diff string) {
	t.Helper()
	name := r.key
	d, ok := declared[name]
	if !ok {
		name = r.Step
		d, ok = declared[name]
	}
	needed[name] = true
	switch {
	case !ok:
		t.Errorf("%s, client %s, proxy %s: %s %s?%s %s\nanswer (-reference +ours):\n%s", r.key, r.Client, r.Server, r.Method, r.Path, r.Query, r.Body, diff)
	case d.change != nil:
		r.Status, r.Answer = d.status, strings.NewReplacer(d.change...).Replace(r.Answer)
		require.Empty(t, r.diff(t, theirs, ours), r.key)
	case d.status != r.status:
		t.Errorf("%s: status %d, want %d as declared: %s", r.key, r.status, d.status, r.body)
	case d.answer != "*" && d.status < http.StatusBadRequest:
		require.Equal(t, d.answer, r.body, r.key)
	}
}

// TestDeviationsAreDocumented requires a row in doc.go for each deviation, and a
// deviation for each row.
func TestDeviationsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^//   - ([A-Z]|O\d+)\. `).FindAllStringSubmatch(string(doc), -1) {
		documented[row[1]] = true
	}
	used := map[string]bool{"A": true, "H": true, "O1": true} // TestTranscripts requires them
	for _, table := range []map[string]deviation{deviations, hateoasDeviations} {
		for _, d := range table {
			used[d.row] = true
		}
	}
	for _, table := range []map[string]string{asNewer, hateoasAsNewer} {
		for _, row := range table {
			used[row] = true
		}
	}
	delete(used, "-") // a random value is no deviation
	require.Equal(t, documented, used)
}
