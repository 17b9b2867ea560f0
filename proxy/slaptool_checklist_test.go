package proxy

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/marshal"
)

// slapToolChecklist names, for each line of the checklists of the reference's tests
// of its proxy (wire.md 14, web.md 11), the tests that check it here: of this
// package, or of the package in front of the point; or the row of doc.go that decides
// otherwise.
var slapToolChecklist = map[string][]string{
	"format keeps, adds and removes partitions":                      {"TestFormat", "TestTranscripts"},
	"computer information, which makes the database":                 {"TestNewDatabase", "TestTranscripts"},
	"information of a wrong computer":                                {"TestUnknownThings", "TestTranscripts"},
	"free partitions":                                                {"TestTranscripts"},
	"products":                                                       {"TestProducts", "TestTranscripts"},
	"partition certificate, bang of a computer":                      {"TestTranscripts"},
	"life of a release":                                              {"TestReleases", "TestTranscripts"},
	"state and guid of what was requested":                           {"TestTranscripts"},
	"two requests, one free partition":                               {"TestTitlesAreUniquePerTree", "row O2"},
	"two requests, two partitions":                                   {"TestTitlesAreUniquePerTree", "row O2"},
	"identical request, identical answer":                            {"TestWhatChangesTimestamps", "TestTranscripts"},
	"bang on parent or child reaches the tree, and no other":         {"TestWhatChangesTimestamps", "TestTranscripts"},
	"state of the parent":                                            {"TestStoppedRootImposesItsState"},
	"same title, other parameters, type, release":                    {"TestWhatChangesTimestamps", "TestParameterTypes"},
	"parameters that are not ASCII or not text":                      {"TestParameterTypes"},
	"fake front ends":                                                {"TestFakeFrontEnds", "TestTranscripts", "row O8"},
	"destroy":                                                        {"TestTreeIsDestroyedFromTheLeaves", "TestFreedPartition"},
	"destroy with a child":                                           {"TestTreeIsDestroyedFromTheLeaves", "TestFreedPartition", "TestTranscripts"},
	"published connection parameters notify the requester, once":     {"TestWhatChangesTimestamps"},
	"shared: hosts, lists, timestamps":                               {"TestSharedInstances"},
	"shared: parameters, connection parameters, instance_guid":       {"TestSharedParameters", "TestSharedInstanceKeepsItsHost"},
	"shared: connection parameters notify the direct requester only": {"TestSharedParameters"},
	"computers and services by the commands":                         {"internal/interop.TestTheirCommands", "TestHateoasRecording"},
	"several computers":                                              {"TestSeveralComputers", "TestInstanceNeverMoves", "TestTranscripts"},
	"several trees with equal titles; renames":                       {"TestTitlesAreUniquePerTree", "TestRenamedRootKeepsItsTree", "TestTranscripts"},
	"other masters":                                                  {"TestForwarding", "TestForwardingToOneself", "TestForwardingRefusals", "TestForwardingTranscript", "TestTranscripts"},
	"other masters: no duplicates, destroying, unreachable":          {"TestForwarding", "TestForwardingRefusals"},
	"upgrade from older versions":                                    {"TestImportOfUpgradedDatabases", "TestImportedTrees", "TestExportedTables"},

	// What the real master answers and the reference's proxy does not (master.md 13).
	"computer status":                   {"TestComputerStatusRemembersAccess", "TestStatuses"},
	"partition and installation status": {"TestStatuses", "TestReleases"},
	"addresses of the tree":             {"TestHostingAddresses"},
	"related instances are unlinked":    {"TestRelatedInstances"},
	"requestComputer":                   {"TestPathsAndMethods", "TestTranscripts"},
	"usage reports":                     {"TestUsageReports", "TestHostileUsageReports"},
	"errors and building are shown":     {"TestReleases", "TestShow"},

	// Unknown paths, methods, forms, encodings.
	"paths and methods": {"TestPathsAndMethods", "TestTranscripts"},
	"forms":             {"TestForms", "TestMultipartForms", "TestBodyLimit", "TestEveryCallWithoutFields"},
	"encodings":         {"TestEncodings", "TestRawRequestsThatAreRefused", "TestRawRequestsThatAreServed"},

	// web.md 11, TestCliInformation.
	"computer list, computer info":      {"internal/interop.TestTheirCommands"},
	"service list: roots and shared":    {"internal/interop.TestTheirCommands", "TestHateoasForBothGenerations"},
	"service info, of a child, shared":  {"internal/interop.TestTheirCommands"},
	"invalid names of services":         {"internal/interop.TestTheirCommands", "TestHateoasForBothGenerations", "TestHateoasRecording"},
	"invalid names of computers":        {"internal/interop.TestTheirCommands", "TestHateoasRecording"},
	"front ends with and without https": {"TestFakeFrontEnds", "TestTranscripts", "row O8"},
}

