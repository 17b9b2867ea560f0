package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/internal/store"
)

// post sends a form to a handler.
func post(h http.Handler, path string, fields ...string) *httptest.ResponseRecorder {
	values := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		values.Add(fields[i], fields[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(values.Encode()))
	r.Host = "localhost:5000"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(h http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "localhost:5000"
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestBrowserSafety(t *testing.T) {
	m := newMaster(t, WithAllowedHosts("master.example", "10.9.8.7:5000"))
	for _, test := range []struct {
		method, host, origin string
		status               int
	}{
		{"GET", "localhost", "", 200},
		{"GET", "LOCALHOST:5000", "", 200},
		{"GET", "a.localhost", "", 200},
		{"GET", "localhost.", "", 200},
		{"GET", "127.3.4.5:80", "", 200},
		{"GET", "[::1]:5000", "", 200},
		{"GET", "[::ffff:127.0.0.1]", "", 200},
		{"GET", "master.example:5000", "", 200},
		{"GET", "10.9.8.7", "", 200},
		{"GET", "", "", 200},
		{"GET", "evil.example", "", 403},
		{"GET", "localhost.evil.example", "", 403},
		{"GET", "10.9.8.8", "", 403},
		{"GET", "127.0.0.1.evil.example:5000", "", 403},
		{"GET", "localhost", "http://evil.example", 200}, // changes nothing, and cannot be read
		{"POST", "localhost:5000", "", 200},
		{"POST", "localhost:5000", "http://localhost:5000", 200},
		{"POST", "localhost:5000", "http://localhost:5001", 403},
		{"POST", "localhost:5000", "http://evil.example", 403},
		{"POST", "localhost:5000", "null", 403},
		{"POST", "localhost:5000", "%%", 403},
		{"POST", "evil.example", "http://evil.example", 403},
	} {
		path := "/getRunId"
		if test.method == "POST" {
			path = "/computerBang"
		}
		r := httptest.NewRequest(test.method, path, strings.NewReader("computer_id=computer"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Host = test.host
		if test.origin != "" {
			r.Header.Set("Origin", test.origin)
		}
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		require.Equal(t, test.status, w.Code, "%+v: %s", test, w.Body)
		require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
	}
}

func TestAddressOfTheConnectionIsAllowed(t *testing.T) {
	m := newMaster(t)
	r := httptest.NewRequest("GET", "/getRunId", nil)
	local := &net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 5000}
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
	for host, status := range map[string]int{"192.0.2.7:5000": 200, "192.0.2.8:5000": 403, "rebound.example": 403} {
		r.Host = host
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		require.Equal(t, status, w.Code, host)
	}
}

func TestPathsAndMethods(t *testing.T) {
	m := newMaster(t)
	for _, test := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/nothing", 404, ""},
		{"GET", "/getRunId/", 404, ""},
		{"GET", "/GETRUNID", 404, ""},
		{"HEAD", "/getRunId", 200, ""},
		{"OPTIONS", "/supplySupply", 200, "POST, OPTIONS"},
		{"OPTIONS", "/getRunId", 200, "GET, HEAD, OPTIONS"},
		{"PUT", "/getRunId", 405, "GET, HEAD, OPTIONS"},
		{"GET", "/supplySupply", 405, "POST, OPTIONS"},
		{"POST", "/hateoas/", 405, "GET, HEAD, OPTIONS"},
		{"GET", "/getHateoasUrl", 404, ""},
		{"POST", "/requestComputer", 404, ""},
	} {
		r := httptest.NewRequest(test.method, test.path, nil)
		r.Host = "localhost"
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		require.Equal(t, test.status, w.Code, "%+v", test)
		require.Equal(t, test.allow, w.Header().Get("Allow"), "%+v", test)
	}
}

func TestSlashesTooMany(t *testing.T) {
	m := newMaster(t, WithTrustedProxies(netip.MustParsePrefix("192.0.2.0/24")))
	for path, want := range map[string]string{
		"//getRunId":                      "200 ",
		"///hateoas/":                     "200 ",
		"/hateoas//?mode=search&query=":   "308 /hateoas/?mode=search&query=",
		"/hateoas///partitions//a%2F%2Fb": "308 /hateoas/partitions/a%2F%2Fb",
		"/hateoas/partitions/a%2F%2Fb":    "404 ",
		"//evil.example//x":               "308 /evil.example/x",
		"/http_proxy/http/a//b":           "403 ",
	} {
		r := httptest.NewRequest("GET", "http://localhost"+path, nil)
		w := httptest.NewRecorder()
		m.server.ServeHTTP(w, r)
		require.Equal(t, want, fmt.Sprint(w.Code, " ", w.Header().Get("Location")), path)
	}
	w := get(m.server, "/hateoas//", "X-Forwarded-Prefix", "/master")
	require.Equal(t, "/master/hateoas/", w.Header().Get("Location"))
}

// Hostile and malformed documents are refused with a text that names the field,
// and change nothing.
func TestHostileDocuments(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	deep := strings.Repeat("<list>", 100_000)
	for name, document := range map[string]string{
		"not XML":         "started",
		"cut":             "<marshal><dictionary id=\"i2\">",
		"depth":           "<marshal>" + deep,
		"entities":        `<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;">]><marshal><string>&e;&e;&e;&e;&e;&e;&e;&e;</string></marshal>`,
		"external entity": `<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><marshal><string>&x;</string></marshal>`,
		"unknown class":   `<marshal><object id="i2" module="os" class="system"><tuple/><dictionary id="i3"/></object></marshal>`,
		"other type":      `<marshal><int>1</int></marshal>`,
		"odd dictionary":  `<marshal><dictionary id="i2"><string>a</string></dictionary></marshal>`,
		"control":         "<marshal><dictionary id=\"i2\"><string>a\x01</string><string>b</string></dictionary></marshal>",
	} {
		for _, call := range []struct{ path, field string }{
			{"/requestComputerPartition", "partition_parameter_xml"},
			{"/requestComputerPartition", "filter_xml"},
			{"/loadComputerConfigurationFromXML", "xml"},
			{"/setComputerPartitionConnectionXml", "connection_xml"},
			{"/updateComputerPartitionRelatedInstanceList", "instance_reference_xml"},
		} {
			w := post(m.server, call.path, "software_release", releaseA, "software_type", "", "partition_reference", "x",
				"state", "<marshal><none/></marshal>", "computer_id", "computer", "computer_partition_id", "p0", call.field, document)
			require.Equal(t, 400, w.Code, "%s %s: %s", name, call.path, w.Body)
			require.NotContains(t, w.Body.String(), "root:")
		}
	}
	require.Nil(t, m.at("computer/p0").Instance)
}

func TestUnknownThings(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	partition := []string{"computer_id", "computer", "computer_partition_id", "p9"}
	for _, call := range []struct {
		path   string
		fields []string
		text   string
	}{
		{"/startedComputerPartition", partition, "p9"},
		{"/stoppedComputerPartition", partition, "p9"},
		{"/softwareInstanceError", append(partition, "error_log", "x"), "p9"},
		{"/softwareInstanceError", append(partition, "error_log", "x", "slave_reference", "_s"), "p9"},
		{"/destroyedComputerPartition", partition, "p9"},
		{"/softwareInstanceBang", append(partition, "message", "x"), "p9"},
		{"/softwareInstanceRename", append(partition, "new_name", "x"), "p9"},
		{"/setComputerPartitionConnectionXml", append(partition, "connection_xml", `<marshal><dictionary id="i2"/></marshal>`), "p9"},
		{"/updateComputerPartitionRelatedInstanceList", append(partition, "instance_reference_xml", `<marshal><list id="i2"/></marshal>`), "p9"},
		{"/computerBang", []string{"computer_id", "COMP-X"}, "COMP-X"},
		{"/useComputer", []string{"computer_id", "COMP-X", "use_string", "x"}, ""},
		{"/buildingSoftwareRelease", []string{"url", releaseA, "computer_id", "COMP-X"}, "COMP-X"},
		{"/availableSoftwareRelease", []string{"url", releaseA, "computer_id", "computer"}, releaseA},
		{"/softwareReleaseError", []string{"url", releaseA, "computer_id", "computer"}, releaseA},
	} {
		w := post(m.server, call.path, call.fields...)
		if call.path == "/useComputer" {
			require.Equal(t, 400, w.Code)
			continue
		}
		require.Equal(t, 404, w.Code, call.path)
		require.Contains(t, w.Body.String(), call.text, call.path)
	}
	for _, target := range []string{
		"/getFullComputerInformation?computer_id=COMP-X",
		"/registerComputerPartition?computer_reference=computer&computer_partition_reference=p9",
		"/getComputerStatus?computer_id=COMP-X",
		"/getComputerPartitionStatus?computer_id=computer&computer_partition_id=p9",
		"/getSoftwareInstallationStatus?computer_id=computer&url=x",
		"/getHostingSubscriptionIpList?computer_id=computer&computer_partition_id=p9",
		"/hateoas/partitions/x", "/hateoas/computers/x", "/hateoas/shared/x", "/hateoas/partitions/a%2Fb", "/hateoas/x", "/hateoas/partitions/",
	} {
		require.Equal(t, 404, get(m.server, target).Code, target)
	}
}

func TestForms(t *testing.T) {
	for text, want := range map[string]form{
		"":                  {},
		"a=1&b=2":           {"a": "1", "b": "2"},
		"a=1&a=2":           {"a": "1"},
		"a=1;b=2":           {"a": "1;b=2"},
		"&&a&=x&":           {"a": "", "": "x"},
		"a=%c3%A9+%2B%26":   {"a": "é +&"},
		"a=%zz%4&%41=%":     {"a": "%zz%4", "A": "%"},
		"a=%ff%00":          {"a": "\uFFFD\x00"},
		"computer_id=a%2Fb": {"computer_id": "a/b"},
	} {
		got, err := parseFields(text)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, got), text)
	}
	_, err := parseFields(strings.Repeat("a=1&", maxFields+1))
	require.Error(t, err)
}

func TestMultipartForms(t *testing.T) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	require.NoError(t, w.WriteField("a", "1"))
	require.NoError(t, w.WriteField("a", "2"))
	file, err := w.CreateFormFile("f", "name")
	require.NoError(t, err)
	_, err = io.WriteString(file, "content")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	r := httptest.NewRequest("POST", "/", &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	f, err := readForm(r)
	require.NoError(t, err)
	require.Equal(t, form{"a": "1"}, f)
	for _, kind := range []string{"multipart/form-data", "multipart/form-data; boundary=x", "text/plain", "", ";;"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("a=1"))
		r.Header.Set("Content-Type", kind)
		f, err := readForm(r)
		require.Empty(t, f, kind)
		require.NoError(t, err, kind)
	}
}

