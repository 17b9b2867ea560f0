package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

const (
	emptyDict = `<marshal><dictionary id="i2"/></marshal>`
	noState   = `<marshal><none/></marshal>`
)

// formatOf is the document of a computer with one partition.
func formatOf(computer, partition string) string {
	text, err := marshal.Marshal(map[string]any{
		"reference": computer, "address": "127.0.0.1", "netmask": "255.0.0.0", "partition_list": []any{map[string]any{
			"reference": partition, "tap": map[string]any{"name": "tap"},
			"address_list": []any{map[string]any{"addr": "10.0.0.1", "netmask": "255.0.0.0"}},
		}},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// fieldsOfCalls are fields with which each call is accepted.
func fieldsOfCalls() map[string]map[string]string {
	partition := map[string]string{"computer_id": "computer", "computer_partition_id": "p0"}
	with := func(more ...string) map[string]string {
		fields := maps.Clone(partition)
		for i := 0; i < len(more); i += 2 {
			fields[more[i]] = more[i+1]
		}
		return fields
	}
	release := map[string]string{"url": releaseA, "computer_id": "computer"}
	return map[string]map[string]string{
		"/getFullComputerInformation":                 {"computer_id": "computer"},
		"/getComputerInformation":                     {"computer_id": "computer"},
		"/registerComputerPartition":                  {"computer_reference": "computer", "computer_partition_reference": "p0"},
		"/getComputerStatus":                          {"computer_id": "computer"},
		"/getComputerPartitionStatus":                 partition,
		"/getSoftwareInstallationStatus":              release,
		"/getComputerPartitionCertificate":            partition,
		"/getHostingSubscriptionIpList":               partition,
		"/getSoftwareReleaseListFromSoftwareProduct":  {"software_product_reference": "kvm"},
		"/supplySupply":                               {"url": releaseA, "computer_id": "computer", "state": "available"},
		"/buildingSoftwareRelease":                    release,
		"/availableSoftwareRelease":                   release,
		"/softwareReleaseError":                       {"url": releaseA, "computer_id": "computer", "error_log": "e"},
		"/destroyedSoftwareRelease":                   release,
		"/loadComputerConfigurationFromXML":           {"xml": formatOf("computer", "p0")},
		"/computerBang":                               {"computer_id": "computer", "message": "m"},
		"/useComputer":                                {"computer_id": "computer", "use_string": `<?xml version="1.0"?><journal/>`},
		"/requestComputerPartition":                   with("software_release", releaseA, "software_type", "", "partition_reference", "child", "state", noState, "shared_xml", noState, "filter_xml", emptyDict, "partition_parameter_xml", emptyDict),
		"/startedComputerPartition":                   partition,
		"/stoppedComputerPartition":                   partition,
		"/softwareInstanceError":                      with("error_log", "e"),
		"/destroyedComputerPartition":                 partition,
		"/softwareInstanceBang":                       with("message", "m"),
		"/softwareInstanceRename":                     with("new_name", "n"),
		"/setComputerPartitionConnectionXml":          with("connection_xml", emptyDict, "slave_reference", "None"),
		"/updateComputerPartitionRelatedInstanceList": with("instance_reference_xml", `<marshal><list id="i2"/></marshal>`),
	}
}

// sameListOften is a small document in which n entries are one list of m values.
func sameListOften(n, m int, key func(int) string) string {
	var b strings.Builder
	b.WriteString(`<marshal><dictionary id="i2"><string>0</string><list id="i3">` + strings.Repeat("<none/>", m) + "</list>")
	for i := range n {
		b.WriteString(key(i) + `<reference id="i3"/>`)
	}
	return b.String() + "</dictionary></marshal>"
}

// hostileValues are put into every field of every call.
func hostileValues() map[string]string {
	values := map[string]string{
		"empty": "", "blank": " ", "NUL": "a\x00b", "control": "\x1b[31mred\x01", "newline": "a\r\nSet-Cookie: x=y\r\n\r\n<html>",
		"not UTF-8": "\xff\xfe\x80", "surrogate": "\xed\xa0\x80", "no character": "a\uFFFEb\uFFFF", "large": strings.Repeat("a", 1<<18), "large with escapes": strings.Repeat("\x01\"<", 1<<16),
		"markup": `<script>alert("1")</script>&amp;'`, "path": "../../etc/passwd", "slashes": "/a//b/", "backslash": `..\..`,
		"quotes": `"'` + "`", "SQL": `'; DROP TABLE computer; --`, "none": "None", "percent": "%s%n%d%!v", "number": "-1e309",
		"XML":      `<?xml version="1.0"?><a/>`,
		"text":     `<marshal><string>x</string></marshal>`,
		"list":     `<marshal><list id="i2"><dictionary id="i3"/></list></marshal>`,
		"object":   `<marshal><object id="i2" module="slapos.slap.slap" class="Computer"><tuple><string>c</string></tuple><dictionary id="i3"/></object></marshal>`,
		"int keys": `<marshal><dictionary id="i2"><int>1</int><string>x</string></dictionary></marshal>`,
		"deep":     "<marshal>" + strings.Repeat("<list>", 1<<16),
		"laughs":   `<!DOCTYPE m [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><marshal><string>` + strings.Repeat("&c;", 10_000) + `</string></marshal>`,
		"file":     `<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><marshal><dictionary id="i2"><string>k</string><string>&x;</string></dictionary></marshal>`,
		"escaped":  `<marshal><dictionary id="i2"><string>k</string><string>&amp;#27;&#27;</string></dictionary></marshal>`,
		"cycle":    `<marshal><dictionary id="i2"><string>k</string><reference id="i2"/></dictionary></marshal>`,
		"nested": `<marshal><dictionary id="i2"><string>k</string><object id="i3" module="slapos.slap.slap" class="SoftwareRelease"><tuple/><dictionary id="i4"><string>x</string><reference id="i2"/></dictionary></object>` +
			`<string>timestamp</string><list id="i5"><reference id="i5"/></list><string>slave_instance_list</string><int>7</int><string>ip_list</string><none/></dictionary></marshal>`,
		"1 MB key": `<marshal><dictionary id="i2"><string>` + strings.Repeat("k", 1<<20) + `</string><string>v</string></dictionary></marshal>`,
		"one list": sameListOften(200, 50_000, func(i int) string { return fmt.Sprintf("<string>k%d</string>", i) }),
		"titles": `<marshal><list id="i2"><list id="i3">` + strings.Repeat("<none/>", 1<<16) + "</list>" + strings.Repeat(`<reference id="i3"/>`, 1<<14) +
			"</list></marshal>",
		"elsewhere":      `<marshal><dictionary id="i2"><string>computer_guid</string><dictionary id="i3"/><string>master_url</string><int>1</int><string>instance_guid</string><string>computeré</string></dictionary></marshal>`,
		"format":         formatOf("computer", "p0"),
		"other format":   formatOf("other", "../x\n"),
		"no partition":   strings.Replace(formatOf("computer", "p0"), "<string>p0</string>", "<string></string>", 1),
		"null partition": strings.Replace(formatOf("computer", "p0"), "<string>p0</string>", "<none/>", 1),
		"list as name":   strings.Replace(formatOf("computer", "p0"), "<string>p0</string>", "<list/>", 1),
		"list as tap":    strings.Replace(formatOf("computer", "p0"), "<string>tap</string><dictionary", "<string>tap</string><list/><string>x</string><dictionary", 1),
	}
	return values
}

// call sends fields as a call does.
func (m *testMaster) call(path string, fields map[string]string) *httptest.ResponseRecorder {
	if m.server.tool[path].verb == http.MethodGet {
		values := url.Values{}
		for k, v := range fields {
			values.Set(k, v)
		}
		return get(m.server, path+"?"+values.Encode())
	}
	var list []string
	for k, v := range fields {
		list = append(list, k, v)
	}
	return post(m.server, path, list...)
}

// A small body may refer to the same list so often that its text is endless: it is
// refused with about as much memory as what is kept may take, not that of all of it.
func TestEndlessParametersTakeLittleMemory(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	m.place(asking{title: "A"})
	var text strings.Builder
	fmt.Fprintf(&text, `<marshal><dictionary id="i1"><string>k</string><list id="i2"><string>%s</string></list>`, strings.Repeat("x", 1000))
	for i := 3; i < 60; i++ {
		fmt.Fprintf(&text, `<string>k%d</string><list id="i%d"><reference id="i%d"/><reference id="i%d"/></list>`, i, i, i-1, i-1)
	}
	text.WriteString("</dictionary></marshal>")
	for path, fields := range map[string]map[string]string{
		"/requestComputerPartition":          {"software_release": releaseA, "software_type": "", "partition_reference": "A", "state": "", "partition_parameter_xml": text.String()},
		"/setComputerPartitionConnectionXml": {"computer_id": "computer", "computer_partition_id": "p0", "connection_xml": text.String()},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		w := m.call(path, fields)
		runtime.ReadMemStats(&after)
		require.Equal(t, 413, w.Code, w.Body)
		require.Contains(t, w.Body.String(), "put large data into a file")
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(32*maxKept), path)
	}
}

// readable verifies that what the master has stored can be shown, and returns it.
func (m *testMaster) readable(why string) (shown string) {
	m.t.Helper()
	for _, target := range []string{
		"/getFullComputerInformation?computer_id=computer",
		"/registerComputerPartition?computer_reference=computer&computer_partition_reference=p0",
		"/hateoas/?mode=search&query=" + url.QueryEscape(`portal_type:"Instance Tree" AND validation_state:validated`),
		"/hateoas/?mode=search&query=" + url.QueryEscape(`portal_type:"Computer" AND validation_state:validated`),
	} {
		w := get(m.server, target)
		if w.Code != 404 || !strings.HasPrefix(target, "/register") { // a format may have removed it
			require.Equal(m.t, 200, w.Code, "%s: %s: %.300s", why, target, w.Body)
		}
		shown += w.Body.String()
	}
	return shown
}

// Every field of every call is left out, and given hostile values: every third of
// them, so that each is given to some field of most calls, or all in the long run.
// No call crashes; what is refused changes nothing; after what is accepted every
// node can read its computer.
func TestHostileFields(t *testing.T) {
	values := hostileValues()
	names := append(slices.Sorted(maps.Keys(values)), "missing")
	for path, fields := range fieldsOfCalls() {
		t.Run(path[1:], func(t *testing.T) {
			m := newMaster(t, WithSoftwareProducts(Product{"kvm", releaseA}))
			before := ""
			for i, field := range slices.Sorted(maps.Keys(fields)) {
				for j, name := range names {
					if os.Getenv("SLAPOS_SOAK") != "1" && name != "missing" && (i+j)%3 != 0 {
						continue
					}
					document := strings.Contains(values[name], "<marshal>")
					if document && !strings.Contains(fields[field], "<marshal>") && name != "text" {
						continue // is a text like any other
					}
					why := fmt.Sprintf("%s with %s %s", path, field, name)
					if before == "" {
						m.layout("computer", 3)
						m.place(asking{title: "A"})
						require.NoError(t, m.supply(t.Context(), Principal{}, releaseA, "computer", "available"))
						before = m.readable(why)
					}
					changed := maps.Clone(fields)
					changed[field] = values[name]
					if name == "missing" {
						delete(changed, field)
					}
					w := m.call(path, changed)
					require.NotEqual(t, 500, w.Code, "%s: %.300s", why, w.Body)
					after := m.readable(why)
					if w.Code == 200 {
						require.NoError(t, m.store.(*store.SQLite).Check(t.Context()), why)
						before = ""
						continue
					}
					require.Equal(t, before, after, why)
					requireErrorPage(t, why, w)
				}
			}
		})
	}
}

// requireErrorPage verifies that a refusal is short, and holds no markup of the
// caller, no header of his, and no trace of the program.
func requireErrorPage(t *testing.T, why string, w *httptest.ResponseRecorder) {
	t.Helper()
	body := w.Body.String()
	require.Less(t, len(body), 32<<10, why)
	for _, bad := range []string{"<script", "goroutine", ".go:", "root:", "sqlite", "\x00", "\x1b"} {
		require.NotContains(t, body, bad, why)
	}
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), why)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"), why)
	for key, values := range w.Header() {
		require.Contains(t, []string{"Content-Type", "X-Content-Type-Options", "Content-Length", "Allow"}, key, why)
		require.NotContains(t, strings.Join(values, ""), "\n", why)
	}
}