var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// TestSlapToolChecklist requires that the tests and rows of the checklist exist.
func TestSlapToolChecklist(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	tests := map[string]bool{}
	for folder, prefix := range map[string]string{".": "", "../internal/interop": "internal/interop."} {
		files, err := filepath.Glob(folder + "/*_test.go")
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			for _, found := range testName.FindAllSubmatch(text, -1) {
				tests[prefix+string(found[1])] = true
			}
		}
	}
	for item, names := range slapToolChecklist {
		t.Run(item, func(t *testing.T) {
			require.NotEmpty(t, names)
			for _, name := range names {
				if row, ok := strings.CutPrefix(name, "row "); ok {
					require.True(t, strings.Contains(string(doc), "//   - "+row+". "), "there is no %s", name)
					continue
				}
				require.True(t, tests[name], "there is no test %s", name)
			}
		})
	}
}

// read returns the attributes of the ComputerPartition that a node reads.
func (m *testMaster) read(place string) *marshal.Object {
	m.t.Helper()
	computer, partition, _ := strings.Cut(place, "/")
	body, err := m.partitionBody(m.t.Context(), Principal{}, computer, partition)
	require.NoError(m.t, err)
	v, err := marshal.Unmarshal(body)
	require.NoError(m.t, err)
	return v.(*marshal.Object)
}

// entry returns an entry of a dictionary among the attributes.
func entry(o *marshal.Object, dictionary, key string) any {
	v, _ := o.Get(dictionary)
	d, ok := v.(*marshal.Dict)
	if !ok {
		return nil
	}
	value, _ := d.Get(key)
	return value
}

func TestNewDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	s, err := Open(t.Context(), path)
	require.NoError(t, err)
	defer s.Close()
	for _, call := range []string{"/getComputerInformation", "/getFullComputerInformation"} {
		w := get(s, call+"?computer_id=computer")
		require.Equal(t, 200, w.Code)
		require.Contains(t, w.Body.String(), `class="Computer"`)
	}
	require.FileExists(t, path)
}

func TestProducts(t *testing.T) {
	m := newMaster(t, WithSoftwareProducts(Product{"kvm", releaseB}, Product{"db", releaseA}, Product{"kvm", releaseA}))
	const call = "/getSoftwareReleaseListFromSoftwareProduct?"
	for query, want := range map[string]string{
		"software_product_reference=kvm":                        "<string>" + releaseA + "</string>", // the last of equal names
		"software_product_reference=db":                         "<string>" + releaseA + "</string>",
		"software_product_reference=unknown":                    "<list",
		"software_product_reference=kvm&software_release_url=":  "<string>" + releaseA + "</string>",
		"software_product_reference=kvm&software_release_url=x": "",
		"software_release_url=x":                                "",
		"":                                                      "",
	} {
		w := get(m.server, call+query)
		if want == "" {
			require.Equal(t, 400, w.Code, query)
			continue
		}
		require.Equal(t, 200, w.Code, query)
		require.Contains(t, w.Body.String(), want, query)
	}
}

func TestParameterTypes(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	m.place(asking{title: "A é", parameters: map[string]any{"clé": "漢字", "n": int64(1), "empty": "", "none": nil}})
	o := m.read("computer/p0")
	for key, want := range map[string]any{"clé": "漢字", "n": "1", "empty": nil, "none": "None", "instance_title": "A é"} {
		require.Equal(t, want, entry(o, "_parameter_dict", key), key)
	}
	require.NoError(t, m.connect(t.Context(), Principal{}, "computer", "p0", "", dictOf(map[string]any{"n": int64(1), "é": "ü"})))
	o, err := m.ask(asking{title: "A é", kind: "other", release: releaseB, parameters: map[string]any{"n": int64(2)}})
	require.NoError(t, err)
	require.Equal(t, "1", entry(o, "_connection_dict", "n"))
	require.Equal(t, "ü", entry(o, "_connection_dict", "é"))
	require.Equal(t, "2", entry(o, "_parameter_dict", "n"))
	require.Equal(t, "other", entry(m.read("computer/p0"), "_parameter_dict", "slap_software_type"))
	require.Equal(t, releaseB, m.at("computer/p0").Instance.Release)
}