func TestBodyLimit(t *testing.T) {
	m := newMaster(t, WithMaxBody(1000))
	w := post(m.server, "/supplySupply", "url", strings.Repeat("x", 2000), "computer_id", "c", "state", "available")
	require.Equal(t, 413, w.Code)
	require.Contains(t, w.Body.String(), "1000 bytes")
	require.Equal(t, 200, post(m.server, "/supplySupply", "url", "x", "computer_id", "c", "state", "available").Code)
}

func TestClaims(t *testing.T) {
	for header, want := range map[string]claim{
		"":                              {},
		"Basic abc":                     {},
		"X-SlapPartition":               {},
		"X-SlapPartition nonsense":      {},
		"X-SlapPartition computer_id=c": {computer: "c", given: true},
		"X-SlapPartition computer_partition_id=p":                        {partition: "p"},
		"x-slappartition computer_id=c,computer_partition_id=p":          {"c", "p", true, true},
		"X-SlapPartition  computer_id = c , computer_partition_id= a=b ": {"c", "a=b", true, true},
	} {
		require.Equal(t, want, readClaim(header), header)
	}
}

// panicking is a store whose reads crash.
type panicking struct{ store.Store }

func (panicking) View(context.Context, func(store.Reader) error) error { panic("view crashed") }

// lockedBuffer is written by several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestCrashIsAnsweredAndLogged(t *testing.T) {
	var log lockedBuffer
	m := newMaster(t, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	whole := m.store
	m.store = panicking{whole}
	w := get(m.server, "/getFullComputerInformation?computer_id=computer")
	require.Equal(t, 500, w.Code)
	require.NotContains(t, w.Body.String(), "view crashed")
	require.Contains(t, log.String(), "view crashed")
	require.Contains(t, log.String(), "stack=")
	m.store = whole
	require.Equal(t, 200, get(m.server, "/getFullComputerInformation?computer_id=computer").Code)
	require.Contains(t, log.String(), `"GET /getFullComputerInformation?computer_id=computer HTTP/1.1\" 200`)
}

