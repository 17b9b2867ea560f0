package slap_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy"
	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slap/slaptest"
)

const faultsRelease = "https://example.org/web/software.cfg"

// rig is a master whose state can be compared, with a line to it that can be
// broken. The master is a real one; what that does not offer, because it issues
// no certificates and knows no persons, is added by extras.
type rig struct {
	server *proxy.Server
	extras *extras
	line   *slaptest.Transport
	client *slap.Client
	// root is the instance of a tree, share is the reference of a share of it,
	// and release is what is supplied.
	root    *slap.ComputerPartition
	share   string
	release *slap.SoftwareRelease
}

// newRig makes a master that knows one computer with a tree of instances. Its
// clock stands still, so that states differ only in what calls did.
func newRig(t *testing.T, opts ...slap.Option) *rig {
	t.Helper()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	server, err := proxy.Open(t.Context(), proxy.MemoryDatabase, proxy.WithComputerID("COMP-1"),
		proxy.WithClock(func() time.Time { return now }),
		proxy.WithSoftwareProducts(proxy.Product{Name: "web", URL: faultsRelease}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	r := &rig{server: server, extras: &extras{next: server}}
	r.populate(t)
	r.line = slaptest.New(slaptest.Handler(r.extras))
	r.forget(t, opts...)
	return r
}

// forget begins anew with a client that remembers nothing.
func (r *rig) forget(t *testing.T, opts ...slap.Option) {
	t.Helper()
	r.line.Reset()
	r.client = r.newClient(t, opts...)
	r.root = r.client.PartitionReference("COMP-1", "slappart0")
	r.release = r.client.SoftwareRelease(faultsRelease).OnComputer("COMP-1")
}

// newClient returns a client that remembers nothing.
func (r *rig) newClient(t *testing.T, opts ...slap.Option) *slap.Client {
	t.Helper()
	opts = append([]slap.Option{slap.WithTransport(r.line), slap.WithHateoasURL("http://localhost/hateoas")}, opts...)
	client, err := slap.New("http://localhost/", opts...)
	require.NoError(t, err)
	return client
}

func (r *rig) populate(t *testing.T) {
	ctx := t.Context()
	client, err := slap.New("http://localhost/", slap.WithTransport(slaptest.Handler(r.server)))
	require.NoError(t, err)
	(&proxytest.Master{Client: client}).Format(t, "COMP-1", 5)
	(&proxytest.Master{Client: client}).Supply(t, "COMP-1", faultsRelease)
	root, err := client.OpenOrder().Request(ctx, slap.Request{SoftwareRelease: faultsRelease, Reference: "root"})
	require.NoError(t, err)
	for _, request := range []slap.Request{
		{SoftwareRelease: faultsRelease, Reference: "child", SoftwareType: "part"},
		{SoftwareRelease: faultsRelease, Reference: "share", Shared: true},
	} {
		_, err := root.Request(ctx, request)
		require.NoError(t, err)
	}
	require.NoError(t, root.Refresh(ctx))
	require.Len(t, root.SharedInstances(), 1)
	r.share = root.SharedInstances()[0].Reference
}

// state is everything that can be read from the master.
func (r *rig) state(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	read := func(path string, fields ...string) {
		query := url.Values{}
		for i := 0; i < len(fields); i += 2 {
			query.Set(fields[i], fields[i+1])
		}
		recorder := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodGet, "http://localhost/"+path+"?"+query.Encode(), nil)
		r.server.ServeHTTP(recorder, request)
		fmt.Fprintf(&b, "%s %v %d\n%s\n", path, fields, recorder.Code, recorder.Body)
	}
	read("getFullComputerInformation", "computer_id", "COMP-1")
	read("getComputerStatus", "computer_id", "COMP-1")
	for _, release := range []string{faultsRelease, faultsRelease + "?new"} {
		read("getSoftwareInstallationStatus", "computer_id", "COMP-1", "url", release)
	}
	for i := range 5 {
		id := fmt.Sprint("slappart", i)
		read("registerComputerPartition", "computer_reference", "COMP-1", "computer_partition_reference", id)
		read("getComputerPartitionStatus", "computer_id", "COMP-1", "computer_partition_id", id)
	}
	read("hateoas/", "mode", "search", "query", `portal_type:"Instance Tree" AND validation_state:validated`)
	read("hateoas/", "mode", "search", "query", `portal_type:"Compute Node" AND validation_state:validated`)
	reports, err := r.server.UsageReports(context.Background(), "", 0)
	require.NoError(t, err)
	fmt.Fprintln(&b, reports, r.extras.state())
	return b.String()
}

// extras answers what the stand-alone master does not offer, by the rules of a
// real one: a certificate is made if none is live, computers are found by
// title, each token is another.
type extras struct {
	next http.Handler

	mu        sync.Mutex
	live      bool
	serial    int
	tokens    int
	computers []string
}

func (e *extras) state() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return fmt.Sprint(e.live, e.serial, e.tokens, e.computers)
}