func TestFakeFrontEnds(t *testing.T) {
	m := newMaster(t)
	for _, kind := range []string{"", defaultType, "RootSoftwareInstance"} {
		const target = "https://[::1]:123/my/path?my=query&string=value#myanchor"
		o, err := m.ask(asking{title: "f", kind: kind, release: apacheFrontend, shared: true, parameters: map[string]any{"url": target}})
		require.NoError(t, err)
		require.Equal(t, target, entry(o, "_connection_dict", "secure_access"))
		require.Equal(t, "[::1]:123", entry(o, "_connection_dict", "domain"))
		require.Equal(t, "Fake frontend for "+target, attribute(o, "_partition_id"))
	}
	for host, want := range map[string]string{"fd00::1": "[fd00::1]", "[fd00::1]": "[fd00::1]", "name": "name"} {
		o, err := m.ask(asking{title: "k", kind: "frontend", release: kvmFrontend, shared: true, parameters: map[string]any{"host": host, "port": int64(123)}})
		require.NoError(t, err)
		require.Equal(t, "https://"+want+":123/", entry(o, "_connection_dict", "url"))
		require.Equal(t, want, entry(o, "_connection_dict", "domainname"))
		require.Equal(t, "/", entry(o, "_connection_dict", "path"))
	}
	// Without the parameter, and not shared, they are ordinary.
	for _, a := range []asking{
		{title: "f", release: apacheFrontend, shared: true},
		{title: "f", release: apacheFrontend, parameters: map[string]any{"url": "http://x/"}},
		{title: "k", release: kvmFrontend, kind: "frontend", shared: true, parameters: map[string]any{"host": "x"}},
	} {
		_, err := m.ask(a)
		refused(t, 404, err)
	}
}

func TestFreedPartition(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 2)
	m.place(asking{title: "A"})
	m.place(asking{by: "computer/p0", title: "child"})
	m.place(asking{title: "A", state: "destroyed"})
	o := m.read("computer/p0") // busy until the node reports
	require.Equal(t, "destroyed", attribute(o, "_requested_state"))
	require.Equal(t, "A", entry(o, "_parameter_dict", "instance_title"))
	require.Equal(t, releaseA, entry(o, "_parameter_dict", "slap_software_release_url"))
	_, err := m.ask(asking{title: "B"})
	refused(t, 404, err)
	for _, partition := range []string{"p0", "p1", "p0"} {
		_, err := m.destroyed(ctx, Principal{}, "computer", partition)
		require.NoError(t, err)
	}
	o = m.read("computer/p0")
	document, _ := o.Get("_software_release_document")
	require.Nil(t, document)
	require.Nil(t, entry(o, "_parameter_dict", "instance_title"))
	// Nothing of the old tree is left to what comes next.
	require.Equal(t, "computer/p0", m.place(asking{title: "C"}))
	require.Equal(t, "computer/p1", m.place(asking{title: "D"}))
	require.Empty(t, m.at("computer/p1").Instance.Tree)
	require.Equal(t, "D", entry(m.read("computer/p1"), "_parameter_dict", "root_instance_title"))
}

func TestSharedParameters(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	m.layout("computer", 4)
	m.place(asking{title: "host"})
	m.place(asking{title: "A", release: releaseB})
	m.place(asking{by: "computer/p1", title: "child", release: releaseB})
	share := func(title string, n int64) *marshal.Object {
		o, err := m.ask(asking{by: "computer/p2", title: title, shared: true, parameters: map[string]any{"n": n, "e": "é"}})
		require.NoError(t, err)
		return o
	}
	hosted := func() []any {
		return entry(m.read("computer/p0"), "_parameter_dict", "slave_instance_list").(*marshal.List).Items
	}
	require.Empty(t, hosted())
	connection, _ := share("s", 1).Get("_connection_dict")
	require.Zero(t, connection.(*marshal.Dict).Len())
	share("s", 2)
	share("s2", 3)
	require.Len(t, hosted(), 2)
	first := hosted()[0].(*marshal.Dict)
	for key, want := range map[string]any{
		"n": int64(2), "e": "é", "slave_title": "A_s", "slave_reference": "A_s", "slap_software_type": defaultType,
	} {
		value, _ := first.Get(key)
		require.EqualValues(t, want, value, key)
	}
	places := []string{"computer/p0", "computer/p1", "computer/p2"}
	publish := func() {
		require.NoError(t, m.connect(ctx, Principal{}, "computer", "p0", "A_s", dictOf(map[string]any{"url": "http://s/"})))
	}
	require.Equal(t, []string{"computer/p2"}, m.changes(places, publish), "the direct requester only")
	require.Empty(t, m.changes(places, publish), "the same again")
	require.Equal(t, "http://s/", entry(share("s", 2), "_connection_dict", "url"))
	m.place(asking{by: "computer/p2", title: "s", shared: true, state: "destroyed"})
	require.Equal(t, []string{"A_s2"}, m.hosted("computer/p0"))
}