func TestAuthorizationIsAskedEverywhere(t *testing.T) {
	m := newMaster(t, WithAuthorizer(refusing{}))
	for path, e := range m.server.tool {
		fields := []string{
			"computer_id", "computer", "computer_reference", "computer", "computer_partition_id", "p", "computer_partition_reference", "p",
			"url", "u", "state", "available", "new_name", "n", "message", "m", "error_log", "l", "use_string", "s",
			"xml", `<marshal><dictionary id="i2"><string>reference</string><string>c</string><string>address</string><string>c</string><string>netmask</string><string>c</string><string>partition_list</string><list id="i3"/></dictionary></marshal>`,
			"connection_xml", `<marshal><dictionary id="i2"/></marshal>`, "instance_reference_xml", `<marshal><list id="i2"/></marshal>`,
			"software_release", "r", "software_type", "t", "partition_reference", "x",
		}
		if path == "/requestComputerPartition" {
			fields[13] = `<marshal><string>started</string></marshal>`
			fields[12] = "state"
			fields = append(fields, "unused", "")
			for i := range fields {
				if fields[i] == "state" && i+1 < len(fields) {
					fields[i+1] = `<marshal><string>started</string></marshal>`
				}
			}
		}
		var w *httptest.ResponseRecorder
		if e.verb == http.MethodPost {
			w = post(m.server, path, fields...)
		} else {
			values := url.Values{}
			for i := 0; i+1 < len(fields); i += 2 {
				values.Set(fields[i], fields[i+1])
			}
			w = get(m.server, path+"?"+values.Encode())
		}
		switch {
		case strings.Contains(w.Body.String(), "This master"): // not offered
			require.Contains(t, []int{400, 404}, w.Code, path)
		case path == "/getComputerPartitionCertificate": // empty texts for everybody
			require.Equal(t, 200, w.Code, path)
		case path == "/getSoftwareReleaseListFromSoftwareProduct":
			require.Equal(t, 400, w.Code, path)
		default:
			require.Equal(t, 403, w.Code, "%s: %s", path, w.Body)
		}
	}
	require.Equal(t, 403, get(m.server, "/hateoas/").Code)
}