// Every call without fields is refused or needs none.
func TestEveryCallWithoutFields(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	for path := range m.server.tool {
		w := m.call(path, nil)
		if path == "/getComputerPartitionCertificate" {
			require.Equal(t, 200, w.Code)
			continue
		}
		require.Contains(t, []int{400, 404}, w.Code, path)
		requireErrorPage(t, path, w)
	}
	for path := range fieldsOfCalls() {
		require.Contains(t, m.server.tool, path)
	}
}

// An error log with the colors of a terminal is kept, and the node can still read
// its computer.
func TestColoredErrorLog(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	m.place(asking{title: "A"})
	w := post(m.server, "/softwareInstanceError", "computer_id", "computer", "computer_partition_id", "p0", "error_log", "\x1b[31mno disk\x1b[0m\x00")
	require.Equal(t, 200, w.Code)
	require.Contains(t, m.readable("colors"), "no disk")
	require.Equal(t, "\uFFFD[31mno disk\uFFFD[0m\uFFFD", m.at("computer/p0").Instance.Error.Text)
}

// A partition without name would be answered like the computer.
func TestPartitionWithoutName(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	m.readable("cached")
	w := get(m.server, "/registerComputerPartition?computer_reference=computer&computer_partition_reference=")
	require.Equal(t, 404, w.Code)
	w = post(m.server, "/loadComputerConfigurationFromXML", "xml", formatOf("x", ""))
	require.Equal(t, 400, w.Code)
	require.Contains(t, w.Body.String(), "reference")
	require.Equal(t, 404, get(m.server, "/getFullComputerInformation?computer_id=x").Code)
}