func TestSeveralComputers(t *testing.T) {
	m := newMaster(t)
	ctx := t.Context()
	on := func(computer string) map[string]any { return map[string]any{"computer_guid": computer} }
	_, err := m.ask(asking{title: "A"})
	refused(t, 404, err) // the configured computer has no partition yet
	m.layout("far", 2)
	m.layout("computer", 1)
	for _, computer := range []string{"far", "computer"} {
		_, err := m.computerBody(ctx, Principal{}, computer)
		require.NoError(t, err)
	}
	_, err = m.computerBody(ctx, Principal{}, "unknown")
	refused(t, 404, err)

	require.NoError(t, m.supply(ctx, Principal{}, releaseA, "far", "available"))
	require.NoError(t, m.supply(ctx, Principal{}, releaseA, "computer", "available"))
	require.NoError(t, m.supply(ctx, Principal{}, releaseA, "far", "destroyed"))
	states := func(computer string) string {
		body, err := m.computerBody(ctx, Principal{}, computer)
		require.NoError(t, err)
		v, err := marshal.Unmarshal(body)
		require.NoError(t, err)
		releases, _ := v.(*marshal.Object).Get("_software_release_list")
		require.Len(t, releases.(*marshal.List).Items, 1)
		return attribute(releases.(*marshal.List).Items[0].(*marshal.Object), "_requested_state")
	}
	require.Equal(t, "destroyed", states("far"))
	require.Equal(t, "available", states("computer"))

	require.Equal(t, "computer/p0", m.place(asking{title: "A"}))
	_, err = m.ask(asking{title: "B"})
	refused(t, 404, err) // full, though another computer is not
	require.Equal(t, "far/p0", m.place(asking{title: "B", filter: on("far")}))
	require.Equal(t, "computer-p0", attribute(m.read("computer/p0"), "_instance_guid"))
	require.Equal(t, "far-p0", attribute(m.read("far/p0"), "_instance_guid"))
	m.place(asking{title: "B", state: "stopped"})
	require.Equal(t, "started", m.at("computer/p0").Instance.State)
	require.Equal(t, "stopped", m.at("far/p0").Instance.State)

	require.Equal(t, "far/p0", m.place(asking{title: "s", shared: true, filter: on("far")}))
	require.Empty(t, m.hosted("computer/p0"))
	require.Equal(t, []string{"_s"}, m.hosted("far/p0"))
	_, err = m.destroyed(ctx, Principal{}, "far", "p0")
	require.NoError(t, err)
	require.NotNil(t, m.at("computer/p0").Instance)
	_, err = m.ask(asking{title: "t", shared: true, filter: on("far")})
	refused(t, 404, err)
}

// Texts in other encodings than UTF-8 are replaced, and what is not a form is none.
func TestEncodings(t *testing.T) {
	m := newMaster(t)
	m.layout("computer", 1)
	for _, text := range []string{"http://sr/é.cfg", "http://sr/漢字😀.cfg", "http://sr/a+b%20c;d&e=f.cfg", "http://sr/\"quo'te\".cfg", "http://sr/<tag>.cfg"} {
		require.Equal(t, 200, post(m.server, "/supplySupply", "url", text, "computer_id", "computer", "state", "available").Code, text)
		w := get(m.server, "/getSoftwareInstallationStatus?computer_id=computer&url="+url.QueryEscape(text))
		require.Equal(t, 200, w.Code, text)
	}
	require.Equal(t, 200, post(m.server, "/supplySupply", "url", "http://sr/\xe9.cfg", "computer_id", "computer", "state", "available").Code)
	require.Contains(t, get(m.server, "/getFullComputerInformation?computer_id=computer").Body.String(), "http://sr/&#65533;.cfg")
}