// denying is an authentication that knows nobody.
type denying struct{}

func (denying) Authenticate(*http.Request) (Principal, error) {
	return Principal{}, fmt.Errorf("who are you?")
}

func TestAuthentication(t *testing.T) {
	m := newMaster(t, WithAuthenticator(denying{}))
	require.Equal(t, 401, get(m.server, "/getRunId").Code)
}

func TestServeStopsInOrder(t *testing.T) {
	s, err := Open(t.Context(), "")
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	answer, err := client.Get("http://" + l.Addr().String() + "/getRunId")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, 200, answer.StatusCode)

	// A call that is being served when the end comes is still answered.
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	body := "url=u&computer_id=computer&state=available"
	_, err = fmt.Fprintf(conn, "POST /supplySupply HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n", len(body))
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))) // now the body is being read
	require.NoError(t, err)
	stop()
	time.Sleep(20 * time.Millisecond)
	_, err = io.WriteString(conn, body)
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	got, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(got), "200 OK")
	require.NoError(t, <-served)
	_, err = net.Dial("tcp", l.Addr().String())
	require.Error(t, err)
	require.NoError(t, s.Close())
	require.Equal(t, 503, get(s, "/getFullComputerInformation?computer_id=computer").Code)
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	m := newMaster(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.Error(t, m.server.Serve(t.Context(), l))
}