// What is small on the wire and large in the database is refused.
func TestLargeParameters(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	request := func(document string) int {
		return post(m.server, "/requestComputerPartition", "software_release", releaseA, "software_type", "", "partition_reference", "A",
			"state", noState, "partition_parameter_xml", document).Code
	}
	key := func(i int) string { return fmt.Sprintf("<string>k%d</string>", i) }
	require.Equal(t, 413, request(sameListOften(10_000, 100_000, key)))
	require.Equal(t, 413, request(sameListOften(10, 100_000, key)))
	require.Nil(t, m.at("computer/p0").Instance)
	require.Equal(t, 200, request(sameListOften(3, 100_000, key)))
	m.readable("large")
}

// Titles with slashes and other odd characters are found where the list says.
func TestOddTitles(t *testing.T) {
	titles := []string{"a/b", "..", "a%2Fb", "?x#y", `"<b>"`, "é\u2028", "a\nb", " ", "a//b/"}
	m := newMaster(t)
	m.layout("computer", len(titles))
	for _, title := range titles {
		m.place(asking{title: title})
		w := get(m.server, "/hateoas/partitions/"+url.PathEscape(title))
		require.Equal(t, 200, w.Code, title)
		require.Contains(t, w.Body.String(), "Instance Tree")
	}
	list := m.readable("odd titles")
	require.Contains(t, list, "/hateoas/partitions/a%2Fb")
	require.Equal(t, 404, get(m.server, "/hateoas/partitions/a/b").Code)
	for _, target := range []string{"/hateoas/é \x00\x7f\t", "/hateoas/partitions/a%2Fb"} {
		w := get(m.server, "/hateoas/?mode=traverse&relative_url="+url.QueryEscape(target))
		require.Equal(t, 302, w.Code)
		location := w.Header().Get("Location")
		require.False(t, strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r > 0x7e }), "%q", location)
	}
	require.Equal(t, 400, get(m.server, "/hateoas/?mode=traverse&relative_url=%2Fhateoas%2F%0d%0aSet-Cookie:x").Code)
	require.Equal(t, 400, get(m.server, "/hateoas/?mode=traverse&relative_url=%2F%2Fevil.example", "X-Forwarded-Prefix", "//evil.example").Code)
}

// A usage report that is large, deep or expands is refused and not kept.
func TestHostileUsageReports(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	for name, report := range map[string]string{
		"deep":       strings.Repeat("<journal>", 1<<20),
		"16 MB":      `<journal><transaction>` + strings.Repeat("x", 15<<20),
		"entities":   `<!DOCTYPE j [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><journal>` + strings.Repeat("&b;", 1<<16) + `</journal>`,
		"file":       `<!DOCTYPE j [<!ENTITY x SYSTEM "file:///etc/passwd">]><journal>&x;</journal>`,
		"attributes": "<journal " + strings.Repeat(`a="b" `, 1<<16) + "/>",
		"not UTF-8":  "<journal>\xff</journal>",
		"NUL":        "<journal>\x00</journal>",
		"nothing":    "",
		"marshalled": emptyDict,
	} {
		w := post(m.server, "/useComputer", "computer_id", "computer", "use_string", report)
		require.Equal(t, 400, w.Code, name)
		requireErrorPage(t, name, w)
	}
	reports, err := m.server.UsageReports(t.Context(), "", 0)
	require.NoError(t, err)
	require.Empty(t, reports)
}