// set makes the extras new, with or without a live certificate.
func (e *extras) set(live bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.live, e.serial, e.tokens, e.computers = live, 0, 0, nil
}

func (e *extras) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	say := func(text string) { _, _ = w.Write([]byte(text)) }
	switch path := strings.TrimPrefix(r.URL.Path, "/"); path {
	case "getHateoasUrl":
		say("http://localhost/hateoas")
	case "generateComputerCertificate":
		if e.live {
			http.Error(w, "a certificate is live", http.StatusNotFound)
			return
		}
		e.live, e.serial = true, e.serial+1
		say(`<marshal><dictionary><string>certificate</string><string>C</string><string>key</string><string>K</string></dictionary></marshal>`)
	case "revokeComputerCertificate":
		if !e.live {
			http.Error(w, "no certificate is live", http.StatusNotFound)
			return
		}
		e.live = false
		say(`<marshal><none/></marshal>`)
	case "requestComputer":
		e.requestComputer(r.FormValue("computer_title"))
		say(`<marshal><object module="slapos.slap.slap" class="Computer"><tuple><string>COMP-2</string></tuple><dictionary>` +
			`<string>_computer_id</string><string>COMP-2</string></dictionary></object></marshal>`)
	case "getSoftwareReleaseListFromSoftwareProduct":
		say(`<marshal><list><string>` + faultsRelease + `</string></list></marshal>`)
	case "persons/computer_module/Base_getComputerToken":
		e.tokens++
		say(`{"access_token": "TOKEN"}`)
	case "persons", "persons/documents", "persons/rows":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(person(path))
	default:
		e.next.ServeHTTP(w, r)
	}
}

func (e *extras) requestComputer(title string) {
	for _, known := range e.computers {
		if known == title {
			return
		}
	}
	e.computers = append(e.computers, title)
}

// person is a document of a HATEOAS interface that knows persons.
func person(path string) map[string]any {
	switch path {
	case "persons/documents":
		return map[string]any{
			"_links":    map[string]any{"type": map[string]any{"name": "Person"}},
			"_embedded": map[string]any{"_view": map[string]any{"my_title": map[string]any{"type": "StringField", "default": "Ann"}}},
		}
	case "persons/rows":
		return map[string]any{"_embedded": map[string]any{"contents": []any{
			map[string]any{"title": "root", "relative_url": "x/1", "url_string": faultsRelease},
		}}}
	}
	href := func(to string) map[string]any { return map[string]any{"href": to} }
	return map[string]any{"_links": map[string]any{
		"self": href("http://localhost/persons"), "me": href("urn:jio:get:person_module/1"),
		"raw_search": href("http://localhost/persons/rows{?query,select_list*,limit*}"),
		"traverse":   href("http://localhost/persons/documents{?relative_url,view}"),
	}}
}