func TestOptions(t *testing.T) {
	for _, opt := range []Option{
		WithComputerID(""), WithAllowedHosts(""), WithLogger(nil), WithClock(nil), WithMaxBody(0), WithAuthenticator(nil), WithAuthorizer(nil),
	} {
		_, err := Open(t.Context(), "", opt)
		require.Error(t, err)
	}
	products, err := ParseSoftwareProducts("\n kvm  http://k \n\nkvm http://k2\nx\thttp://x\n")
	require.NoError(t, err)
	require.Equal(t, []Product{{"kvm", "http://k"}, {"kvm", "http://k2"}, {"x", "http://x"}}, products)
	_, err = ParseSoftwareProducts("only-name")
	require.Error(t, err)
	m := newMaster(t, WithSoftwareProducts(products...))
	require.Equal(t, []string{"http://k2"}, m.releasesOf("kvm"))
	require.Empty(t, m.releasesOf("none"))
}

// Requests that come together get different partitions.
func TestParallelRequestsGetDifferentPartitions(t *testing.T) {
	const n = 64
	s, err := Open(t.Context(), t.TempDir()+"/x.db")
	require.NoError(t, err)
	defer s.Close()
	c := computerConfiguration{reference: "computer"}
	for i := range n {
		c.partitions = append(c.partitions, partitionConfiguration{reference: fmt.Sprintf("p%d", i)})
	}
	require.NoError(t, s.master.format(t.Context(), Principal{}, c))
	var wg sync.WaitGroup
	bodies := make([]string, n)
	for i := range n {
		wg.Go(func() {
			w := post(s, "/requestComputerPartition", "software_release", releaseA, "software_type", "", "partition_reference", fmt.Sprint("r", i),
				"state", "<marshal><none/></marshal>")
			if w.Code == 200 {
				bodies[i] = w.Body.String()
			}
		})
	}
	wg.Wait()
	places := map[string]bool{}
	for i, body := range bodies {
		_, rest, ok := strings.Cut(body, "<string>slap_computer_partition_id</string><string>")
		require.True(t, ok, "request %d: %s", i, body)
		place, _, _ := strings.Cut(rest, "<")
		require.False(t, places[place], "%s was given twice", place)
		places[place] = true
	}
	require.Len(t, places, n)
}

func TestShow(t *testing.T) {
	path := t.TempDir() + "/x.db"
	s, err := Open(t.Context(), path, WithClock(func() time.Time { return start }))
	require.NoError(t, err)
	defer s.Close()
	m := &testMaster{t: t, master: s.master, server: s}
	show := func(o ShowOptions) string {
		var b bytes.Buffer
		require.NoError(t, Show(t.Context(), &b, path, o))
		return strings.Replace(b.String(), path, "PATH", 1)
	}
	require.Equal(t, "Using database: PATH\ntable computer18: empty\n \ntable software18: empty\n \ntable partition18: empty\n \ntable slave18: empty\n \n \n", show(ShowOptions{}))
	m.layout("computer", 3)
	require.NoError(t, m.supply(t.Context(), Principal{}, releaseA, "computer", "available"))
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child"})
	m.place(asking{title: "s", shared: true})
	key := strings.Repeat("k", 30) + strings.Repeat("z", 30)
	require.NoError(t, m.connect(t.Context(), Principal{}, "computer", "p0", "", dictOf(map[string]any{
		"_": `{"b": [], "a": "é"}`, "ssh-key": key, "url": "http://x/", "empty": "",
	})))
	require.NoError(t, m.connect(t.Context(), Principal{}, "computer", "p1", "", dictOf(map[string]any{"_": "not json"})))
	usage, err := os.ReadFile("testdata/usage.xml")
	require.NoError(t, err)
	require.NoError(t, m.useComputer(t.Context(), Principal{}, "computer", string(usage)))
	require.Equal(t, "Using database: PATH\nerrors: none\n", show(ShowOptions{Errors: true}))
	require.NoError(t, m.instanceError(t.Context(), Principal{}, "computer", "p0", "", "broken\n  at line 1\n"))
	require.NoError(t, m.reportRelease(t.Context(), Principal{}, releaseA, "computer", failedReport(releaseA, "no compiler")))
	require.NoError(t, m.bang(t.Context(), Principal{}, "computer", "p1", "again"))
	golden(t, "show.txt", show(ShowOptions{}))
	golden(t, "show.json", show(ShowOptions{JSON: true}))
	golden(t, "show-more.txt", show(ShowOptions{Usage: true, Status: true}))
	golden(t, "show-errors.txt", show(ShowOptions{Errors: true}))
	golden(t, "show-errors.json", show(ShowOptions{Errors: true, JSON: true}))
	require.Equal(t, "Using database: PATH\np0: computer-0\np1: computer-1\n", show(ShowOptions{Network: true}))

	missing := t.TempDir() + "/none.db"
	require.ErrorIs(t, Show(t.Context(), io.Discard, missing, ShowOptions{}), os.ErrNotExist)
	require.NoFileExists(t, missing)
}

// What nodes and instances wrote cannot steer the terminal of who looks at it.
func TestShowDoesNotSteerTerminals(t *testing.T) {
	path := t.TempDir() + "/x.db"
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	m := &testMaster{t: t, master: s.master, server: s}
	m.layout("computer", 1)
	// XML can carry all of these.
	m.place(asking{title: "A\u009b2J\rB"})
	require.NoError(t, m.connect(t.Context(), Principal{}, "computer", "p0", "", dictOf(map[string]any{"key": "a\r\nb\u009d0;title\u009c"})))
	require.NoError(t, m.instanceError(t.Context(), Principal{}, "computer", "p0", "", "broken\u009b1m\rall is well"))
	require.NoError(t, s.Close())
	var b bytes.Buffer
	for _, o := range []ShowOptions{{}, {Status: true}, {Errors: true}} {
		require.NoError(t, Show(t.Context(), &b, path, o))
	}
	require.NotContains(t, b.String(), "\r")
	require.NotContains(t, b.String(), "\u009b")
	require.Contains(t, b.String(), "A\uFFFD2J\uFFFDB")
	require.Contains(t, b.String(), "key = a\nb\uFFFD0;title\uFFFD\n")
}

// golden compares with a file of testdata; UPDATE_GOLDEN=1 rewrites it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if os.Getenv("UPDATE_GOLDEN") != "" {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), got))
}

// The list of many services shows each as the search for its title does.
func TestHateoasListOfMany(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 8)
	query := func(more string) []any {
		w := get(m.server, "/hateoas/?mode=search&query="+url.QueryEscape(`portal_type:"Instance Tree" AND validation_state:validated`+more))
		require.Equal(t, 200, w.Code)
		var answer struct {
			Embedded struct{ Contents []any } `json:"_embedded"`
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		return answer.Embedded.Contents
	}
	var single []any
	for i := range 8 {
		m.place(asking{title: fmt.Sprint("t", i), release: fmt.Sprintf("http://sr/%d%d", i%2, i/4)})
	}
	for i := range 6 {
		m.place(asking{title: fmt.Sprint("s", i), release: fmt.Sprintf("http://sr/%d0", i%2), shared: true})
	}
	m.place(asking{title: "s1", release: "http://sr/10", shared: true, state: "destroyed"})
	m.place(asking{title: "s0", release: "http://sr/00", shared: true, state: "destroyed"})
	m.place(asking{title: "s0", release: "http://sr/00", shared: true})
	for _, title := range strings.Fields("t0 t1 t2 t3 t4 t5 t6 t7 s0 s2 s3 s4 s5") {
		rows := query(` AND title:="` + title + `"`)
		require.Len(t, rows, 1, title)
		single = append(single, rows[0])
	}
	require.Contains(t, single[0].(map[string]any)["slave_instance_list"], "_s2")
	require.Equal(t, single, query(""))
}

func TestHateoasForBothGenerations(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 3)
	m.place(asking{title: "a é", parameters: map[string]any{"x": "1"}})
	m.place(asking{by: "computer/p0", title: "child"})
	m.place(asking{title: "s", shared: true, parameters: map[string]any{"y": 2}})
	search := func(query string) *httptest.ResponseRecorder {
		return get(m.server, "/hateoas/?mode=search&query="+url.QueryEscape(query))
	}
	for _, kind := range []string{"Instance Tree", "Hosting Subscription"} {
		w := search(`portal_type:"` + kind + `" AND validation_state:validated`)
		require.Equal(t, 200, w.Code)
		require.Contains(t, w.Body.String(), `"relative_url":"/hateoas/partitions/a%20%C3%A9"`)
		require.Contains(t, w.Body.String(), `"title":"a \u00e9"`)
		require.Contains(t, w.Body.String(), `{"relative_url":"/hateoas/shared/s","title":"s","url_string":"`+releaseA+`"}`)
		require.NotContains(t, w.Body.String(), `"title":"child"`)
		w = search(`portal_type:"` + kind + `" AND validation_state:validated AND title:="a é"`)
		require.Contains(t, w.Body.String(), `a \u00e9`)
		require.NotContains(t, w.Body.String(), `shared`)
	}
	for _, kind := range []string{"Compute Node", "Computer"} {
		w := search(`portal_type:"` + kind + `" AND validation_state:validated AND reference:="computer"`)
		require.Contains(t, w.Body.String(), `"relative_url":"/hateoas/computers/computer"`)
		require.Contains(t, search(`portal_type:"`+kind+`" AND validation_state:validated AND reference:="x"`).Body.String(), `"contents":[]`)
	}
	for _, query := range []string{
		"", "x", `portal_type:"Person" AND validation_state:validated`, `portal_type:"Computer" AND validation_state:validated AND title:="x"`,
		`portal_type:"Instance Tree" AND validation_state:validated AND title:=x`,
		`portal_type:"Instance Tree" AND validation_state:validated AND title:="a"b"`,
		`portal_type:"Instance Tree" AND validation_state:validated AND title:="`,
	} {
		require.Equal(t, 400, search(query).Code, query)
	}
	w := get(m.server, "/hateoas/partitions/a%20%C3%A9")
	require.Contains(t, w.Body.String(), `"my_text_content":{"default":"<?xml version='1.0' encoding='utf-8'?>\n<instance>\n  <parameter id=\"x\">1</parameter>`)
	w = get(m.server, "/hateoas/shared/s")
	require.Contains(t, w.Body.String(), `"my_root_slave":{"default":1,`)
	require.Contains(t, w.Body.String(), `<parameter id=\"y\">2</parameter>`)
	require.Equal(t, 200, get(m.server, "/hateoas/partitions/child").Code)

	w = get(m.server, "/hateoas/?mode=traverse&relative_url=/hateoas/computers/computer")
	require.Equal(t, 302, w.Code)
	require.Equal(t, "/hateoas/computers/computer", w.Header().Get("Location"))
	for _, target := range []string{"", "http://evil.example/", "//evil.example", "/getRunId", "/hateoas/%0d%0aSet-Cookie:x", "/hateoas/%5Cevil"} {
		w := get(m.server, "/hateoas/?mode=traverse&relative_url="+target)
		require.Equal(t, 400, w.Code, target)
		require.Empty(t, w.Header().Get("Location"))
	}
	require.Equal(t, 400, get(m.server, "/hateoas/?mode=x").Code)
	require.Equal(t, 400, get(m.server, "/hateoas/?mode=search").Code)
}
